"""
The reversal radar: money taken back after the goods left (requirements.md N6, P11).

Whoever tells that a receipt was reversed (a status, a C2B notice, pull, a statement) calls
note_reversal. Where it was no refund of ours the shop is told at once, with branch, cashier and
time, and the payer is known again by a blind index that shows nobody who it is.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from audit.actors import Actor
from payments.choices import EvidenceSource, NoticeCode, ReceiptStatus
from payments.models import Notice, Receipt
from payments.receipt_choices import RefundStatus
from payments.services import notices, refund_outcomes, reversals

# How long the banner stands where nobody mutes it.
SHOWN_FOR = timedelta(days=7)


def note_reversal(receipt: Receipt, *, source: EvidenceSource, actor: Actor, now: datetime) -> bool:
    """
    Take a receipt as reversed because source says so; tell whether that was news.

    Call it without locks on payments or receipts. A refund of ours that is under way is taken for
    the cause: then it is done, and nobody is warned.
    """
    with transaction.atomic():
        refund = refund_outcomes.under_way(receipt)
        if refund is not None and not refund_outcomes.is_somebody_elses(refund):
            refund_outcomes.note_seen(refund, actor=actor, now=now)
            return True
        why = f"Told by {source.value}."
        is_news = reversals.take_back(receipt, source=source, why=why, actor=actor, now=now)
        if is_news and not _was_ours(receipt):
            receipt.refresh_from_db()
            _warn(receipt, now=now)
        if refund is not None:
            refund_outcomes.note_seen(refund, actor=actor, now=now)
    return is_news


def is_repeat_payer(*, shop_id: uuid.UUID, payer_index: str) -> bool:
    """Tell whether this payer took money back from this shop before; no index, no answer."""
    return bool(payer_index) and _taken_back_by(shop_id, {payer_index}).exists()


def repeat_payers(*, shop_id: uuid.UUID, payer_indexes: set[str]) -> set[str]:
    """Return which of these payers took money back from this shop before."""
    indexes = payer_indexes - {""}
    rows = _taken_back_by(shop_id, indexes).values_list("payer_index", "payment__phone_index")
    return {index for row in rows for index in row if index in indexes} if indexes else set()


def payer_of(receipt: Receipt) -> str:
    """Return the index of who paid: the receipt's own, or that of the phone that was prompted."""
    if receipt.payer_index or receipt.payment is None:
        return receipt.payer_index
    return receipt.payment.phone_index


def close_old(*, now: datetime) -> int:
    """Take down banners that stood long enough; return how many."""
    old = Notice.objects.filter(code=NoticeCode.REVERSED, closed_at=None)
    return old.filter(opened_at__lte=now - SHOWN_FOR).update(closed_at=now)


def _taken_back_by(shop_id: uuid.UUID, indexes: set[str]) -> QuerySet[Receipt]:
    """Find what payers took back; what the shop gave back itself is no sign of anything."""
    payer = Q(payer_index__in=indexes) | Q(payment__phone_index__in=indexes)
    rows = Receipt.objects.filter(payer, shop=shop_id, status=ReceiptStatus.REVERSED)
    return rows.exclude(refunds__status=RefundStatus.DONE)


def _was_ours(receipt: Receipt) -> bool:
    return receipt.refunds.filter(status=RefundStatus.DONE).exists()


def _warn(receipt: Receipt, *, now: datetime) -> None:
    payment, branch = receipt.payment, receipt.branch
    if payment is not None:
        branch = payment.branch or branch
    elif branch is None and receipt.config is not None:
        branch = receipt.config.branch
    taken_by = payment.created_by if payment else receipt.claimed_by
    notices.open_notice(
        shop_id=receipt.shop_id,
        config=receipt.config,
        code=NoticeCode.REVERSED,
        subject=receipt.number,
        data={
            "receipt": receipt.number,
            "receipt_id": str(receipt.pk),
            "payment_id": str(payment.pk) if payment else "",
            "environment": receipt.environment,
            "amount": str(receipt.amount or ""),
            "branch_id": str(branch.pk) if branch else "",
            "branch": branch.name if branch else "",
            "cashier": taken_by,
            "paid_at": receipt.paid_at.isoformat() if receipt.paid_at else "",
            "was_released": bool(payment),
        },
        now=now,
    )
