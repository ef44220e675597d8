"""What stands below a config's form: masked credentials, the token's state, verifications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from payments.admin.forms import SECRET_LABELS
from payments.admin.history import said
from payments.admin.looks import by_hand, choice_badge
from payments.admin.pull import pull_facts
from payments.admin.rotation import notices_of, versions_of
from payments.admin.routing import breaker_facts
from payments.admin.tables import table
from payments.choices import (
    ConfigHealth,
    ConfigStatus,
    HealthReason,
    VerificationResult,
    VersionStatus,
)
from payments.models import AccessToken, VerificationLog
from tenants.admin_looks import NONE, badge, yes_no

if TYPE_CHECKING:
    from payments.models import PaymentConfig

_MOST_LOGS = 20


def panels_of(config: PaymentConfig) -> dict[str, Any]:
    version = config.versions.filter(status=VersionStatus.CURRENT).defer("secrets").first()
    return {
        "badges": _badges(config),
        "facts": [
            *_facts(config),
            *breaker_facts(config),
            *pull_facts(config),
            *_token_facts(version),
        ],
        "masks": _masks(version),
        "version": version.number if version else None,
        "verifications": _verifications(config),
        "versions": versions_of(config),
        "notices": notices_of(config),
    }


def _badges(config: PaymentConfig) -> list[Any]:
    badges = [
        choice_badge(ConfigStatus, config.status),
        choice_badge(ConfigHealth, config.health),
        yes_no(config.is_active, yes=_("Active"), no=_("Switched off")),
    ]
    more = [badge(_("Default"), "wait")] if config.is_default else []
    return [*badges, *more, *([] if config.has_api else [by_hand()])]


def _facts(config: PaymentConfig) -> list[tuple[str, Any]]:
    facts = [
        *_health_facts(config),
        (_("Verified"), config.verified_at or NONE),
        (_("Verified by"), config.verified_by or NONE),
        (_("Last tested"), config.last_tested_at or NONE),
        (_("Last result"), choice_badge(VerificationResult, config.last_test_result)),
        (_("Last callback"), config.last_callback_at or NONE),
        (_("Changed"), config.updated_at),
    ]
    if config.status == ConfigStatus.SUSPENDED:
        facts.append((_("Suspended because"), config.suspended_reason))
    if config.last_test_error:
        facts.append((_("Last error"), config.last_test_error))
    return facts


def _health_facts(config: PaymentConfig) -> list[tuple[str, Any]]:
    """Say why the config is not healthy, with the numbers behind it."""
    reason = config.health_reason
    if not reason:
        return []
    facts: list[tuple[str, Any]] = [(_("Health"), HealthReason(reason).label)]
    if reason == HealthReason.CALLBACKS_MISSING:
        facts.append((_("Since"), config.breaker.concern_at))
    if reason == HealthReason.SUCCESS_DROPPED:
        numbers = config.breaker.concern_data
        rates = _("%(lately)s %% of late, %(usually)s %% as a rule") % numbers
        facts.append((_("Payments that succeed"), rates))
    return facts


def _token_facts(version: Any) -> list[tuple[str, Any]]:
    """Tell how old the access token is; the token itself is nobody's business."""
    fingerprint = version.app_fingerprint if version else ""
    token = AccessToken.objects.defer("token").filter(app_fingerprint=fingerprint).first()
    if not fingerprint or token is None:
        return []
    return [
        (_("Access token fetched"), token.obtained_at or NONE),
        (_("Access token valid until"), token.expires_at or NONE),
    ]


def _masks(version: Any) -> list[tuple[Any, str]]:
    masks = version.masks if version else {}
    return [(label, masks[name]) for name, label in SECRET_LABELS.items() if name in masks]


def _verifications(config: PaymentConfig) -> dict[str, Any]:
    logs = VerificationLog.objects.filter(config=config)[:_MOST_LOGS]
    columns = [_("At"), _("Stage"), _("Result"), _("Answer"), _("ms"), _("By")]
    rows = [
        [
            log.created_at,
            log.stage or log.get_type_display(),
            choice_badge(VerificationResult, log.result),
            said(log.response_code, log.response_message) or NONE,
            log.duration_ms,
            log.initiated_by or NONE,
        ]
        for log in logs
    ]
    return table(_("Verifications"), columns, rows)
