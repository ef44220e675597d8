"""
Daraja's STK callback: one POST that says what became of a prompt.

ResultCode comes as 0 or "0", Amount as 1, 1.00 or "1.00", items without a Value; metadata only
with success. An explicit yes or a code of the closed list settles; everything else is PENDING.
Not signed, so nothing here says that it is true (safety.md section 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from payments import strictjson
from payments.choices import OutcomeVerdict
from payments.errors import UnreadableBody
from payments.providers.base import Outcome
from payments.providers.daraja import values
from payments.providers.daraja.reading import (
    MAX_DESC_LENGTH,
    code_of,
    mapping_of,
    text_of,
    verdict_of,
)


def parse_callback(body: bytes) -> Outcome:
    """
    Translate the body of an STK callback.

    :raises UnreadableBody: when it is not one: no JSON object with Body.stkCallback, or ids that
        cannot be Daraja's.
    """
    try:
        document = strictjson.loads(body)
    except strictjson.InvalidJSON as error:
        raise UnreadableBody(f"Not JSON we read: {error.reason}.") from error
    callback = mapping_of(mapping_of(document).get("Body")).get("stkCallback")
    if not isinstance(callback, dict):
        raise UnreadableBody("No Body.stkCallback.")
    return _outcome_of(callback)


def _outcome_of(callback: Mapping[str, Any]) -> Outcome:
    code = code_of(callback.get("ResultCode"))
    items = _items(callback.get("CallbackMetadata"))
    verdict = OutcomeVerdict.PENDING if items.is_doubtful else verdict_of(code)
    # Never seen: a refusal that carries a receipt. Whoever believes it may lose a payment.
    if verdict == OutcomeVerdict.FAILED and items.receipt_number:
        verdict = OutcomeVerdict.PENDING
    return Outcome(
        verdict=verdict,
        result_code=code,
        result_desc=text_of(callback.get("ResultDesc"), MAX_DESC_LENGTH),
        is_final=verdict != OutcomeVerdict.PENDING,
        checkout_request_id=values.request_id(callback.get("CheckoutRequestID")),
        merchant_request_id=values.request_id(callback.get("MerchantRequestID")),
        receipt_number=items.receipt_number,
        amount=items.amount,
        paid_at=items.paid_at,
    )


@dataclass(frozen=True)
class _Items:
    receipt_number: str | None = None
    amount: Decimal | None = None
    paid_at: datetime | None = None
    is_doubtful: bool = False


def _items(metadata: Any) -> _Items:
    """
    Read the metadata of a success; PhoneNumber is left alone, nothing vouches for it.

    An amount that is there and cannot be read, or two that differ, make the whole doubtful. To
    call it "no amount" would let a query confirm the amount *we* asked for, although the customer
    may have paid another one. So the outcome stays PENDING, with what could be read beside it.
    """
    told = _values_by_name(metadata)
    amounts = [values.amount(value) for value in told.get("Amount", [])]
    receipts = [values.receipt_number(value) for value in told.get("MpesaReceiptNumber", [])]
    is_doubtful = None in amounts or len(set(amounts)) > 1 or len(set(receipts)) > 1
    return _Items(
        receipt_number=receipts[0] if len(set(receipts)) == 1 else None,
        amount=amounts[0] if len(set(amounts)) == 1 else None,
        paid_at=values.moment(told.get("TransactionDate", [None])[0]),
        is_doubtful=is_doubtful,
    )


def _values_by_name(metadata: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    items = mapping_of(metadata).get("Item")
    for item in items if isinstance(items, list) else [items]:
        name, value = mapping_of(item).get("Name"), mapping_of(item).get("Value")
        # Balance usually comes without a Value: that is "not said", for any name.
        if isinstance(name, str) and value not in (None, ""):
            found.setdefault(name, []).append(value)
    return found
