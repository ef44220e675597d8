"""A period's payments by branch, till, person and hour, as tables with a bar for the money."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from audit.masking import mask_emails
from payments.models import PaymentConfig
from payments.services.stats_periods import Tally
from reconciliation import charts
from reconciliation.dashboards_words import percent
from tenants.admin_looks import NONE, shillings
from tenants.roles import Role

if TYPE_CHECKING:
    from reconciliation.dashboards_frame import Place

# More lines than this are told as one, so that the sum stays the sum.
MOST_LINES = 20


@dataclass(frozen=True)
class Line:
    """One row: whose it is, its numbers, and how wide its bar is."""

    name: str
    tally: Tally
    width: str

    @property
    def amount(self) -> str:
        return shillings(self.tally.taken.amount)

    @property
    def rate(self) -> str:
        return percent(self.tally.rate)


@dataclass(frozen=True)
class Table:
    """One breakdown; first heads the column of names."""

    title: str
    first: str
    lines: list[Line]


def tables_of(by: dict[str, dict[Any, Tally]], place: Place) -> list[Table]:
    """Lay out stats_periods.Spread.by."""
    branches = {branch.pk: branch.name for branch in place.branches}
    configs = config_names(by.get("config", {}))
    hours = sorted(by.get("hour", {}).items())
    return [
        Table(
            _("By branch"),
            _("Branch"),
            _most_first(by.get("branch", {}), lambda pk: branches.get(pk, _("No branch"))),
        ),
        Table(
            _("By till and paybill"),
            _("Config"),
            _most_first(by.get("config", {}), lambda pk: configs.get(pk, _("By hand"))),
        ),
        Table(
            _("By cashier"),
            _("Taken by"),
            _most_first(by.get("created_by", {}), lambda label: person(label, place)),
        ),
        Table(
            _("By hour"), _("Hour"), _drawn([(f"{hour:02d}:00", tally) for hour, tally in hours])
        ),
    ]


def config_names(ids: Any) -> dict[Any, str]:
    """Return the names of configs, by id."""
    rows = PaymentConfig.objects.filter(pk__in=[pk for pk in ids if pk])
    return {row.pk: str(row) for row in rows.only("name", "shortcode")}


def person(label: str, place: Place) -> str:
    """Name who took a payment; to support, without the address."""
    is_support = place.user.platform_role == Role.SUPPORT
    return (str(mask_emails(label)) if is_support else label) or NONE


def _most_first(tallies: dict[Any, Tally], name: Callable[[Any], str]) -> list[Line]:
    ordered = sorted(tallies.items(), key=lambda item: item[1].taken.amount, reverse=True)
    lines = [(name(key), tally) for key, tally in ordered[:MOST_LINES]]
    if rest := [tally for _key, tally in ordered[MOST_LINES:]]:
        lines.append((_("All others"), sum(rest, Tally())))
    return _drawn(lines)


def _drawn(lines: Sequence[tuple[str, Tally]]) -> list[Line]:
    most = max((tally.taken.amount for _name, tally in lines), default=Decimal(0))
    return [Line(name, tally, charts.share(tally.taken.amount, most)) for name, tally in lines]
