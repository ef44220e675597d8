"""How each config does: hour by hour, how late its callbacks are, how Daraja answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Aggregate,
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    FloatField,
    OuterRef,
    Q,
    QuerySet,
)
from django.db.models.functions import Coalesce, TruncHour

from payments.choices import EvidenceSource, Fault, PaymentStatus, Submission
from payments.models import Attempt, Evidence, Payment
from payments.providers.daraja.result_codes import explain
from payments.receipt_choices import PaymentOrigin
from payments.services.stats import rate_of
from payments.services.tallies import NAIROBI

# Later than this, a customer stands at the counter and waits.
LATE = timedelta(seconds=30)
# A prompt younger than this may still be in the customer's hand.
MAY_STILL_COME = timedelta(minutes=5)


class Percentile(Aggregate):
    """PostgreSQL's percentile_cont: share is 0.5 for the median."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(%(share)s) WITHIN GROUP (ORDER BY %(expressions)s)"

    def __init__(self, expression: Any, *, share: float, **extra: Any) -> None:
        super().__init__(expression, share=share, **extra)


@dataclass(frozen=True)
class Hour:
    """One config in one hour: prompts paid, turned down by customers, and not paid otherwise."""

    paid: int = 0
    declined: int = 0
    lost: int = 0

    def __add__(self, other: Hour) -> Hour:
        return Hour(self.paid + other.paid, self.declined + other.declined, self.lost + other.lost)

    @property
    def rate(self) -> float | None:
        """Success in percent, customers' own no left out; None where nothing else was decided."""
        rate = rate_of(self.paid, self.paid + self.lost)
        return None if rate is None else float(rate)


@dataclass(frozen=True)
class Callbacks:
    """How long after the request callbacks came, in seconds, and how many came late."""

    count: int = 0
    late: int = 0
    median_s: float | None = None
    p95_s: float | None = None


@dataclass(frozen=True)
class Answers:
    """How Daraja answered our requests: milliseconds, refusals, and no answer at all."""

    count: int = 0
    refused: int = 0
    unknown: int = 0
    median_ms: float | None = None
    p95_ms: float | None = None
    # Accepted, time enough went by, and no callback came.
    uncalled: int = 0


def hours_of(payments: QuerySet[Payment], *, since: datetime) -> dict[Any, dict[datetime, Hour]]:
    """Return what became of the prompts since then, by config and hour of Nairobi."""
    prompts = payments.filter(created_at__gte=since, origin=PaymentOrigin.PROMPT)
    hourly = prompts.annotate(at=TruncHour("created_at", tzinfo=NAIROBI)).order_by()
    rows = hourly.values("config", "at", "status", "result_code").annotate(count=Count("pk"))
    found: dict[Any, dict[datetime, Hour]] = defaultdict(lambda: defaultdict(Hour))
    for row in rows:
        found[row["config"]][row["at"]] += _hour(row)
    return found


def callbacks_of(payments: QuerySet[Payment], *, since: datetime) -> dict[Any, Callbacks]:
    """Return how late the callbacks of the payments since then were, by config."""
    recent = payments.filter(created_at__gte=since).order_by()
    told = Evidence.objects.filter(
        payment__in=recent.values("pk"), source=EvidenceSource.STK_CALLBACK
    )
    heard_at = Coalesce("callback__received_at", "recorded_at")
    late = ExpressionWrapper(heard_at - F("attempt__requested_at"), DurationField())
    rows = (
        told.annotate(late=late, config=F("attempt__config"))
        .order_by()
        .values("config")
        .annotate(
            count=Count("pk"),
            late_ones=Count("pk", filter=Q(late__gt=LATE)),
            median=Percentile("late", share=0.5, output_field=DurationField()),
            p95=Percentile("late", share=0.95, output_field=DurationField()),
        )
    )
    return {
        row["config"]: Callbacks(
            row["count"], row["late_ones"], _seconds(row["median"]), _seconds(row["p95"])
        )
        for row in rows
    }


def answers_of(
    payments: QuerySet[Payment], *, since: datetime, now: datetime
) -> dict[Any, Answers]:
    """Return how Daraja answered the prompts of the payments since then, by config."""
    recent = payments.filter(created_at__gte=since).order_by()
    called = Evidence.objects.filter(attempt=OuterRef("pk"), source=EvidenceSource.STK_CALLBACK)
    attempts = Attempt.objects.filter(payment__in=recent.values("pk"))
    is_uncalled = Q(
        submission=Submission.SENT, requested_at__lt=now - MAY_STILL_COME, was_called=False
    )
    rows = (
        attempts.annotate(was_called=Exists(called))
        .order_by()
        .values("config")
        .annotate(
            count=Count("pk"),
            refused=Count("pk", filter=Q(submission=Submission.REFUSED)),
            unknown=Count("pk", filter=Q(submission=Submission.UNKNOWN)),
            uncalled=Count("pk", filter=is_uncalled),
            median_ms=Percentile("answer_ms", share=0.5, output_field=FloatField()),
            p95_ms=Percentile("answer_ms", share=0.95, output_field=FloatField()),
        )
    )
    return {row.pop("config"): Answers(**row) for row in rows}


def _hour(row: Mapping[str, Any]) -> Hour:
    status, count = row["status"], row["count"]
    if status == PaymentStatus.COMPLETED:
        return Hour(paid=count)
    if status not in {PaymentStatus.FAILED, PaymentStatus.EXPIRED}:
        return Hour()
    is_customers = explain(row["result_code"]).fault == Fault.CUSTOMER
    return Hour(declined=count) if is_customers else Hour(lost=count)


def _seconds(late: timedelta | None) -> float | None:
    return None if late is None else late.total_seconds()
