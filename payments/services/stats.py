"""
Takings and outcomes in numbers. Days are Nairobi's; the environments are never mixed.

A payment counts for the day on which it was asked for, so that one index serves every number.
Success is completed of (completed + failed + expired) this month; what is still open, and what
nobody could tell us of, stands beside the rate and not in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from payments.choices import Environment, PaymentStatus, Submission
from payments.models import Attempt, Payment, PaymentConfig
from payments.states import LIVE_STATUSES

NAIROBI = ZoneInfo("Africa/Nairobi")
_CENTS = Decimal("0.01")
_DECIDED = (PaymentStatus.COMPLETED, PaymentStatus.FAILED, PaymentStatus.EXPIRED)
_MOST_CODES = 20


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
    days: list[Day] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the answer of the API."""
        rate = self.success_rate
        return {
            "today": _total_dict(self.today),
            "month": _total_dict(self.month),
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
    return numbers_of(Payment.objects.filter(rows), environment=environment, now=now)


def default_environment(*, configs: QuerySet[PaymentConfig]) -> str:
    """Return production where one of these configs took a payment there, else sandbox."""
    used = Payment.objects.filter(config=OuterRef("pk"))
    real = configs.filter(Exists(used), environment=Environment.PRODUCTION)
    return Environment.PRODUCTION if real.exists() else Environment.SANDBOX


def numbers_of(
    payments: QuerySet[Payment], *, environment: str, now: datetime, days: int = 1
) -> Numbers:
    """Compute the numbers of a fenced set of payments, and a row for each of the last days."""
    payments = payments.filter(environment=environment)
    month_start = now.astimezone(NAIROBI).date().replace(day=1)
    today = now.astimezone(NAIROBI).date()
    first = min(month_start, today - timedelta(days=days - 1))
    counted = _count_by_day(payments, since=first)
    month = {key: total for key, total in counted.items() if key[0] >= month_start}
    return Numbers(
        today=counted.get((today, PaymentStatus.COMPLETED), Total()),
        month=_sum(month, PaymentStatus.COMPLETED),
        success_rate=_success_rate(month),
        failed=_sum(month, PaymentStatus.FAILED).count,
        failed_by_code=_failed_by_code(payments, since=month_start),
        failed_today=counted.get((today, PaymentStatus.FAILED), Total()).count,
        last_sync_at=_last_sync_at(payments, now=now),
        days=_days(counted, today=today, days=days),
        **_open_ones(payments),
    )


def _count_by_day(payments: QuerySet[Payment], *, since: date) -> dict[tuple[date, str], Total]:
    rows = (
        payments.filter(created_at__gte=_midnight(since))
        .annotate(day=TruncDate("created_at", tzinfo=NAIROBI))
        .order_by()
        .values("day", "status")
        .annotate(count=Count("pk"), total=Sum("amount"))
    )
    return {(row["day"], row["status"]): Total(row["total"], row["count"]) for row in rows}


def _days(counted: dict[tuple[date, str], Total], *, today: date, days: int) -> list[Day]:
    dates = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    return [
        Day(
            date=each,
            taken=counted.get((each, PaymentStatus.COMPLETED), Total()),
            failed=sum(
                counted.get((each, status), Total()).count
                for status in (PaymentStatus.FAILED, PaymentStatus.EXPIRED)
            ),
        )
        for each in dates
    ]


def _success_rate(counted: dict[tuple[date, str], Total]) -> Decimal | None:
    decided = sum(_sum(counted, status).count for status in _DECIDED)
    if not decided:
        return None
    completed = _sum(counted, PaymentStatus.COMPLETED).count
    return (Decimal(completed * 100) / decided).quantize(Decimal("0.1"))


def _sum(counted: dict[tuple[date, str], Total], status: str) -> Total:
    return sum((total for (_day, each), total in counted.items() if each == status), Total())


def _open_ones(payments: QuerySet[Payment]) -> dict[str, int]:
    unknown = Attempt.objects.filter(payment=OuterRef("pk"), submission=Submission.UNKNOWN)
    live = payments.filter(status__in=sorted(LIVE_STATUSES)).order_by()
    return live.aggregate(pending=Count("pk"), unknown=Count("pk", filter=Exists(unknown)))


def _failed_by_code(payments: QuerySet[Payment], *, since: date) -> list[dict[str, Any]]:
    failed = payments.filter(status=PaymentStatus.FAILED, created_at__gte=_midnight(since))
    rows = failed.order_by().values("result_code").annotate(count=Count("pk"))
    return [
        {"code": row["result_code"] or None, "count": row["count"]}
        for row in rows.order_by("-count", "result_code")[:_MOST_CODES]
    ]


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


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=NAIROBI)


def _total_dict(total: Total) -> dict[str, Any]:
    return {"amount": str(total.amount.quantize(_CENTS)), "count": total.count}
