"""
Undoing what a person did with a receipt, by an act that is itself on the trail.

A payment that has nothing else to show for itself becomes reversed, with the person as evidence;
one that was paid without the receipt only loses its number and waits for the right one.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import (
    EvidenceSource,
    OutcomeVerdict,
    PaymentStatus,
    ReceiptStatus,
    ReviewCode,
)
from payments.errors import InvalidTransition
from payments.models import Evidence, Payment, Receipt, Review
from payments.providers.base import Outcome
from payments.receipt_choices import PaymentOrigin, UnallocatedReason
from payments.services.cases import NewEvidence, attempts_of, lock_payment, reviews_of
from payments.services.evidence import apply_evidence
from payments.services.receipt_giving import has_refund, lock_receipt, trail_of
from payments.services.transitions import Change, write_changes

_FIELDS = ["status", "reason", "payment", "claimed_at", "claimed_by", "reversed_at"]


def release(*, receipt: Receipt, reason: str, actor: Actor, now: datetime) -> Receipt:
    """
    Undo a claim, an assignment, a walk-in sale or a mark to give back: it is unallocated again.

    :raises InvalidTransition: when no person gave it, when Safaricom itself named it for the
        payment, when another receipt is on the payment too, or when a refund was asked for.
    """
    with transaction.atomic():
        # The payment first, as everybody locks; whose it is may have changed since it was read.
        owner = Receipt.objects.values_list("payment_id", flat=True).get(pk=receipt.pk)
        payment = lock_payment(owner) if owner else None
        locked = lock_receipt(receipt.pk)
        _refuse_unreleasable(locked, payment)
        before = trail_of(locked)
        if payment is not None:
            _take_from(payment, locked, reason=reason, actor=actor, now=now)
        locked.status, locked.reason = ReceiptStatus.UNALLOCATED, UnallocatedReason.RELEASED
        locked.payment, locked.claimed_at, locked.claimed_by = None, None, ""
        # The door may have noted that the money went: it did not, only the sale did.
        locked.reversed_at = None
        locked.save(update_fields=_FIELDS)
        recording.record_change(
            AuditAction.RECEIPT_RELEASED,
            locked,
            shop_id=locked.shop_id,
            before=before,
            actor=actor,
            now=now,
            reason=reason,
        )
    return locked


def may_be_released(receipt: Receipt) -> bool:
    """Tell whether a person's act stands to be undone, as far as the row itself tells."""
    is_given = receipt.status == ReceiptStatus.CREDITED and receipt.claimed_at is not None
    is_marked = receipt.reason == UnallocatedReason.REFUND_NEEDED
    return is_given or (receipt.status == ReceiptStatus.IN_REVIEW and is_marked)


def _refuse_unreleasable(receipt: Receipt, payment: Payment | None) -> None:
    if receipt.payment_id != (payment.pk if payment else None):
        raise InvalidTransition("Somebody else has just decided about this receipt.")
    if not may_be_released(receipt):
        raise InvalidTransition("No person's act stands here that could be undone.")
    if has_refund(receipt):
        raise InvalidTransition("A refund of this receipt was asked for.")
    if payment is None:
        return
    if payment.origin == PaymentOrigin.MANUAL:
        raise InvalidTransition("A payment written down by hand is voided, not undone.")
    if _evidence_of(receipt, payment).exclude(attempt=None).exists():
        raise InvalidTransition("Safaricom itself named this receipt for the payment.")
    if payment.receipts.exclude(pk=receipt.pk).exists():
        raise InvalidTransition("Another receipt is on this payment too: resolve its review first.")


def _take_from(
    payment: Payment, receipt: Receipt, *, reason: str, actor: Actor, now: datetime
) -> None:
    said_yes = payment.evidence.filter(verdict=OutcomeVerdict.SUCCEEDED, is_duplicate_receipt=False)
    is_paid_without = said_yes.exclude(receipt_number=receipt.number).exists()
    if is_paid_without and payment.status == PaymentStatus.COMPLETED:
        _wait_for_another(payment, receipt, reason=reason, actor=actor, now=now)
    elif payment.status == PaymentStatus.COMPLETED:
        _reverse(payment, receipt, reason=reason, actor=actor, now=now)


def _reverse(
    payment: Payment, receipt: Receipt, *, reason: str, actor: Actor, now: datetime
) -> None:
    """Take the payment back on a person's word; its number stays as what it once was paid by."""
    outcome = Outcome(verdict=OutcomeVerdict.REVERSED, is_final=True, receipt_number=receipt.number)
    evidence = NewEvidence(
        payment_id=payment.pk,
        attempt_id=None,
        source=EvidenceSource.STAFF,
        outcome=outcome,
        actor=actor,
        heard_at=now,
    )
    apply_evidence(evidence, now=now)
    recording.record(
        AuditAction.PAYMENT_REVERSED,
        payment,
        shop_id=payment.shop_id,
        actor=actor,
        now=now,
        changes=[{"field": "status", "old": payment.status, "new": PaymentStatus.REVERSED}],
        reason=reason,
    )


def _wait_for_another(
    payment: Payment, receipt: Receipt, *, reason: str, actor: Actor, now: datetime
) -> None:
    """Let a payment that a query called paid wait for its receipt again; this one is not its."""
    _evidence_of(receipt, payment).update(is_duplicate_receipt=True)
    # Said and settled at once, or the next word about the payment would raise the doubt.
    Review.objects.get_or_create(
        payment=payment,
        code=ReviewCode.DUPLICATE_RECEIPT,
        subject=receipt.number,
        defaults={
            "shop_id": payment.shop_id,
            "environment": payment.environment,
            "receipt": receipt,
            "opened_at": now,
            "resolved_at": now,
            "resolved_by": actor.label[:254],
            "resolution": "release",
            "reason": reason[:300],
        },
    )
    payment.receipt_number, payment.receipt_pending = "", True
    change = Change(payment, attempts_of(payment), reviews_of(payment), actor)
    write_changes([change], now=now)


def _evidence_of(receipt: Receipt, payment: Payment) -> QuerySet[Evidence]:
    return Evidence.objects.filter(payment=payment, receipt_number=receipt.number)
