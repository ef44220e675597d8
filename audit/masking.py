"""How much of a value may be shown: the last four of a consumer key, nothing of any other secret."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "********"
_SHOWS_LAST_FOUR = frozenset({"consumer_key", "client_id"})
_SHORTEST_SHOWN = 12
# Whatever carries one of these names is a secret, wherever it stands.
SECRET_NAMES = frozenset(
    {
        "consumer_key",
        "consumer_secret",
        "passkey",
        "initiator_name",
        "initiator_password",
        "client_id",
        "client_secret",
        "api_key",
        "merchant_id",
        "password",
        "secret",
        "secrets",
        "token",
        "credentials",
    }
)

_EMAIL = re.compile(r"([^@\s,:;<>\"'])[^@\s,:;<>\"']*@")


def mask_emails(value: Any) -> Any:
    """Leave of every email in a text its first letter and its host, for who may see it masked."""
    return _EMAIL.sub(r"\1***@", value) if isinstance(value, str) else value


def mask_secret(name: str, value: str) -> str:
    """Mask a secret at writing, so that showing it later opens nothing."""
    if name in _SHOWS_LAST_FOUR and len(value) >= _SHORTEST_SHOWN:
        return f"****{value[-4:]}"
    return HIDDEN


def shown(name: str, value: Any) -> Any:
    """Turn a field's value into plain JSON for the trail; a secret's name hides its value."""
    if name in SECRET_NAMES:
        return HIDDEN if value else ""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return [shown(name, inner) for inner in value]
    if isinstance(value, dict):
        return {str(key): shown(str(key), inner) for key, inner in value.items()}
    return str(value)
