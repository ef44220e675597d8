"""
Which rows of the back office a person sees: the matrix turned into filters.

A member sees rows of the shops where his role may do the action; bound to branches, only theirs;
a cashier, only today's. Platform admins see every shop's. Support sees what the matrix shows it
masked only of shops that let it in (tenants/support.py). Whatever is not allowed is filtered out,
so that another shop's row and a row that does not exist look the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from tenants.choices import Environment
from tenants.models import Branch, Membership, Shop
from tenants.roles import Action, Grant, Role, grant, may
from tenants.support import live_access

if TYPE_CHECKING:
    from tenants.models import User

NAIROBI = ZoneInfo("Africa/Nairobi")
NOTHING = Q(pk__in=[])
EVERYTHING = Q()


@dataclass(frozen=True)
class Fence:
    """
    How a row finds its shop, its branch and its birth.

    branch="" says the row belongs to the whole shop, and whoever is bound to branches does not see
    it; branch=None says everybody in the shop does.
    """

    shop: str = "shop"
    branch: str | None = ""
    made_at: str = ""


SHOP_FENCE = Fence(shop="pk", branch=None)
BRANCH_FENCE = Fence(branch="pk")
_FENCES: dict[type[Model], Fence] = {Shop: SHOP_FENCE, Branch: BRANCH_FENCE}


def fence_of(model: type[Model]) -> Fence:
    """
    Return the fence of the rows a form or filter offers.

    Who is bound to branches is offered only what belongs to them, not what all branches share.
    """
    if model in _FENCES:
        return _FENCES[model]
    of_branches = any(field.name == "branch" for field in model._meta.fields)  # noqa: SLF001
    return Fence(branch="branch" if of_branches else None)


def rows_for(user: User, action: Action, fence: Fence, *, now: datetime) -> Q:
    """Return the filter that leaves the rows on which the user may do the action."""
    if user.platform_role:
        return _rows_of_staff(user.platform_role, action, fence, now=now)
    rows = NOTHING
    for membership in memberships_with(user, action):
        rows |= _rows_of(membership, action, fence, now=now)
    return rows


def memberships_with(user: User, action: Action) -> list[Membership]:
    return [m for m in user.active_memberships if may(m.role, action)]


def shops_with(user: User, action: Action) -> QuerySet[Shop]:
    """Return the shops in which the user may do the action."""
    if user.platform_role:
        rows = _rows_of_staff(user.platform_role, action, SHOP_FENCE, now=timezone.now())
        return Shop.objects.filter(rows)
    return Shop.objects.filter(pk__in=[m.shop_id for m in memberships_with(user, action)])


def branches_with(user: User, action: Action, *, now: datetime) -> QuerySet[Branch]:
    """Return the branches in which the user may do the action."""
    return Branch.objects.filter(rows_for(user, action, BRANCH_FENCE, now=now))


def is_bound(user: User, shop_id: Any) -> bool:
    """Tell whether the user's membership of the shop is bound to branches."""
    return any(m.branch_ids for m in user.active_memberships if m.shop_id == shop_id)


def grant_in(role: str, action: Action, row: Model) -> Grant:
    """Tell how far the role may do it to this row; a right of the sandbox ends where money is real."""
    granted = grant(role, action)
    is_real = getattr(row, "environment", "") != Environment.SANDBOX
    return Grant.NO if granted is Grant.SANDBOX_ONLY and is_real else granted


def start_of_day(now: datetime) -> datetime:
    return now.astimezone(NAIROBI).replace(hour=0, minute=0, second=0, microsecond=0)


def _rows_of_staff(role: str, action: Action, fence: Fence, *, now: datetime) -> Q:
    granted = grant(role, action)
    if granted is Grant.NO:
        return NOTHING
    if role != Role.SUPPORT or granted is not Grant.MASKED:
        return EVERYTHING
    return Q(**{f"{fence.shop}__in": live_access(now=now).order_by().values("shop")})


def _rows_of(membership: Membership, action: Action, fence: Fence, *, now: datetime) -> Q:
    rows = Q(**{fence.shop: membership.shop_id})
    if membership.branch_ids and fence.branch is not None:
        if not fence.branch:
            return NOTHING
        rows &= Q(**{f"{fence.branch}__in": membership.branch_ids})
    if fence.made_at and grant(membership.role, action) is Grant.OWN_BRANCHES_TODAY:
        rows &= Q(**{f"{fence.made_at}__gte": start_of_day(now)})
    return rows
