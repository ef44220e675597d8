"""
Money that paid for several orders at once: one receipt, one sale, a part of it for each order.

A receipt credits one payment, ever (safety.md I3), so no order gets a payment of its own. The sale
has no order; its parts are rows that everything looks at which asks whether an order is paid: a
prompt or a claim for one of them is refused, and a prompt that is paid after all is doubted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from audit.actions import AuditAction
from audit.actors import Actor
from payments.errors import InvalidInput
from payments.models import OrderPart, Payment, Receipt
from payments.services import guards, locks, receipt_rows
from payments.services.configs import check_reason
from payments.services.receipt_acts import refuse_taken
from payments.services.receipt_giving import give, lock_receipt, new_sale, place
from payments.services.representation import money

MOST_PARTS = 20
_ORDER_REF = re.compile(r"[A-Za-z0-9._/-]{1,64}")
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Part:
    """What one order gets, in KES with at most two places."""

    order_ref: str
    amount: Decimal


def split(
    *, receipt: Receipt, parts: Sequence[Part], reason: str, actor: Actor, now: datetime
) -> Payment:
    """
    Let an unallocated receipt pay for two orders or more, in parts that add up to it exactly.

    Undone as a whole, as every walk-in sale (receipt_release.py): the orders are unpaid then.

    :raises InvalidInput: for parts that do not add up, are no amounts, or name an order twice.
    :raises OrderAlreadyPaid: when one of the orders is paid.
    :raises ReceiptAlreadyUsed: when somebody was quicker.
    :raises InvalidTransition: when the receipt is in no state for it.
    """
    check_reason(reason)
    _check(parts, receipt.amount)
    with transaction.atomic():
        locked = lock_receipt(receipt.pk)
        refuse_taken(locked)
        _check(parts, locked.amount)
        sale = new_sale(locked, branch=receipt_rows.place_of(locked), actor=actor, now=now)
        _refuse_paid(sale, parts)
        # Whoever reads the sale, or hears of it, is told which orders it paid for.
        sale.metadata = {
            "order_parts": [
                {"order_ref": each.order_ref, "amount": money(each.amount)} for each in parts
            ]
        }
        place(sale, actor=actor, now=now)
        OrderPart.objects.bulk_create(_row(sale, each) for each in parts)
        act = AuditAction.RECEIPT_SPLIT
        return give(locked, sale, act=act, actor=actor, now=now, reason=reason)


def _check(parts: Sequence[Part], amount: Decimal | None) -> None:
    errors = list(_problems(parts, amount))
    if errors:
        raise InvalidInput(errors[0], errors=[("parts", "invalid", detail) for detail in errors])


def _problems(parts: Sequence[Part], amount: Decimal | None) -> Iterator[str]:
    if not 2 <= len(parts) <= MOST_PARTS:
        yield "Split it between two orders or more, twenty at most."
    if not all(_ORDER_REF.fullmatch(each.order_ref) for each in parts):
        yield "An order reference has letters, digits and . _ / - only, at most 64."
    if len({each.order_ref for each in parts}) < len(parts):
        yield "Each order is named once."
    if not all(_is_amount(each.amount) for each in parts):
        yield "Each part is more than nothing, in shillings and whole cents."
    elif sum((each.amount for each in parts), Decimal(0)) != amount:
        yield "The parts do not add up to the money that came."


def _is_amount(amount: Decimal) -> bool:
    is_number = amount.is_finite() and Decimal(0) < amount < Decimal(10**10)
    return is_number and amount == amount.quantize(_CENT)


def _refuse_paid(sale: Payment, parts: Sequence[Part]) -> None:
    """Hold the orders as a till would that asks for one, then look at each."""
    names = [locks.order_name(sale.shop_id, sale.environment, each.order_ref) for each in parts]
    locks.lock(*names)
    for each in parts:
        sale.order_ref = each.order_ref
        guards.refuse_paid_order(sale)
    sale.order_ref = ""


def _row(sale: Payment, part: Part) -> OrderPart:
    return OrderPart(
        shop_id=sale.shop_id,
        environment=sale.environment,
        payment=sale,
        order_ref=part.order_ref,
        amount=part.amount,
    )
