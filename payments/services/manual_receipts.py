"""
The receipt number on a payment somebody wrote down: entered in the ledger, so that it pays once.

A number typed by a person is his word. It holds within his own shop and is never compared with
another's: nobody learns from an answer what a neighbour received, and nobody takes a receipt away
by typing it first. Once the provider tells of the money, its word counts (ledger.enter_receipts).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from payments.choices import ProviderFamily, ReceiptChannel, ReceiptStatus
from payments.models import Payment, Receipt
from payments.receipt_choices import ManualMethod, UnallocatedReason
from tenants.prepared import Writer

_NEW = Writer(Receipt, ignore_conflicts=True)
FAMILY_BY_METHOD: dict[str, ProviderFamily] = {
    ManualMethod.MPESA: ProviderFamily.MPESA,
    ManualMethod.AIRTEL_MONEY: ProviderFamily.AIRTEL,
    ManualMethod.BANK_TRANSFER: ProviderFamily.BANK,
}
# M-Pesa's ten characters begin with the letter of the year; the others' forms are many.
_FORMS: dict[str, re.Pattern[str]] = {
    ProviderFamily.MPESA: re.compile(r"[A-Z](?=[A-Z0-9]*[0-9])[A-Z0-9]{9}"),
    ProviderFamily.AIRTEL: re.compile(r"(?=.*[0-9])[A-Z0-9.]{8,32}"),
    ProviderFamily.BANK: re.compile(r"(?=.*[0-9])[A-Z0-9]{6,32}"),
}


@dataclass(frozen=True)
class TypedReceipt:
    """A reference that has the form of a receipt number of this family."""

    family: str
    number: str


def read(method: str, reference: str) -> TypedReceipt | None:
    """Read a typed reference; None where it is no receipt number of the method."""
    family = FAMILY_BY_METHOD.get(method)
    if family is None:
        return None
    number = re.sub(r"[\s-]+", "", reference).upper()
    return TypedReceipt(family, number) if _FORMS[family].fullmatch(number) else None


def held(payment: Payment, typed: TypedReceipt) -> Receipt | None:
    """
    Return the shop's own receipt of this number, locked; whatever family told of it.

    Money paid by M-Pesa into a bank's paybill may stand under either name.
    """
    rows = Receipt.objects.select_for_update(of=("self",)).filter(
        in_force(), shop=payment.shop_id, environment=payment.environment, number=typed.number
    )
    return rows.order_by("created_at").first()


def enter(payment: Payment, typed: TypedReceipt, *, now: datetime) -> Receipt | None:
    """Enter the number as this payment's credit; None where the shop holds it already."""
    row = Receipt(
        shop_id=payment.shop_id,
        environment=payment.environment,
        family=typed.family,
        number=typed.number,
        amount=payment.amount,
        status=ReceiptStatus.CREDITED,
        channel=ReceiptChannel.MANUAL,
        payment=payment,
        config_id=payment.config_id,
        branch_id=payment.branch_id,
        payer_masked=payment.phone_masked,
        payer_index=payment.phone_index,
        paid_at=None,
        created_at=now,
    )
    _NEW.insert([row])
    return Receipt.objects.filter(pk=row.pk).first()


def withdraw(payment: Payment, *, now: datetime) -> Sequence[Receipt]:
    """
    Take a voided payment's receipts from it, and return them.

    What the provider told of is money all the same: it waits for its owner. What only a person
    said is void with the payment, and its number is free for the money itself.
    """
    rows = list(payment.receipts.select_for_update().exclude(status=ReceiptStatus.REVERSED))
    for row in rows:
        if row.channel == ReceiptChannel.MANUAL:
            row.status, row.reversed_at = ReceiptStatus.REVERSED, now
        else:
            row.status, row.reason = ReceiptStatus.UNALLOCATED, UnallocatedReason.RELEASED
            row.payment, row.claimed_at, row.claimed_by = None, None, ""
        row.save(
            update_fields=[
                "status",
                "reason",
                "payment",
                "claimed_at",
                "claimed_by",
                "reversed_at",
            ]
        )
    return rows


def in_force() -> Q:
    """Leave out what a person wrote down and took back: it stands for no money."""
    return ~Q(channel=ReceiptChannel.MANUAL, status=ReceiptStatus.REVERSED)
