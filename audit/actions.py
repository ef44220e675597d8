"""Everything that is put on the audit trail, on one page: dotted names, thing first."""

from __future__ import annotations

from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class AuditAction(TextChoices):
    """What was done. A name never changes its meaning; an action that goes out of use stays."""

    CONFIG_CREATED = "payment_config.created", _("Payment config created")
    CONFIG_UPDATED = "payment_config.updated", _("Payment config changed")
    CONFIG_DELETED = "payment_config.deleted", _("Payment config deleted")
    CONFIG_ACTIVATED = "payment_config.activated", _("Payment config switched on")
    CONFIG_DEACTIVATED = "payment_config.deactivated", _("Payment config switched off")
    CONFIG_MADE_DEFAULT = "payment_config.made_default", _("Payment config made the default")
    CONFIG_VERIFIED = "payment_config.verified", _("Payment config verified")
    CONFIG_VERIFICATION_FAILED = (
        "payment_config.verification_failed",
        _("Payment config failed verification"),
    )
    CONFIG_SUSPENDED = "payment_config.suspended", _("Payment config suspended")
    CONFIG_RESTORED = "payment_config.restored", _("Payment config restored")
    CONFIG_EXPIRED = "payment_config.expired", _("Payment config expired")
    CONFIG_ROTATION_STARTED = "payment_config.rotation_started", _("Rotation started")
    CONFIG_ROTATION_SCHEDULED = "payment_config.rotation_scheduled", _("Rotation scheduled")
    CONFIG_ROTATED = "payment_config.rotated", _("Credentials rotated")
    CONFIG_ROTATION_FAILED = "payment_config.rotation_failed", _("Rotation failed")
    CONFIG_ROLLED_BACK = "payment_config.rolled_back", _("Rotation rolled back")
    CONFIG_URLS_REGISTERED = "payment_config.urls_registered", _("C2B addresses registered")
    CONFIG_APPROVAL_ASKED = "payment_config.approval_asked", _("Go-live approval asked")
    CONFIG_APPROVED = "payment_config.approved", _("Go-live approved")
    CONFIG_APPROVAL_REFUSED = "payment_config.approval_refused", _("Go-live refused")
    CONFIG_SHARED = "payment_config.shared", _("Shortcode marked as shared")
    CONFIG_IMPORTED = "payment_config.imported", _("Payment configs imported")
    MEMBER_GRANTED = "member.granted", _("Role granted")
    MEMBER_REVOKED = "member.revoked", _("Role revoked")
    KEY_ISSUED = "api_key.issued", _("API key issued")
    KEY_REVOKED = "api_key.revoked", _("API key revoked")
    BRANCH_ADDED = "branch.added", _("Branch added")
    BRANCH_UPDATED = "branch.updated", _("Branch changed")
    SHOP_CREATED = "shop.created", _("Shop created")
    SHOP_UPDATED = "shop.updated", _("Shop changed")
    SOURCE_CHANGED = "callback_source.changed", _("Callback source changed")
    PHONE_REVEALED = "payment.phone_revealed", _("Phone number revealed")
    SUPPORT_GRANTED = "support_access.granted", _("Support access granted")
    SUPPORT_REVOKED = "support_access.revoked", _("Support access revoked")
    SUPPORT_READ = "support_access.read", _("Read by support")
    LOGGED_IN = "user.logged_in", _("Logged in")
    LOGIN_FAILED = "user.login_failed", _("Login failed")
    CALLBACK_REAPPLIED = "callback.applied_again", _("Callback applied again")
    SECRETS_REWRAPPED = "secrets.rewrapped", _("Secrets sealed with a new key")
    SHOP_SWITCHED_OFF = "shop.switched_off", _("Shop switched off")
    SHOP_SWITCHED_ON = "shop.switched_on", _("Shop switched on")
    USER_INVITED = "user.invited", _("Person invited")
    USER_UPDATED = "user.updated", _("Person changed")
    BUDGET_CHANGED = "access_token.budget_changed", _("Query budget changed")
    PLATFORM_CHANGED = "platform.changed", _("Platform setting changed")
    AUDIT_EXPORTED = "audit.exported", _("Audit log exported")


def action_choices() -> list[tuple[str, Any]]:
    """Return the choices as a function: a new action must not ask for a migration."""
    return list(AuditAction.choices)


# Acts for which a person must say why (requirements.md S0-70, D7).
NEEDS_REASON = frozenset(
    {
        AuditAction.CONFIG_SUSPENDED,
        AuditAction.CONFIG_DELETED,
        AuditAction.CONFIG_ROTATED,
        AuditAction.PHONE_REVEALED,
        AuditAction.CONFIG_SHARED,
    }
)
