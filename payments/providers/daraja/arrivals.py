"""
C2B validation and confirmation: money a customer sent by himself.

Forms recorded from 2017 to 2025: amounts with and without decimals, the payer as a plain number,
masked, hashed or half hashed, names that are missing. Not signed, so nothing here says that it is
true. What cannot be read exactly is left out and never guessed, the amount above all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from payments import msisdn as msisdns
from payments import strictjson
from payments.choices import ProviderFamily
from payments.errors import InvalidPhoneNumber, UnreadableBody
from payments.providers.base import ArrivedMoney
from payments.providers.daraja import values
from payments.providers.daraja.reading import text_of

# What the ledger's columns hold; Daraja cuts a typed reference at twenty.
_MAX_REFERENCE, _MAX_TYPE, _MAX_SHORTCODE, _MAX_NAME = 40, 60, 32, 60

# Three decimals could be thousands written the other way round, so they are no amount.
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,9}|[1-9][0-9]{0,2}(,[0-9]{3}){1,3})(\.[0-9]{1,2})?")
_HASH = re.compile(r"[0-9a-f]{64}")
_MASKED = re.compile(r"\+?[0-9]{0,9}\*+[0-9]{0,9}")
_NAMES = ("FirstName", "MiddleName", "LastName")


def parse_c2b(body: bytes) -> ArrivedMoney:
    """
    Translate the body of a C2B validation or confirmation.

    amount is None where what is written is no amount; fields nobody knows are passed over.

    :raises UnreadableBody: when it is no JSON object, or names no receipt.
    """
    try:
        document = strictjson.loads(body)
    except strictjson.InvalidJSON as error:
        raise UnreadableBody(f"Not JSON we read: {error.reason}.") from error
    if not isinstance(document, dict):
        raise UnreadableBody("Not a JSON object.")
    receipt_number = values.receipt_number(document.get("TransID"))
    if receipt_number is None:
        raise UnreadableBody("No TransID that can be a receipt.")
    return _arrived(receipt_number, document)


def _arrived(receipt_number: str, document: Mapping[str, Any]) -> ArrivedMoney:
    return ArrivedMoney(
        receipt_number=receipt_number,
        family=ProviderFamily.MPESA,
        amount=_amount(document.get("TransAmount")),
        shortcode=text_of(document.get("BusinessShortCode"), _MAX_SHORTCODE),
        # A number was zeros poorer before it reached us; its digits are all that can be kept.
        account_reference=text_of(document.get("BillRefNumber"), _MAX_REFERENCE),
        transaction_type=text_of(document.get("TransactionType"), _MAX_TYPE),
        paid_at=values.moment(document.get("TransTime")),
        payer_name=" ".join(filter(None, (text_of(document.get(n), _MAX_NAME) for n in _NAMES))),
        organisation_balance=values.written_amount(document.get("OrgAccountBalance")),
        **payer_of(text_of(document.get("MSISDN"), 80)),
    )


def _amount(value: Any) -> Decimal | None:
    """Return exact shillings above zero; a number is judged by how it would be written."""
    text = text_of(value, 20)
    if not _AMOUNT.fullmatch(text):
        return None
    shillings = Decimal(text.replace(",", "")).quantize(Decimal("0.01"))
    return shillings if 0 < shillings < values.AMOUNT_LIMIT else None


def payer_of(written: str) -> dict[str, str]:
    """Tell the payer's number in the one form that was given; half a hash tells nothing."""
    text = written.replace(" ", "")
    if _HASH.fullmatch(text.lower()):
        return {"msisdn_hash": text.lower()}
    if _MASKED.fullmatch(text):
        return {"msisdn_masked": text}
    try:
        return {"msisdn": msisdns.normalise(text)}
    except InvalidPhoneNumber:
        return {}
