"""
Make and check the callback addresses: `/cb/s/<attempt id hex>/<mac hex>`.

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
