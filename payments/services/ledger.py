"""The ledger of receipts: who inserts the row may credit it, the unique constraint is the lock."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from payments.choices import FAMILY_OF, ReceiptChannel, ReceiptStatus
from payments.models import Payment, Receipt
from tenants.prepared import Reader, Writer

_NEW = Writer(Receipt, ignore_conflicts=True)
_HELD = Reader("FROM payments_receipt r WHERE r.number = ANY (%s) ORDER BY r.number", r=Receipt)


@dataclass(frozen=True)
class SeenReceipt:
    """A receipt some evidence of a payment carries."""

    payment: Payment
    config_id: uuid.UUID | None
    number: str
    amount: Decimal | None
    channel: str
    paid_at: datetime | None

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.payment.environment, FAMILY_OF[self.payment.provider], self.number)


def enter_receipts(
    seen: Iterable[SeenReceipt], *, now: datetime
) -> dict[tuple[str, str, str], Receipt]:
    """
    Enter receipts as in review and return what the ledger holds under their numbers.

    Sorted, so that two transactions with the same receipts queue and do not deadlock. Where the
    row was there before, it is returned as it is: its payment may be another one.
    """
    by_key = {receipt.key: receipt for receipt in reversed(list(seen))}
    if not by_key:
        return {}
    rows = [_row(by_key[key], now=now) for key in sorted(by_key)]
    _NEW.insert(rows)
    found = _HELD.all([[row.number for row in rows]])
    return {key: row for row in found if (key := _key_of(row)) in by_key}


def is_foreign(receipt: Receipt, payment: Payment) -> bool:
    """Tell whether the receipt is another payment's, or another shop's."""
    return receipt.shop_id != payment.shop_id or receipt.payment_id not in {None, payment.pk}


def credit(receipts: Iterable[Receipt]) -> None:
    """Mark receipts as credited to the payment each of them names."""
    rows = [row for row in receipts if row.status != ReceiptStatus.CREDITED]
    if rows:
        ids = [row.pk for row in rows]
        Receipt.objects.filter(pk__in=ids).update(status=ReceiptStatus.CREDITED)


def claim(receipt: Receipt, payment: Payment) -> None:
    """Give a receipt that had no owner to the payment whose evidence carries it."""
    if receipt.payment_id is None:
        Receipt.objects.filter(pk=receipt.pk, payment=None).update(payment=payment)
        receipt.payment = payment


def _row(seen: SeenReceipt, *, now: datetime) -> Receipt:
    environment, family, number = seen.key
    return Receipt(
        shop_id=seen.payment.shop_id,
        environment=environment,
        family=family,
        number=number,
        amount=seen.amount,
        status=ReceiptStatus.IN_REVIEW,
        channel=seen.channel,
        payment=seen.payment,
        config_id=seen.config_id,
        account_reference=seen.payment.account_reference,
        payer_masked=seen.payment.phone_masked,
        paid_at=seen.paid_at,
        created_at=now,
    )


def _key_of(row: Receipt) -> tuple[str, str, str]:
    return (row.environment, row.family, row.number)


CHANNEL_OF = {
    "stk_callback": ReceiptChannel.STK,
    "stk_query": ReceiptChannel.STK,
    "c2b_confirmation": ReceiptChannel.C2B,
    "pull": ReceiptChannel.PULL,
    "transaction_status": ReceiptChannel.PULL,
    "statement": ReceiptChannel.STATEMENT,
}
