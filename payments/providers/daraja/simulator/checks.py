"""
The checks Daraja makes of a push or a query before it looks at anything else.

Rules: Daraja 3.0 portal, MpesaExpressSimulate and MpesaExpressQuery. A field that does not fit
answers 400.002.02 and names it; a password that does not fit answers 500.001.1001.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from payments.providers.daraja.simulator import faults, wire

MAX_AMOUNT = 250_000
PAYBILL = "CustomerPayBillOnline"
TILL = "CustomerBuyGoodsOnline"

Fields = dict[str, Any]
Rule = Callable[[Any], bool]
Rules = dict[str, Rule]


@dataclass(frozen=True)
class PushForm:
    """A push whose every field fits."""

    shortcode: str
    transaction_type: str
    amount: int
    msisdn: str
    party_b: str
    callback_url: str
    account_reference: str
    description: str


def read_fields(body: bytes, content_type: str, *, request_id: str) -> Fields:
    """
    Return the JSON object of a request.

    :raises wire.Refusal: when it is no JSON (400.002.05) or is not said to be (400.002.02).
    """
    # A form instead of JSON is answered thus, says the portal's ninth question.
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise invalid("BusinessShortCode", request_id)
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _unreadable(request_id) from error
    if not isinstance(fields, dict):
        raise _unreadable(request_id)
    return fields


def read_push(fields: Fields, *, request_id: str) -> PushForm:
    """
    Return the push these fields make.

    :raises wire.Refusal: naming the first field that does not fit.
    """
    check_fields(fields, PUSH_RULES, request_id)
    form = PushForm(
        shortcode=str(fields["BusinessShortCode"]),
        transaction_type=fields["TransactionType"],
        amount=int(fields["Amount"]),
        msisdn=str(fields["PhoneNumber"]),
        party_b=str(fields["PartyB"]),
        callback_url=fields["CallBackURL"],
        account_reference=fields["AccountReference"],
        description=fields.get("TransactionDesc") or "",
    )
    if form.transaction_type == PAYBILL and form.party_b != form.shortcode:
        raise invalid("PartyB", request_id)
    return form


def read_query(fields: Fields, *, request_id: str) -> tuple[str, str]:
    """
    Return shortcode and CheckoutRequestID of a query.

    :raises wire.Refusal: naming the first field that does not fit.
    """
    check_fields(fields, QUERY_RULES, request_id)
    return str(fields["BusinessShortCode"]), fields["CheckoutRequestID"]


def check_password(fields: Fields, passkeys: dict[str, str], *, request_id: str) -> None:
    """
    Check Password = base64(BusinessShortCode + passkey + Timestamp).

    A shortcode with a registered passkey must have used that one; elsewhere any will do that
    does not begin with "bad".

    :raises wire.Refusal: "Wrong credentials".
    """
    shortcode, timestamp = str(fields["BusinessShortCode"]), str(fields["Timestamp"])
    passkey = _passkey_of(fields["Password"], shortcode, timestamp)
    expected = passkeys.get(shortcode)
    if not passkey or passkey.startswith("bad") or (expected and passkey != expected):
        raise wire.Refusal(faults.spoil("wrong_credentials", faults.Spoiled(request_id)))


def check_registration(fields: Fields, words: tuple[str, ...], *, request_id: str) -> None:
    """
    Check a registration of C2B addresses, and them for the words Daraja forbids.

    :raises wire.Refusal: naming the first field that does not fit.
    """
    check_fields(fields, REGISTER_RULES, request_id)
    for name in ("ConfirmationURL", "ValidationURL"):
        if any(word in fields[name].lower() for word in words):
            raise invalid(name, request_id)


def _passkey_of(password: str, shortcode: str, timestamp: str) -> str:
    try:
        clear = base64.b64decode(password, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
    if not (clear.startswith(shortcode) and clear.endswith(timestamp)):
        return ""
    return clear[len(shortcode) : -len(timestamp)]


def check_fields(fields: Fields, rules: Rules, request_id: str) -> None:
    """
    Check every field by its rule.

    :raises wire.Refusal: naming the first that does not fit.
    """
    for name, fits in rules.items():
        if not fits(fields.get(name)):
            raise invalid(name, request_id)


def invalid(field: str, request_id: str) -> wire.Refusal:
    """Return the refusal that names a field."""
    message = f"Bad Request - Invalid {field}"
    return wire.Refusal(wire.error_answer(400, "400.002.02", message, request_id=request_id))


def _unreadable(request_id: str) -> wire.Refusal:
    message = "Invalid Request Payload"
    return wire.Refusal(wire.error_answer(400, "400.002.05", message, request_id=request_id))


def like(pattern: str) -> Rule:
    """Return the rule that a text or a whole number has this form."""
    compiled = re.compile(pattern, re.ASCII)

    def fits(value: Any) -> bool:
        is_text = isinstance(value, str | int) and not isinstance(value, bool)
        return is_text and bool(compiled.fullmatch(str(value)))

    return fits


def _is_timestamp(value: Any) -> bool:
    if not like(r"\d{14}")(value):
        return False
    try:
        datetime.strptime(str(value), "%Y%m%d%H%M%S").replace(tzinfo=wire.EAT)
    except ValueError:
        return False
    return True


def is_amount(value: Any) -> bool:
    return like(r"\d{1,6}")(value) and 1 <= int(value) <= MAX_AMOUNT


def is_url(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > 2048:
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    # http is taken as the sandbox takes it; the demo has no certificate.
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def is_text(least: int, most: int) -> Rule:
    return lambda value: isinstance(value, str) and least <= len(value) <= most


is_shortcode = like(r"\d{5,7}")
is_msisdn = like(r"254[17]\d{8}")

PUSH_RULES: Rules = {
    "BusinessShortCode": is_shortcode,
    "Password": is_text(1, 1024),
    "Timestamp": _is_timestamp,
    "TransactionType": lambda value: value in (PAYBILL, TILL),
    "Amount": is_amount,
    "PartyA": is_msisdn,
    "PartyB": is_shortcode,
    "PhoneNumber": is_msisdn,
    "CallBackURL": is_url,
    "AccountReference": is_text(1, 12),
    # The only optional field.
    "TransactionDesc": lambda value: value is None or is_text(0, 13)(value),
}

QUERY_RULES: Rules = {
    "BusinessShortCode": is_shortcode,
    "Password": is_text(1, 1024),
    "Timestamp": _is_timestamp,
    "CheckoutRequestID": is_text(1, 64),
}

REGISTER_RULES: Rules = {
    "ShortCode": is_shortcode,
    "ResponseType": lambda value: value in ("Completed", "Cancelled"),
    "ConfirmationURL": is_url,
    "ValidationURL": is_url,
}
