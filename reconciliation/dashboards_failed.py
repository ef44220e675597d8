"""What failed, why, where and when; and what to do about the newest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.db.models.functions import ExtractHour
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from payments.choices import Fault
from payments.providers.daraja.status_messages import explain_payment
from payments.services import stats_periods
from payments.services.tallies import NAIROBI, counted
from reconciliation import charts
from reconciliation.dashboards_failed_charts import (
    FAILURES,
    WEEK,
    failed_hours,
    failed_trend,
    hour_chart,
    trend_chart,
)
from reconciliation.dashboards_hints import Advice, advice_of, newest_failed
from reconciliation.dashboards_spread import config_names
from reconciliation.dashboards_words import change_of, compared, percent
from tenants.admin_looks import shillings

if TYPE_CHECKING:
    from payments.providers.daraja.explanations import ResultCode
    from payments.services.stats_periods import Tally
    from reconciliation.dashboards_frame import Place
    from reconciliation.dashboards_periods import Span

_Key = tuple[str, str]


@dataclass(frozen=True)
class Reason:
    """One way to fail: how often now and before, what it costs, and what helps."""

    code: str
    advice: Advice
    count: int
    before: int
    amount: Decimal
    width: str

    @property
    def at_stake(self) -> str:
        return shillings(self.amount)

    @property
    def change(self) -> str:
        return change_of(self.count, self.before) if self.before else _("new")


def failed_of(place: Place) -> dict[str, Any]:
    """Build the page of failed payments."""
    span, earlier = place.period.span, place.period.a_week_before
    rows = _grouped(place, span)
    whole = stats_periods.tally_of(place.rows(), since=span.since, until=span.until)
    then = stats_periods.tally_of(place.rows(), since=earlier.since, until=earlier.until)
    hours, trend = failed_hours(rows), failed_trend(place)
    reasons = _reasons(rows, _counted(place, earlier), place)
    return {
        "tally": whole,
        "before": then,
        "cards": _cards(whole, then, place),
        "reasons": reasons,
        "trouble": _trouble(reasons),
        "configs": _by_config(rows),
        "hours": hours,
        "hour_chart": hour_chart(hours),
        "trend_days": trend,
        "trend": trend_chart(trend),
        "has_trend": bool(rows) or any(day.now or day.before for day in trend),
        "newest": newest_failed(place),
        "is_empty": not rows,
    }


def _grouped(place: Place, span: Span) -> list[Any]:
    """Count what failed by reason, config and hour: one look for three tables."""
    return counted(
        place.rows() & Q(status__in=FAILURES),
        "status",
        "result_code",
        "config",
        hour=ExtractHour("created_at", str(NAIROBI)),
        since=span.since,
        until=span.until,
    )


def _counted(place: Place, span: Span) -> Counter[_Key]:
    found: Counter[_Key] = Counter()
    failed = place.rows() & Q(status__in=FAILURES)
    for row in counted(failed, "status", "result_code", since=span.since, until=span.until):
        found[row["status"], row["result_code"]] += row["count"]
    return found


def _reasons(rows: list[dict[str, Any]], before: Counter[_Key], place: Place) -> list[Reason]:
    counts: Counter[_Key] = Counter()
    amounts: dict[_Key, Decimal] = {}
    for row in rows:
        key = (row["status"], row["result_code"])
        counts[key] += row["count"]
        amounts[key] = amounts.get(key, Decimal(0)) + row["total"]
    most = max(counts.values(), default=0)
    return [
        Reason(
            code=code,
            advice=advice_of(_explained(status, code, place), status),
            count=count,
            before=before[status, code],
            amount=amounts[status, code],
            width=charts.share(count, most),
        )
        for (status, code), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _explained(status: str, code: str, place: Place) -> ResultCode:
    return explain_payment(status=status, environment=place.environment, result_code=code)


def _trouble(reasons: list[Reason]) -> list[dict[str, str]]:
    """Say what the shop itself must mend: no customer can."""
    ours = [each for each in reasons if each.advice.fault in {Fault.SHOP, Fault.PLATFORM}]
    if not ours:
        return []
    count = sum(each.count for each in ours)
    codes = ", ".join(each.code or _("no code") for each in ours)
    said = ngettext(
        "%(count)s payment failed by our own settings, not by a customer: %(codes)s.",
        "%(count)s payments failed by our own settings, not by customers: %(codes)s.",
        count,
    )
    return [{"text": said % {"count": count, "codes": codes}, "link": "", "url": ""}]


def _cards(whole: Tally, then: Tally, place: Place) -> list[dict[str, Any]]:
    lost = whole.failed + whole.expired
    was = then.failed + then.expired
    against = _("a week before") if place.period.days <= WEEK else _("the period before")
    return [
        {
            "title": _("Not paid"),
            "value": str(lost),
            "note": compared(lost, was, when=against),
        },
        {"title": _("Failed"), "value": str(whole.failed), "note": _("with a reason, see below")},
        {
            "title": _("Outcome not known"),
            "value": str(whole.expired),
            "note": _("expired without a word; we keep asking"),
        },
        {
            "title": _("Success rate"),
            "value": percent(whole.rate),
            "note": _("%(rate)s %(when)s") % {"rate": percent(then.rate), "when": against},
        },
    ]


def _by_config(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    counts: Counter[Any] = Counter()
    for row in rows:
        counts[row["config"]] += row["count"]
    names, most = config_names(counts), max(counts.values(), default=0)
    return [
        {"name": names.get(pk, ""), "count": count, "width": charts.share(count, most)}
        for pk, count in counts.most_common()
    ]
