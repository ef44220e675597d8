"""
Are a config's credentials still good? What follows from refusal after refusal.

A refusal that counts is definite: the provider said the consumer key, secret or passkey is wrong
(CredentialsRefused). Silence, 5xx and dead tokens never count, nor does a version that is not in
use. One success forgets them all. In a new version's first hour ROLL_BACK_AFTER refusals put the
previous version back; otherwise SUSPEND_AFTER refusals without a success between suspend the config
(safety.md section 4), so that no till runs into it again; the job of config_expiry.py goes on
asking and calls them dead.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import ConfigStatus, NoticeCode, VersionStatus
from payments.errors import NotFound
from payments.models import CredentialVersion, PaymentConfig
from payments.services import config_trail, notices
from payments.services.config_moves import lock_config, move_config

logger = logging.getLogger(__name__)

ACTOR = Actor.system("credentials watch")
ROLL_BACK_AFTER = 3
SUSPEND_AFTER = 5
FIRST_HOUR = timedelta(hours=1)
# Counting on would only wear the row out.
_MOST_COUNTED = 1000


def note_success(*, version: CredentialVersion) -> None:
    """Forget the refusals of a version that was just accepted; free where there are none."""
    if version.refused_count:
        CredentialVersion.objects.filter(pk=version.pk).update(refused_count=0)
        version.refused_count = 0


def note_proven(*, config: PaymentConfig, version: CredentialVersion, now: datetime) -> None:
    """Forget refusals and their notices: a whole verification has shown the credentials good."""
    CredentialVersion.objects.filter(pk=version.pk).update(refused_count=0)
    notices.close_notices(config=config, code=NoticeCode.CREDENTIALS_REFUSED, now=now)


def note_refusal(*, version: CredentialVersion, now: datetime) -> int:
    """Count a definite refusal of the version in use and act on it; return how many there are."""
    rows = CredentialVersion.objects.filter(pk=version.pk, status=VersionStatus.CURRENT)
    rows.filter(refused_count__lt=_MOST_COUNTED).update(refused_count=F("refused_count") + 1)
    seen = rows.select_related("config").defer("secrets").first()
    if seen is None:
        return 0
    version.refused_count = seen.refused_count
    try:
        _act_on(seen, now=now)
    except NotFound:  # the config was deleted meanwhile
        logger.info("refused after deletion", extra={"config": str(seen.config_id)})
    return int(seen.refused_count)


def _act_on(version: CredentialVersion, *, now: datetime) -> None:
    is_new = version.activated_at is not None and now - version.activated_at < FIRST_HOUR
    if is_new and version.refused_count >= ROLL_BACK_AFTER and _roll_back(version, now=now):
        return
    if version.refused_count >= SUSPEND_AFTER:
        _suspend(version, now=now)


@transaction.atomic
def _roll_back(version: CredentialVersion, *, now: datetime) -> bool:
    """Put the version before this one back in use; tell whether there is one."""
    config = lock_config(version.config)
    versions = CredentialVersion.objects.filter(config=config)
    # Only downwards, so that two bad versions cannot hand the config to each other for ever.
    earlier = versions.filter(status=VersionStatus.ROTATED, number__lt=version.number)
    previous = earlier.defer("secrets").order_by("-number").first()
    if previous is None:
        return False
    before = config_trail.state_of(config)
    current = versions.filter(pk=version.pk, status=VersionStatus.CURRENT)
    if not current.update(status=VersionStatus.REJECTED, retired_at=now):
        return True  # another worker has just done it
    versions.filter(pk=previous.pk).update(
        status=VersionStatus.CURRENT, retired_at=None, refused_count=0
    )
    PaymentConfig.objects.filter(pk=config.pk).update(updated_at=now)
    notices.open_notice(
        shop_id=config.shop_id,
        config=config,
        code=NoticeCode.ROLLED_BACK,
        subject=notices.version_subject(version.number),
        data={"version": version.number, "back_to": previous.number},
        now=now,
    )
    _record(
        AuditAction.CONFIG_ROLLED_BACK,
        config,
        before,
        f"Version {version.number} was refused {version.refused_count} times in its first hour.",
        now=now,
    )
    logger.warning("a rotation was rolled back", extra={"config": str(config.pk)})
    return True


@transaction.atomic
def _suspend(version: CredentialVersion, *, now: datetime) -> None:
    config = lock_config(version.config)
    if config.status != ConfigStatus.VERIFIED:
        return
    before = config_trail.state_of(config)
    reason = f"Safaricom refused the credentials {version.refused_count} times in a row."
    move_config(config=config, to=ConfigStatus.SUSPENDED, now=now, suspended_reason=reason)
    notices.open_notice(
        shop_id=config.shop_id,
        config=config,
        code=NoticeCode.CREDENTIALS_REFUSED,
        data={"version": version.number, "in_use": True},
        now=now,
    )
    _record(AuditAction.CONFIG_SUSPENDED, config, before, reason, now=now)
    logger.warning("a config was suspended by refusals", extra={"config": str(config.pk)})


def _record(
    action: AuditAction,
    config: PaymentConfig,
    before: config_trail.State,
    reason: str,
    *,
    now: datetime,
) -> None:
    config_trail.record(action, config, before=before, actor=ACTOR, now=now, reason=reason)
