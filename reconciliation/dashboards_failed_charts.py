"""When payments failed: by hour of the day, and this week beside the last."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.db.models.functions import TruncDate
from django.utils.translation import gettext as _

from payments.choices import PaymentStatus
from payments.services import stats
from payments.services.tallies import DAYS, NAIROBI, counted
from reconciliation import charts

if TYPE_CHECKING:
    from reconciliation.charts import Chart
    from reconciliation.dashboards_frame import Place

FAILURES = (PaymentStatus.FAILED, PaymentStatus.EXPIRED)
WEEK = 7


@dataclass(frozen=True)
class FailedHour:
    """One hour of the day: what failed with a reason, and what expired without a word."""

    label: str
    failed: int
    unknown: int


@dataclass(frozen=True)
class FailedDay:
    """What was not paid on one of the last seven days, and on the same day a week before."""

    label: str
    now: int
    before: int
    is_today: bool


def failed_hours(rows: list[dict[str, Any]]) -> list[FailedHour]:
    """Add up groups (status, hour, count) by hour."""
    counts: Counter[tuple[int, bool]] = Counter()
    for row in rows:
        counts[row["hour"], row["status"] == PaymentStatus.FAILED] += row["count"]
    return [
        FailedHour(f"{hour:02d}", counts[hour, True], counts[hour, False]) for hour in range(24)
    ]


def failed_trend(place: Place) -> list[FailedDay]:
    """Count what was not paid on each of the last seven days and a week before; one query."""
    today = stats.day_of(place.now)
    first = today - timedelta(days=2 * WEEK - 1)
    failed = place.rows() & Q(status__in=FAILURES)
    day = TruncDate("created_at", tzinfo=NAIROBI)
    rows = counted(failed, day=day, since=stats.midnight(first), unit=DAYS)
    counts = {row["day"]: row["count"] for row in rows}
    week = [today - timedelta(days=back) for back in range(WEEK - 1, -1, -1)]
    return [
        FailedDay(
            label=f"{day.day}/{day.month}",
            now=counts.get(day, 0),
            before=counts.get(day - timedelta(days=WEEK), 0),
            is_today=day == today,
        )
        for day in week
    ]


def hour_chart(hours: list[FailedHour]) -> Chart:
    points = [
        charts.Point(
            label=hour.label,
            title=_("%(hour)s h: %(failed)s failed, %(unknown)s not known")
            % {"hour": hour.label, "failed": hour.failed, "unknown": hour.unknown},
            parts=[("failed", hour.failed), ("unknown", hour.unknown)],
        )
        for hour in hours
    ]
    legend = [("failed", _("Failed")), ("unknown", _("Outcome not known"))]
    return charts.columns(points, title=_("What failed, by hour of the day."), legend=legend)


def trend_chart(days: list[FailedDay]) -> Chart:
    points = [point for day in days for point in _pair(day)]
    return charts.columns(
        points,
        title=_("What was not paid on each of the last seven days, beside the week before."),
        legend=[("before", _("The week before")), ("failed", _("The last seven days"))],
        most_labels=len(points),
    )


def _pair(day: FailedDay) -> list[charts.Point]:
    before = _("%(day)s, a week before: %(count)s") % {"day": day.label, "count": day.before}
    now = f"{day.label}: {day.now}"
    return [
        charts.Point(label="", title=before, parts=[("before", day.before)]),
        charts.Point(day.label, now, [("failed", day.now)], is_now=day.is_today),
    ]
