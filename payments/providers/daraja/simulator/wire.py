"""
Daraja's words: ids, receipts, bodies. Forms are those of recorded traffic; see the docs named.

Sources: developer.safaricom.co.ke (Daraja 3.0, 28 Dec 2025) for rules, live sandbox recordings of
2024-2026 for forms: CheckoutRequestIDs that end in the payer's number, hex MerchantRequestIDs,
"successfully" with two s.
"""

from __future__ import annotations

import json
import random
import string
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

#: East Africa Time has had no daylight saving since 1960.
EAT = timezone(timedelta(hours=3), "EAT")

PENDING_CODE = "4999"

#: ResultDesc by code, as callbacks word it.
RESULT_TEXTS = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "2": "Declined due to limit rule: less than the minimum transaction amount.",
    "3": "Declined due to limit rule: greater than the maximum transaction amount.",
    "4": "Declined due to limit rule: would exceed daily transfer limit.",
    "8": "Declined due to limit rule: would exceed the maximum balance.",
    "17": "Rule limited.",
    "1001": (
        "Unable to lock subscriber, a transaction is already in process for the current subscriber"
    ),
    "1019": "Transaction has expired",
    "1025": "An error occurred while sending a push request.",
    "1032": "Request cancelled by user",
    "1036": "SMSC ACK timeout.",
    "1037": "DS timeout user cannot be reached",
    "2032": "The transaction receipt number does not exist.",
    "R000001": "The transaction has already been reversed.",
    "R000002": "The OriginalTransactionID is invalid.",
    "2001": "The initiator information is invalid.",
    "2028": "The request is not permitted according to product assignment.",
    "2118": "No security credential is found. Operation failed.",
    "4999": "The transaction is still under processing",
    "8006": "The security credential is locked.",
    "9999": "An error occurred while sending a push request.",
    "SFC_IC0003": "The operator does not exist.",
}

#: The query words these otherwise (recorded 2026, live sandbox).
QUERY_TEXTS = {"1032": "Request Cancelled by user.", "1037": "No response from user."}

_JSON = "application/json;charset=UTF-8"
# Stands for an amount until the text is made: JSON writers cannot be told to write 150.00.
_AMOUNT_MARK = "@amount@"


@dataclass(frozen=True)
class Callback:
    """A body to be posted to url, at due_at or later."""

    serial: int
    url: str
    body: bytes
    checkout_request_id: str
    msisdn: str
    due_at: datetime
    kind: str = "stk"


@dataclass(frozen=True)
class Answer:
    """
    What goes back to the caller: after delay_s, or never (drop closes the connection).

    The callbacks in before must have been delivered before the answer is.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": _JSON})
    delay_s: float = 0.0
    drop: bool = False
    before: tuple[Callback, ...] = ()


class Refusal(Exception):
    """The request is answered now, with this answer, and nothing else happens."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Ids:
    """Numbers requests, prompts and receipts; the same seed gives the same ids."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        # One part stays for the life of a node, as in the recordings; the serial counts up.
        self._node = "-".join(self._hex(length) for length in (4, 4, 4, 12))
        self._serial = rng.randrange(10_000, 90_000)
        self._used: set[str] = set()

    def new_serial(self) -> int:
        self._serial += 1
        return self._serial

    def new_request_id(self) -> str:
        return f"{self._node}{self.new_serial()}"

    def new_checkout_request_id(self, msisdn: str, now: datetime) -> str:
        """Return ws_CO_ + ddMMyyyyHHmmssSSS (EAT) + the last nine digits of the payer's number."""
        moment = now.astimezone(EAT)
        while True:
            made = f"ws_CO_{moment:%d%m%Y%H%M%S}{moment.microsecond // 1000:03d}{msisdn[-9:]}"
            if self._is_fresh(made):
                return made
            moment += timedelta(milliseconds=1)

    def new_receipt_number(self, now: datetime) -> str:
        """Return ten characters: letters for year (L = 2017), month and day (EAT), seven free."""
        moment = now.astimezone(EAT)
        letters = string.ascii_uppercase
        year = letters[(letters.index("L") + moment.year - 2017) % 26]
        day = (string.digits + letters)[moment.day]
        while True:
            tail = "".join(self._rng.choices(letters + string.digits, k=7))
            made = f"{year}{letters[moment.month - 1]}{day}{tail}"
            if self._is_fresh(made):
                return made

    def new_conversation_id(self, now: datetime) -> str:
        """Return AG_ + yyyyMMdd (EAT) + twenty hex digits, as recorded since 2018."""
        return f"AG_{now.astimezone(EAT):%Y%m%d}_{self._hex(20)}"

    def new_token(self) -> str:
        """Return 28 letters and digits, the recorded form of an access token."""
        return "".join(self._rng.choices(string.ascii_letters + string.digits, k=28))

    def _hex(self, length: int) -> str:
        return "".join(self._rng.choices("0123456789abcdef", k=length))

    def _is_fresh(self, made: str) -> bool:
        fresh = made not in self._used
        self._used.add(made)
        return fresh


