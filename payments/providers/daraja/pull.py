"""
Pull Transactions on the wire: what came to a shortcode in the last 48 hours.

Rows come in a list inside a list; "none" is the text "[[]]", an empty list, or code 1001 without a
list at all (live 2026). Keys had spaces in 2020. The portal's prose says GET, its samples and every
client POST (Daraja 3.0 portal, PullTransaction).

UNVERIFIED, because nobody has published a recording: the zone of trxDate, which ends in "Z" and is
taken as East Africa Time like every other time of Daraja's (reconciliation/pull_clock.py notices
where it is not); that a till is known by its store number, as to C2B; and that money taken back is
a row of a negative amount whose billreference is the receipt it was paid under.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from payments import strictjson
from payments.errors import OutcomeUnknown, ProviderRefused
from payments.providers import http
from payments.providers.base import (
    AccountDetails,
    ArrivedMoney,
    PulledPage,
    PullQuestion,
    PullRegistration,
    TakenBack,
)
from payments.providers.daraja import messages, refusals, values
from payments.providers.daraja.arrivals import payer_of
from payments.providers.daraja.reading import MAX_DESC_LENGTH, code_of, text_of
from payments.providers.daraja.requests import organisation_of

REGISTER_PATH = "/pulltransactions/v1/register"
QUERY_PATH = "/pulltransactions/v1/query"
PAGE_ROWS = 100
WRONG_METHOD = 405

_MOMENT = "%Y-%m-%d %H:%M:%S"
_DONE, _NONE = "1000", "1001"
_ALREADY = "already"
_MAX_REFERENCE, _MAX_TYPE, _MAX_NAME = 40, 60, 60
# A list in a list; what is nested deeper is no row of theirs.
_DEEPEST = 3


def register_body(account: AccountDetails, registration: PullRegistration) -> dict[str, str]:
    """Build the body that registers the account, with a phone number of the organisation's."""
    return {
        "ShortCode": organisation_of(account),
        "RequestType": "Pull",
        "NominatedNumber": registration.nominated_number,
        "CallBackURL": registration.callback_url,
    }


def query_fields(account: AccountDetails, question: PullQuestion) -> dict[str, str]:
    """Build what is asked, for a body or an address; moments in East Africa Time."""
    return {
        "ShortCode": organisation_of(account),
        "StartDate": question.since.astimezone(messages.EAT).strftime(_MOMENT),
        "EndDate": question.until.astimezone(messages.EAT).strftime(_MOMENT),
        "OffSetValue": str(question.offset),
    }


def read_registered(document: Mapping[str, Any]) -> str | None:
    """Return the code of a registration that stands, new or old; None where it does not."""
    said = _spaceless(document)
    code = code_of(said.get("responsestatus", said.get("responsecode")))
    text = said.get("responsedescription", said.get("responsemessage"))
    stands = code == _DONE or (code and not code.strip("0"))
    is_old = _ALREADY in text_of(text, MAX_DESC_LENGTH).casefold()
    return code if stands or (code == _NONE and is_old) else None


def read_page(document: Mapping[str, Any], shortcode: str) -> PulledPage | None:
    """Return the page an answer holds, an empty one for "none"; None where it is no such answer."""
    said = _spaceless(document)
    code = code_of(said.get("responsecode"))
    if code == _NONE and "response" not in said:
        return PulledPage()
    if code not in {_DONE, _NONE} and (not code or code.strip("0")):
        return None
    listed = _listed(said.get("response"))
    if listed is None:
        return None
    rows = list(_rows(listed))
    read = [_row(row, shortcode) for row in rows]
    return PulledPage(
        money=tuple(each for each in read if isinstance(each, ArrivedMoney)),
        taken_back=tuple(each for each in read if isinstance(each, TakenBack)),
        rows=len(rows),
        unreadable=read.count(None),
        # Offsets go up by a hundred in the portal's samples: a shorter page is the last one.
        has_more=len(rows) >= PAGE_ROWS,
    )


def error_of(answer: http.Answer, document: Mapping[str, Any]) -> ProviderRefused | OutcomeUnknown:
    """Return the error of an answer that is no page; a missing product shows as a refused token."""
    error = messages.read_error(document)
    if error.is_throttling:
        return refusals.busy(answer.status, error)
    refusal = refusals.refusal_of(answer.status, error, refusals.REFUSALS)
    refusal = refusal or refusals.refusal_at_the_door(answer.status, error)
    return refusal or refusals.unknown(answer, error, may_have_reached_customer=False)


def _spaceless(document: Mapping[str, Any]) -> dict[str, Any]:
    return {"".join(name.split()).casefold(): value for name, value in document.items()}


def _listed(value: Any) -> list[Any] | None:
    """Return a list, also one written as text; nothing at all is an empty one."""
    if isinstance(value, str) and value.strip():
        try:
            value = strictjson.loads(value.encode())
        except strictjson.InvalidJSON:
            return None
    if value in (None, ""):
        return []
    if isinstance(value, dict):
        # One row without a list around it.
        return [value]
    return value if isinstance(value, list) else None


def _rows(value: list[Any], depth: int = 1) -> Iterator[Mapping[str, Any]]:
    for each in value:
        if isinstance(each, dict):
            yield each
        elif isinstance(each, list) and depth < _DEEPEST:
            yield from _rows(each, depth + 1)


def _row(row: Mapping[str, Any], shortcode: str) -> ArrivedMoney | TakenBack | None:
    """Read one row; None where it names no receipt, or no amount that is exact."""
    told = _spaceless(row)
    receipt_number = values.receipt_number(told.get("transactionid"))
    amount = values.written_amount(told.get("amount"))
    if receipt_number is None or not amount:
        return None
    at = values.moment(_zoneless(told.get("trxdate")))
    reference = text_of(told.get("billreference"), _MAX_REFERENCE)
    if amount < 0:
        original = values.receipt_number(reference) or receipt_number
        return TakenBack(receipt_number, original, -amount, at)
    return ArrivedMoney(
        receipt_number=receipt_number,
        amount=amount,
        shortcode=shortcode,
        account_reference=reference,
        transaction_type=text_of(told.get("transactiontype"), _MAX_TYPE),
        paid_at=at,
        payer_name=text_of(told.get("sender"), _MAX_NAME),
        organisation_balance=None,
        **payer_of(text_of(told.get("msisdn"), 80)),
    )


def _zoneless(value: Any) -> str:
    # "2020-08-05T10:13:00Z"; fractions of a second are cut.
    text = text_of(value, 40).removesuffix("Z")
    return text.partition(".")[0]
