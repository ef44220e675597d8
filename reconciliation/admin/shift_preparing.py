"""What somebody prepares a shift of: his shop, his branches, and for a cashier today only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404
from django.utils.translation import gettext as _

from payments.choices import Environment
from payments.models import PaymentConfig
from payments.services import stats
from reconciliation.admin.shift_forms import PeriodForm
from reconciliation.dashboards_frame import OutOfSight, Place, place_of
from reconciliation.shift_totals import Totals, digest_of
from reconciliation.shifts import Scope, ShiftRefused, preview
from tenants.admin_access import branches_with, is_bound, start_of_day
from tenants.models import Shop, User
from tenants.roles import Action, Grant, grant

PAGE = "reconciliation_shift_close"


@dataclass(frozen=True)
class Prepared:
    """A shift as it would be signed now; totals is None while something is wrong with it."""

    place: Place
    form: PeriodForm
    scope: Scope
    totals: Totals | None
    problem: str = ""

    @property
    def digest(self) -> str:
        return digest_of(self.totals.as_data()) if self.totals else ""

    @property
    def query(self) -> str:
        """Return the address that shows, and signs, exactly this scope."""
        scope = self.scope
        return self.place.query(
            branch=str(scope.branch.pk) if scope.branch else "",
            config=str(scope.config.pk) if scope.config else "",
            cashier=scope.cashier,
            since=_written(scope.since),
            until=_written(scope.until),
        )

    def environments(self) -> list[dict[str, Any]]:
        worlds = dict(reversed(Environment.choices))
        return self.place.links("environment", worlds, self.place.environment)


def prepare(user: User, asked: Mapping[str, str], *, now: datetime) -> Prepared | list[Shop]:
    """
    Return what is asked for, added up; or the shops to choose from.

    Answers 404 for a shop or branch out of sight, 403 where a cashier asks for another day.
    """
    names = {name: asked.get(name, "") for name in ("shop", "environment", "branch")}
    try:
        place = place_of(user, names, page=PAGE, action=Action.VIEW_STATS, period="today", now=now)
    except OutOfSight as error:
        raise Http404 from error
    if not isinstance(place, Place):
        return place
    form = _form(user, place, asked, now=now)
    scope = _scope(form, place, now=now)
    if not form.is_valid():
        return Prepared(place, form, scope, None, _("Correct what is marked."))
    _check_today(user, scope, now=now)
    try:
        return Prepared(place, form, scope, preview(scope, now=now))
    except ShiftRefused as error:
        return Prepared(place, form, scope, None, _(str(error)))


def _form(user: User, place: Place, asked: Mapping[str, str], *, now: datetime) -> PeriodForm:
    bound = is_bound(user, place.shop.pk)
    branches = branches_with(user, Action.VIEW_STATS, now=now).filter(shop=place.shop)
    given = {name: asked.get(name, "") for name in ("since", "until", "config", "cashier")}
    first = place.branches[0] if bound and place.branches else None
    branch = place.branch or first
    if bound and branch is None:
        raise PermissionDenied
    data = {
        **given,
        "since": given["since"] or _written(stats.midnight(stats.day_of(now))),
        "until": given["until"] or _written(now),
        "branch": str(branch.pk) if branch else "",
    }
    configs = PaymentConfig.objects.filter(shop=place.shop, environment=place.environment)
    if bound:
        configs = configs.filter(Q(branch=None) | Q(branch__in=place.branches))
    return PeriodForm(
        data,
        branches=branches.order_by("name"),
        configs=configs.order_by("name"),
        is_bound_to_branches=bound,
    )


def _scope(form: PeriodForm, place: Place, *, now: datetime) -> Scope:
    given = form.cleaned_data if form.is_valid() else {}
    return Scope(
        shop=place.shop,
        environment=place.environment,
        since=given.get("since") or start_of_day(now),
        until=given.get("until") or now,
        branch=given.get("branch"),
        config=given.get("config"),
        cashier=given.get("cashier", ""),
    )


def _check_today(user: User, scope: Scope, *, now: datetime) -> None:
    role = user.role_in(scope.shop.pk)
    is_todays = grant(role, Action.LIST_PAYMENTS) is Grant.OWN_BRANCHES_TODAY
    if is_todays and scope.since < start_of_day(now):
        raise PermissionDenied


def _written(moment: datetime) -> str:
    return moment.astimezone(stats.NAIROBI).strftime("%Y-%m-%dT%H:%M:%S")
