"""Giving a locked receipt to a payment: what a claim, an assignment and a walk-in sale share."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction

from audit import recording
from audit.actors import Actor
from payments.choices import EvidenceSource, ReceiptChannel
from payments.errors import AmountDiffers
from payments.models import Payment, Receipt, Refund
from payments.models.requests import OPEN_REFUNDS
from payments.receipt_choices import PaymentOrigin, RefundStatus
from payments.services.cases import SOURCE_OF_CHANNEL, NewEvidence, arrival_of
from payments.services.events import NewEvent, record_events
from payments.services.evidence import apply_evidence
from payments.services.receipt_rows import describe_receipt
from payments.services.transitions import Change, record_creation
from tenants.ids import new_id
from tenants.models import Branch
from tenants.roles import Role

# The word of the channel stands behind the receipt; a person only says whose it is.
SOURCE_OF: dict[str, str] = {
    **{str(channel): source for channel, source in SOURCE_OF_CHANNEL.items()},
    ReceiptChannel.STK: EvidenceSource.STK_CALLBACK,
    ReceiptChannel.MANUAL: EvidenceSource.STAFF,
}
_TRAIL = ("status", "reason", "payment_id", "branch_id", "label", "claimed_at", "claimed_by")
_HELD_BY_REFUND = sorted({*OPEN_REFUNDS, RefundStatus.DONE})


def lock_receipt(receipt_id: uuid.UUID) -> Receipt:
    """Lock a receipt and read it anew, with what describes it."""
    rows = Receipt.objects.select_for_update(of=("self",)).select_related(
        "branch", "config__branch", "payment__branch"
    )
    receipt: Receipt = rows.get(pk=receipt_id)
    return receipt


def has_refund(receipt: Receipt) -> bool:
    """Tell whether the money is on its way back, or there."""
    return Refund.objects.filter(receipt=receipt, status__in=_HELD_BY_REFUND).exists()


def trail_of(receipt: Receipt) -> dict[str, Any]:
    """Return what the audit trail keeps of a receipt's state."""
    return recording.state_of(receipt, _TRAIL)


def new_sale(receipt: Receipt, *, branch: Branch | None, actor: Actor, now: datetime) -> Payment:
    """Make the payment a receipt becomes, not yet saved; the whole number is nobody's to know."""
    config = receipt.config
    if receipt.amount is None:
        raise AmountDiffers("Nobody could read the amount of this receipt.")
    return Payment(
        id=new_id(),
        shop_id=receipt.shop_id,
        environment=receipt.environment,
        branch=branch,
        config=config,
        provider=config.provider if config else "",
        origin=PaymentOrigin.RECEIPT,
        amount=receipt.amount,
        phone_masked=receipt.payer_masked[:16],
        account_reference=receipt.account_reference,
        label=receipt.label,
        version=1,
        created_by=actor.label[:254],
        created_at=now,
        expires_at=now,
    )


def place(sale: Payment, *, actor: Actor, now: datetime) -> None:
    """Insert the payment, as created, in the caller's transaction."""
    sale.save(force_insert=True)
    record_creation(Change(sale, [], [], actor), now=now)


def give(
    receipt: Receipt,
    payment: Payment,
    *,
    act: str,
    actor: Actor,
    now: datetime,
    reason: str = "",
) -> Payment:
    """Credit a locked receipt to a payment, through the one door, and tell of it."""
    with transaction.atomic():
        before = trail_of(receipt)
        done = apply_evidence(_as_evidence(receipt, payment, actor=actor, now=now), now=now)
        _note_giving(receipt, done.payment, actor=actor, now=now)
        event = NewEvent(
            shop_id=receipt.shop_id,
            environment=receipt.environment,
            type="receipt.claimed",
            data=describe_receipt(receipt, role=Role.MANAGER),
        )
        record_events([event], now=now)
        recording.record_change(
            act,
            receipt,
            shop_id=receipt.shop_id,
            before=before,
            actor=actor,
            now=now,
            reason=reason,
        )
    return done.payment


def _as_evidence(receipt: Receipt, payment: Payment, *, actor: Actor, now: datetime) -> NewEvidence:
    return NewEvidence(
        payment_id=payment.pk,
        attempt_id=None,
        source=SOURCE_OF[receipt.channel],
        outcome=arrival_of(receipt),
        actor=actor,
        heard_at=now,
    )


def _note_giving(receipt: Receipt, payment: Payment, *, actor: Actor, now: datetime) -> None:
    """Note who gave it; the door has set status and payment."""
    label = receipt.label
    receipt.refresh_from_db(fields=["status", "payment"])
    receipt.payment = payment
    receipt.branch = receipt.branch or payment.branch
    receipt.label, receipt.reason = label, ""
    receipt.claimed_at, receipt.claimed_by = now, actor.label[:254]
    receipt.next_ask_at = None
    fields = ["branch", "label", "reason", "claimed_at", "claimed_by", "next_ask_at"]
    receipt.save(update_fields=fields)
