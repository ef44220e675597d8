"""
Bodies of results that come later, in the forms of the recorded ones.

A request that failed has no parameters and a TransactionID that is a filler: the day's letters and
zeros. TransactionReason and charges come without a Value, numbers as numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from payments.providers.daraja.simulator import wire
from payments.providers.daraja.simulator.transactions import Transaction

_INTERNAL = "https://internalsandbox.safaricom.co.ke/mpesa/{}/v1/submit"

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What a result repeats of its request."""

    kind: str
    conversation_id: str
    originator_id: str
    occasion: str = ""


def result_body(
    asked: Asked, code: str, parameters: Parameters, *, receipt: str, form: str = "array"
) -> bytes:
    """Return a result; a parameter that is None comes without a Value."""
    items = [_item(key, value, form) for key, value in parameters.items()]
    content: dict[str, Any] = {
        "ResultType": "0" if form == "text" else 0,
        "ResultCode": code if form == "text" else wire.as_number(code),
        "ResultDesc": wire.result_text(code),
        "OriginatorConversationID": asked.originator_id,
        "ConversationID": asked.conversation_id,
        "TransactionID": receipt,
    }
    if items and form != "bare":
        told = items[-1] if form == "object" else items
        content["ResultParameters"] = {"ResultParameter": told}
    reference = _reference(asked)
    listed = [reference] if form == "text" else reference
    content["ReferenceData"] = {"ReferenceItem": listed}
    return wire.dump({"Result": content})


def timeout_body(asked: Asked) -> bytes:
    """Return what a time-out address is sent; the form is not published, nothing hangs on it."""
    content = {
        "ResultType": 1,
        "ResultCode": 1,
        "ResultDesc": "The request timed out in the queue.",
        "OriginatorConversationID": asked.originator_id,
        "ConversationID": asked.conversation_id,
    }
    return wire.dump({"Result": content})


def status_of(transaction: Transaction, *, business: str, status: str, ids: wire.Ids) -> Parameters:
    """Return what a status tells of a payment."""
    paid_at = stamp(transaction.at)
    kind = "Buy Goods Online" if transaction.is_till else "Pay Bill Online"
    return {
        "DebitPartyName": f"{transaction.msisdn} - {transaction.name}",
        "CreditPartyName": f"{transaction.shortcode} - {business}",
        "OriginatorConversationID": ids.new_request_id(),
        "InitiatedTime": paid_at,
        "CreditPartyCharges": None,
        "DebitAccountType": "MMF Account For Customer",
        "TransactionReason": None,
        "ReasonType": kind,
        "TransactionStatus": status,
        "FinalisedTime": paid_at,
        "Amount": _number(transaction.amount),
        "ConversationID": ids.new_conversation_id(transaction.at),
        "ReceiptNo": transaction.receipt_number,
    }


def balance_of(held: Decimal, *, is_till: bool, at: datetime) -> Parameters:
    """Return what a balance tells; a till's money lies in its merchant account."""
    nothing = Decimal(0)
    main = "Merchant Account" if is_till else "Utility Account"
    accounts = {
        "Working Account": nothing,
        "Float Account": nothing,
        main: held,
        "Charges Paid Account": nothing,
        "Organization Settlement Account": nothing,
    }
    told = "&".join(account(name, amount) for name, amount in accounts.items())
    return {"AccountBalance": told, "BOCompletedTime": stamp(at)}


def reversal_of(
    transaction: Transaction, *, business: str, held: Decimal, at: datetime
) -> Parameters:
    """Return what a reversal tells."""
    return {
        "DebitAccountBalance": account("Utility Account", held),
        "Amount": _number(transaction.returned),
        "TransCompletedTime": stamp(at),
        "OriginalTransactionID": transaction.receipt_number,
        "Charge": 0,
        "CreditPartyPublicName": f"{transaction.msisdn} - {transaction.name}",
        "DebitPartyPublicName": f"{transaction.shortcode} - {business}",
    }


def filler(at: datetime, ids: wire.Ids) -> str:
    """Return a TransactionID that stands for none."""
    return f"{ids.new_receipt_number(at)[:3]}0000000"


def account(name: str, amount: Decimal) -> str:
    return f"{name}|KES|{amount:.2f}|{amount:.2f}|0.00|0.00"


def stamp(at: datetime) -> int:
    return int(f"{at.astimezone(wire.EAT):%Y%m%d%H%M%S}")


def _item(key: str, value: Any, form: str) -> dict[str, Any]:
    if value is None:
        return {"Key": key}
    return {"Key": key, "Value": str(value) if form == "text" else value}


def _reference(asked: Asked) -> dict[str, Any]:
    if asked.kind == "status":
        value = {"Value": asked.occasion} if asked.occasion else {}
        return {"Key": "Occasion", **value}
    desk = "abresults" if asked.kind == "balance" else "reversalresults"
    return {"Key": "QueueTimeoutURL", "Value": _INTERNAL.format(desk)}


def _number(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)
