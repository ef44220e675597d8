"""
What people do with money that arrived: claim it for a sale, assign it, keep it, mark it, undo that.

A receipt is used once, whatever the number of tills: its row is locked before it is looked at.
Whoever gives it to a payment goes through the one door, with the word of the channel it came by.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import PaymentStatus, ReceiptStatus
from payments.errors import (
    AmountDiffers,
    InvalidInput,
    InvalidTransition,
    NotFound,
    ReceiptAlreadyUsed,
)
from payments.models import IdempotencyKey, Payment, Receipt
from payments.receipt_choices import UnallocatedReason
from payments.services import guards, idempotency, manual_receipts, matching, receipt_rows
from payments.services.cases import lock_payment
from payments.services.receipt_giving import (
    give,
    has_refund,
    lock_receipt,
    new_sale,
    place,
    trail_of,
)
from payments.services.receipt_release import release
from payments.services.representation import moment
from tenants.models import Branch, Shop

__all__ = [
    "allocate",
    "claim",
    "keep_as_sale",
    "mark_refund",
    "refuse_taken",
    "refuse_used",
    "release",
]

_NOT_TO_BE_SEEN = frozenset({ReceiptStatus.HELD, ReceiptStatus.IN_REVIEW})
_LOOKED_AT_FIRST: dict[str, int] = {ReceiptStatus.CREDITED: 0, ReceiptStatus.UNALLOCATED: 1}
_ENDED = frozenset({PaymentStatus.COMPLETED, PaymentStatus.REVERSED})


def claim(
    *,
    shop: Shop,
    environment: str,
    branch: Branch | None,
    receipt_number: str,
    order_ref: str,
    amount: Decimal,
    idempotency_key: IdempotencyKey | None,
    actor: Actor,
    now: datetime,
) -> Payment:
    """
    Let a receipt pay for an order, once; return the completed payment.

    branch is where it is shown. A live prompt of the same order is no obstacle (safety.md 5.11).

    :raises NotFound: when there is none for this branch, or it is held, in review or given back.
    :raises ReceiptAlreadyUsed: with when and where.
    :raises InvalidTransition: when its money was taken back.
    :raises AmountDiffers: when it is of another amount.
    :raises OrderAlreadyPaid: when the order has a completed payment.
    """
    with transaction.atomic():
        receipt = _lock_shown(shop, environment, branch, receipt_number)
        _refuse_unclaimable(receipt)
        if receipt.amount != amount:
            raise AmountDiffers("The receipt is of another amount.")
        sale = new_sale(
            receipt, branch=branch or receipt_rows.place_of(receipt), actor=actor, now=now
        )
        sale.order_ref = order_ref
        guards.lock_phone_and_order(sale)
        guards.refuse_paid_order(sale)
        place(sale, actor=actor, now=now)
        idempotency.bind(key=idempotency_key, payment=sale)
        return give(receipt, sale, act=AuditAction.RECEIPT_CLAIMED, actor=actor, now=now)


def allocate(
    *, receipt: Receipt, payment: Payment, actor: Actor, now: datetime, reason: str = ""
) -> Receipt:
    """
    Give an unallocated receipt to a payment that still lacks its money, or only its receipt.

    A held receipt waits for a payment that lacks its receipt, so to such a one it may be given.

    :raises ReceiptAlreadyUsed: when somebody was quicker.
    :raises InvalidTransition: when the receipt or the payment is in no state for it.
    :raises InvalidInput: when the payment was asked for through another shortcode.
    :raises AmountDiffers: when the amounts are not the same.
    """
    with transaction.atomic():
        locked_payment = lock_payment(payment.pk)
        locked = lock_receipt(receipt.pk)
        _refuse_unassignable(locked, locked_payment)
        _hand_on_label(locked, locked_payment)
        give(
            locked,
            locked_payment,
            act=AuditAction.RECEIPT_ALLOCATED,
            actor=actor,
            now=now,
            reason=reason,
        )
    return locked


def keep_as_sale(
    *,
    receipt: Receipt,
    actor: Actor,
    now: datetime,
    label: str = "",
    branch: Branch | None = None,
) -> Payment:
    """
    Turn an unallocated receipt into a sale of its own, without an order: somebody walked in.

    :raises ReceiptAlreadyUsed: when somebody was quicker.
    :raises InvalidTransition: when the receipt is in no state for it.
    :raises InvalidInput: when the branch is another shop's.
    """
    with transaction.atomic():
        locked = lock_receipt(receipt.pk)
        refuse_taken(locked)
        if branch is not None and branch.shop_id != locked.shop_id:
            raise InvalidInput(errors=[("branch", "not_yours", "This is no branch of yours.")])
        locked.label = label or locked.label
        sale = new_sale(
            locked, branch=branch or receipt_rows.place_of(locked), actor=actor, now=now
        )
        place(sale, actor=actor, now=now)
        return give(locked, sale, act=AuditAction.RECEIPT_KEPT, actor=actor, now=now)


def mark_refund(*, receipt: Receipt, reason: str, actor: Actor, now: datetime) -> Receipt:
    """
    Note that the money of an unallocated receipt is to be given back; nobody can claim it then.

    Nothing is sent: a refund is asked for, and approved, on its own page.

    :raises ReceiptAlreadyUsed: when somebody was quicker.
    :raises InvalidTransition: when the receipt is in no state for it.
    """
    with transaction.atomic():
        locked = lock_receipt(receipt.pk)
        refuse_taken(locked)
        before = trail_of(locked)
        locked.status, locked.reason = ReceiptStatus.IN_REVIEW, UnallocatedReason.REFUND_NEEDED
        locked.save(update_fields=["status", "reason"])
        recording.record_change(
            AuditAction.RECEIPT_TO_REFUND,
            locked,
            shop_id=locked.shop_id,
            before=before,
            actor=actor,
            now=now,
            reason=reason,
        )
    return locked


def refuse_used(receipt: Receipt) -> None:
    """
    Refuse a receipt that can pay for nothing any more, whatever it is asked to pay for.

    :raises ReceiptAlreadyUsed: with when and where.
    :raises InvalidTransition: when its money was taken back.
    """
    if receipt.status == ReceiptStatus.REVERSED:
        raise InvalidTransition("The money of this receipt was taken back.")
    if receipt.status == ReceiptStatus.CREDITED:
        raise _already_used(receipt)


def _hand_on_label(receipt: Receipt, payment: Payment) -> None:
    """Let the payment bear the label the shop's rules gave the reference, if it has none."""
    if receipt.label:
        Payment.objects.filter(pk=payment.pk, label="").update(label=receipt.label)


