"""
What the outside is told of a config's life (api.md, Events): the config as it was then.

EVENT_OF says which acts are told. It is called where the act goes on the audit trail, so that
nobody can do the one and forget the other.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from audit.actions import AuditAction
from payments.choices import VersionStatus
from payments.models import AccessToken, CredentialVersion, PaymentConfig
from payments.services.events import NewEvent, record_events

EVENT_OF: dict[str, str] = {
    AuditAction.CONFIG_VERIFIED: "config.verified",
    AuditAction.CONFIG_VERIFICATION_FAILED: "config.failed",
    AuditAction.CONFIG_ACTIVATED: "config.activated",
    AuditAction.CONFIG_DEACTIVATED: "config.deactivated",
    AuditAction.CONFIG_SUSPENDED: "config.suspended",
    AuditAction.CONFIG_ROTATED: "config.rotated",
    # Its credentials changed, which is what integrators of config.rotated listen for.
    AuditAction.CONFIG_ROLLED_BACK: "config.rotated",
    # No payment uses it any more; data.status says why.
    AuditAction.CONFIG_EXPIRED: "config.deactivated",
}
_AS_THEY_ARE = (
    "name",
    "provider",
    "environment",
    "shortcode",
    "store_number",
    "account_number",
    "account_prefix",
    "priority",
    "metadata",
    "status",
    "is_active",
    "is_default",
    "health",
    "health_reason",
    "suspended_reason",
    "verified_by",
    "last_test_result",
    "last_test_error",
    "auto_activate",
    "c2b_version",
    "has_api",
    "refuses_unknown_accounts",
    "assigns_close_references",
)
_AMOUNTS = ("min_amount", "max_amount", "daily_limit", "monthly_limit", "recheck_above")
_TIMES = (
    "verified_at",
    "proven_at",
    "c2b_registered_at",
    "last_tested_at",
    "rotation_scheduled_at",
    "created_at",
    "updated_at",
)


def tell(action: str, config: PaymentConfig, *, now: datetime) -> None:
    """Record the act's event in the caller's transaction, where it has one."""
    if action in EVENT_OF:
        event = NewEvent(config.shop_id, config.environment, EVENT_OF[action], describe(config))
        record_events([event], now=now)


def describe(config: PaymentConfig) -> dict[str, Any]:
    """Describe a config as the API does: masks for credentials, text for amounts and times."""
    current = _current(config)
    token = _token(current)
    return {
        "id": str(config.pk),
        "shop": str(config.shop_id),
        "branch": str(config.branch_id) if config.branch_id else None,
        **{name: getattr(config, name) for name in _AS_THEY_ARE},
        **{name: _amount(getattr(config, name)) for name in _AMOUNTS},
        **{name: _time(getattr(config, name)) for name in _TIMES},
        "purposes": list(config.purposes),
        "credentials_expire_on": str(config.credentials_expire_on or "") or None,
        "version": current.number if current else 1,
        "previous_version": _previous(config),
        "credentials": dict(current.masks) if current else {},
        "token_expires_at": _time(token.expires_at) if token else None,
        "last_token_refresh_at": _time(token.obtained_at) if token else None,
    }


def _current(config: PaymentConfig) -> CredentialVersion | None:
    rows = CredentialVersion.objects.filter(config=config, status=VersionStatus.CURRENT)
    return rows.defer("secrets").first()


def _previous(config: PaymentConfig) -> int | None:
    rows = CredentialVersion.objects.filter(config=config, status=VersionStatus.ROTATED)
    return rows.order_by("-number").values_list("number", flat=True).first()


def _token(version: CredentialVersion | None) -> AccessToken | None:
    if version is None:
        return None
    return AccessToken.objects.defer("token").filter(pk=version.app_fingerprint).first()


def _amount(value: Any) -> str | None:
    return None if value is None else f"{value:.2f}"


def _time(value: datetime | None) -> str | None:
    return value.isoformat() if value else None
