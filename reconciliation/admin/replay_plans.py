"""Which callbacks a person may have processed again, and the plan for them in words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from payments.admin.looks import choice_badge
from payments.admin.tables import Table, table
from payments.choices import CallbackKind, CallbackStatus
from payments.models import ProviderCallback
from reconciliation import replay
from reconciliation.admin.replay_words import sentence_of
from reconciliation.admin.sight import uuid_of
from tenants.admin_access import Fence, rows_for
from tenants.roles import Action

if TYPE_CHECKING:
    from tenants.models import User

INBOX_FENCE = Fence(branch="payment__branch")
# A step of fifty each ten seconds, as the schedule has it.
_SECONDS_A_STEP = 10


def actable(user: User, *, now: datetime) -> QuerySet[ProviderCallback]:
    """Return the inbox rows this person may have processed again."""
    of_shop = rows_for(user, Action.RESOLVE_REVIEWS, INBOX_FENCE, now=now)
    rows = of_shop & Q(status__in=replay.WAITING)
    if user.platform_role:
        # The platform mends what broke; whether a stranger's word counts is for the shop to say.
        of_platform = rows_for(user, Action.OPERATE_PLATFORM, INBOX_FENCE, now=now)
        rows = of_platform & Q(status=CallbackStatus.DEAD)
    return ProviderCallback.objects.filter(rows).exclude(body="")


def may_anywhere(user: User) -> bool:
    may = (Action.RESOLVE_REVIEWS, Action.OPERATE_PLATFORM)
    return user.is_active and any(user.may_anywhere(action) for action in may)


def asked_rows(query: dict[str, str]) -> Q:
    """Read which rows: named by their ids, or by the filters of the inbox's list."""
    rows = Q()
    if ids := query.get("ids", ""):
        rows &= Q(pk__in=[uuid_of(each) for each in ids.split(",")[: replay.MOST_ROWS]])
    if (status := query.get("status__exact")) in CallbackStatus.values:
        rows &= Q(status=status)
    if (kind := query.get("kind__exact")) in CallbackKind.values:
        rows &= Q(kind=kind)
    if shop := query.get("shop__id__exact"):
        rows &= Q(shop=uuid_of(shop))
    for name in ("received_at__gte", "received_at__lt"):
        if (at := _moment(query.get(name, ""))) is not None:
            rows &= Q(**{name: at})
    return rows


def _moment(text: str) -> datetime | None:
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    return timezone.make_aware(at) if at and timezone.is_naive(at) else at


def digest_of(ids: Sequence[Any]) -> str:
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()


def facts_of(plan: replay.Plan) -> list[tuple[Any, Any]]:
    if not plan.ids:
        return []
    seconds = plan.steps * _SECONDS_A_STEP
    minutes = -(-seconds // 60)
    lasts = ngettext("%(count)s minute at most", "%(count)s minutes at most", minutes)
    facts = [
        (_("Callbacks"), len(plan.ids)),
        (_("By status"), _spread(plan.by_status, CallbackStatus)),
        (_("By kind"), _spread(plan.by_kind, CallbackKind)),
        (_("Oldest"), plan.oldest),
        (_("Newest"), plan.newest),
        (_("Rate"), _("%(count)s every %(seconds)s seconds")
         % {"count": replay.STEP, "seconds": _SECONDS_A_STEP}),
        (_("Takes"), lasts % {"count": minutes}),
    ]  # fmt: skip
    if plan.left_out:
        facts.append((_("Left for another time"), _("more than these: plan again afterwards")))
    return facts


def _spread(counts: dict[str, int], choices: Any) -> str:
    return ", ".join(f"{choices(name).label}: {count}" for name, count in sorted(counts.items()))


def tried_table(tried: Sequence[tuple[ProviderCallback, replay.Preview | None]]) -> Table:
    rows = [
        [
            format_html('<a href="{}">{}</a>', page_of_callback(row), row.get_kind_display()),
            row.received_at,
            choice_badge(CallbackStatus, row.status),
            sentence_of(found),
        ]
        for row, found in tried
    ]
    title = _("What the oldest of them would do")
    return table(title, [_("Callback"), _("Received"), _("Now"), _("Then")], rows)


def page_of_callback(callback: ProviderCallback) -> str:
    return reverse("admin:payments_providercallback_change", args=[callback.pk])