def _lock_shown(shop: Shop, environment: str, branch: Branch | None, number: str) -> Receipt:
    """Lock what was shown at the till; a number that stands twice counts as used if one row is."""
    rows = receipt_rows.receipts_at_till(
        shop_id=shop.pk, environment=environment, branch_id=branch.pk if branch else None
    )
    rows = receipt_rows.with_number(rows, number).filter(manual_receipts.in_force())
    locked = [lock_receipt(pk) for pk in rows.order_by("pk").values_list("pk", flat=True)]
    if not locked:
        raise NotFound("There is no such receipt.")
    return min(locked, key=lambda row: _LOOKED_AT_FIRST.get(row.status, len(_LOOKED_AT_FIRST)))


def _refuse_unclaimable(receipt: Receipt) -> None:
    is_free = receipt.status == ReceiptStatus.UNALLOCATED
    if receipt.status in _NOT_TO_BE_SEEN or (is_free and has_refund(receipt)):
        raise NotFound("There is no such receipt.")
    refuse_taken(receipt)


def refuse_taken(receipt: Receipt) -> None:
    """
    Refuse what is not an unallocated receipt, and say what it is.

    :raises ReceiptAlreadyUsed: with when and where.
    :raises InvalidTransition: when it was taken back, waits for something else, or is given back.
    """
    refuse_used(receipt)
    if receipt.status != ReceiptStatus.UNALLOCATED:
        raise InvalidTransition("The receipt waits for something else.")
    if has_refund(receipt):
        raise InvalidTransition("A refund of this receipt was asked for.")
    if receipt.config_id is None:
        raise InvalidTransition("Nobody knows through which account this money came.")


def _already_used(receipt: Receipt) -> ReceiptAlreadyUsed:
    """Say when, and at which of the shop's own branches."""
    used_at = receipt.claimed_at or (receipt.payment.completed_at if receipt.payment else None)
    branch = receipt.payment.branch if receipt.payment else None
    return ReceiptAlreadyUsed(
        "The receipt paid for something already.",
        used_at=moment(used_at),
        used_branch=branch.name if branch else None,
    )


def _refuse_unassignable(receipt: Receipt, payment: Payment) -> None:
    if (receipt.shop_id, receipt.environment) != (payment.shop_id, payment.environment):
        raise NotFound("There is no such payment.")
    lacks_receipt = payment.status == PaymentStatus.COMPLETED and payment.receipt_pending
    if has_refund(receipt):
        raise InvalidTransition("A refund of this receipt was asked for.")
    if not (receipt.status == ReceiptStatus.HELD and lacks_receipt):
        refuse_taken(receipt)
    if payment.status in _ENDED and not lacks_receipt:
        raise InvalidTransition("The payment has its money already.")
    if not _is_of_one_account(receipt, payment):
        detail = "The payment was asked for through another number than this money came to."
        raise InvalidInput(detail, errors=[("payment", "other_account", detail)])
    if receipt.amount != payment.amount:
        raise AmountDiffers("The receipt is of another amount than the payment.")


def _is_of_one_account(receipt: Receipt, payment: Payment) -> bool:
    """Tell whether the money came to an account the payment was asked for through (I6)."""
    if receipt.config is None:
        return False
    asked = {payment.config_id, *payment.attempts.values_list("config_id", flat=True)}
    return not asked.isdisjoint(matching.siblings(receipt.config))
