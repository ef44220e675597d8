"""
"Something is wrong": one open notice for each trouble, told, reminded daily, closed when over.

The unique index on open notices keeps a trouble to one row, so that two sweeps tell it once. A
muted one stays open until it may speak, so that the same trouble opens no second one meanwhile.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django_celery_beat.models import PeriodicTask

from payments.models import Notice
from payments.services import notices, suspicions
from payments.services.notice_words import HEALTH
from reconciliation.health_checks import CHECKS, Trouble
from reconciliation.models import SweepState

logger = logging.getLogger(__name__)

REMIND_EVERY = timedelta(days=1)
# Some sweep ends every few seconds; and each is late after this many of its intervals.
HEARTBEAT_WITHIN = timedelta(minutes=3)
LATE_AFTER_INTERVALS = 3
_MOVES_ON = ("expected", "waiting", "count", "hours")
_Key = tuple[Any, ...]


@dataclass(frozen=True)
class Standstill:
    """Background work that stands still: since when none ran; names where only some are late."""

    since: datetime | None
    names: tuple[str, ...] = ()


def watch(*, now: datetime) -> int:
    """Look for everything that may be wrong; return how many notices opened, moved on or closed."""
    seen: set[_Key] = set()
    moved, failure = 0, None
    for check in CHECKS:
        try:
            found = list(check(now))
        except Exception as error:
            # What one check cannot see must silence no other, and must close nothing.
            logger.exception("a health check failed", extra={"check": check.__name__})
            failure = error
            continue
        seen |= {trouble.key for trouble in found}
        moved += _tell(found, now=now)
    if failure is not None:
        raise failure
    return moved + _close_all_but(seen, now=now)


def standstill(*, now: datetime) -> Standstill | None:
    """Tell of sweeps that do not run; None where all is well. Asked by pages: no sweep could."""
    rows = list(SweepState.objects.only("name", "started_at", "finished_at", "error"))
    newest = max((row.finished_at for row in rows if row.finished_at), default=None)
    if newest is None or now - newest > HEARTBEAT_WITHIN:
        return Standstill(newest)
    off = set(PeriodicTask.objects.filter(enabled=False).values_list("name", flat=True))
    late = (row.name for row in rows if row.error or _is_late(row, now=now))
    names = tuple(sorted(name for name in late if name not in off))
    return Standstill(None, names) if names else None


def _is_late(row: SweepState, *, now: datetime) -> bool:
    entry = settings.CELERY_BEAT_SCHEDULE.get(row.name)
    if entry is None or row.finished_at is None:
        return False
    patience = max(entry["schedule"] * LATE_AFTER_INTERVALS, HEARTBEAT_WITHIN)
    return bool(now - row.finished_at > patience)


def _tell(found: Iterable[Trouble], *, now: datetime) -> int:
    open_ones = _open_ones()
    return sum(_tell_one(trouble, open_ones.get(trouble.key), now=now) for trouble in found)


def _open_ones() -> dict[_Key, Notice]:
    rows = Notice.objects.filter(code__in=sorted(HEALTH), closed_at=None)
    return {_key_of(row): row for row in rows}


def _key_of(row: Notice) -> _Key:
    return (row.shop_id, row.config_id, row.code, row.subject)


def _tell_one(trouble: Trouble, known: Notice | None, *, now: datetime) -> bool:
    if known is None:
        return _open(trouble, now=now)
    news = {name: trouble.data[name] for name in _MOVES_ON if name in trouble.data}
    is_old = any(known.data.get(name) != value for name, value in news.items())
    return (is_old or _is_reminder_due(known, now=now)) and _go_on(known.pk, news, now=now)


def _open(trouble: Trouble, *, now: datetime) -> bool:
    data = {**trouble.data, "reminded_at": now.isoformat()}
    notice = Notice(
        shop_id=trouble.shop_id,
        config_id=trouble.config_id,
        code=trouble.code,
        subject=trouble.subject,
        data=data,
        opened_at=now,
    )
    return notices.keep(notice) is not None


def _is_reminder_due(notice: Notice, *, now: datetime) -> bool:
    reminded_at = notice.data.get("reminded_at")
    return reminded_at is None or datetime.fromisoformat(reminded_at) <= now - REMIND_EVERY


@transaction.atomic
def _go_on(pk: uuid.UUID, news: dict[str, Any], *, now: datetime) -> bool:
    """Note the newest numbers; once a day on a new rung, which is a new mail (notice_mails.py)."""
    row = Notice.objects.select_for_update(of=("self",)).filter(pk=pk, closed_at=None).first()
    if row is None:
        return False
    row.data = {**row.data, **news}
    if _is_reminder_due(row, now=now):
        row.data |= {"rung": now.date().isoformat(), "reminded_at": now.isoformat()}
    row.save(update_fields=["data"])
    return True


def _close_all_but(seen: set[_Key], *, now: datetime) -> int:
    rows = Notice.objects.filter(suspicions.heard(now), code__in=sorted(HEALTH), closed_at=None)
    over = [row.pk for row in rows if _key_of(row) not in seen]
    return Notice.objects.filter(pk__in=over, closed_at=None).update(closed_at=now)
