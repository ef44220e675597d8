"""
Read the keys from the environment, refusing what is missing, malformed, short or used twice.

Rings are `id:base64,id:base64`: the first key writes, every key reads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
_KEY_ID = re.compile(r"[a-z0-9]{1,16}")


def read_secret_key(env: Any, *, debug: bool) -> str:
    """
    Read SECRET_KEY, the one key that is text.

    :raises ImproperlyConfigured: naming the variable when it is missing or short.
    """
    value = _read(env, "SECRET_KEY", debug=debug)
    if len(value) < 50:
        raise ImproperlyConfigured("SECRET_KEY: give at least 50 characters.")
    return value


def read_key(env: Any, name: str, *, debug: bool) -> bytes:
    """
    Read one 32-byte key in base64.

    :raises ImproperlyConfigured: naming the variable when it is missing, malformed or short.
    """
    return _decode(name, _read(env, name, debug=debug))


def read_ring(env: Any, name: str, *, debug: bool) -> dict[str, bytes]:
    """
    Read a ring of keys, in order; the first one writes.

    :raises ImproperlyConfigured: naming the variable when it is missing, malformed, short, or
        holds one id or one key twice.
    """
    ring: dict[str, bytes] = {}
    for entry in _read(env, name, debug=debug).split(","):
        key_id, colon, encoded = entry.strip().partition(":")
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise ImproperlyConfigured(
                f"{name}: write id:base64,id:base64; an id is 1 to 16 of a-z and 0-9."
            )
        key = _decode(name, encoded)
        if key_id in ring or key in ring.values():
            raise ImproperlyConfigured(f"{name}: the id or key of {key_id!r} occurs twice.")
        ring[key_id] = key
    return ring


def refuse_reuse(named_keys: dict[str, list[bytes]]) -> None:
    """
    Refuse one key doing two jobs: its leak would open both.

    :raises ImproperlyConfigured: naming both variables.
    """
    seen: dict[bytes, str] = {}
    for name, keys in named_keys.items():
        for key in keys:
            if key in seen and seen[key] != name:
                raise ImproperlyConfigured(
                    f"{name} reuses a key of {seen[key]}: every purpose needs a key of its own."
                )
            seen[key] = name


def _read(env: Any, name: str, *, debug: bool) -> str:
    value = env.str(name, default="").strip()
    if value:
        return str(value)
    if debug:
        return _development_value(name)
    raise ImproperlyConfigured(f"{name} is not set. See .env.example for how to make one.")


def _development_value(name: str) -> str:
    """Return a fixed, worthless value: DEBUG alone may run on it."""
    digest = hashlib.sha512(b"malipo development only: " + name.encode()).digest()
    encoded = base64.b64encode(digest[:KEY_BYTES]).decode()
    if name == "SECRET_KEY":
        return digest.hex()
    return f"dev:{encoded}" if name.endswith("_KEYS") else encoded


def _decode(name: str, encoded: str) -> bytes:
    try:
        # Either alphabet: key makers differ, and a key of 32 bytes reads the same in both.
        standard = encoded.strip().replace("-", "+").replace("_", "/")
        key = base64.b64decode(standard, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImproperlyConfigured(f"{name}: a key is not valid base64.") from error
    if len(key) != KEY_BYTES:
        raise ImproperlyConfigured(f"{name}: a key has {len(key)} bytes, {KEY_BYTES} are needed.")
    return key
