"""
One try to tell one address of one event: signed as Standard Webhooks 1.0 says, sent once.

No transaction is open meanwhile. Nothing that could be wrong with somebody else's server raises
here: what came of the try is returned, in a word.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from standardwebhooks import Webhook

from payments.errors import CannotOpen, OutcomeUnknown, ProviderUnreachable
from payments.models import WebhookEndpoint
from payments.providers import http
from payments.services.public_addresses import AddressRefused, HostUnknown, address_of
from payments.services.upstream import release_connection, upstream_slot
from payments.webhook_choices import DeliveryProblem

CONNECT_S = 3.0
TOTAL_S = 10.0
MAX_ANSWER = 1_000
_PORTS = {"http": 80, "https": 443}
# Whatever reads like a phone number, whole or masked, goes: a receiver may repeat what we sent.
_LONG_NUMBER = re.compile(r"\+?\d(?:[ -]?[\d*]){6,}")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\n\t]")


@dataclass(frozen=True)
class Outcome:
    """What came of a try; problem is "" where it was delivered."""

    problem: str = ""
    status: int | None = None
    answer: str = ""
    took_ms: int | None = None

    @property
    def is_delivered(self) -> bool:
        return not self.problem


@sensitive_variables()
def send(
    *, endpoint: WebhookEndpoint, message_id: str, message: dict[str, Any], now: datetime
) -> Outcome:
    """
    Send a message to an address and return what came of it; now says whether the old secret signs.

    :raises ProviderUnavailable: when this process has too many calls under way; nothing was sent.
    :raises RuntimeError: inside a transaction.
    """
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    parts = urlsplit(endpoint.url)
    try:
        headers = _headers(endpoint, message_id, body, now=now)
        with upstream_slot():
            release_connection()
            port = parts.port or _PORTS[parts.scheme]
            allow_private = settings.WEBHOOK_ALLOW_PRIVATE
            address = address_of(parts.hostname or "", port, allow_private=allow_private)
            call = http.Call(
                operation="webhook",
                method="POST",
                base_url=f"{parts.scheme}://{parts.netloc}",
                path=f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}",
                headers=headers,
                body=body.encode(),
                connect_timeout_s=CONNECT_S,
                total_timeout_s=TOTAL_S,
                may_reach_customer=False,
                connect_to=address,
                enough_bytes=MAX_ANSWER,
            )
            return _judged(http.send(call))
    except HostUnknown:
        return Outcome(DeliveryProblem.HOST_UNKNOWN)
    except AddressRefused:
        return Outcome(DeliveryProblem.ADDRESS_REFUSED)
    except ProviderUnreachable:
        return Outcome(DeliveryProblem.NO_CONNECTION)
    except OutcomeUnknown:
        return Outcome(DeliveryProblem.NO_ANSWER)
    except CannotOpen:
        return Outcome(DeliveryProblem.SECRET_UNREADABLE)


@sensitive_variables()
def _headers(
    endpoint: WebhookEndpoint, message_id: str, body: str, *, now: datetime
) -> dict[str, str]:
    # The clock on the wall, whatever time a sweep was told: receivers compare it with theirs.
    sent_at = timezone.now().astimezone(UTC)
    secrets = [endpoint.secret.reveal()]
    if endpoint.old_secret and endpoint.old_secret_until and now < endpoint.old_secret_until:
        secrets.append(endpoint.old_secret.reveal())
    signatures = [Webhook(secret).sign(message_id, sent_at, body) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _judged(answer: http.Answer) -> Outcome:
    problem = ""
    if 300 <= answer.status < 400:
        problem = DeliveryProblem.REDIRECTED
    elif answer.status == 410:
        problem = DeliveryProblem.GONE
    elif not 200 <= answer.status < 300:
        problem = DeliveryProblem.BAD_STATUS
    text = scrubbed(answer.body) if problem else ""
    return Outcome(problem, answer.status, text, answer.elapsed_ms)


def scrubbed(body: bytes) -> str:
    """Return the beginning of an answer as text that may be kept: no long numbers, no controls."""
    text = body[:MAX_ANSWER].decode("utf-8", errors="replace")
    return _LONG_NUMBER.sub("*******", _UNPRINTABLE.sub(" ", text))
