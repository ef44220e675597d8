"""All shops on one page, for whoever runs the platform: who is in trouble, first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from payments.choices import Environment
from payments.models import PaymentConfig
from payments.services import stats_periods
from payments.services.stats_periods import Tally
from reconciliation.dashboards_heartbeat import beats_of
from reconciliation.dashboards_periods import PERIODS, period_of
from reconciliation.dashboards_platform_rows import (
    open_reviews,
    stuck_payments,
    tills_in_trouble,
)
from reconciliation.dashboards_words import compared, percent
from tenants.admin_looks import shillings
from tenants.models import Shop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciliation.dashboards_heartbeat import Beat
    from reconciliation.dashboards_periods import Period, Span

MOST_SHOWN = 200


@dataclass(frozen=True)
class ShopLine:
    """One shop: its money and success, and what waits or does not work there."""

    shop: Shop
    tally: Tally
    reviews: int
    stuck: int
    down: int
    degraded: int
    url: str

    @property
    def amount(self) -> str:
        return shillings(self.tally.taken.amount)

    @property
    def rate(self) -> str:
        return percent(self.tally.rate)

    @property
    def trouble(self) -> int:
        """Rank: a till out of use weighs most, then payments without an end, then doubts."""
        return 100 * self.down + 10 * self.degraded + 5 * min(self.stuck, 10) + min(self.reviews, 5)


def platform_of(asked: Mapping[str, str], *, now: datetime) -> dict[str, Any]:
    """Build the page; asked may name environment, period and a part of a shop's name (q)."""
    environment = _environment(asked.get("environment", ""))
    name = asked.get("period", "")
    period = period_of(name if name in PERIODS else "today", now=now)
    word = asked.get("q", "").strip()[:100]
    shops = list(_shops(word))
    lines = _lines(shops, environment, period, now=now)
    whole = sum((line.tally for line in lines), Tally())
    before = sum(_tallies(shops, environment, period.before).values(), Tally())
    beats = beats_of(now=now)
    return {
        "lines": lines[:MOST_SHOWN],
        "more": max(0, len(lines) - MOST_SHOWN),
        "cards": _cards(lines, whole, before),
        "beats": beats,
        "trouble": _trouble(lines, beats),
        "word": word,
        "environment": environment,
        "is_sandbox": environment == Environment.SANDBOX,
        "period": period,
        "environments": _links(
            "environment", dict(reversed(Environment.choices)), environment, asked
        ),
        "periods": _links("period", PERIODS, period.name, asked),
        "is_empty": not lines,
    }


def _environment(asked: str) -> str:
    if asked in Environment.values:
        return asked
    is_live = PaymentConfig.objects.filter(environment=Environment.PRODUCTION, is_active=True)
    return str(Environment.PRODUCTION if is_live.exists() else Environment.SANDBOX)


def _shops(word: str) -> Any:
    rows = Shop.objects.filter(is_active=True).order_by("name", "pk")
    return rows.filter(Q(name__icontains=word) | Q(slug__icontains=word)) if word else rows


def _lines(shops: list[Shop], environment: str, period: Period, *, now: datetime) -> list[ShopLine]:
    tallies = _tallies(shops, environment, period.span)
    reviews, stuck = open_reviews(environment), stuck_payments(environment, now=now)
    down, degraded = tills_in_trouble(environment)
    page = reverse("admin:reconciliation_overview")
    lines = [
        ShopLine(
            shop=shop,
            tally=tallies.get(shop.pk, Tally()),
            reviews=reviews[shop.pk],
            stuck=stuck[shop.pk],
            down=down[shop.pk],
            degraded=degraded[shop.pk],
            url=f"{page}?{urlencode({'shop': shop.pk, 'environment': environment})}",
        )
        for shop in shops
    ]
    return sorted(lines, key=lambda line: (-line.trouble, -line.tally.taken.amount))


def _tallies(shops: list[Shop], environment: str, span: Span) -> dict[Any, Tally]:
    """Tally by shop; the shops are named so that the index of each is used."""
    rows = Q(shop__in=shops, environment=environment)
    return stats_periods.tallies_by_shop(rows, since=span.since, until=span.until)


def _cards(lines: list[ShopLine], whole: Tally, before: Tally) -> list[dict[str, Any]]:
    troubled = sum(1 for line in lines if line.down or line.degraded)
    return [
        {
            "title": _("Taken by all shops"),
            "value": f"KES {shillings(whole.taken.amount)}",
            "note": compared(whole.taken.amount, before.taken.amount, when=_("the period before")),
        },
        {
            "title": _("Success in the period"),
            "value": percent(whole.rate),
            "note": _("%(rate)s in the period before") % {"rate": percent(before.rate)},
        },
        {
            "title": _("Shops with a till in trouble"),
            "value": str(troubled),
            "note": ngettext("of %(count)s shop", "of %(count)s shops", len(lines))
            % {"count": len(lines)},
        },
        {
            "title": _("Stuck payments"),
            "value": str(sum(line.stuck for line in lines)),
            "note": _("%(count)s open reviews") % {"count": sum(line.reviews for line in lines)},
        },
    ]


def _trouble(lines: list[ShopLine], beats: list[Beat]) -> list[dict[str, str]]:
    found = []
    if stopped := [beat.name for beat in beats if beat.is_bad]:
        said = {"names": ", ".join(stopped[:5])}
        found.append(_("Sweeps that stand still or fail: %(names)s.") % said)
    elif not beats:
        found.append(_("No sweep ever ran: nothing is asked, nothing expires."))
    if down := [str(line.shop) for line in lines if line.down]:
        said = {"names": ", ".join(down[:5])}
        found.append(_("A till is out of use at: %(names)s.") % said)
    return [{"text": text, "link": "", "url": ""} for text in found]


def _links(
    name: str, values: Mapping[str, Any], chosen: str, asked: Mapping[str, str]
) -> list[dict[str, Any]]:
    kept = {key: asked[key] for key in ("environment", "period", "q") if asked.get(key)}
    return [
        {
            "label": label,
            "url": f"?{urlencode({**kept, name: value})}",
            "is_chosen": value == chosen,
        }
        for value, label in values.items()
    ]
