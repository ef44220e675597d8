"""
Takings and outcomes in numbers. Days are Nairobi's; the environments are never mixed.

A payment counts for the day on which it was asked for, so that one index serves every number.
Takings are completed payments however they came: by prompt, from a receipt, by hand; what was
written down by hand is told apart as well. Success is completed of (completed + failed + expired)
prompts this month; what is still open, and what nobody could tell us of, stands beside the rate
and not in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.db.models.functions import TruncDate

from payments.choices import Environment, PaymentStatus, Submission
from payments.models import Attempt, Payment, PaymentConfig
from payments.receipt_choices import PaymentOrigin
from payments.services.tallies import DAYS, NAIROBI, counted
from payments.states import LIVE_STATUSES

_CENTS = Decimal("0.01")
_DECIDED = (PaymentStatus.COMPLETED, PaymentStatus.FAILED, PaymentStatus.EXPIRED)
_MOST_CODES = 20
# Payments by Nairobi's day, status and origin.
_Counted = dict[tuple[date, str, str], "Total"]


@dataclass(frozen=True)
class Total:
    """Money taken, and by how many payments."""

    amount: Decimal = Decimal(0)
    count: int = 0

    def __add__(self, other: Total) -> Total:
        return Total(self.amount + other.amount, self.count + other.count)


@dataclass(frozen=True)
class Day:
    """One day of Nairobi: money taken, and payments that failed or expired."""

    date: date
    taken: Total = Total()
    failed: int = 0


@dataclass(frozen=True)
class Numbers:
    """What `/payments/stats` answers and the first page shows."""

    today: Total
    month: Total
    success_rate: Decimal | None
    pending: int
    unknown: int
    failed: int
    failed_by_code: list[dict[str, Any]]
    last_sync_at: datetime | None
    failed_today: int = 0
    by_hand_today: Total = Total()
    by_hand_month: Total = Total()
    days: list[Day] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the answer of the API."""
        rate = self.success_rate
        return {
            "today": _total_dict(self.today),
            "month": _total_dict(self.month),
            "manual": {
                "today": _total_dict(self.by_hand_today),
                "month": _total_dict(self.by_hand_month),
            },
            "success_rate": None if rate is None else float(rate),
            "pending": self.pending,
            "unknown": self.unknown,
            "failed": {"count": self.failed, "by_code": self.failed_by_code},
            "last_sync_at": self.last_sync_at and self.last_sync_at.isoformat(),
        }


def shop_numbers(
    *, shops: Iterable[Any], environment: str, branches: Iterable[Any] | None = None, now: datetime
) -> Numbers:
    """
    Compute the numbers of these shops, or of these branches of theirs.

    pending counts every open payment; unknown, those of them whose request may or may not have
    reached the provider.
    """
    rows = Q(shop__in=list(shops))
    if branches is not None:
        rows &= Q(branch__in=list(branches))
    return numbers_of(rows, environment=environment, now=now)


def default_environment(
    *, configs: QuerySet[PaymentConfig], payments: QuerySet[Payment] | None = None
) -> str:
    """
    Return production where one of these configs took a payment there, else sandbox.

    payments are those in sight: real money written down by hand has no config.
    """
    used = Payment.objects.filter(config=OuterRef("pk"))
    real = configs.filter(Exists(used), environment=Environment.PRODUCTION)
    if real.exists():
        return Environment.PRODUCTION
    by_hand = {"environment": Environment.PRODUCTION, "origin": PaymentOrigin.MANUAL}
    is_written = payments is not None and payments.filter(**by_hand).order_by().exists()
    return Environment.PRODUCTION if is_written else Environment.SANDBOX


def day_of(moment: datetime) -> date:
    """Return the day in Nairobi."""
    return moment.astimezone(NAIROBI).date()


def midnight(day: date) -> datetime:
    """Return when a day begins in Nairobi."""
    return datetime(day.year, day.month, day.day, tzinfo=NAIROBI)


def rate_of(completed: int, decided: int) -> Decimal | None:
    """Return how many of a hundred, to one decimal; None where nothing is decided."""
    return (Decimal(completed * 100) / decided).quantize(Decimal("0.1")) if decided else None


