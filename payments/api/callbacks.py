"""
Where providers call: check the address, keep the bytes, answer.

Plain Django, no DRF, no session. What the applying says does not matter to the sender: stored is
200. Only a body that could not be stored is refused, so that the provider knows.
"""

from __future__ import annotations

import logging
import uuid

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from audit.actors import client_ip
from payments import callback_urls
from payments.api import applier, traffic
from payments.api.errors import problem_response
from payments.services import callbacks

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 65_536
# Few callbacks under way, and the lock free at once: then the sender's own thread applies it.
LOCK_WAIT_MS = 300
ACCEPTED = b'{"ResultCode": 0, "ResultDesc": "Accepted"}'
# Validation is answered with a text (Daraja 3.0 portal, CustomerToBusiness).
VALID = b'{"ResultCode": "0", "ResultDesc": "Accepted"}'


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
    """Accept the payment Safaricom asks about: nobody is turned away at the till by us."""
    return _take(request, "c", subject, mac, kind="c2b_ask", said=VALID)


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
    request: HttpRequest, letter: str, subject: str, mac: str, *, kind: str, said: bytes = ACCEPTED
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
        return _keep(request, said, kind=kind, subject_id=uuid.UUID(hex=subject), body=body)


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


def _keep(
    request: HttpRequest, said: bytes, *, kind: str, subject_id: uuid.UUID, body: bytes
) -> HttpResponse:
    now = timezone.now()
    try:
        row_id = callbacks.receive(
            kind=kind,
            subject_id=subject_id,
            body=body,
            content_type=request.META.get("CONTENT_TYPE", ""),
            source_ip=client_ip(request),
            now=now,
        )
    except (DatabaseError, InterfaceError):
        logger.exception("a callback could not be stored")
        return problem_response(503, "unavailable", retry_after=5)
    is_calm = traffic.is_calm()
    if not (is_calm and callbacks.apply_now(row_id, lock_wait_ms=LOCK_WAIT_MS, now=now)):
        applier.ring()
    return HttpResponse(said, content_type="application/json")
