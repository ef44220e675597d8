"""
Configs that take money, but not as they should: told as degraded, and never switched off for it.

Two signs. Safaricom accepts prompts and tells what became of them when asked, but no callback of
any of them comes: payments still settle, slowly. Or far fewer payments succeed than usual, a
customer's own no left out. What is found stands on the config's breaker row, beside what opens it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q

from payments.choices import (
    CallbackKind,
    EvidenceSource,
    Fault,
    HealthReason,
    OutcomeVerdict,
    PaymentStatus,
    Submission,
)
from payments.models import Attempt, Breaker, Evidence, Payment, PaymentConfig, ProviderCallback
from payments.providers.daraja.result_codes import explain
from payments.receipt_choices import PaymentOrigin

logger = logging.getLogger(__name__)

CALLBACKS_WITHIN = timedelta(minutes=30)
LEAST_PROMPTS = 5
# Of late, without those a customer still has in his hand; and what is usual.
LATELY = timedelta(hours=2)
UNDECIDED = timedelta(minutes=10)
USUALLY = timedelta(days=7)
LEAST_LATELY, LEAST_USUALLY = 10, 50
# Told when fewer than this part of the usual rate succeed.
DROP = 0.6
_ENDED = (PaymentStatus.COMPLETED, PaymentStatus.FAILED, PaymentStatus.EXPIRED)
_SETTLED = (OutcomeVerdict.SUCCEEDED, OutcomeVerdict.FAILED)


@dataclass(frozen=True)
class Concern:
    """What is not as it should be: one of HealthReason, with the numbers; empty for nothing."""

    code: str = ""
    data: dict[str, Any] | None = None


NOTHING = Concern()


def watch_configs(*, now: datetime) -> int:
    """Look at every config in use that took payments lately; return of how many the word changed."""
    return sum(_note(config, concern_of(config, now=now), now=now) for config in _to_look_at(now))


def concern_of(config: PaymentConfig, *, now: datetime) -> Concern:
    """Tell what is wrong with how a config takes money; the missing callbacks first."""
    return _missing_callbacks(config, now=now) or _dropped_success(config, now=now) or NOTHING


def _to_look_at(now: datetime) -> Iterable[PaymentConfig]:
    busy = Payment.objects.filter(config=OuterRef("pk"), created_at__gt=now - LATELY)
    rows = PaymentConfig.objects.usable().select_related("breaker")
    return rows.filter(Exists(busy) | ~Q(breaker__concern="") & Q(breaker__isnull=False))


def _missing_callbacks(config: PaymentConfig, *, now: datetime) -> Concern | None:
    """Find prompts that were accepted and settled by asking, none of which was called back."""
    came = ProviderCallback.objects.filter(kind=CallbackKind.STK, subject_id=OuterRef("pk"))
    told = Evidence.objects.filter(
        attempt=OuterRef("pk"), source=EvidenceSource.STK_QUERY, verdict__in=_SETTLED
    )
    prompts = Attempt.objects.filter(
        config=config,
        payment__config=config,
        payment__created_at__gt=now - CALLBACKS_WITHIN,
        submission=Submission.SENT,
    )
    seen = prompts.annotate(has_come=Exists(came), was_told=Exists(told)).aggregate(
        came=Count("pk", filter=Q(has_come=True)), told=Count("pk", filter=Q(was_told=True))
    )
    if not seen["came"] and seen["told"] >= LEAST_PROMPTS:
        return Concern(HealthReason.CALLBACKS_MISSING, {"prompts": seen["told"]})
    return _still_missing(config, has_come=bool(seen["came"]))


def _still_missing(config: PaymentConfig, *, has_come: bool) -> Concern | None:
    """Go on saying so until one comes: a quiet hour mends nothing."""
    breaker = getattr(config, "breaker", None)
    if breaker is None or breaker.concern != HealthReason.CALLBACKS_MISSING or has_come:
        return None
    last, since = config.last_callback_at, breaker.concern_at
    if last is not None and since is not None and last > since:
        return None
    return Concern(breaker.concern, breaker.concern_data)


def _dropped_success(config: PaymentConfig, *, now: datetime) -> Concern | None:
    lately = _rate(config, since=now - LATELY, until=now - UNDECIDED)
    usually = _rate(config, since=now - LATELY - USUALLY, until=now - LATELY)
    if lately.decided < LEAST_LATELY or usually.decided < LEAST_USUALLY:
        return None
    if lately.share >= DROP * usually.share:
        return None
    numbers = {"lately": round(100 * lately.share), "usually": round(100 * usually.share)}
    return Concern(HealthReason.SUCCESS_DROPPED, {**numbers, "payments": lately.decided})


@dataclass(frozen=True)
class _Rate:
    paid: int
    decided: int

    @property
    def share(self) -> float:
        return self.paid / self.decided


def _rate(config: PaymentConfig, *, since: datetime, until: datetime) -> _Rate:
    """Count what was decided and what was paid of it; what the customer turned down is neither."""
    rows = Payment.objects.filter(
        config=config,
        origin=PaymentOrigin.PROMPT,
        created_at__gt=since,
        created_at__lte=until,
        status__in=_ENDED,
    )
    counted = rows.order_by().values_list("status", "result_code").annotate(count=Count("pk"))
    paid = sum(count for status, _code, count in counted if status == PaymentStatus.COMPLETED)
    unpaid = sum(
        count
        for status, code, count in counted
        if status != PaymentStatus.COMPLETED and explain(code).fault != Fault.CUSTOMER
    )
    return _Rate(paid, paid + unpaid)


def _note(config: PaymentConfig, concern: Concern, *, now: datetime) -> bool:
    """Write the word down where it is another than before; tell whether it was."""
    if not concern.code and getattr(config, "breaker", None) is None:
        return False
    Breaker.objects.bulk_create([Breaker(config=config, changed_at=now)], ignore_conflicts=True)
    other = Breaker.objects.filter(config=config).exclude(concern=concern.code)
    is_new = bool(
        other.update(
            concern=concern.code,
            concern_at=now if concern.code else None,
            concern_data=concern.data or {},
        )
    )
    if is_new:
        logger.warning(
            "a config is watched" if concern.code else "a config does well again",
            extra={"config": str(config.pk), "concern": concern.code},
        )
    return is_new
