"""
Daraja's result of an asynchronous request: status, reversal, balance, and what others send alike.

Parameters come as an array, as a single object, or not at all; items come without a Value; numbers
as text and text as numbers; codes that are no numbers (R000002). Names and phone numbers are read
for one look only: what is kept as details is an allow-list. Not signed, as no callback is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from payments import strictjson
from payments.errors import UnreadableBody
from payments.providers.base import Balance, RequestResult
from payments.providers.daraja import values
from payments.providers.daraja.reading import (
    MAX_DESC_LENGTH,
    code_of,
    mapping_of,
    text_of,
)

_MAX_PARTY_LENGTH = 128
_MAX_STATUS_LENGTH = 40
_MAX_BALANCES = 20

# The first key that has something to say wins. A reversal's own receipt is the TransactionID; the
# one it took back is what was asked about.
_RECEIPTS = ("ReceiptNo", "OriginalTransactionID", "TransactionReceipt")
_AMOUNTS = ("Amount", "TransactionAmount")
_TIMES = (
    "FinalisedTime",
    "TransCompletedTime",
    "TransactionCompletedDateTime",
    "BOCompletedTime",
    "InitiatedTime",
)
_DEBITED = ("DebitPartyName", "DebitPartyPublicName")
_CREDITED = ("CreditPartyName", "CreditPartyPublicName", "ReceiverPartyPublicName")
_BALANCES = ("AccountBalance", "DebitAccountBalance", "DebitPartyAffectedAccountBalance")
# Documented to say that nothing was done (Daraja 3.0 portal, Reversal and AccountBalance). "Busy"
# (17, 26) and words nobody knows say nothing: what was ordered may be done all the same.
REFUSALS = frozenset(
    {"1", "2", "11", "18", "20", "21", "2001", "2006", "2028", "8006", "R000001", "R000002"}
)

Values = Mapping[str, list[Any]]


def parse_result(body: bytes) -> RequestResult:
    """
    Translate the result of an asynchronous request.

    :raises UnreadableBody: when it is not one: no JSON object with Result, no code in it, or ids
        that cannot be Daraja's. Without a code nobody may call it failed.
    """
    try:
        document = strictjson.loads(body)
    except strictjson.InvalidJSON as error:
        raise UnreadableBody(f"Not JSON we read: {error.reason}.") from error
    result = mapping_of(document).get("Result")
    if not isinstance(result, dict):
        raise UnreadableBody("No Result.")
    code = code_of(result.get("ResultCode"))
    if not code:
        raise UnreadableBody("A Result without a ResultCode.")
    return _translated(result, code, _values_of(result.get("ResultParameters")))


def _translated(result: Mapping[str, Any], code: str, told: Values) -> RequestResult:
    debited, credited = _parties(told)
    return RequestResult(
        result_code=code,
        result_desc=text_of(result.get("ResultDesc"), MAX_DESC_LENGTH),
        conversation_id=_id_in(result, "ConversationID"),
        originator_conversation_id=_id_in(
            result, "OriginatorConversationID", "OriginatorCoversationID"
        ),
        receipt_number=_first(told, _RECEIPTS, values.receipt_number),
        amount=_only_amount(told),
        transaction_status=_text(told, "TransactionStatus", _MAX_STATUS_LENGTH),
        paid_at=_first(told, _TIMES, values.moment),
        debit_party=debited,
        credit_party=credited,
        balances=tuple(_balances(told))[:_MAX_BALANCES],
        details=_details(result, told),
        is_refusal=code in REFUSALS,
    )


def _id_in(result: Mapping[str, Any], *keys: str) -> str:
    # Old ones come empty, which says as much as none.
    told = [result[key] for key in keys if result.get(key) not in (None, "")]
    return values.request_id(told[0]) if told else ""


def _values_of(parameters: Any) -> dict[str, list[Any]]:
    """Return every value by its key, in order; what has no Value says nothing."""
    found: dict[str, list[Any]] = {}
    for item in _items(mapping_of(parameters).get("ResultParameter", parameters)):
        # "Receipt No" and "ReceiptNo" are one: the portal's own pages have both.
        key = text_of(item.get("Key", item.get("Name")), 64).replace(" ", "")
        value = item.get("Value")
        if key and value not in (None, ""):
            found.setdefault(key, []).append(value)
    return found


def _items(given: Any) -> Iterator[Mapping[str, Any]]:
    for item in given if isinstance(given, list) else [given]:
        yield mapping_of(item)


def _first(told: Values, keys: tuple[str, ...], read: Callable[[Any], Any]) -> Any:
    for key in keys:
        for value in told.get(key, []):
            if (found := read(value)) is not None:
                return found
    return None


def _only_amount(told: Values) -> Decimal | None:
    """Return the amount; None where two are told that differ, or one that cannot be read."""
    for key in _AMOUNTS:
        amounts = {values.written_amount(value) for value in told.get(key, [])}
        if amounts:
            return amounts.pop() if len(amounts) == 1 else None
    return None


def _parties(told: Values) -> tuple[str, str]:
    """
    Return who paid and who was paid, as Daraja writes them: "254… - NAME", "600100 - NAME".

    The portal's own sample calls both DebitPartyName: then the second is who was paid.
    """
    debited = [_name(value) for key in _DEBITED for value in told.get(key, [])]
    credited = [_name(value) for key in _CREDITED for value in told.get(key, [])]
    return (debited or [""])[0], (credited or debited[1:] or [""])[0]


def _name(value: Any) -> str:
    return text_of(value, _MAX_PARTY_LENGTH)


def _text(told: Values, key: str, max_length: int) -> str:
    return text_of(next(iter(told.get(key, [])), None), max_length)


def _balances(told: Values) -> Iterator[Balance]:
    for key in _BALANCES:
        for value in told.get(key, []):
            yield from values.balances(value)


def _details(result: Mapping[str, Any], told: Values) -> dict[str, str]:
    """Keep what helps to understand a result and names nobody."""
    read: dict[str, str | None] = {
        "transaction_id": _own_receipt(result.get("TransactionID")),
        "reason_type": values.plain_words(_text(told, "ReasonType", 80)),
        "debit_account_type": values.plain_words(_text(told, "DebitAccountType", 80)),
        "action_type": values.plain_words(_text(told, "ActionType", 80)),
        "error": values.plain_words(_text(told, "ErrorMsg", 120)),
        "initiated_at": _iso(_first(told, ("InitiatedTime",), values.moment)),
        "debit_charge": _money(_first(told, ("DebitPartyCharges", "Charge"), values.charge)),
        "credit_charge": _money(_first(told, ("CreditPartyCharges",), values.charge)),
    }
    return {name: value for name, value in read.items() if value}


def _own_receipt(value: Any) -> str | None:
    # SG20000000 stands for "none": a day's letters and zeros (status and failed results).
    receipt = values.receipt_number(value)
    return None if receipt is None or receipt.endswith("000000") else receipt


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _money(amount: Decimal | None) -> str:
    return "" if amount is None else str(amount)
