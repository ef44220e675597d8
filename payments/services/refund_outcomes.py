"""
What becomes of a refund once it may have left: told by Safaricom, by silence, or by a person.

A refund is never sent again by itself. Where the outcome is unknown it is shown so until a result
comes, however late, until somebody else tells that the money is back, or until a person looks at
the M-Pesa portal and says what stands there.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import transaction

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import EvidenceSource, ReviewCode
from payments.errors import InvalidTransition
from payments.models import ProviderRequest, Receipt, Refund
from payments.receipt_choices import RefundStatus, RequestStatus
from payments.services import reversals, reviews
from payments.services.configs import check_reason
from tenants.models import User

# Something may have been done with these, by Safaricom or by a person on the portal.
UNDER_WAY = frozenset({RefundStatus.APPROVED, RefundStatus.SENT, RefundStatus.UNKNOWN})
_TRAIL = ("status", "note", "ended_at")
# Safaricom's word for a receipt whose money went back before (Daraja 3.0 portal, Reversal).
REVERSED_BEFORE = "R000001"
_LOCKED = Refund.objects.select_for_update(of=("self",)).select_related(
    "receipt__config", "receipt__payment", "payment", "request"
)


def note_result(
    request: ProviderRequest, *, succeeded: bool, is_refusal: bool, actor: Actor, now: datetime
) -> None:
    """
    Take the result of a reversal in its transaction; a late success corrects a failure.

    Only what is documented as a refusal proves that no money moved. After anything else, and where
    the money is said to have gone back before, Safaricom is asked what became of the receipt.
    """
    refund = refund_of(request)
    if refund is None:
        return
    if succeeded:
        _done(refund, source=EvidenceSource.REVERSAL, actor=actor, now=now)
    elif refund.status not in UNDER_WAY:
        return
    elif is_refusal and request.result_code != REVERSED_BEFORE:
        _end(refund, RefundStatus.FAILED, actor=actor, now=now)
    else:
        _put(refund, RefundStatus.UNKNOWN)
        Receipt.objects.filter(pk=refund.receipt_id).update(next_ask_at=now)
        if is_refusal:
            _have_looked_at(refund, now=now)


def note_sending(request: ProviderRequest, *, actor: Actor, now: datetime) -> None:
    """Take over how the sending went: refused ends the refund, unknown is shown so."""
    with transaction.atomic():
        refund = refund_of(request)
        if refund is None or refund.status != RefundStatus.SENT:
            return
        if request.status == RequestStatus.REFUSED:
            _end(refund, RefundStatus.FAILED, actor=actor, now=now)
        elif request.status == RequestStatus.UNKNOWN:
            _put(refund, RefundStatus.UNKNOWN)


def note_unknown(request: ProviderRequest) -> None:
    """Show a refund's outcome as unknown, in the request's transaction."""
    refund = refund_of(request)
    if refund is not None and refund.status == RefundStatus.SENT:
        _put(refund, RefundStatus.UNKNOWN)


@transaction.atomic
def tell_unresolved(refund_id: uuid.UUID, *, now: datetime) -> bool:
    """Have a person look at a refund nobody tells about; tell whether that is news."""
    rows = Refund.objects.select_for_update(of=("self",), skip_locked=True)
    refund = rows.select_related("receipt").filter(pk=refund_id).first()
    if refund is None or refund.status != RefundStatus.UNKNOWN:
        return False
    _have_looked_at(refund, now=now)
    return True


def under_way(receipt: Receipt) -> Refund | None:
    """Lock the receipt and the refund of it that was ordered and not told of, if there is one."""
    reversals.lock_receipt(receipt)
    refund: Refund | None = _LOCKED.filter(receipt=receipt, status__in=UNDER_WAY).first()
    return refund


def is_somebody_elses(refund: Refund) -> bool:
    """Tell whether Safaricom answered our order that the money was back before."""
    return refund.request is not None and refund.request.result_code == REVERSED_BEFORE


def note_seen(refund: Refund, *, actor: Actor, now: datetime) -> None:
    """End a locked refund whose receipt somebody else told to be reversed."""
    if is_somebody_elses(refund):
        note = "The money had gone back before."
        _end(refund, RefundStatus.FAILED, actor=actor, now=now, note=note)
    else:
        _done(refund, source=EvidenceSource.REVERSAL, actor=actor, now=now)


def settle_by_hand(
    *, refund: Refund, was_reversed: bool, reason: str, user: User, actor: Actor, now: datetime
) -> Refund:
    """
    Write down what a person saw on the M-Pesa portal: that the money went back, or that it did not.

    :raises InvalidInput: without a reason.
    :raises InvalidTransition: unless its outcome is unknown, or it was approved and not sent.
    """
    check_reason(reason)
    with transaction.atomic():
        locked = lock(refund)
        if not may_be_settled(locked):
            raise InvalidTransition("Only a refund whose outcome nobody told is settled by hand.")
        if locked.asked_by_id == user.pk:
            raise InvalidTransition("Whoever asked for a refund does not settle it.")
        if was_reversed:
            _done(locked, source=EvidenceSource.STAFF, actor=actor, now=now, note=reason)
        else:
            _end(locked, RefundStatus.FAILED, actor=actor, now=now, note=reason)
    return locked


def may_be_settled(refund: Refund) -> bool:
    """Tell whether a person may say what became of it: nobody else will, or nobody knows."""
    is_by_hand = refund.status == RefundStatus.APPROVED and refund.request_id is None
    return is_by_hand or refund.status == RefundStatus.UNKNOWN


def lock(refund: Refund) -> Refund:
    """Lock a refund in the caller's transaction: after its payment and receipt, as everybody does."""
    reversals.lock_receipt(refund.receipt)
    locked: Refund = _LOCKED.get(pk=refund.pk)
    return locked


def refund_of(request: ProviderRequest) -> Refund | None:
    """Lock the refund a reversal was ordered for."""
    refund = Refund.objects.select_related("receipt").filter(request=request).first()
    return lock(refund) if refund else None


def _done(
    refund: Refund, *, source: EvidenceSource, actor: Actor, now: datetime, note: str = ""
) -> None:
    reversals.take_back(refund.receipt, source=source, why="Our own refund.", actor=actor, now=now)
    if refund.status != RefundStatus.DONE:
        _end(refund, RefundStatus.DONE, actor=actor, now=now, note=note)


def _end(
    refund: Refund, status: RefundStatus, *, actor: Actor, now: datetime, note: str = ""
) -> None:
    """
    End a refund, close what was asked about it, and put it on the trail.

    The trail last: everybody takes the feed of events before it.
    """
    before = recording.state_of(refund, _TRAIL)
    refund.status, refund.ended_at = status, now
    refund.note = (note or refund.note)[:300]
    refund.save(update_fields=["status", "ended_at", "note"])
    about, why = str(refund.pk), note or "The outcome is known."
    reviews.close_about(ReviewCode.UNRESOLVED, subject=about, actor=actor, reason=why, now=now)
    recording.record_change(
        AuditAction.REFUND_SETTLED,
        refund,
        shop_id=refund.shop_id,
        before=before,
        actor=actor,
        now=now,
        reason=note,
    )


def _have_looked_at(refund: Refund, *, now: datetime) -> None:
    subject = str(refund.pk)
    reviews.open_about(refund.receipt, ReviewCode.UNRESOLVED, subject=subject, now=now)


def _put(refund: Refund, status: RefundStatus) -> None:
    refund.status = status
    refund.save(update_fields=["status"])
