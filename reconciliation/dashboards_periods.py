"""The days a dashboard is about, and what they are compared with; days are Nairobi's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from payments.services import stats

PERIODS: dict[str, Any] = {
    "today": _("Today"),
    "7d": _("7 days"),
    "30d": _("30 days"),
    "month": _("This month"),
}
_DAYS = {"today": 1, "7d": 7, "30d": 30}


@dataclass(frozen=True)
class Span:
    """A stretch of time, its end left out."""

    since: datetime
    until: datetime

    def back(self, step: timedelta) -> Span:
        return Span(self.since - step, self.until - step)


@dataclass(frozen=True)
class Period:
    """The days a page is about, up to now; before is as long, and ends at the same time of day."""

    name: str
    span: Span
    before: Span
    days: int

    @property
    def a_week_before(self) -> Span:
        """The same stretch a week ago; of more than a week, the stretch before."""
        return self.span.back(timedelta(days=7)) if self.days <= 7 else self.before


def period_of(name: str, *, now: datetime) -> Period:
    """Return one of PERIODS: whole days of Nairobi, the last of them so far."""
    today = stats.day_of(now)
    days = _DAYS.get(name, today.day)
    span = Span(stats.midnight(today - timedelta(days=days - 1)), now)
    return Period(name, span, _before(name, span, days), days)


def _before(name: str, span: Span, days: int) -> Span:
    if name != "month":
        return span.back(timedelta(days=days))
    last_month = (span.since - timedelta(days=1)).astimezone(stats.NAIROBI).date().replace(day=1)
    since = stats.midnight(last_month)
    return Span(since, min(since + (span.until - span.since), span.since))
