from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override

from payments.choices import ConfigHealth, Environment, HealthReason, NoticeCode
from payments.errors import PaymentsError
from payments.models import AccessToken, PaymentConfig
from payments.services import routing

# What stands in the way of every config, in the words of the API's errors.
_IN_THE_WAY = {
    "no_active_config": gettext_noop(
        "No active, verified payment config can take this payment. Configure the payment settings."
    ),
    "provider_unavailable": gettext_noop("No config could be tried just now; nothing was stored."),
    "daily_limit_reached": gettext_noop("The config's daily limit would be exceeded."),
    "monthly_limit_reached": gettext_noop("The config's monthly limit would be exceeded."),
}

Said = dict[str, Any]


def readiness_of(
    *,
    shop_id: uuid.UUID,
    environment: str,
    branch_id: uuid.UUID | None,
    provider: str | None,
    now: datetime,
) -> dict[str, Any]:
    """Tell whether a payment can be taken, what blocks it, and what should be looked at."""
    resolution = routing.resolve(
        shop_id=shop_id,
        environment=environment,
        branch_id=branch_id,
        provider=provider,
        now=now,
    )
    blockers = _blockers(resolution)
    warnings = [] if blockers else _warnings(resolution, environment, now=now)
    return {"ready": not blockers, "blockers": blockers, "warnings": warnings}


def _blockers(resolution: routing.Resolution) -> list[Said]:
    try:
        resolution.raise_if_empty()
    except PaymentsError as error:
        sentence = _IN_THE_WAY.get(error.code, error.detail)
        reasons = [_why(str(step.why), step) for step in resolution.steps]
        return [_said(error.code, lambda: _(sentence)), *reasons]
    return []


def _warnings(resolution: routing.Resolution, environment: str, *, now: datetime) -> list[Said]:
    config = resolution.candidates[0]
    no_api = [step for step in resolution.steps if step.why == routing.Why.NO_API]
    warnings = [_why("no_api", step) for step in no_api]
    if config.health != ConfigHealth.OK:
        warnings.append(_said("config_health", lambda: _health_of(config)))
    if environment != Environment.PRODUCTION:
        warnings.append(
            _said("sandbox", lambda: _("Sandbox: no money moves, goods are not released."))
        )
    codes = config.notices.filter(closed_at=None).values_list("code", flat=True)
    warnings += [_notice(code, config) for code in codes]
    version = config.versions.filter(status="current").first()
    token = version and AccessToken.objects.filter(pk=version.app_fingerprint).first()
    if token and token.expires_at and token.expires_at <= now:
        sentence = gettext_noop("The access token is renewed at the next payment.")
        warnings.append(_said("token_expired", lambda: _(sentence)))
    return warnings


def _why(code: str, step: routing.ResolutionStep) -> Said:
    return _said(code, lambda: f"{step.config.name}: {routing.Why(step.why).label}.")


def _notice(code: str, config: PaymentConfig) -> Said:
    return _said(code, lambda: f"{config.name}: {NoticeCode(code).label}.")


def _health_of(config: PaymentConfig) -> str:
    health = f"{config.name}: {ConfigHealth(config.health).label}."
    reason = config.health_reason
    return f"{health} {HealthReason(reason).label}" if reason else health


def _said(code: str, says: Callable[[], str]) -> Said:
    """Say it in both languages; message is the English one, whoever asks."""
    messages = {}
    for language in ("en", "sw"):
        with override(language):
            messages[language] = says()
    return {"code": code, "message": messages["en"], "messages": messages}
