"""Renewing access tokens before a till waits for one: each Daraja app is asked once."""

from __future__ import annotations

import logging
from datetime import datetime

from payments.choices import VersionStatus
from payments.errors import CredentialsRefused, PaymentsError
from payments.models import CredentialVersion, PaymentConfig
from payments.services import credentials_health, tokens

logger = logging.getLogger(__name__)


def renew_short(*, now: datetime) -> int:
    """Renew tokens with under ten minutes left; return how many. One failure stops no other."""
    versions = CredentialVersion.objects.filter(
        status=VersionStatus.CURRENT, config__in=PaymentConfig.objects.usable()
    ).exclude(app_fingerprint="")
    per_app = versions.order_by("app_fingerprint").distinct("app_fingerprint")
    return sum(_renew(version, now=now) for version in per_app.select_related("config"))


def _renew(version: CredentialVersion, *, now: datetime) -> bool:
    try:
        return tokens.renew_if_short(version=version, now=now)
    except PaymentsError as error:
        if isinstance(error, CredentialsRefused):
            credentials_health.note_refusal(version=version, error=error, now=now)
        logger.warning(
            "a token was not renewed",
            extra={"config": str(version.config_id), "error": error.__class__.__name__},
        )
        return False
