"""
Requests nobody answers: what was not acknowledged, timed out, or is silent for too long.

Their outcome is unknown, which is no failure, and they are never sent again from here. A result
that comes later still counts (request_results.py).
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import CharField, Exists, OuterRef, Q
from django.db.models.functions import Cast

from payments.choices import ReviewCode, VerificationResult
from payments.models import ProviderRequest, Refund, Review
from payments.receipt_choices import RefundStatus, RequestKind, RequestStatus
from payments.services import balances, refund_outcomes
from payments.services.findings import StageResult

WAITING = frozenset({RequestStatus.CREATED, RequestStatus.ACCEPTED, RequestStatus.UNKNOWN})
# Longer than sending and being answered at once may take: whoever sent it is dead.
NOT_SENT_AFTER = timedelta(minutes=2)
# A result took 85 s in the sandbox (daraja.md 2.6); after so long nobody waits for one any more.
SILENT_AFTER = timedelta(hours=1)
PROBE_SILENT_AFTER = timedelta(minutes=10)


def close_silent(*, now: datetime, limit: int = 200) -> int:
    """Give up waiting for requests nobody answered; return how many that were."""
    overdue = (
        Q(status=RequestStatus.CREATED, requested_at__lte=now - NOT_SENT_AFTER)
        | Q(status=RequestStatus.ACCEPTED, requested_at__lte=now - SILENT_AFTER)
        | Q(
            verification_log__result=VerificationResult.PENDING,
            requested_at__lte=now - PROBE_SILENT_AFTER,
        )
    )
    rows = ProviderRequest.objects.filter(overdue).order_by("requested_at")
    ids = list(rows.values_list("pk", flat=True)[:limit])
    return sum(_close(pk, now=now) for pk in ids) + _tell_of_refunds(now=now, limit=limit)


def give_up(request: ProviderRequest, status: RequestStatus, *, now: datetime) -> None:
    """Write down that nobody knows what became of a request, which is locked."""
    request.status = status
    request.save(update_fields=["status"])
    if request.kind == RequestKind.REVERSAL:
        refund_outcomes.note_unknown(request)
    elif _is_probe_over(request, now=now):
        balances.finish_probe(request, StageResult("balance_late"), now=now)


@transaction.atomic
def _close(request_id: uuid.UUID, *, now: datetime) -> bool:
    rows = ProviderRequest.objects.select_for_update(of=("self",), skip_locked=True)
    request = rows.filter(pk=request_id).first()
    if request is None or request.status in {RequestStatus.SUCCEEDED, RequestStatus.FAILED}:
        return False
    is_told = request.status in {RequestStatus.REFUSED, RequestStatus.TIMED_OUT}
    give_up(request, RequestStatus(request.status if is_told else RequestStatus.UNKNOWN), now=now)
    return True


def _is_probe_over(request: ProviderRequest, *, now: datetime) -> bool:
    is_timed_out = request.status == RequestStatus.TIMED_OUT
    return is_timed_out or request.requested_at <= now - PROBE_SILENT_AFTER


def _tell_of_refunds(*, now: datetime, limit: int) -> int:
    """Have a person look at refunds whose outcome nobody told for too long."""
    told = Review.objects.filter(
        code=ReviewCode.UNRESOLVED, subject=Cast(OuterRef("pk"), CharField())
    )
    silent = Refund.objects.filter(
        ~Exists(told),
        status=RefundStatus.UNKNOWN,
        request__requested_at__lte=now - SILENT_AFTER,
    )
    ids = list(silent.order_by("asked_at").values_list("pk", flat=True)[:limit])
    return sum(refund_outcomes.tell_unresolved(pk, now=now) for pk in ids)
