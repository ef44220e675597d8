"""
The body of a C2B validation or confirmation, as recorded between 2019 and 2025.

The v1 hash is the plain SHA-256 of the twelve digits; the v2 mask has spaces around its five stars.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from payments.providers.daraja.simulator import wire
from payments.providers.daraja.simulator.transactions import Transaction

MSISDN_FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda msisdn: msisdn,
    "hash": lambda msisdn: hashlib.sha256(msisdn.encode()).hexdigest(),
    "mask": lambda msisdn: f"{msisdn[:4]} ***** {msisdn[-3:]}",
    "mask_tight": lambda msisdn: f"{msisdn[:4]}*****{msisdn[-3:]}",
}


@dataclass(frozen=True)
class ToldAs:
    """How much of the payer is shown, and the business's new balance ("" in a validation)."""

    msisdn_form: str
    names: str
    balance: str = ""


def body(transaction: Transaction, told_as: ToldAs) -> bytes:
    """Return what the business is sent."""
    content = {
        "TransactionType": transaction.transaction_type,
        "TransID": transaction.receipt_number,
        "TransTime": f"{transaction.at.astimezone(wire.EAT):%Y%m%d%H%M%S}",
        "TransAmount": f"{transaction.amount:.2f}",
        "BusinessShortCode": transaction.shortcode,
        "BillRefNumber": "" if transaction.is_till else transaction.reference,
        "InvoiceNumber": "",
        "OrgAccountBalance": told_as.balance,
        "ThirdPartyTransID": "",
        "MSISDN": MSISDN_FORMS[told_as.msisdn_form](transaction.msisdn),
        **_names(transaction.name, told_as.names),
    }
    return wire.dump(content)


def code_of(answer: str) -> str | None:
    """Return the ResultCode a business answered a validation with, None where it gave none."""
    try:
        content = json.loads(answer)
    except ValueError:
        return None
    code = content.get("ResultCode") if isinstance(content, dict) else None
    is_code = isinstance(code, str | int) and not isinstance(code, bool) and code != ""
    return str(code) if is_code else None


def _names(name: str, shown: str) -> dict[str, str]:
    first, *others = name.split() or [""]
    if shown == "none":
        return {}
    if shown == "first":
        return {"FirstName": first.upper()}
    last = others[-1] if others else ""
    return {"FirstName": first, "MiddleName": " ".join(others[:-1]), "LastName": last}
