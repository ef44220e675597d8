"""
Sending the prompt, and an honest record of what came of it.

The call runs in a thread of its own with no database connection. The till is answered when the
provider has answered, or after a few seconds with the outcome unknown; then the thread records the
answer whenever it comes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from datetime import datetime

from django.conf import settings
from django.db import close_old_connections, transaction
from django.utils import timezone

from audit.actors import Actor
from payments.callback_urls import stk_callback_url
from payments.choices import AttemptStatus, PaymentStatus, Submission
from payments.errors import PaymentsError, ProviderError
from payments.models import Attempt, Payment, PaymentConfig
from payments.providers.base import PaymentAccepted, PaymentRequest
from payments.services import breakers, cases, failover, upstream
from payments.services.connections import Connection, connect
from payments.services.transitions import Change, write_changes
from payments.states import LIVE_STATUSES

logger = logging.getLogger(__name__)

# How long a till waits for the provider's answer before it is told "unknown" (api.md, POST).
ANSWER_WITHIN_S = 6.0
ACTOR = Actor.system("initiation")

_threads = ThreadPoolExecutor(settings.UPSTREAM_CALLS_PER_PROCESS, thread_name_prefix="prompt")

Answer = PaymentAccepted | PaymentsError
# Not the times of asking: a sweep may be moving those.
_ANSWERED = [
    "status",
    "submission",
    "checkout_request_id",
    "merchant_request_id",
    "result_code",
    "result_desc",
    "answered_at",
    "answer_ms",
]


def prompt(*, attempt: Attempt, msisdn: str, others: Sequence[PaymentConfig] = ()) -> None:
    """
    Send an attempt's prompt and record the answer; try the next config after a proven refusal.

    The caller holds an upstream slot; it is given back when the last call ends. Never raises for
    what a provider does.
    """
    keeps_slot = False
    try:
        while True:
            answer = _ask(attempt, msisdn)
            if answer is None:
                keeps_slot = True
                _stop_waiting(attempt)
                return
            following = record_answer(attempt=attempt, answer=answer, others=others)
            if following is None:
                return
            attempt, others = following, _after(following, others)
    finally:
        if not keeps_slot:
            upstream.free_slot()


def _ask(attempt: Attempt, msisdn: str) -> Answer | None:
    """Call the provider; None when it has not answered in time and a thread goes on waiting."""
    now = timezone.now()
    try:
        connection = connect(config=attempt.config, version=attempt.version, now=now)
    except PaymentsError as error:
        return error
    request = _request(attempt, msisdn)
    upstream.release_connection()
    call = _threads.submit(_call, connection, request, now)
    try:
        return call.result(timeout=ANSWER_WITHIN_S)
    except NotYet:
        call.add_done_callback(lambda late: _record_late(attempt, late))
        return None


def _stop_waiting(attempt: Attempt) -> None:
    """Tell the till that the outcome is unknown; the attempt itself stays open for the answer."""
    with transaction.atomic():
        payment = cases.lock_payment(attempt.payment_id)
        if payment.status != PaymentStatus.CREATED:
            return
        change = Change(payment, cases.attempts_of(payment), cases.reviews_of(payment), ACTOR)
        change.path, change.why = [PaymentStatus.PENDING], "The outcome is not known yet."
        write_changes([change], now=timezone.now())


def _call(connection: Connection, request: PaymentRequest, now: datetime) -> Answer:
    try:
        return connection.request_payment(request, now=now)
    except PaymentsError as error:
        return error
    finally:
        close_old_connections()


def _request(attempt: Attempt, msisdn: str) -> PaymentRequest:
    payment = attempt.payment
    return PaymentRequest(
        amount=int(payment.amount),
        msisdn=msisdn,
        account_reference=payment.account_reference,
        description=payment.description or "Payment",
        callback_url=stk_callback_url(attempt.pk),
        requested_at=attempt.requested_at,
    )


def _record_late(attempt: Attempt, call: Future[Answer]) -> None:
    """Record an answer the till did not wait for; the config is not changed any more."""
    try:
        record_answer(attempt=attempt, answer=call.result())
    except Exception:
        logger.exception("a late answer was not recorded", extra={"attempt": str(attempt.pk)})
    finally:
        upstream.free_slot()
        close_old_connections()


def record_answer(
    *, attempt: Attempt, answer: Answer, others: Sequence[PaymentConfig] = ()
) -> Attempt | None:
    """
    Record what the provider answered; return the attempt at the next config, where one follows.

    A callback may have overtaken this: ids it brought are kept, a settled payment stays settled.
    """
    now = timezone.now()
    with transaction.atomic():
        payment = cases.lock_payment(attempt.payment_id)
        attempts = cases.attempts_of(payment)
        row = next(a for a in attempts if a.pk == attempt.pk)
        refused = _note_answer(row, answer, now=now)
        following = None
        if refused and isinstance(answer, PaymentsError):
            following = failover.next_attempt(
                payment=payment, refused=row, answer=answer, others=others, now=now
            )
        is_last = following is None
        change = _change(payment, attempts, refused=refused, is_last=is_last, answer=answer)
        if change is not None:
            write_changes([change], now=now)
    _tell_breaker(attempt, row, answer, now=now)
    return following


def _after(following: Attempt, others: Sequence[PaymentConfig]) -> Sequence[PaymentConfig]:
    """Return the candidates that come after the one that is tried now."""
    place = [config.pk for config in others].index(following.config_id)
    return others[place + 1 :]


def _tell_breaker(attempt: Attempt, row: Attempt, answer: Answer, *, now: datetime) -> None:
    """
    Count the answer for the config.

    After the transaction: that one may hold the breaker of the next config, and two payments that
    move on in opposite directions would wait for each other.
    """
    asked_at, refused = row.requested_at, row.status == AttemptStatus.REFUSED
    if not refused and row.result_code:
        # Safaricom called back before it answered, so the prompt came through, whatever we read.
        breakers.note_success(config=attempt.config, requested_at=asked_at, now=now)
    else:
        breakers.note_answer(config=attempt.config, answer=answer, requested_at=asked_at, now=now)


def _note_answer(row: Attempt, answer: Answer, *, now: datetime) -> bool:
    """Write the answer onto the attempt; tell whether it proves that no prompt was sent."""
    row.answered_at = now
    row.answer_ms = max(0, int((now - row.requested_at).total_seconds() * 1000))
    overtaken = row.status != AttemptStatus.CREATED
    refused = _is_refusal(answer) and not overtaken
    if isinstance(answer, PaymentAccepted):
        row.submission = Submission.SENT
        row.checkout_request_id = row.checkout_request_id or answer.checkout_request_id
        row.merchant_request_id = row.merchant_request_id or answer.merchant_request_id
    elif refused:
        row.submission, row.next_ask_at = Submission.REFUSED, None
        row.result_code, row.result_desc = _code_of(answer), answer.detail[:300]
    if not overtaken:
        row.status = AttemptStatus.REFUSED if refused else AttemptStatus.SUBMITTED
    row.save(update_fields=_ANSWERED + (["next_ask_at"] if refused else []))
    return refused


def _is_refusal(answer: Answer) -> bool:
    if isinstance(answer, PaymentAccepted):
        return False
    # Everything of ours that is raised before the call (no credentials, no adapter) sent nothing.
    return not (isinstance(answer, ProviderError) and answer.may_have_reached_customer)


def _code_of(answer: PaymentsError) -> str:
    named = answer.data.get("result_code") or getattr(answer, "error_code", "")
    return str(named)[:40]


def _change(
    payment: Payment, attempts: list[Attempt], *, refused: bool, is_last: bool, answer: Answer
) -> Change | None:
    """Say what the answer means for the payment, or None where it says nothing new."""
    change = Change(payment, attempts, cases.reviews_of(payment), ACTOR)
    if not refused:
        change.path = [PaymentStatus.PENDING] if payment.status == PaymentStatus.CREATED else []
        accepted = isinstance(answer, PaymentAccepted)
        change.why = "The provider took the request." if accepted else "The outcome is unknown."
    elif is_last:
        change.path = _path_after_refusal(payment, attempts)
        change.why = "The provider refused; no prompt was sent."
        payment.result_code = attempts[-1].result_code
        payment.result_desc = attempts[-1].result_desc
    return change if change.path else None


def _path_after_refusal(payment: Payment, attempts: list[Attempt]) -> list[str]:
    """Fail a payment that reached nobody; one asked about before goes back to what it was."""
    if payment.status not in LIVE_STATUSES:
        return []
    reached = [a for a in attempts if a.status != AttemptStatus.REFUSED]
    ended = not reached or reached[-1].status == AttemptStatus.FAILED
    return [PaymentStatus.FAILED] if ended else []
