"""
Inbox rows that are no attempt's: the KES 1 that proves control, C2B, and answers of requests.

Each is settled in a transaction of its own: what it touches is known only once it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from django.db import transaction

from payments.choices import CallbackKind, CallbackStatus, ReviewCode
from payments.errors import CannotOpen, UnreadableBody
from payments.models import ProviderCallback, VerificationLog
from payments.providers.base import Outcome
from payments.providers.registry import parser_for
from payments.services import c2b, c2b_questions, inbox_rows, proofs, request_results, reviews
from payments.services.sources import is_listed

_C2B = frozenset({CallbackKind.C2B, CallbackKind.C2B_VALIDATION, CallbackKind.BANK})


def settle_each(
    rows: Iterable[ProviderCallback], *, lock_wait_ms: int | None, now: datetime
) -> None:
    """Settle rows that are new and in nobody's hands, each in a transaction of its own."""
    for row in rows:
        with transaction.atomic():
            inbox_rows.limit_lock_wait(lock_wait_ms)
            for found in inbox_rows.lock([row.pk]):
                settle(found, now=now)
        if row.kind in _C2B:
            c2b.note_call(row.subject_id, now=now)


def settle(row: ProviderCallback, *, now: datetime, vouched: bool = False) -> ProviderCallback:
    """Settle one locked row; vouched says that a person answers for where it came from."""
    status = _HANDLERS[row.kind](row, now=now, vouched=vouched)
    inbox_rows.settle(row, status, now=now)
    inbox_rows.write([row])
    return row


def tell_of_dead(row: ProviderCallback, *, now: datetime) -> None:
    """Open the review of a row that could not be applied however often it was tried."""
    _TELLERS.get(row.kind, c2b.tell_of_dead)(row, now=now)


def _proof(row: ProviderCallback, *, now: datetime, vouched: bool) -> str:
    log = _log_of(row)
    if log is None:
        return _problem(row, "No verification has this address.", CallbackStatus.DEAD)
    row.shop_id = log.shop_id
    try:
        outcome = _read(row)
    except (UnreadableBody, CannotOpen) as error:
        reviews.open_about_row(row, log.config, ReviewCode.DEAD_CALLBACK, now=now)
        return _problem(row, f"Unreadable: {error.detail}", CallbackStatus.DEAD)
    inbox_rows.note_outcome(row, outcome)
    # Not believed by itself: the sweep asks Safaricom about the prompt.
    if not vouched and not is_listed(row.source_ip, log.config.environment):
        return _problem(row, "The source address is not on the list.")
    if not outcome.checkout_request_id or (
        log.checkout_request_id and outcome.checkout_request_id != log.checkout_request_id
    ):
        return _problem(row, "The CheckoutRequestID is not this verification's.")
    is_new = proofs.settle_prompt(log=log, outcome=outcome, now=now)
    return CallbackStatus.APPLIED if is_new else CallbackStatus.DUPLICATE


def _log_of(row: ProviderCallback) -> VerificationLog | None:
    logs = VerificationLog.objects.select_related("config", "run").defer("version__secrets")
    found: VerificationLog | None = logs.filter(pk=row.subject_id).first()
    return found


def _tell_of_dead_proof(row: ProviderCallback, *, now: datetime) -> None:
    log = _log_of(row)
    if log is not None:
        row.shop_id = log.shop_id
        reviews.open_about_row(row, log.config, ReviewCode.DEAD_CALLBACK, now=now)


def _question(row: ProviderCallback, *, now: datetime, vouched: bool) -> str:
    """Attribute a question nobody could look up when it came; it was accepted."""
    del now, vouched
    judged = c2b_questions.judge(
        config_id=row.subject_id, body=row.body.reveal_bytes() if row.body else b""
    )
    row.shop_id = judged.shop_id
    return CallbackStatus.APPLIED


_HANDLERS: dict[str, Callable[..., str]] = {
    CallbackKind.PROOF: _proof,
    CallbackKind.C2B: c2b.settle,
    CallbackKind.BANK: c2b.settle,
    CallbackKind.C2B_VALIDATION: _question,
    CallbackKind.RESULT: request_results.apply_result,
    CallbackKind.QUEUE_TIMEOUT: request_results.apply_result,
}


_TELLERS: dict[str, Callable[..., None]] = {
    CallbackKind.PROOF: _tell_of_dead_proof,
    CallbackKind.RESULT: request_results.tell_of_dead,
    CallbackKind.QUEUE_TIMEOUT: request_results.tell_of_dead,
}


def _read(row: ProviderCallback) -> Outcome:
    return parser_for(row.kind)(row.body.reveal_bytes() if row.body else b"")


def _problem(row: ProviderCallback, why: str, status: str = CallbackStatus.QUARANTINED) -> str:
    row.problem = why[:300]
    return status