def numbers_of(rows: Q, *, environment: str, now: datetime, days: int = 1) -> Numbers:
    """
    Compute the numbers of the payments inside a fence, and a row for each of the last days.

    rows filters by what tallies.counted knows.
    """
    rows &= Q(environment=environment)
    payments = Payment.objects.filter(rows)
    today = day_of(now)
    month_start = today.replace(day=1)
    first = min(month_start, today - timedelta(days=days - 1))
    by_day = _count_by_day(rows, since=first)
    month = {key: total for key, total in by_day.items() if key[0] >= month_start}
    taken, by_hand = PaymentStatus.COMPLETED, PaymentOrigin.MANUAL
    return Numbers(
        today=_sum(by_day, taken, day=today),
        month=_sum(month, taken),
        by_hand_today=_sum(by_day, taken, day=today, origin=by_hand),
        by_hand_month=_sum(month, taken, origin=by_hand),
        success_rate=_success_rate(month),
        failed=_sum(month, PaymentStatus.FAILED).count,
        failed_by_code=_failed_by_code(rows, since=month_start),
        failed_today=_sum(by_day, PaymentStatus.FAILED, day=today).count,
        last_sync_at=_last_sync_at(payments, now=now),
        days=_days(by_day, today=today, days=days),
        **_open_ones(payments),
    )


def _count_by_day(rows: Q, *, since: date) -> _Counted:
    day = TruncDate("created_at", tzinfo=NAIROBI)
    found: _Counted = {}
    for row in counted(rows, "status", "origin", day=day, since=midnight(since), unit=DAYS):
        key = (row["day"], row["status"], row["origin"])
        found[key] = found.get(key, Total()) + Total(row["total"], row["count"])
    return found


def _days(counted: _Counted, *, today: date, days: int) -> list[Day]:
    dates = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    return [
        Day(
            date=each,
            taken=_sum(counted, PaymentStatus.COMPLETED, day=each),
            failed=_sum(counted, PaymentStatus.FAILED, PaymentStatus.EXPIRED, day=each).count,
        )
        for each in dates
    ]


def _success_rate(counted: _Counted) -> Decimal | None:
    """Rate prompts alone: what a person wrote down, or claimed from a receipt, cannot fail."""
    prompts = {key: total for key, total in counted.items() if key[2] == PaymentOrigin.PROMPT}
    decided = _sum(prompts, *_DECIDED).count
    return rate_of(_sum(prompts, PaymentStatus.COMPLETED).count, decided)


def _sum(
    counted: _Counted, *statuses: str, day: date | None = None, origin: str | None = None
) -> Total:
    """Add up what has one of these statuses, on one day and of one origin where they are given."""
    fitting = (
        total
        for (each, status, came), total in counted.items()
        if status in statuses and day in (None, each) and origin in (None, came)
    )
    return sum(fitting, Total())


def _open_ones(payments: QuerySet[Payment]) -> dict[str, int]:
    unknown = Attempt.objects.filter(payment=OuterRef("pk"), submission=Submission.UNKNOWN)
    live = payments.filter(status__in=sorted(LIVE_STATUSES)).order_by()
    return live.aggregate(pending=Count("pk"), unknown=Count("pk", filter=Exists(unknown)))


def _failed_by_code(rows: Q, *, since: date) -> list[dict[str, Any]]:
    codes: Counter[str] = Counter()
    for row in counted(rows & Q(status=PaymentStatus.FAILED), "result_code", since=midnight(since)):
        codes[row["result_code"]] += row["count"]
    most = sorted(codes.items(), key=lambda each: (-each[1], each[0]))
    return [{"code": code or None, "count": count} for code, count in most[:_MOST_CODES]]


def _last_sync_at(payments: QuerySet[Payment], *, now: datetime) -> datetime | None:
    """Return when a provider last told something: a callback, or an answer to our question."""
    recent = payments.filter(created_at__gte=now - timedelta(days=1)).order_by()
    asked = Attempt.objects.filter(payment__in=recent.values("pk"))
    called = PaymentConfig.objects.filter(pk__in=recent.values("config"))
    told = [
        asked.aggregate(at=Max("last_asked_at"))["at"],
        called.aggregate(at=Max("last_callback_at"))["at"],
    ]
    return max((at for at in told if at is not None), default=None)


def _total_dict(total: Total) -> dict[str, Any]:
    return {"amount": str(total.amount.quantize(_CENTS)), "count": total.count}
