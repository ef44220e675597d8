"""Sending a committed request once, and writing down what was said at once (requests.py)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from payments.callback_urls import request_urls
from payments.errors import (
    InvalidInput,
    OutcomeUnknown,
    PaymentsError,
    ProviderBusy,
    ProviderError,
)
from payments.models import ProviderRequest
from payments.providers.base import (
    BalanceQuestion,
    RequestAccepted,
    ReversalOrder,
    StatusQuestion,
)
from payments.receipt_choices import RequestKind, RequestStatus
from payments.services import checking
from payments.services.connections import Connection, connect

logger = logging.getLogger(__name__)


def send_quietly(row: ProviderRequest, *, now: datetime) -> ProviderRequest:
    """Send a request once; how that went is on its row alone."""
    try:
        return send(row, now=now)
    except PaymentsError as error:
        logger.info(
            "a request was not accepted",
            extra={"request": str(row.pk), "error": error.__class__.__name__},
        )
    return row


def send(row: ProviderRequest, *, now: datetime) -> ProviderRequest:
    """
    Send a committed request, outside any transaction, and write down what was said at once.

    :raises PaymentsError: when it was not accepted; the row tells refused from unknown.
    """
    try:
        connection = connect(config=row.config, version=row.version, now=now)
    except PaymentsError as error:
        _note(row, RequestStatus.REFUSED, _code_of(error))
        raise
    try:
        accepted = _SENDERS[row.kind](connection, row, now)
    except PaymentsError as error:
        if isinstance(error, ProviderBusy):
            checking.pause(row.version.app_fingerprint, now=now)
        _note(row, _status_after(error), _code_of(error))
        raise
    _note_accepted(row, accepted)
    return row


def _status_of_receipt(
    connection: Connection, row: ProviderRequest, now: datetime
) -> RequestAccepted:
    result_url, timeout_url = request_urls(row.pk)
    question = StatusQuestion(row.receipt_number, result_url, timeout_url)
    return connection.ask_status(question, now=now)


def _reversal(connection: Connection, row: ProviderRequest, now: datetime) -> RequestAccepted:
    if row.amount is None or row.amount != int(row.amount):
        raise InvalidInput("Safaricom gives back whole shillings only.")
    result_url, timeout_url = request_urls(row.pk)
    order = ReversalOrder(row.receipt_number, int(row.amount), result_url, timeout_url)
    return connection.order_reversal(order, now=now)


def _balance(connection: Connection, row: ProviderRequest, now: datetime) -> RequestAccepted:
    result_url, timeout_url = request_urls(row.pk)
    return connection.ask_balance(BalanceQuestion(result_url, timeout_url), now=now)


_SENDERS: dict[str, Callable[[Connection, ProviderRequest, datetime], RequestAccepted]] = {
    RequestKind.STATUS: _status_of_receipt,
    RequestKind.REVERSAL: _reversal,
    RequestKind.BALANCE: _balance,
}


def _status_after(error: PaymentsError) -> RequestStatus:
    """Tell what an error leaves: refused only where it proves that nothing was taken."""
    is_unsure = isinstance(error, OutcomeUnknown) or (
        isinstance(error, ProviderError) and error.may_have_reached_customer
    )
    return RequestStatus.UNKNOWN if is_unsure else RequestStatus.REFUSED


def _code_of(error: PaymentsError) -> str:
    # Never the text: an error's own words may hold the access token (daraja.md 2, 401.002.01).
    named = getattr(error, "error_code", "") or error.data.get("result_code")
    return str(named or error.__class__.__name__)[:40]


def _note(row: ProviderRequest, status: RequestStatus, code: str) -> None:
    """Write down how the sending went, unless the result was quicker."""
    created = ProviderRequest.objects.filter(pk=row.pk, status=RequestStatus.CREATED)
    created.update(status=status, result_code=code)
    row.refresh_from_db(fields=["status", "result_code"])


def _note_accepted(row: ProviderRequest, accepted: RequestAccepted) -> None:
    same = ProviderRequest.objects.filter(pk=row.pk)
    same.filter(conversation_id="").update(conversation_id=accepted.conversation_id[:64])
    same.filter(originator_conversation_id="").update(
        originator_conversation_id=accepted.originator_conversation_id[:64]
    )
    same.filter(status=RequestStatus.CREATED).update(status=RequestStatus.ACCEPTED)
    row.refresh_from_db()
