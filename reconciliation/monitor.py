"""
What comes into the inbox just now: counts by the minute, and the newest calls with what was done.

Both look at a window of time, and at the newest calls of it where there are very many: the page
asks every five seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Case, Count, Q, Value, When
from django.db.models.fields import BooleanField
from django.db.models.functions import TruncMinute
from django.utils import timezone

from payments.choices import CallbackKind, CallbackStatus
from payments.models import PaymentConfig, ProviderCallback
from payments.services import sources
from tenants.admin_access import Fence, rows_for
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tenants.models import User

WINDOWS = {"15": timedelta(minutes=15), "60": timedelta(hours=1)}
MOST_COUNTED = 20_000
MOST_LISTED = 20
STEP, HEIGHT = 6, 36
_FENCE = Fence(branch="payment__branch")
# Their address names a config, not a payment.
_OF_CONFIGS = (CallbackKind.C2B, CallbackKind.C2B_VALIDATION, CallbackKind.BANK)


@dataclass(frozen=True)
class Bar:
    """One minute of a sparkline, in its own units; texts, so that no language writes commas."""

    x: str
    y: str
    height: str


@dataclass(frozen=True)
class Line:
    """One status or kind: how many, in which minutes, and the most in one of them."""

    value: str
    label: str
    total: int
    most: int
    bars: list[Bar]


@dataclass(frozen=True)
class Call:
    """One call, and what it is about: a payment or a config, where that is known."""

    row: ProviderCallback
    config: PaymentConfig | None
    is_listed: bool
    may_be_applied: bool


@dataclass(frozen=True)
class Minute:
    """One row of the table that says what the sparklines show."""

    at: datetime
    total: int
    by_status: list[int]


@dataclass(frozen=True)
class Seen:
    """The whole page; is_cut where more came than is counted."""

    statuses: list[Line]
    kinds: list[Line]
    minutes: list[Minute]
    calls: list[Call]
    total: int
    is_cut: bool
    width: str


def look(user: User, *, window: timedelta, now: datetime) -> Seen:
    """Look at what came in the window, as far as this person may see the inbox."""
    mine = rows_for(user, Action.VIEW_INBOX, _FENCE, now=now)
    rows = ProviderCallback.objects.filter(mine, received_at__gt=now - window)
    newest = rows.order_by("-received_at").values("pk")[:MOST_COUNTED]
    counted = list(_counted(newest))
    minutes = _minutes_of(window, now=now)
    total = sum(count for *_what, count in counted)
    by_status = _grouped((at, status, count) for at, status, _kind, count in counted)
    by_kind = _grouped((at, kind, count) for at, _status, kind, count in counted)
    return Seen(
        statuses=_lines(by_status, CallbackStatus, minutes),
        kinds=_lines(by_kind, CallbackKind, minutes),
        minutes=_table(by_status, minutes),
        calls=_calls(rows),
        total=total,
        is_cut=total >= MOST_COUNTED,
        width=str(STEP * len(minutes)),
    )


def _counted(newest: QuerySet[Any]) -> Iterable[tuple[datetime, str, str, int]]:
    rows = ProviderCallback.objects.filter(pk__in=newest).order_by()
    minutes = rows.annotate(minute=TruncMinute("received_at")).values_list(
        "minute", "status", "kind"
    )
    return minutes.annotate(count=Count("pk"))


def _minutes_of(window: timedelta, *, now: datetime) -> list[datetime]:
    last = timezone.localtime(now).replace(second=0, microsecond=0)
    many = int(window / timedelta(minutes=1))
    return [last - timedelta(minutes=ago) for ago in range(many, -1, -1)]


def _grouped(
    counted: Iterable[tuple[datetime, str, int]],
) -> dict[str, dict[datetime, int]]:
    found: dict[str, dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    for at, value, count in counted:
        found[value][at] += count
    return found


def _lines(
    found: dict[str, dict[datetime, int]], choices: Any, minutes: list[datetime]
) -> list[Line]:
    highest = max((max(each.values()) for each in found.values()), default=0)
    return [
        Line(
            value,
            str(label),
            total=sum(found[value].values()),
            most=max(found[value].values()),
            bars=_bars(found[value], minutes, highest),
        )
        for value, label in choices.choices
        if value in found
    ]


def _bars(counts: dict[datetime, int], minutes: list[datetime], highest: int) -> list[Bar]:
    """Draw the minutes in which something came; all lines of a group share one scale."""
    bars = []
    for place, at in enumerate(minutes):
        if count := counts.get(at, 0):
            height = max(2, round(HEIGHT * count / highest))
            bars.append(Bar(str(place * STEP), str(HEIGHT - height), str(height)))
    return bars


def _table(by_status: dict[str, dict[datetime, int]], minutes: list[datetime]) -> list[Minute]:
    shown = [value for value in CallbackStatus.values if value in by_status]
    return [
        Minute(at, sum(counts), counts)
        for at in reversed(minutes)
        if any(counts := [by_status[value].get(at, 0) for value in shown])
    ]


def _calls(rows: QuerySet[ProviderCallback]) -> list[Call]:
    waits = Q(status__in=[CallbackStatus.DEAD, CallbackStatus.QUARANTINED]) & ~Q(body="")
    marked = rows.annotate(
        waits=Case(When(waits, then=Value(True)), default=False, output_field=BooleanField())
    )
    newest = marked.select_related("shop", "payment__config").defer("body", "payment__phone")
    found = list(newest.order_by("-received_at", "-id")[:MOST_LISTED])
    configs = PaymentConfig.objects.in_bulk(
        [row.subject_id for row in found if row.kind in _OF_CONFIGS]
    )
    networks = sources.listed_networks()
    return [
        Call(
            row,
            config=configs.get(row.subject_id) or (row.payment.config if row.payment else None),
            is_listed=sources.is_within(row.source_ip, networks),
            may_be_applied=row.waits,
        )
        for row in found
    ]
