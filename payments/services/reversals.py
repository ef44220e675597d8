"""
Money that went back: the one way in which a receipt becomes reversed, whoever tells it.

The payment the receipt is credited to is reversed by evidence, through the one door; a receipt that
belongs to no payment is marked, so that nobody can claim it any more. Who is told, and whether it
was our own doing: radar.py.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import transaction

from audit.actors import Actor
from payments.choices import EvidenceSource, OutcomeVerdict, ReceiptStatus
from payments.models import Receipt
from payments.providers.base import Outcome
from payments.receipt_choices import PaymentOrigin
from payments.services.cases import NewEvidence, arrival_of, lock_payment
from payments.services.evidence import apply_batch

_MOVED_MEANWHILE = 3


def take_back(
    receipt: Receipt, *, source: EvidenceSource, why: str, actor: Actor, now: datetime
) -> bool:
    """Mark a receipt as reversed, and reverse the payment it was credited to; tell if it is news."""
    with transaction.atomic():
        row = lock_receipt(receipt)
        was_known = row.status == ReceiptStatus.REVERSED
        if _is_credited(row):
            evidence = _evidence(row, source=source, why=why, actor=actor, now=now)
            apply_batch([*_written_down(row, evidence), evidence], now=now)
        if not was_known:
            # After the door, which credits the receipts it meets.
            row.status, row.reversed_at, row.next_ask_at = ReceiptStatus.REVERSED, now, None
            row.save(update_fields=["status", "reversed_at", "next_ask_at"])
    return not was_known


def lock_receipt(receipt: Receipt) -> Receipt:
    """Lock a receipt in the caller's transaction, its payment before it, as everybody does."""
    for _attempt in range(_MOVED_MEANWHILE):
        seen = Receipt.objects.values_list("payment_id", flat=True).get(pk=receipt.pk)
        if seen is not None:
            lock_payment(seen)
        rows = Receipt.objects.select_for_update(of=("self",))
        row: Receipt = rows.select_related("config", "payment").get(pk=receipt.pk)
        if row.payment_id == seen:
            break
    return row


def _is_credited(row: Receipt) -> bool:
    # A surplus receipt beside the credited one goes back alone.
    return row.payment is not None and row.payment.receipt_number == row.number


def _written_down(row: Receipt, evidence: NewEvidence) -> list[NewEvidence]:
    """Tell first, of a payment that rests on a person's word alone, what that word was."""
    if row.payment is None or row.payment.origin != PaymentOrigin.MANUAL:
        return []
    return [replace(evidence, source=EvidenceSource.STAFF, outcome=arrival_of(row))]


def _evidence(
    row: Receipt, *, source: EvidenceSource, why: str, actor: Actor, now: datetime
) -> NewEvidence:
    assert row.payment_id is not None  # noqa: S101 - it is credited
    outcome = Outcome(
        verdict=OutcomeVerdict.REVERSED,
        result_desc=why[:300],
        is_final=True,
        receipt_number=row.number,
        amount=row.amount,
    )
    return NewEvidence(
        payment_id=row.payment_id,
        attempt_id=None,
        source=source,
        outcome=outcome,
        actor=actor,
        heard_at=now,
    )