def json_answer(status: int, content: Any) -> Answer:
    """Return an answer with this content as JSON."""
    return Answer(status, dump(content))


def error_answer(status: int, code: str, message: str, *, request_id: str) -> Answer:
    """Return Daraja's own error body."""
    content = {"requestId": request_id, "errorCode": code, "errorMessage": message}
    return json_answer(status, content)


def push_accepted(*, merchant_request_id: str, checkout_request_id: str) -> Answer:
    """Return the push's yes: taken, nothing more."""
    text = "Success. Request accepted for processing"
    content = {
        "MerchantRequestID": merchant_request_id,
        "CheckoutRequestID": checkout_request_id,
        "ResponseCode": "0",
        "ResponseDescription": text,
        "CustomerMessage": text,
    }
    return json_answer(200, content)


def query_settled(
    *, merchant_request_id: str, checkout_request_id: str, code: str, drift: bool = False
) -> Answer:
    """Return the query's 200; the ResultCode is a string unless drift makes it a number."""
    content = {
        "ResponseCode": "0",
        "ResponseDescription": "The service request has been accepted successfully",
        "MerchantRequestID": merchant_request_id,
        "CheckoutRequestID": checkout_request_id,
        "ResultCode": as_number(code) if drift else code,
        "ResultDesc": QUERY_TEXTS.get(code) or result_text(code),
    }
    return json_answer(200, content)


def urls_registered(*, conversation_id: str) -> Answer:
    """Return the yes to a registration, with the eight zeros of the live sandbox (2026)."""
    content = {
        "OriginatorCoversationID": conversation_id,
        "ResponseCode": "00000000",
        "ResponseDescription": "Success",
    }
    return json_answer(200, content)


def accepted_later(*, conversation_id: str, originator_id: str) -> Answer:
    """Return the yes to a request whose result comes later."""
    content = {
        "OriginatorConversationID": originator_id,
        "ConversationID": conversation_id,
        "ResponseCode": "0",
        "ResponseDescription": "Accept the service request successfully.",
    }
    return json_answer(200, content)


def simulated(*, conversation_id: str) -> Answer:
    """Return the yes to a C2B simulation, misspelt as it comes."""
    content = {
        "OriginatorCoversationID": conversation_id,
        "ResponseCode": "0",
        "ResponseDescription": "Accept the service request successfully.",
    }
    return json_answer(200, content)


def failure_body(*, merchant_request_id: str, checkout_request_id: str, code: str) -> bytes:
    """Return the callback of a prompt that was not paid: no CallbackMetadata at all."""
    return dump(_callback(merchant_request_id, checkout_request_id, as_number(code), code))


def success_body(
    *,
    merchant_request_id: str,
    checkout_request_id: str,
    amount: int,
    receipt_number: str,
    msisdn: str,
    paid_at: datetime,
    omits: tuple[str, ...] = (),
    drift: bool = False,
) -> bytes:
    """Return the callback of a paid prompt: 1.00, a Balance without Value, numbers for the rest."""
    date = f"{paid_at.astimezone(EAT):%Y%m%d%H%M%S}"
    items: list[dict[str, Any]] = [
        {"Name": "Amount", "Value": str(amount) if drift else _AMOUNT_MARK},
        {"Name": "MpesaReceiptNumber", "Value": receipt_number},
        {"Name": "Balance"},
        {"Name": "TransactionDate", "Value": date if drift else int(date)},
        {"Name": "PhoneNumber", "Value": msisdn if drift else int(msisdn)},
    ]
    content = _callback(merchant_request_id, checkout_request_id, "0" if drift else 0, "0")
    content["Body"]["stkCallback"]["CallbackMetadata"] = {
        "Item": [item for item in items if item["Name"] not in omits]
    }
    return dump(content).replace(f'"{_AMOUNT_MARK}"'.encode(), f"{amount}.00".encode())


def result_text(code: str) -> str:
    """Return the wording of a result code; unknown ones have a wording nobody knows either."""
    return RESULT_TEXTS.get(code, "The request could not be completed at this moment.")


def error_of(answer: Answer) -> tuple[str, str]:
    """Return errorCode and errorMessage of an answer, empty where it has none."""
    content = load(answer.body)
    return str(content.get("errorCode", "")), str(content.get("errorMessage", ""))


def result_code_of(answer: Answer) -> str:
    """Return the ResultCode of an answer as text, empty where it has none."""
    return str(load(answer.body).get("ResultCode", ""))


def load(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _callback(merchant_id: str, checkout_id: str, code: Any, text_of: str) -> dict[str, Any]:
    inner: dict[str, Any] = {
        "MerchantRequestID": merchant_id,
        "CheckoutRequestID": checkout_id,
        "ResultCode": code,
        "ResultDesc": result_text(text_of),
    }
    return {"Body": {"stkCallback": inner}}


def as_number(code: str) -> int | str:
    return int(code) if code.isdecimal() else code


def dump(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
