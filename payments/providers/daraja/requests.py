"""
What is asked of Daraja and answered later, at an address of its own: status, reversal, balance.

The answer at once only says that the request was taken: it does not even look at the initiator
(live sandbox, 2026-09-28). Three names are misspelt officially and must stay so: the reversal's
RecieverIdentifierType, the old acknowledgement's OriginatorCoversationID, Occasion with one s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from payments.choices import Provider
from payments.errors import MissingStoreNumber, ProviderRefused
from payments.providers.base import (
    AccountDetails,
    BalanceQuestion,
    RequestAccepted,
    ReversalOrder,
    StatusQuestion,
)
from payments.providers.daraja import refusals
from payments.providers.daraja.messages import ErrorBody
from payments.providers.daraja.reading import MAX_DESC_LENGTH, MAX_ID_LENGTH, code_of, text_of

STATUS_PATH = "/mpesa/transactionstatus/v1/query"
REVERSAL_PATH = "/mpesa/reversal/v1/request"
BALANCE_PATH = "/mpesa/accountbalance/v1/query"

_SHORTCODE = "4"
# A reversal's receiver alone is named by 11 (Daraja 3.0 portal, Reversal).
_REVERSING_SHORTCODE = "11"
_MAX_REMARKS = 100


@dataclass(frozen=True)
class Initiator:
    """The operator who asks: a name, and a credential sealed by security.py."""

    name: str
    credential: str = field(repr=False)


def status_body(
    account: AccountDetails, initiator: Initiator, question: StatusQuestion
) -> dict[str, Any]:
    """Build the body that asks what became of a receipt."""
    return {
        **_asked_by(initiator, "TransactionStatusQuery"),
        "TransactionID": question.receipt_number,
        "PartyA": organisation_of(account),
        "IdentifierType": _SHORTCODE,
        **_answers(question),
        "Occasion": _remarks(question.remarks),
    }


def reversal_body(
    account: AccountDetails, initiator: Initiator, order: ReversalOrder
) -> dict[str, Any]:
    """Build the body that orders a receipt's money back to who paid it."""
    return {
        **_asked_by(initiator, "TransactionReversal"),
        "TransactionID": order.receipt_number,
        "Amount": order.amount,
        "ReceiverParty": organisation_of(account),
        "RecieverIdentifierType": _REVERSING_SHORTCODE,
        **_answers(order),
    }


def balance_body(
    account: AccountDetails, initiator: Initiator, question: BalanceQuestion
) -> dict[str, Any]:
    """Build the body that asks what the shortcode's accounts hold."""
    return {
        **_asked_by(initiator, "AccountBalance"),
        "PartyA": organisation_of(account),
        "IdentifierType": _SHORTCODE,
        **_answers(question),
    }


def organisation_of(account: AccountDetails) -> str:
    """
    Return the number these APIs know the account by; a till's is its store number, as with C2B.

    :raises MissingStoreNumber: when a till has none.
    """
    if account.provider != Provider.MPESA_TILL:
        return account.shortcode
    if not account.store_number:
        raise MissingStoreNumber
    return account.store_number


def read_accepted(document: Mapping[str, Any]) -> RequestAccepted | None:
    """
    Return what an acknowledgement accepted, None where it does not say so plainly.

    A yes is a code of zeros, or of 2018 no code at all beside a ConversationID.
    """
    code = code_of(document.get("ResponseCode"))
    conversation_id = text_of(document.get("ConversationID"), MAX_ID_LENGTH)
    originator = document.get("OriginatorConversationID", document.get("OriginatorCoversationID"))
    if code.strip("0") or not (code or conversation_id):
        return None
    return RequestAccepted(
        conversation_id=conversation_id,
        originator_conversation_id=text_of(originator, MAX_ID_LENGTH),
        response_code=code,
        response_description=text_of(document.get("ResponseDescription"), MAX_DESC_LENGTH),
    )


def refusal_of(status: int, error: ErrorBody, *, moves_money: bool) -> ProviderRefused | None:
    """
    Return the error that the answer proves, None where it proves nothing.

    "Busy" may be said by a gateway that passed the request on: asked again, a question does no
    harm and an order could, so of an order it proves nothing unless it is a 429.
    """
    if error.is_throttling and (status == 429 or not moves_money):
        return refusals.busy(status, error)
    rows = refusals.refusal_of(status, error, refusals.REFUSALS)
    return rows or refusals.refusal_at_the_door(status, error)


def _asked_by(initiator: Initiator, command: str) -> dict[str, str]:
    return {
        "Initiator": initiator.name,
        "SecurityCredential": initiator.credential,
        "CommandID": command,
    }


def _answers(asked: StatusQuestion | ReversalOrder | BalanceQuestion) -> dict[str, str]:
    return {
        "ResultURL": asked.result_url,
        "QueueTimeOutURL": asked.timeout_url,
        "Remarks": _remarks(asked.remarks),
    }


def _remarks(text: str) -> str:
    # 2 to 100 characters (Daraja 3.0 portal, Reversal).
    return text[:_MAX_REMARKS].ljust(2, ".")
