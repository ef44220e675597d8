"""
What banks tell of money on an account: Equity (Jenga), KCB (Buni) and Co-op, each in its own form.

Shortcode is the account that was credited. Money that went out, or did not move, is None; what does
not say clearly that money came in is unreadable, so that a person looks. The forms are those of the
banks' own pages; Co-op does not say which part of its narration is the reference, so only one that
we made ourselves is taken, which its check character tells.
To add a bank: a row in _FORMS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from payments import msisdn as msisdns
from payments import references, strictjson
from payments.choices import ProviderFamily
from payments.errors import InvalidPhoneNumber, UnreadableBody
from payments.providers.base import ArrivedMoney
from payments.providers.daraja import values
from payments.providers.daraja.reading import mapping_of, text_of
from payments.providers.daraja.receipt_dates import day_of

Fields = Mapping[str, Any]

_REFERENCE = re.compile(r"[A-Z0-9][A-Z0-9/_-]{3,31}")
_CREDITS = frozenset({"C", "CREDIT"})
_DEBITS = frozenset({"D", "DEBIT"})
_BETWEEN_PARTS = re.compile(r"[~#\s]+")
_CURRENCY = "KES"
_MPESA = frozenset({"MPESA", "M-PESA"})


@dataclass(frozen=True)
class _Told:
    """A notice's fields, whatever the bank calls them; direction "" where only credits are told."""

    reference: Any
    amount: Any
    account: Any
    direction: str
    typed: Any = ""
    at: Any = ""
    phone: Any = ""
    name: Any = ""
    status: str = ""
    currency: Any = _CURRENCY
    kind: str = ""


def parse_notice(body: bytes) -> ArrivedMoney | None:
    """
    Translate a bank's notice; None for one that tells of no money coming in.

    :raises UnreadableBody: when it is of no known form, or does not say plainly what it tells.
    """
    try:
        document = strictjson.loads(body)
    except strictjson.InvalidJSON as error:
        raise UnreadableBody(f"Not JSON we read: {error.reason}.") from error
    fields = mapping_of(document)
    told = next((read(fields) for fits, read in _FORMS if fits(fields)), None)
    if told is None:
        raise UnreadableBody("Of no bank's form we know.")
    return _arrived(told) if _came_in(told) else None


def _came_in(told: _Told) -> bool:
    if told.direction.upper() in _DEBITS or told.status.upper() == "FAILED":
        return False
    if told.direction.upper() not in _CREDITS or told.status.upper() != "SUCCESS":
        raise UnreadableBody("It does not say that money came in.")
    if text_of(told.currency, 8).upper() != _CURRENCY:
        raise UnreadableBody("It is not in shillings.")
    return True


def _arrived(told: _Told) -> ArrivedMoney:
    reference = text_of(told.reference, 64).upper()
    if not _REFERENCE.fullmatch(reference):
        raise UnreadableBody("No reference that can be a receipt.")
    amount = values.written_amount(told.amount)
    return ArrivedMoney(
        receipt_number=reference,
        family=_family(reference, told.kind),
        amount=amount if amount is not None and amount > 0 else None,
        shortcode=text_of(told.account, 32),
        account_reference=text_of(told.typed, 40),
        transaction_type=told.kind[:60],
        paid_at=values.moment(told.at),
        msisdn=_msisdn(told.phone),
        payer_name=text_of(told.name, 60),
    )


def _family(reference: str, kind: str) -> str:
    """Tell whose number it is: a bank that was paid by M-Pesa may hand on M-Pesa's own."""
    is_mpesas = kind.upper() in _MPESA and day_of(reference) is not None
    return ProviderFamily.MPESA if is_mpesas else ProviderFamily.BANK


def _msisdn(value: Any) -> str:
    try:
        return msisdns.normalise(text_of(value, 20))
    except InvalidPhoneNumber:
        return ""


def _equity(fields: Fields) -> _Told:
    customer, bank = mapping_of(fields.get("customer")), mapping_of(fields.get("bank"))
    moved = mapping_of(fields.get("transaction"))
    return _Told(
        reference=moved.get("reference"),
        amount=moved.get("amount"),
        account=bank.get("account"),
        direction=text_of(bank.get("transactionType"), 8),
        typed=moved.get("billNumber") or customer.get("reference"),
        at=moved.get("date"),
        phone=customer.get("mobileNumber"),
        name=customer.get("name"),
        status=text_of(moved.get("status"), 20),
        kind=text_of(moved.get("paymentMode"), 60),
    )


def _kcb(fields: Fields) -> _Told:
    # It tells of credits alone, and has neither a direction nor a status.
    return _Told(
        reference=fields.get("transactionReference"),
        amount=fields.get("transactionAmount"),
        account=fields.get("creditAccountIdentifier"),
        direction="C",
        typed=fields.get("customerReference"),
        at=fields.get("timestamp"),
        phone=fields.get("customerMobileNumber"),
        name=fields.get("customerName"),
        status="SUCCESS",
        currency=fields.get("currency"),
    )


def _coop(fields: Fields) -> _Told:
    return _Told(
        reference=fields.get("TransactionId"),
        amount=fields.get("Amount"),
        account=fields.get("AcctNo"),
        direction=text_of(fields.get("EventType"), 8),
        typed=_our_reference(fields),
        at=fields.get("TransactionDate"),
        status="SUCCESS",
        currency=fields.get("Currency"),
    )


def _our_reference(fields: Fields) -> str:
    """Return the only reference of our making in Co-op's words; "" where there is none, or two."""
    told = ("Narration", "CustMemoLine1", "CustMemoLine2", "CustMemoLine3", "PaymentRef")
    parts = {
        part.upper()
        for name in told
        for part in _BETWEEN_PARTS.split(text_of(fields.get(name), 300))
        if references.is_well_formed(part)
    }
    return parts.pop() if len(parts) == 1 else ""


def _has(*names: str) -> Callable[[Fields], bool]:
    return lambda fields: all(name in fields for name in names)


_FORMS: tuple[tuple[Callable[[Fields], bool], Callable[[Fields], _Told]], ...] = (
    (_has("callbackType", "transaction", "bank"), _equity),
    (_has("transactionReference", "creditAccountIdentifier"), _kcb),
    (_has("AcctNo", "EventType", "TransactionId"), _coop),
)
