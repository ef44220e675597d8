"""
Rotations nobody waits for: those whose time has come, those somebody left behind, and reminders.

A staged version is tried every TRY_AGAIN_AFTER until the provider says yes or no; after GIVE_UP_AFTER
without a certain answer it is rejected, so that nothing stays half done for ever. Two sweeps at once
do no harm: of two switches one wins (rotation.py).
"""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Max, Q

from audit.actors import Actor
from payments.choices import NoticeCode, VersionStatus
from payments.errors import PaymentsError
from payments.models import CredentialVersion, Notice, PaymentConfig
from payments.services import notices, rotation

logger = logging.getLogger(__name__)

ACTOR = Actor.system("rotation")
TRY_AGAIN_AFTER = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(hours=24)
# Days before the date at which a shop is reminded (requirements.md N13).
RUNGS = (14, 3, 1)
_NAIROBI = ZoneInfo("Africa/Nairobi")


def run_due(*, now: datetime) -> int:
    """Finish rotations that are due or were left behind; return how many versions went in use."""
    done = 0
    for version in due_versions(now=now):
        if _give_up_if_old(version, now=now):
            continue
        try:
            rotation.finish_rotation(version=version, actor=ACTOR, now=now)
            done += 1
        except PaymentsError as error:
            logger.warning(
                "a rotation was not finished",
                extra={"config": str(version.config_id), "error": error.__class__.__name__},
            )
    return done


def due_versions(*, now: datetime) -> list[CredentialVersion]:
    """List the staged versions to be tried now."""
    left = Q(scheduled_at=None, created_at__lte=now - rotation.IN_HANDS)
    rows = CredentialVersion.objects.filter(
        left | Q(scheduled_at__lte=now), status=VersionStatus.STAGED
    )
    rows = rows.annotate(tried_at=Max("verificationlog__created_at"))
    rows = rows.filter(Q(tried_at=None) | Q(tried_at__lte=now - TRY_AGAIN_AFTER))
    return list(rows.select_related("config__shop", "config__branch").order_by("created_at"))


def remind(*, now: datetime) -> int:
    """Open and raise the notices of dates that come near; return how many were opened or raised."""
    today = now.astimezone(_NAIROBI).date()
    horizon = today + timedelta(days=RUNGS[0] + 1)
    near = Q(rotation_scheduled_at__date__lt=horizon) | Q(credentials_expire_on__lt=horizon)
    told = 0
    for config in PaymentConfig.objects.not_deleted().filter(near).select_related("shop"):
        if config.rotation_scheduled_at:
            due = config.rotation_scheduled_at.astimezone(_NAIROBI).date()
            told += _remind_of(config, NoticeCode.ROTATION_DUE, due, today=today, now=now)
        if config.credentials_expire_on:
            due = config.credentials_expire_on
            told += _remind_of(config, NoticeCode.CREDENTIALS_EXPIRE, due, today=today, now=now)
    return told + _close_outdated(now=now)


def _give_up_if_old(version: CredentialVersion, *, now: datetime) -> bool:
    begun_at = version.scheduled_at or version.created_at
    if now - begun_at < GIVE_UP_AFTER:
        return False
    why = "No certain answer came within a day."
    return rotation.reject_staged(version, why, actor=ACTOR, now=now)


def _remind_of(
    config: PaymentConfig, code: NoticeCode, due: date, *, today: date, now: datetime
) -> bool:
    """Open the date's notice on its first rung and raise it on the next; tell whether it moved."""
    days_left = (due - today).days
    rung = min((each for each in RUNGS if days_left <= each), default=None)
    if rung is None or days_left < 0:
        return False
    data = {"due": due.isoformat(), "rung": rung}
    opened = notices.open_notice(
        shop_id=config.shop_id,
        config=config,
        code=code,
        subject=due.isoformat(),
        data=data,
        now=now,
    )
    if opened is not None:
        return True
    # Compared in the update, so that of two sweeps one raises it and one mail goes out.
    same = Notice.objects.filter(
        config=config, code=code, subject=due.isoformat(), closed_at=None, data__rung__gt=rung
    )
    return bool(same.update(data=data))


def _close_outdated(*, now: datetime) -> int:
    """Close reminders of dates that were moved or taken away."""
    closed = 0
    codes = (NoticeCode.ROTATION_DUE, NoticeCode.CREDENTIALS_EXPIRE)
    for notice in Notice.objects.filter(code__in=codes, closed_at=None).select_related("config"):
        if notice.subject != _date_of(notice):
            closed += Notice.objects.filter(pk=notice.pk, closed_at=None).update(closed_at=now)
    return closed


def _date_of(notice: Notice) -> str:
    """Return the date the config has now, as it would stand in the notice."""
    config = notice.config
    if config is None or config.deleted_at is not None:
        return ""
    if notice.code == NoticeCode.CREDENTIALS_EXPIRE:
        return str(config.credentials_expire_on or "")
    at = config.rotation_scheduled_at
    return at.astimezone(_NAIROBI).date().isoformat() if at else ""
