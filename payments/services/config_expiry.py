"""
Configs whose credentials are at their end: their date has passed, or they are known to be dead.

Dead means: suspended by refusals (credentials_health.py) and refused on, DEAD_AFTER times in a row,
also when this job asks, once an hour. Then only new credentials help, and the status says so.
"""

from __future__ import annotations

import logging
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import ConfigStatus, NoticeCode, VersionStatus
from payments.errors import CredentialsRefused, InvalidTransition, NotFound, PaymentsError
from payments.models import CredentialVersion, PaymentConfig
from payments.services import config_trail, credentials_health, notices, tokens
from payments.services.config_moves import lock_config, move_config

logger = logging.getLogger(__name__)

ACTOR = Actor.system("expiry")
DEAD_AFTER = 8
_MAY_EXPIRE = (ConfigStatus.VERIFIED, ConfigStatus.SUSPENDED)
_NAIROBI = ZoneInfo("Africa/Nairobi")


def expire_configs(*, now: datetime) -> int:
    """Expire configs past their date and those whose credentials are dead; return how many."""
    today = now.astimezone(_NAIROBI).date()
    rows = PaymentConfig.objects.not_deleted().filter(status__in=_MAY_EXPIRE)
    over = list(rows.filter(credentials_expire_on__lt=today))
    expired = sum(
        _expire(config, "The credentials' last day has passed.", now=now) for config in over
    )
    return expired + sum(_expire_if_dead(version, now=now) for version in _doubtful())


def _doubtful() -> list[CredentialVersion]:
    """List the versions in use of configs that refusals suspended."""
    refused = {"config__notices__code": NoticeCode.CREDENTIALS_REFUSED}
    rows = CredentialVersion.objects.filter(
        status=VersionStatus.CURRENT,
        config__status=ConfigStatus.SUSPENDED,
        config__deleted_at=None,
        config__notices__closed_at=None,
        config__notices__subject="",
        **refused,
    )
    return list(rows.exclude(app_fingerprint="").select_related("config"))


def _expire_if_dead(version: CredentialVersion, *, now: datetime) -> bool:
    try:
        tokens.fetch_fresh(version=version, now=now)
    except CredentialsRefused as error:
        count = credentials_health.note_refusal(version=version, error=error, now=now)
        reason = f"The provider refused the credentials {count} times in a row."
        return count >= DEAD_AFTER and _expire(version.config, reason, now=now)
    except PaymentsError as error:
        logger.warning(
            "doubtful credentials were not asked about",
            extra={"config": str(version.config_id), "error": error.__class__.__name__},
        )
    return False


@transaction.atomic
def _expire(config: PaymentConfig, reason: str, *, now: datetime) -> bool:
    try:
        locked = lock_config(config)
        before = config_trail.state_of(locked)
        move_config(config=locked, to=ConfigStatus.EXPIRED, now=now)
    except (InvalidTransition, NotFound):
        return False  # somebody else moved it first
    notices.close_notices(config=locked, code=NoticeCode.CREDENTIALS_EXPIRE, now=now)
    notices.open_notice(
        shop_id=locked.shop_id,
        config=locked,
        code=NoticeCode.CREDENTIALS_REFUSED,
        data={"why": reason, "in_use": True},
        now=now,
    )
    act = AuditAction.CONFIG_EXPIRED
    config_trail.record(act, locked, before=before, actor=ACTOR, now=now, reason=reason)
    return True
