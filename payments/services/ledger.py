"""
The ledger of receipts: who inserts the row may credit it, the unique constraint is the lock.

Rows are read locked. Of two transactions that find a receipt without an owner, the second waits and
then finds the first one's payment on it. Payments are locked before receipts, by everybody.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from payments.choices import FAMILY_OF, ProviderFamily, ReceiptChannel, ReceiptStatus
from payments.models import Payment, Receipt
from tenants.prepared import Reader, Writer

_NEW = Writer(Receipt, ignore_conflicts=True)
# A number somebody typed stands first, so that what a provider told of takes its place.
_ROWS = """
    FROM payments_receipt r WHERE r.number = ANY (%s)
      AND NOT (r.channel = 'manual' AND r.status = 'reversed')
    ORDER BY r.number, r.channel <> 'manual', r.id
"""
_SEEN = Reader(_ROWS, r=Receipt)
_HELD = Reader(f"{_ROWS} FOR UPDATE OF r", r=Receipt)

Key = tuple[str, str, str]


@dataclass(frozen=True)
class SeenReceipt:
    """A receipt some evidence of a payment carries; attempt_id is the prompt it came by, if any."""

    payment: Payment
    config_id: uuid.UUID | None
    number: str
    amount: Decimal | None
    channel: str
    paid_at: datetime | None
    attempt_id: uuid.UUID | None = None

    @property
    def key(self) -> Key:
        # Money written down by hand may have no provider; whoever tells of it is M-Pesa.
        family = FAMILY_OF.get(self.payment.provider, ProviderFamily.MPESA)
        return (self.payment.environment, family, self.number)


def enter_receipts(seen: Iterable[SeenReceipt], *, now: datetime) -> dict[Key, Receipt]:
    """
    Enter receipts as in review and return what the ledger holds under their numbers, locked.

    Sorted, so that two transactions with the same receipts queue and do not deadlock. Where the
    row was there before, it is returned as it is: its payment may be another one.
    """
    by_key = {receipt.key: receipt for receipt in reversed(list(seen))}
    if not by_key:
        return {}
    rows = [_row(by_key[key], now=now) for key in sorted(by_key)]
    _NEW.insert(rows)
    found = _HELD.all([[row.number for row in rows]])
    return {
        key: row
        for key, receipt in by_key.items()
        if (row := _counting(found, seen=receipt, shop_id=receipt.payment.shop_id, key=key))
    }


def find(*, shop_id: uuid.UUID, key: Key) -> Receipt | None:
    """Return what the ledger holds under a number, as far as it counts for the shop; not locked."""
    return _counting(_SEEN.all([[key[2]]]), shop_id=shop_id, key=key)


def enter_arrival(row: Receipt) -> Receipt:
    """Enter money that arrived by itself, or lock what stands under its number already."""
    _NEW.insert([row])
    found = _counting(_HELD.all([[row.number]]), shop_id=row.shop_id, key=_key_of(row))
    assert found is not None  # noqa: S101 - it was inserted, or something was in its way
    return found


def is_foreign(receipt: Receipt, payment: Payment) -> bool:
    """Tell whether the receipt is another payment's, or another shop's."""
    return receipt.shop_id != payment.shop_id or receipt.payment_id not in {None, payment.pk}


def credit(receipts: Iterable[Receipt]) -> None:
    """Mark receipts as credited to the payment each names; money that went back stays gone."""
    ids = [row.pk for row in receipts if row.status != ReceiptStatus.CREDITED]
    if ids:
        rows = Receipt.objects.filter(pk__in=ids).exclude(status=ReceiptStatus.REVERSED)
        rows.update(status=ReceiptStatus.CREDITED)


def claim(receipt: Receipt, seen: SeenReceipt) -> None:
    """Give a locked receipt that had no owner to the payment whose evidence carries it."""
    changed = []
    if receipt.payment_id is None:
        receipt.payment = seen.payment
        receipt.reason, receipt.next_ask_at = "", None
        if receipt.status != ReceiptStatus.REVERSED:
            receipt.status = ReceiptStatus.IN_REVIEW
        changed += ["payment", "status", "reason", "next_ask_at"]
    index = seen.payment.phone_index
    if seen.attempt_id is not None and index and receipt.payer_index != index:
        # Whoever was prompted paid: better known than a hash or a mask.
        receipt.payer_index, receipt.payer_masked = index, seen.payment.phone_masked
        changed += ["payer_index", "payer_masked"]
    if changed:
        receipt.save(update_fields=changed)


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
        payer_index=seen.payment.phone_index,
        paid_at=seen.paid_at,
        created_at=now,
    )


def _counting(
    rows: Iterable[Receipt], *, shop_id: uuid.UUID, key: Key, seen: SeenReceipt | None = None
) -> Receipt | None:
    """
    Choose the row that stands for this money.

    Within a shop a number is one payment, whatever family somebody took it for. Of another shop
    counts what a provider told of the same family, and it counts more than a word typed here:
    but of a payment that rests on such a word that word is what is spoken of.
    """
    environment, family, number = key
    own = another = None
    for row in rows:
        if (row.environment, row.number) != (environment, number):
            continue
        if row.shop_id == shop_id:
            own = row
        elif row.channel != ReceiptChannel.MANUAL and row.family == family:
            another = row
    if own is not None and seen is not None and own.payment_id == seen.payment.pk:
        return own
    return another or own


def _key_of(row: Receipt) -> Key:
    return (row.environment, row.family, row.number)


CHANNEL_OF = {
    "stk_callback": ReceiptChannel.STK,
    "stk_query": ReceiptChannel.STK,
    "c2b_confirmation": ReceiptChannel.C2B,
    "pull": ReceiptChannel.PULL,
    "transaction_status": ReceiptChannel.PULL,
    "statement": ReceiptChannel.STATEMENT,
    "staff": ReceiptChannel.MANUAL,
}
