"""
Calling ourselves at our public address, as a provider would: name, TLS, proxy, firewall and all.

The address carries a run's id and MAC, the body a random challenge; only a process that holds our
keys can sign it. No redirect is followed and the whole call has one deadline.
"""

from __future__ import annotations

import hmac
import json
import secrets
import uuid

from django.conf import settings

from payments import callback_urls
from payments.errors import OutcomeUnknown, ProviderUnreachable
from payments.providers import http
from payments.services.findings import StageResult
from payments.services.upstream import release_connection

DEADLINE_S = 6.0
CONNECT_S = 3.0


def call_ourselves(*, run_id: uuid.UUID) -> StageResult:
    """Call our own callback address and return what came of it."""
    challenge = secrets.token_urlsafe(24)
    release_connection()
    call = http.Call(
        operation="loop",
        method="POST",
        base_url=settings.PUBLIC_BASE_URL,
        path=callback_urls.loop_path(run_id),
        headers={"Content-Type": "text/plain"},
        body=challenge.encode(),
        connect_timeout_s=CONNECT_S,
        total_timeout_s=DEADLINE_S,
        may_reach_customer=False,
    )
    try:
        answer = http.send(call)
    except ProviderUnreachable:
        return StageResult("callback_unreachable")
    except OutcomeUnknown:
        return StageResult("callback_late")
    return _judge(answer, run_id, challenge)


def _judge(answer: http.Answer, run_id: uuid.UUID, challenge: str) -> StageResult:
    facts = {"http_status": answer.status, "elapsed_ms": answer.elapsed_ms}
    if 300 <= answer.status < 400:
        return StageResult("callback_redirected", str(answer.status), facts)
    if answer.status >= 500:
        # A restart or a full house, more likely than a wall.
        return StageResult("callback_unreachable", str(answer.status), facts)
    if answer.status != 200 or not _is_signed(answer.body, run_id, challenge):
        return StageResult("callback_blocked", str(answer.status), facts)
    return StageResult("callback_ok", "200", facts)


def _is_signed(body: bytes, run_id: uuid.UUID, challenge: str) -> bool:
    try:
        said = json.loads(body)["answer"]
    except (ValueError, TypeError, KeyError):
        return False
    ours = callback_urls.loop_answers(run_id.hex, challenge)
    return isinstance(said, str) and any(hmac.compare_digest(said, each) for each in ours)
