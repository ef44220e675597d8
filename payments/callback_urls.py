"""
Make and check the callback addresses: `/cb/s/<attempt id hex>/<mac hex>` and their like.

s names an attempt, p a verification's KES 1 prompt, c a config (with /v and /c for C2B validation
and confirmation), b one whose bank tells of money, r and t an asynchronous request (its result, its time-out), l a verification run:
there we call ourselves.

Safaricom signs nothing, so the address is the lock: HMAC-SHA256 over kind and id, cut to 128 bits,
checked before the database is touched. Hex cannot spell the words Safaricom forbids (daraja.md
2.3), and the host is checked for them when the process starts.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid

from django.conf import settings

MAC_HEX_DIGITS = 32
# Safaricom refuses addresses with these words, in any case (Daraja portal, C2B register URL).
FORBIDDEN_WORDS = ("m-pesa", "mpesa", "safaricom", "exe", "exec", "cmd", "sql", "query")


def stk_callback_url(attempt_id: uuid.UUID) -> str:
    """Return the address an STK result must be sent to."""
    return f"{settings.PUBLIC_BASE_URL}{callback_path('s', attempt_id)}"


def proof_callback_url(log_id: uuid.UUID) -> str:
    """Return the address the result of a KES 1 prompt must be sent to."""
    return f"{settings.PUBLIC_BASE_URL}{callback_path('p', log_id)}"


def c2b_urls(config_id: uuid.UUID) -> tuple[str, str]:
    """Return the addresses of C2B validation and confirmation."""
    base = f"{settings.PUBLIC_BASE_URL}{callback_path('c', config_id)}"
    return f"{base}/v", f"{base}/c"


def bank_url(config_id: uuid.UUID) -> str:
    """Return the address a bank must tell of money at."""
    return f"{settings.PUBLIC_BASE_URL}{callback_path('b', config_id)}"


def request_urls(request_id: uuid.UUID) -> tuple[str, str]:
    """Return the addresses for the result of an asynchronous request and for its time-out."""
    base = settings.PUBLIC_BASE_URL
    return f"{base}{callback_path('r', request_id)}", f"{base}{callback_path('t', request_id)}"


def loop_path(run_id: uuid.UUID) -> str:
    """Return the path at which we call ourselves, to see whether callbacks reach us."""
    return callback_path("l", run_id)


def loop_answers(subject_hex: str, challenge: str) -> list[str]:
    """Return what a process of ours says to a challenge: by the first key, then by the others."""
    message = f"malipo loop v1:{subject_hex}:{challenge}".encode()
    return [
        hmac.new(key, message, hashlib.sha256).hexdigest()
        for key in settings.CALLBACK_MAC_KEYS.values()
    ]


def callback_path(kind: str, subject_id: uuid.UUID) -> str:
    key = next(iter(settings.CALLBACK_MAC_KEYS.values()))
    return f"/cb/{kind}/{subject_id.hex}/{_mac(key, kind, subject_id.hex)}"


def is_authentic(kind: str, subject_hex: str, mac: str) -> bool:
    """Tell whether any key of the ring made this address; constant in time per key."""
    results = [
        hmac.compare_digest(_mac(key, kind, subject_hex).encode(), mac.encode())
        for key in settings.CALLBACK_MAC_KEYS.values()
    ]
    return any(results)


def forbidden_words_in(url: str) -> list[str]:
    return [word for word in FORBIDDEN_WORDS if word in url.lower()]


def _mac(key: bytes, kind: str, subject_hex: str) -> str:
    message = f"malipo callback v1:{kind}:{subject_hex}".encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:MAC_HEX_DIGITS]
