"""How much of a value may be shown: the last four of a consumer key, nothing of any other secret."""

from __future__ import annotations

HIDDEN = "********"
_SHOWS_LAST_FOUR = frozenset({"consumer_key", "client_id"})
_SHORTEST_SHOWN = 12


def mask_secret(name: str, value: str) -> str:
    """Mask a secret at writing, so that showing it later opens nothing."""
    if name in _SHOWS_LAST_FOUR and len(value) >= _SHORTEST_SHOWN:
        return f"****{value[-4:]}"
    return HIDDEN
