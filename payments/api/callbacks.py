"""
Where providers call: check the address, keep the bytes, answer.

Plain Django, no DRF, no session. What the applying says does not matter to the sender: stored is
200. Only a body that could not be stored is refused, so that the provider knows.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import datetime

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from audit.actors import client_ip
from payments import callback_urls
from payments.api import applier, traffic
from payments.api.errors import problem_response
from payments.services import c2b_questions, callbacks

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 65_536
# Few callbacks under way, and the lock free at once: then the sender's own thread applies it.
LOCK_WAIT_MS = 300
ACCEPTED = b'{"ResultCode": 0, "ResultDesc": "Accepted"}'


def stk_callback(request: HttpRequest, subject: str, mac: str) -> HttpResponse:
    """Take an STK result for the attempt its address names."""
    return _take(request, "s", subject, mac, kind="stk")


def proof_callback(request: HttpRequest, subject: str, mac: str) -> HttpResponse:
    """Take the result of a KES 1 prompt for the verification its address names."""
    return _take(request, "p", subject, mac, kind="proof")


def c2b_confirmation(request: HttpRequest, subject: str, mac: str) -> HttpResponse:
    """Keep what Safaricom tells of a payment nobody asked for."""
    return _take(request, "c", subject, mac, kind="c2b")


def c2b_validation(request: HttpRequest, subject: str, mac: str) -> HttpResponse:
    """Say whether the payment Safaricom asks about is welcome; it waits eight seconds for that."""
    return _take(request, "c", subject, mac, kind="c2b_ask", keep=_answer)


def bank_notice(request: HttpRequest, subject: str, mac: str) -> HttpResponse:
    """Keep what a bank tells of the account the config names."""
    return _take(request, "b", subject, mac, kind="bank")


def request_result(request: HttpRequest, subject: str, mac: str) -> HttpResponse:
    """Take the result of the request its address names."""
    return _take(request, "r", subject, mac, kind="result")


def request_timeout(request: HttpRequest, subject: str, mac: str) -> HttpResponse:
    """Take the word that the request its address names timed out in Safaricom's queue."""
    return _take(request, "t", subject, mac, kind="timeout")


def refusal_at_the_door(
    request: HttpRequest, letter: str, subject: str, mac: str
) -> HttpResponse | None:
    """Turn away a wrong address (404) and a wrong method (405); None lets the request in."""
    if not callback_urls.is_authentic(letter, subject, mac):
        return problem_response(404, "not_found")
    if request.method == "POST":
        return None
    response = problem_response(405, "method_not_allowed")
    response["Allow"] = "POST"
    return response


@sensitive_variables()
def _take(
    request: HttpRequest,
    letter: str,
    subject: str,
    mac: str,
    *,
    kind: str,
    keep: Callable[..., HttpResponse] | None = None,
) -> HttpResponse:
    if refusal := refusal_at_the_door(request, letter, subject, mac):
        return refusal
    try:
        body = _read(request)
    except OSError:
        # The sender hung up half-way. Nothing is stored, so nothing may be acknowledged.
        return problem_response(503, "unavailable", retry_after=5)
    if body is None:
        return problem_response(413, "too_large")
    with traffic.under_way():
        keep = keep or _keep
        return keep(request, kind=kind, subject_id=uuid.UUID(hex=subject), body=body)


def _read(request: HttpRequest) -> bytes | None:
    """
    Read at most the limit and one byte; None when there is more.

    :raises OSError: when the body does not arrive.
    """
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
        return None
    # Django takes a body in chunks for an empty one; the server has put the chunks together.
    is_chunked = bool(request.META.get("HTTP_TRANSFER_ENCODING"))
    source = request.META["wsgi.input"] if is_chunked else request
    body: bytes = source.read(MAX_BODY_BYTES + 1)
    return None if len(body) > MAX_BODY_BYTES else body


def _keep(request: HttpRequest, *, kind: str, subject_id: uuid.UUID, body: bytes) -> HttpResponse:
    now = timezone.now()
    row_id = _store(request, kind=kind, subject_id=subject_id, body=body, now=now)
    if row_id is None:
        return problem_response(503, "unavailable", retry_after=5)
    is_calm = traffic.is_calm()
    if not (is_calm and callbacks.apply_now(row_id, lock_wait_ms=LOCK_WAIT_MS, now=now)):
        applier.ring()
    return HttpResponse(ACCEPTED, content_type="application/json")


def _answer(request: HttpRequest, *, kind: str, subject_id: uuid.UUID, body: bytes) -> HttpResponse:
    """Judge, keep the question with its answer, and say it; what cannot be judged is welcome."""
    judged = _judge(subject_id, body)
    stored = _store(
        request, kind=kind, subject_id=subject_id, body=body, now=timezone.now(), answer=judged
    )
    if stored is None:
        return problem_response(503, "unavailable", retry_after=5)
    answer = judged.answer if judged else c2b_questions.Answer.ACCEPTED
    # A text, unlike everywhere else (Daraja 3.0 portal, CustomerToBusiness).
    said = {
        "ResultCode": str(answer),
        "ResultDesc": "Accepted" if answer == c2b_questions.Answer.ACCEPTED else "Rejected",
    }
    return JsonResponse(said)


def _judge(config_id: uuid.UUID, body: bytes) -> c2b_questions.Judgement | None:
    try:
        return c2b_questions.judge(config_id=config_id, body=body)
    except (DatabaseError, InterfaceError):
        logger.exception("a C2B question could not be looked up")
        return None


def _store(
    request: HttpRequest,
    *,
    kind: str,
    subject_id: uuid.UUID,
    body: bytes,
    now: datetime,
    answer: c2b_questions.Judgement | None = None,
) -> uuid.UUID | None:
    """Keep a body and return its row's id; None when it could not be kept."""
    try:
        return callbacks.receive(
            kind=kind,
            subject_id=subject_id,
            body=body,
            content_type=request.META.get("CONTENT_TYPE", ""),
            source_ip=client_ip(request),
            now=now,
            answer=answer,
        )
    except (DatabaseError, InterfaceError):
        logger.exception("a callback could not be stored")
        return None
