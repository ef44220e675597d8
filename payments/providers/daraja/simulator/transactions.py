"""
The customers' payments themselves, however they came about, and what was taken back of them.

A business is known by the number its C2B addresses are registered under: the paybill, or a till's
store number. What it holds is the sum of what came and stayed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from payments.providers.daraja.simulator.ledger import Ledger, MoneyMoved, MoneyReturned

TILL_PAYMENT, BILL_PAYMENT = "Customer Merchant Payment", "Pay Bill"


class NoSuchPayment(LookupError):
    """There is no such payment, or it was taken back before."""


@dataclass
class Transaction:
    """One payment; shortcode is the business, party_b what the customer typed."""

    receipt_number: str
    at: datetime
    shortcode: str
    party_b: str
    amount: Decimal
    msisdn: str
    reference: str
    name: str
    is_till: bool = False
    reversed_by: str = ""
    reversed_at: datetime | None = None
    returned: Decimal = Decimal(0)

    @property
    def transaction_type(self) -> str:
        return TILL_PAYMENT if self.is_till else BILL_PAYMENT


class TransactionBook:
    """Adds, finds and takes back."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._by_receipt: dict[str, Transaction] = {}
        self._holds: dict[str, Decimal] = defaultdict(Decimal)

    def clear(self) -> None:
        self._by_receipt.clear()
        self._holds.clear()

    def add(
        self, transaction: Transaction, *, checkout_request_id: str = "", asked: int = 0
    ) -> None:
        self._by_receipt[transaction.receipt_number] = transaction
        self._holds[transaction.shortcode] += transaction.amount
        moved = MoneyMoved(
            at=transaction.at,
            checkout_request_id=checkout_request_id,
            msisdn=transaction.msisdn,
            shortcode=transaction.shortcode,
            party_b=transaction.party_b,
            amount=_shillings(transaction.amount),
            asked=asked,
            receipt_number=transaction.receipt_number,
        )
        self._ledger.money.append(moved)

    def find(self, receipt_number: str) -> Transaction | None:
        return self._by_receipt.get(receipt_number.upper())

    def of(self, shortcode: str) -> list[Transaction]:
        return [one for one in self._by_receipt.values() if one.shortcode == shortcode]

    def newest_first(self) -> list[Transaction]:
        return list(reversed(self._by_receipt.values()))

    def held_by(self, shortcode: str) -> Decimal:
        return self._holds[shortcode]

    def take_back(
        self,
        transaction: Transaction,
        amount: Decimal,
        *,
        reversal_receipt: str,
        by: str,
        at: datetime,
    ) -> None:
        """Give a payment's money back to who paid it."""
        transaction.reversed_by, transaction.reversed_at = reversal_receipt, at
        transaction.returned = amount
        self._holds[transaction.shortcode] -= amount
        returned = MoneyReturned(
            at=at,
            receipt_number=transaction.receipt_number,
            reversal_receipt=reversal_receipt,
            msisdn=transaction.msisdn,
            shortcode=transaction.shortcode,
            amount=_shillings(amount),
            by=by,
        )
        self._ledger.returned.append(returned)


def _shillings(amount: Decimal) -> int | Decimal:
    return int(amount) if amount == amount.to_integral_value() else amount
