from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from payments.choices import ConfigHealth, Environment, NoticeCode
from payments.errors import PaymentsError
from payments.models import AccessToken
from payments.services import routing


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


def _blockers(resolution: routing.Resolution) -> list[dict[str, str]]:
    try:
        resolution.raise_if_empty()
    except PaymentsError as error:
        reasons = [
            _said(str(step.why), f"{step.config.name}: {routing.Why(step.why).label}.")
            for step in resolution.steps
        ]
        return [{"code": error.code, "message": error.detail}, *reasons]
    return []


def _warnings(
    resolution: routing.Resolution, environment: str, *, now: datetime
) -> list[dict[str, str]]:
    config = resolution.candidates[0]
    warnings = [
        _said("no_api", f"{step.config.name}: {routing.Why(step.why).label}.")
        for step in resolution.steps
        if step.why == routing.Why.NO_API
    ]
    if config.health != ConfigHealth.OK:
        warnings.append(_said("config_health", f"{config.name} is {config.health}."))
    if environment != Environment.PRODUCTION:
        warnings.append(_said("sandbox", "Sandbox: no money moves, goods are not released."))
    warnings += [
        _said(code, f"{config.name}: {NoticeCode(code).label}.")
        for code in config.notices.filter(closed_at=None).values_list("code", flat=True)
    ]
    version = config.versions.filter(status="current").first()
    token = version and AccessToken.objects.filter(pk=version.app_fingerprint).first()
    if token and token.expires_at and token.expires_at <= now:
        warnings.append(_said("token_expired", "The access token is renewed at the next payment."))
    return warnings


def _said(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}
