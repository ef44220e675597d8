"""Where a dashboard looks: whose rows, of which world and branch, over which days."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.db.models import Q

from payments.choices import Environment
from payments.models import Payment, PaymentConfig
from payments.services import stats
from reconciliation.dashboards_periods import PERIODS, Period, period_of
from tenants.admin_access import Fence, branches_with, rows_for, shops_with
from tenants.models import Branch, Shop, User
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet

PAYMENT_FENCE = Fence(branch="branch", made_at="created_at")
# A platform has more shops than a list can hold; the others are found on the page of all shops.
MOST_SHOPS = 500


class OutOfSight(LookupError):
    """The shop or branch named is not this person's, or there is none."""


@dataclass(frozen=True)
class Place:
    """One shop in one world: the branch where one was chosen, and what else could be."""

    user: User
    page: str
    shop: Shop
    shops: list[Shop]
    environment: str
    branch: Branch | None
    branches: list[Branch]
    period: Period
    now: datetime
    chosen: dict[str, str] = field(default_factory=dict)

    @property
    def is_sandbox(self) -> bool:
        return self.environment == Environment.SANDBOX

    def payments(self, action: Action = Action.VIEW_STATS) -> QuerySet[Payment]:
        """Return the payments on which this person may do the action, here."""
        return Payment.objects.filter(self.rows(action))

    def rows(self, action: Action = Action.VIEW_STATS) -> Q:
        """Return the filter that leaves payments(), and sums of them (tallies.counted)."""
        rows = rows_for(self.user, action, PAYMENT_FENCE, now=self.now) & Q(**self.where())
        return rows & Q(branch=self.branch.pk) if self.branch else rows

    def where(self) -> dict[str, Any]:
        return {"shop": self.shop.pk, "environment": self.environment}

    def query(self, **other: str) -> str:
        """Return what stands behind the address of this very look, or of another."""
        return urlencode({name: value for name, value in {**self.chosen, **other}.items() if value})

    def links(self, name: str, values: Mapping[str, Any], chosen: str) -> list[dict[str, Any]]:
        """Return a switch over one of the choices."""
        return [
            {"label": label, "url": f"?{self.query(**{name: value})}", "is_chosen": value == chosen}
            for value, label in values.items()
        ]


def place_of(
    user: User, asked: Mapping[str, str], *, page: str, action: Action, period: str, now: datetime
) -> Place | list[Shop]:
    """
    Return where the page looks, or the shops to choose from where the person must say which.

    period is the page's own, where none is asked for.

    :raises OutOfSight: for a shop or branch that is not this person's.
    """
    seen = _shops_in_sight(user, action)
    shops = list(seen.order_by("name", "pk")[:MOST_SHOPS])
    shop = _shop(user, seen, shops, asked.get("shop", ""))
    if shop is None:
        return shops
    environment = _environment(user, shop, asked.get("environment", ""), now=now)
    branches = _branches(user, shop, now=now)
    branch = _branch(branches, asked.get("branch", ""))
    named = asked.get("period", "")
    period = named if named in PERIODS else period
    return Place(
        user=user,
        page=page,
        shop=shop,
        shops=shops,
        environment=environment,
        branch=branch,
        branches=branches,
        period=period_of(period, now=now),
        now=now,
        chosen={
            "shop": str(shop.pk) if len(shops) > 1 else "",
            "environment": environment,
            "branch": str(branch.pk) if branch else "",
            "period": period,
        },
    )


def _shops_in_sight(user: User, action: Action) -> QuerySet[Shop]:
    """Find the shops where the person may open the page and see its numbers."""
    seen = shops_with(user, Action.VIEW_STATS)
    return seen if action == Action.VIEW_STATS else seen & shops_with(user, action)


def _shop(user: User, seen: QuerySet[Shop], shops: list[Shop], asked: str) -> Shop | None:
    if asked:
        listed = next((shop for shop in shops if str(shop.pk) == asked), None)
        found = listed or seen.filter(pk=_uuid(asked)).first()
        if found is None:
            raise OutOfSight
        return found
    is_plain = len(shops) == 1 or not user.platform_role
    return shops[0] if shops and is_plain else None


def _environment(user: User, shop: Shop, asked: str, *, now: datetime) -> str:
    if asked in Environment.values:
        return asked
    seen = rows_for(user, Action.VIEW_STATS, PAYMENT_FENCE, now=now)
    return stats.default_environment(
        configs=PaymentConfig.objects.filter(shop=shop),
        payments=Payment.objects.filter(seen, shop=shop),
    )


def _branches(user: User, shop: Shop, *, now: datetime) -> list[Branch]:
    rows = branches_with(user, Action.VIEW_STATS, now=now).filter(shop=shop)
    return list(rows.order_by("name"))


def _branch(branches: list[Branch], asked: str) -> Branch | None:
    if not asked:
        return None
    for branch in branches:
        if str(branch.pk) == asked:
            return branch
    raise OutOfSight


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise OutOfSight from error
