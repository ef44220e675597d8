"""
The sums behind the pages of numbers: read to the cent, folded by a sweep, made anew on demand.

payments/models/tallies.py tells how they come to be. What is asked for between whole hours, or
whole days, is read from the payments themselves: few of them lie on an edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet, Sum

from payments.models import DailyTally, HourlyTally, Payment

NAIROBI = ZoneInfo("Africa/Nairobi")
FOLDED_AT_ONCE = 20_000
Row = dict[str, Any]

_KEYS = "shop_id, environment, branch_id, config_id, origin, status"


@dataclass(frozen=True)
class Unit:
    """By what time payments are added up: a view to read, a table to fold into."""

    tally: type[HourlyTally | DailyTally]
    sums: str
    own: str
    moment: str
    zone: Any
    step: timedelta

    def begin(self, at: datetime) -> datetime:
        """Return when the hour or day of this moment began."""
        local = at.astimezone(self.zone).replace(minute=0, second=0, microsecond=0)
        return local if self.step < timedelta(days=1) else local.replace(hour=0)


HOURS = Unit(
    HourlyTally,
    "payments_hoursum",
    "result_code",
    "date_trunc('hour', created_at, 'UTC')",
    UTC,
    timedelta(hours=1),
)
DAYS = Unit(
    DailyTally,
    "payments_daysum",
    "created_by",
    "date_trunc('day', created_at, 'Africa/Nairobi')",
    NAIROBI,
    timedelta(days=1),
)
_UNITS = (HOURS, DAYS)


def counted(
    rows: Q,
    *names: str,
    since: datetime,
    until: datetime | None = None,
    unit: Unit = HOURS,
    **expressions: Any,
) -> list[Row]:
    """
    Group the payments asked for from since on, before until: each row has names, count, total.

    rows filters by shop, environment, branch, config, origin, status and created_at. Of names,
    result_code is known by the hour and created_by by the day; expressions are more names, made of
    created_at. A group may come in several rows, which are to be added up.
    """
    first = _next(unit, since)
    last = unit.begin(until) if until is not None else None
    within = Q(created_at__gte=first)
    edges = Q(created_at__gte=since, created_at__lt=first)
    if until is not None and last is not None:
        within &= Q(created_at__lt=last)
        edges |= Q(created_at__gte=max(last, since), created_at__lt=until)
        edges &= Q(created_at__lt=until)
    whole = _grouped(unit.tally.objects.filter(rows, within), names, expressions)
    # What ended twice left a sum of none where it ended first.
    found = list(whole.annotate(count=Sum("count"), total=Sum("amount")).exclude(count=0))
    if since == first and until == last:
        return found
    rest = _grouped(Payment.objects.filter(rows, edges), names, expressions)
    return [*found, *rest.annotate(count=Count("pk"), total=Sum("amount"))]


def fold(*, most: int = FOLDED_AT_ONCE) -> int:
    """Fold the oldest changes into the sums; return how many, 0 where another does it just now."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('payments_tallychange'))")
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_FOLD, [most])
        return int(cursor.fetchone()[0])


def rebuild() -> None:
    """Add up all payments anew, while nothing ends; for what was written past the trigger."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE payments_tallychange IN EXCLUSIVE MODE")
        cursor.execute("DELETE FROM payments_tallychange")
        for unit in _UNITS:
            cursor.execute(f"DELETE FROM {unit.sums}")  # noqa: S608 - our own names
            cursor.execute(_add_up(unit))


def _next(unit: Unit, at: datetime) -> datetime:
    """Return the moment itself where an hour or day begins, else when the next one does."""
    begin = unit.begin(at)
    return begin if begin == at else unit.begin(begin + unit.step)


def _grouped(rows: Any, names: tuple[str, ...], expressions: Row) -> QuerySet[Any, Row]:
    found: QuerySet[Any, Row] = rows.order_by().annotate(**expressions)
    return found.values(*names, *expressions)


def _add_up(unit: Unit) -> str:
    keys = f"{_KEYS}, {unit.own}, {unit.moment}"
    return f"""
        INSERT INTO {unit.sums} (id, {_KEYS}, {unit.own}, created_at, count, amount)
        SELECT gen_random_uuid(), {keys}, count(*), sum(amount)
        FROM payments_payment WHERE status NOT IN ('created', 'pending') GROUP BY {keys}
    """  # noqa: S608 - our own names


def _fold_into(unit: Unit) -> str:
    """Add the changes that were taken; rows are locked in one order, whoever else folds."""
    keys = f"{_KEYS}, {unit.own}, {unit.moment}"
    return f"""
        INSERT INTO {unit.sums} AS s (id, {_KEYS}, {unit.own}, created_at, count, amount)
        SELECT gen_random_uuid(), {keys}, sum(count), sum(amount)
        FROM taken GROUP BY {keys} ORDER BY {keys}
        ON CONFLICT ({_KEYS}, {unit.own}, created_at)
        DO UPDATE SET count = s.count + excluded.count, amount = s.amount + excluded.amount
    """  # noqa: S608 - our own names


# An array is made once; as a mere subquery, a plan may ask it again for each row, past the limit.
_FOLD = f"""
    WITH taken AS (
        DELETE FROM payments_tallychange WHERE id = ANY(ARRAY(
            SELECT id FROM payments_tallychange ORDER BY id LIMIT %s))
        RETURNING *
    ), by_hour AS ({_fold_into(HOURS)}), by_day AS ({_fold_into(DAYS)})
    SELECT count(*) FROM taken
"""  # noqa: S608 - our own names
