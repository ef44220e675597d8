"""
Results and time-outs of what was asked (requests.py): bound by their address, believed by source.

A time-out says that the outcome is unknown, never that it failed; a result that comes later still
counts. What came from an unlisted address in production is kept and a person is told, as with
every callback. What follows from a result is said by status_answers, refund_outcomes and balances.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from audit.actors import Actor
from payments.choices import CallbackKind, CallbackStatus, ReviewCode
from payments.errors import CannotOpen, UnreadableBody
from payments.models import ProviderCallback, ProviderRequest
from payments.providers import registry
from payments.providers.base import RequestResult
from payments.receipt_choices import RequestKind, RequestStatus
from payments.services import (
    balances,
    refund_outcomes,
    request_silence,
    reviews,
    status_answers,
)
from payments.services.request_silence import WAITING
from payments.services.sources import is_listed

_UNLISTED = "The source address is not on the list."
_SAFARICOM = "Safaricom"


def apply_result(row: ProviderCallback, *, now: datetime, vouched: bool = False) -> str:
    """
    Apply a result or a time-out to the request its address names; return the row's status.

    The inbox row is locked. vouched says that a person answers for where it came from.
    """
    request = _request_of(row)
    if request is None:
        return _problem(row, "No request has this address.", CallbackStatus.DEAD)
    row.shop_id, row.payment_id = request.shop_id, request.payment_id
    if row.kind == CallbackKind.QUEUE_TIMEOUT:
        return _apply_timeout(row, request, now=now, vouched=vouched)
    try:
        result = registry.parse_result(request.config.provider, _body_of(row))
    except (UnreadableBody, CannotOpen) as error:
        _tell(row, request, ReviewCode.DEAD_CALLBACK, now=now)
        return _problem(row, f"Unreadable: {error.detail}", CallbackStatus.DEAD)
    row.result_code, row.result_desc = result.result_code[:40], result.result_desc[:300]
    if problem := _distrust(row, request, now=now, vouched=vouched):
        return problem
    if not _is_of(request, result):
        _tell(row, request, ReviewCode.DEAD_CALLBACK, now=now)
        return _problem(row, "The conversation is another request's.")
    return _take(request, result, actor=_told_by(row), now=now)


def tell_of_dead(row: ProviderCallback, *, now: datetime) -> None:
    """Open the review of an answer that could not be applied however often it was tried."""
    request = _request_of(row)
    if request is not None:
        row.shop_id, row.payment_id = request.shop_id, request.payment_id
        _tell(row, request, ReviewCode.DEAD_CALLBACK, now=now)


def _take(request: ProviderRequest, result: RequestResult, *, actor: Actor, now: datetime) -> str:
    """Write the result down and draw what follows; a success corrects a failure, nothing a success."""
    status = _status_by(request, result)
    if not _is_news(request, result, status):
        return CallbackStatus.DUPLICATE
    request.status, request.answered_at = status, now
    request.result_code, request.result_desc = result.result_code[:40], result.result_desc[:300]
    request.conversation_id = request.conversation_id or result.conversation_id[:64]
    request.originator_conversation_id = (
        request.originator_conversation_id or result.originator_conversation_id[:64]
    )
    request.result = _kept(result) if _is_ours_to_know(request, result) else {}
    request.save()
    _CONSEQUENCES[request.kind](request, result, actor, now)
    return CallbackStatus.APPLIED


def _status_by(request: ProviderRequest, result: RequestResult) -> RequestStatus:
    """Tell what a result makes of a request; where money may have moved only a clear no is a no."""
    if result.succeeded:
        return RequestStatus.SUCCEEDED
    is_unclear = request.kind == RequestKind.REVERSAL and not result.is_refusal
    return RequestStatus.UNKNOWN if is_unclear else RequestStatus.FAILED


def _is_news(request: ProviderRequest, result: RequestResult, status: RequestStatus) -> bool:
    if request.status in {RequestStatus.SUCCEEDED, RequestStatus.FAILED}:
        return request.status == RequestStatus.FAILED and result.succeeded
    is_repeat = request.status == status and request.result_code == result.result_code[:40]
    return request.answered_at is None or not is_repeat


def _apply_timeout(
    row: ProviderCallback, request: ProviderRequest, *, now: datetime, vouched: bool
) -> str:
    if problem := _distrust(row, request, now=now, vouched=vouched):
        return problem
    if request.status not in WAITING:
        return CallbackStatus.DUPLICATE
    request_silence.give_up(request, RequestStatus.TIMED_OUT, now=now)
    return CallbackStatus.APPLIED


def _status(request: ProviderRequest, result: RequestResult, actor: Actor, now: datetime) -> None:
    status_answers.apply_status(request, result, actor=actor, now=now)


def _reversal(request: ProviderRequest, result: RequestResult, actor: Actor, now: datetime) -> None:
    refund_outcomes.note_result(
        request,
        succeeded=result.succeeded,
        is_refusal=result.is_refusal,
        actor=actor,
        now=now,
    )


def _balance(request: ProviderRequest, result: RequestResult, _actor: Actor, now: datetime) -> None:
    balances.apply_balance(request, result, now=now)


_CONSEQUENCES: dict[str, Callable[[ProviderRequest, RequestResult, Actor, datetime], None]] = {
    RequestKind.STATUS: _status,
    RequestKind.REVERSAL: _reversal,
    RequestKind.BALANCE: _balance,
}


def _request_of(row: ProviderCallback) -> ProviderRequest | None:
    rows = ProviderRequest.objects.select_for_update(of=("self",))
    found: ProviderRequest | None = (
        rows.select_related("config", "payment", "receipt__payment")
        .filter(pk=row.subject_id)
        .first()
    )
    return found


def _distrust(
    row: ProviderCallback, request: ProviderRequest, *, now: datetime, vouched: bool
) -> str:
    if vouched or is_listed(row.source_ip, request.environment):
        return ""
    _tell(row, request, ReviewCode.UNLISTED_SOURCE, now=now)
    return _problem(row, _UNLISTED)


def _is_of(request: ProviderRequest, result: RequestResult) -> bool:
    """Refuse what carries two ids of another conversation; one may differ (daraja.md 2.9)."""
    pairs = (
        (request.conversation_id, result.conversation_id),
        (request.originator_conversation_id, result.originator_conversation_id),
    )
    known = [ours == told for ours, told in pairs if ours and told]
    return not known or any(known)


def _is_ours_to_know(request: ProviderRequest, result: RequestResult) -> bool:
    return request.kind != RequestKind.STATUS or status_answers.is_about(request, result)


def _kept(result: RequestResult) -> dict[str, Any]:
    """Keep what names nobody: parties and balances stay out."""
    told = {
        "receipt_number": result.receipt_number or "",
        "amount": "" if result.amount is None else str(result.amount),
        "transaction_status": result.transaction_status[:40],
        "paid_at": result.paid_at.isoformat() if result.paid_at else "",
        **result.details,
    }
    return {name: value for name, value in told.items() if value}


def _tell(row: ProviderCallback, request: ProviderRequest, code: str, *, now: datetime) -> None:
    """Have a person look, at the money where it is about some; else at the config."""
    if request.receipt is not None:
        reviews.open_about(request.receipt, code, subject=str(row.pk), callback=row, now=now)
    else:
        reviews.open_about_row(row, request.config, code, payment=request.payment, now=now)


def _told_by(row: ProviderCallback) -> Actor:
    return Actor.provider(_SAFARICOM, ip=row.source_ip)


def _body_of(row: ProviderCallback) -> bytes:
    return row.body.reveal_bytes() if row.body else b""


def _problem(row: ProviderCallback, why: str, status: str = CallbackStatus.QUARANTINED) -> str:
    row.problem = why[:300]
    return status
