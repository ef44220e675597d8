"""
Receipts that wait: a prompt of the same amount may turn out to be what they paid for.

A held receipt is nobody's to claim. It is let go when no such payment is left, becomes the
payment's when its own callback names it, and Safaricom is asked about it meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from payments.choices import ReceiptStatus
from payments.models import Payment, Receipt
from payments.receipt_choices import UnallocatedReason
from payments.services import matching

# What people decided stays decided.
_OURS_TO_CHANGE = (
    UnallocatedReason.NO_REFERENCE,
    UnallocatedReason.NO_SUCH_REFERENCE,
    UnallocatedReason.SEVERAL_CANDIDATES,
)


def hold_for_all(payments: Sequence[Payment], *, now: datetime) -> int:
    """Do as hold_for does for many; one look tells for which of them there is any such money."""
    if not payments:
        return 0
    free = Receipt.objects.order_by().filter(
        shop__in={payment.shop_id for payment in payments},
        amount__in={payment.amount for payment in payments},
        status=ReceiptStatus.UNALLOCATED,
        reason__in=_OURS_TO_CHANGE,
    )
    found = set(free.values_list("shop_id", "environment", "amount").distinct())
    return sum(
        hold_for(payment, now=now)
        for payment in payments
        if (payment.shop_id, payment.environment, payment.amount) in found
    )


def hold_for(payment: Payment, *, now: datetime) -> int:
    """
    Hold unallocated money back that may be what a payment was paid by; return how much.

    The payment was just called paid, nobody told by which receipt. What is in another's hands is
    passed over: he was quicker.
    """
    rows = Receipt.objects.select_for_update(of=("self",), skip_locked=True).filter(
        shop=payment.shop_id,
        environment=payment.environment,
        status=ReceiptStatus.UNALLOCATED,
        amount=payment.amount,
        reason__in=_OURS_TO_CHANGE,
        created_at__gte=payment.created_at - matching.ASKED_WITHIN,
        refunds=None,
    )
    held = [row for row in rows.select_related("config") if _may_have_paid(payment, row, now=now)]
    return hold(held, now=now)


def hold(receipts: Iterable[Receipt], *, now: datetime) -> int:
    """Hold receipts back, and have Safaricom asked about them."""
    ids = [row.pk for row in receipts]
    return Receipt.objects.filter(pk__in=ids).update(
        status=ReceiptStatus.HELD, reason=UnallocatedReason.AWAITS_RECEIPT, next_ask_at=now
    )


def _may_have_paid(payment: Payment, receipt: Receipt, *, now: datetime) -> bool:
    if receipt.config is None:
        return False
    # The payment is not written yet: its attempts tell, as they do for everybody else.
    asked = matching.prompts_of(receipt, now=now).filter(payment=payment)
    return asked.exists() and matching.may_be_paid_by(payment, receipt)
