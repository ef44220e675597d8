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
    CONFIG_PULL_REGISTERED = "payment_config.pull_registered", _("Pull transactions registered")
    CONFIG_PULL_SWITCHED = "payment_config.pull_switched", _("Pull transactions switched")
    CONFIG_ADDRESS_SHOWN = "payment_config.address_shown", _("Address for the bank shown")
    CONFIG_C2B_ADDRESS_SHOWN = (
        "payment_config.c2b_address_shown",
        _("Address for payments by hand shown"),
    )
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
    CLAIM_RELEASED = "payment_config.claim_released", _("Shortcode claim released")
    ACCOUNT_RULES_CHANGED = "payment_config.account_rules_changed", _("Account rules changed")
    RECEIPT_CLAIMED = "receipt.claimed", _("Receipt claimed")
    RECEIPT_ALLOCATED = "receipt.allocated", _("Receipt assigned to a payment")
    RECEIPT_KEPT = "receipt.kept", _("Receipt kept as a walk-in sale")
    RECEIPT_SPLIT = "receipt.split", _("Receipt split between orders")
    RECEIPT_TO_REFUND = "receipt.to_refund", _("Receipt marked to be given back")
    RECEIPT_RELEASED = "receipt.released", _("Assignment of a receipt undone")
    MANUAL_RECORDED = "payment.manual_recorded", _("Manual payment recorded")
    MANUAL_VOIDED = "payment.manual_voided", _("Manual payment voided")
    PAYMENT_REVERSED = "payment.reversed", _("Payment reversed by a person")
    REVIEW_ASSIGNED = "review.assigned", _("Review assigned")
    REVIEW_PROPOSED = "review.proposed", _("Resolution of a review proposed")
    REVIEW_RESOLVED = "review.resolved", _("Review resolved")
    EXCEPTION_ASSIGNED = "exception.assigned", _("Exception assigned")
    EXCEPTION_PROPOSED = "exception.proposed", _("Decision about money proposed")
    REFUND_ASKED = "refund.asked", _("Refund asked")
    REFUND_APPROVED = "refund.approved", _("Refund approved")
    REFUND_DECLINED = "refund.declined", _("Refund declined")
    REFUND_SETTLED = "refund.settled", _("Refund settled by hand")
    BALANCE_ASKED = "account.balance_asked", _("Account balance asked")
    NOTICE_MUTED = "notice.muted", _("Warning muted")
    PAYMENTS_EXPORTED = "payments.exported", _("Payments exported")
    TRANSCRIPT_EXPORTED = "payment.transcript_exported", _("Transcript exported")
    CALLBACKS_REPLAYED = "callback.replayed", _("Callbacks processed again")
    STATEMENT_UPLOADED = "statement.uploaded", _("Statement uploaded")
    STATEMENT_APPLIED = "statement.applied", _("Statement applied")
    STATEMENT_DISCARDED = "statement.discarded", _("Statement discarded")
    TARIFF_CHANGED = "tariff.changed", _("Tariff changed")
    SHIFT_CLOSED = "shift.closed", _("Shift signed off")
    PERSON_EXPORTED = "person.exported", _("A person's data exported")
    PERSON_ERASED = "person.erased", _("A person's data erased")
    RETENTION_CHANGED = "retention.changed", _("Retention changed")
    AUDIT_EXPORTED = "audit.exported", _("Audit log exported")
    WEBHOOK_CREATED = "webhook.created", _("Webhook added")
    WEBHOOK_UPDATED = "webhook.updated", _("Webhook changed")
    WEBHOOK_DISABLED = "webhook.disabled", _("Webhook switched off by its own answer")
    WEBHOOK_DELETED = "webhook.deleted", _("Webhook deleted")
    WEBHOOK_SECRET_ROTATED = "webhook.secret_rotated", _("Secret of a webhook replaced")
    WEBHOOK_TESTED = "webhook.tested", _("Webhook tried out")
    WEBHOOK_RESENT = "webhook.resent", _("Event sent to a webhook again")


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
        AuditAction.CLAIM_RELEASED,
        AuditAction.RECEIPT_RELEASED,
        AuditAction.RECEIPT_TO_REFUND,
        AuditAction.RECEIPT_SPLIT,
        AuditAction.EXCEPTION_PROPOSED,
        AuditAction.CALLBACKS_REPLAYED,
        AuditAction.MANUAL_VOIDED,
        AuditAction.PAYMENT_REVERSED,
        AuditAction.REVIEW_PROPOSED,
        AuditAction.REVIEW_RESOLVED,
        AuditAction.REFUND_ASKED,
        AuditAction.PERSON_ERASED,
    }
)
