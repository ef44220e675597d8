"""Do the sweeps run: each one's last run against how often it should."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django_celery_beat.models import PeriodicTask

from reconciliation.dashboards_words import length
from reconciliation.models import SweepState
from reconciliation.operations import HEARTBEAT_WITHIN
from tenants.admin_looks import NONE, badge

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

# Where no schedule says how often: the slowest sweep runs once a day.
SELDOM = timedelta(hours=25)
# So many turns may be missed before a sweep is said to stand still.
TURNS = 3


@dataclass(frozen=True)
class Beat:
    """One sweep: when it last ended, how often it should, and what is to say of it."""

    name: str
    ago: str
    every: str
    moved: int
    state: SafeString
    is_bad: bool


def beats_of(*, now: datetime) -> list[Beat]:
    """List the sweeps that ever ran; those in trouble first."""
    tasks = PeriodicTask.objects.exclude(interval=None).select_related("interval")
    every = {task.name: task.schedule.run_every for task in tasks}
    off = {task.name for task in tasks if not task.enabled}
    beats = [
        _beat(row, every.get(row.name), is_off=row.name in off, now=now)
        for row in SweepState.objects.all()
    ]
    return sorted(beats, key=lambda beat: (not beat.is_bad, beat.name))


def _beat(row: SweepState, every: timedelta | None, *, is_off: bool, now: datetime) -> Beat:
    age = None if row.finished_at is None else now - row.finished_at
    patience = SELDOM if every is None else HEARTBEAT_WITHIN + TURNS * every
    is_late = age is None or age > patience
    return Beat(
        name=row.name,
        ago=NONE if age is None else length(age),
        every=NONE if every is None else length(every),
        moved=row.moved,
        state=_state(row, is_off=is_off, is_late=is_late, is_unscheduled=every is None),
        is_bad=not is_off and bool(row.error or is_late),
    )


def _state(row: SweepState, *, is_off: bool, is_late: bool, is_unscheduled: bool) -> SafeString:
    if is_off:
        return badge(_("Switched off"), "warn")
    if row.error:
        return badge(_("Failed: %(error)s") % {"error": row.error}, "bad")
    if not is_late and is_unscheduled:
        return badge(_("Ran"))
    return badge(_("Stands still"), "bad") if is_late else badge(_("Runs"), "good")
