"""The shop at a glance: money, success, and how both are spread over hours, branches and people."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from payments.services import stats, stats_periods
from payments.services.stats_periods import Tally
from reconciliation import charts
from reconciliation.dashboards_now import lines_of
from reconciliation.dashboards_spread import tables_of
from reconciliation.dashboards_words import compared, percent
from tenants.admin_looks import shillings

if TYPE_CHECKING:
    from payments.services.stats import Numbers
    from reconciliation.charts import Chart
    from reconciliation.dashboards_frame import Place

# Fewer decided prompts say nothing about a rate.
ENOUGH = 10
DROP = Decimal(15)


def overview_of(place: Place) -> dict[str, Any]:
    """Build the page: today, this month and the period, with what came before it."""
    rows, period = place.rows(), place.period
    numbers = stats.numbers_of(rows, environment=place.environment, now=place.now, days=period.days)
    spread = stats_periods.spread_of(rows, since=period.span.since, until=period.span.until)
    before = stats_periods.tally_of(rows, since=period.before.since, until=period.before.until)
    trouble = _trouble(numbers, spread.whole, before, place)
    return {
        "lines": lines_of(place, numbers, trouble),
        "numbers": numbers,
        "tally": spread.whole,
        "before": before,
        "cards": _cards(numbers, spread.whole, before, place),
        "trouble": trouble,
        "chart": _by_day(numbers, place) if period.days > 1 else None,
        "days": numbers.days[-period.days :] if period.days > 1 else [],
        "hour_chart": _by_hour(spread.by.get("hour", {})),
        "tables": tables_of(spread.by, place),
        "is_empty": not (spread.whole.decided or spread.whole.open or spread.whole.taken.count),
    }


def _cards(numbers: Numbers, tally: Tally, before: Tally, place: Place) -> list[dict[str, Any]]:
    return [
        _card(_("Taken today"), numbers.today.amount, _payments(numbers.today.count)),
        _card(_("Taken this month"), numbers.month.amount, _payments(numbers.month.count)),
        _card(
            _("Taken in the period"),
            tally.taken.amount,
            compared(tally.taken.amount, before.taken.amount, when=_("the period before")),
        ),
        {
            "title": _("Success in the period"),
            "value": percent(tally.rate),
            "note": _("%(rate)s in the period before") % {"rate": percent(before.rate)},
            "url": f"{reverse('admin:reconciliation_failed')}?{place.query()}",
        },
        {
            "title": _("Outcome not known"),
            "value": str(tally.expired),
            "note": _("expired without a word; in the rate as not paid"),
            "url": f"{reverse('admin:reconciliation_stuck')}?{place.query()}",
        },
        {
            "title": _("Still open"),
            "value": str(numbers.pending),
            "note": _("%(count)s of them with unknown outcome") % {"count": numbers.unknown},
            "url": f"{reverse('admin:reconciliation_stuck')}?{place.query()}",
        },
    ]


def _card(title: str, amount: Decimal, note: str) -> dict[str, Any]:
    return {"title": title, "value": f"KES {shillings(amount)}", "note": note, "url": ""}


def _payments(count: int) -> str:
    return ngettext("%(count)s payment", "%(count)s payments", count) % {"count": count}


def _trouble(numbers: Numbers, tally: Tally, before: Tally, place: Place) -> list[dict[str, str]]:
    """Say what is wrong, each with where to look."""
    found = []
    now, then = tally.rate, before.rate
    is_enough = tally.decided >= ENOUGH and before.decided >= ENOUGH
    if now is not None and then is not None and is_enough and then - now >= DROP:
        found.append(
            {
                "text": _("Only %(now)s of the prompts succeed; before, it was %(then)s.")
                % {"now": percent(now), "then": percent(then)},
                "link": _("See why they fail"),
                "url": f"{reverse('admin:reconciliation_failed')}?{place.query()}",
            }
        )
    if numbers.unknown:
        found.append(
            {
                "text": ngettext(
                    "Of %(count)s open payment nobody knows whether the prompt went out.",
                    "Of %(count)s open payments nobody knows whether the prompt went out.",
                    numbers.unknown,
                )
                % {"count": numbers.unknown},
                "link": _("See what happens next"),
                "url": f"{reverse('admin:reconciliation_stuck')}?{place.query()}",
            }
        )
    return found


def _by_day(numbers: Numbers, place: Place) -> Chart:
    days = numbers.days[-place.period.days :]
    points = [
        charts.Point(
            label=f"{day.date.day}/{day.date.month}",
            title=f"{day.date.day}/{day.date.month}: KES {shillings(day.taken.amount)}",
            parts=[("paid", day.taken.amount)],
            is_now=day is days[-1],
        )
        for day in days
    ]
    title = _("Takings per day in Kenya shillings; the table below has the numbers.")
    return charts.columns(points, title=title)


def _by_hour(hours: dict[int, Tally]) -> Chart:
    tallies = [(hour, hours.get(hour, Tally())) for hour in range(24)]
    points = [
        charts.Point(
            label=f"{hour:02d}",
            title=_("%(hour)s h: %(paid)s paid, %(failed)s failed, %(unknown)s not known")
            % {
                "hour": f"{hour:02d}",
                "paid": tally.paid,
                "failed": tally.failed,
                "unknown": tally.expired,
            },
            parts=[("paid", tally.paid), ("failed", tally.failed), ("unknown", tally.expired)],
        )
        for hour, tally in tallies
    ]
    legend = [("paid", _("Paid")), ("failed", _("Failed")), ("unknown", _("Outcome not known"))]
    title = _("Prompts per hour of the day by outcome; the table below has the numbers.")
    return charts.columns(points, title=title, legend=legend)
