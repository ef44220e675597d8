"""
CheckoutRequestIDs whose end is hidden: since 2022 their last nine digits are the payer's number.

A prompt is asked about by its whole id for 72 hours; callbacks may come later still. So the end is
replaced, once the number is no longer kept, by a keyed hash that names the same id: a late callback
finds its prompt, and nobody finds the number.
"""

from __future__ import annotations

from collections.abc import Iterable

from payments.fields import blind_index
from payments.models import Attempt

_TAIL = 9
_SIGN = "*"


def hidden(checkout_request_id: str) -> str:
    """Return the id with its last nine signs replaced; one that is hidden already stays."""
    if is_hidden(checkout_request_id):
        return checkout_request_id
    digest = blind_index("checkout_request_id", checkout_request_id)
    return f"{checkout_request_id[:-_TAIL]}{_SIGN}{digest[: _TAIL - 1]}"


def is_hidden(checkout_request_id: str) -> bool:
    return checkout_request_id[-_TAIL:].startswith(_SIGN)


def is_same(stored: str, told: str) -> bool:
    """Tell whether an id of ours, whole or hidden, is the one somebody names."""
    return stored == told or (is_hidden(stored) and stored == hidden(told))


def forms_of(checkout_request_id: str) -> list[str]:
    """Return how the id may stand in the database: whole, or with its end hidden."""
    return [checkout_request_id, hidden(checkout_request_id)]


def hide(attempts: Iterable[Attempt]) -> int:
    """Hide the ends of attempts' ids; return how many were whole."""
    rows = [row for row in attempts if row.checkout_request_id]
    whole = [row for row in rows if not is_hidden(row.checkout_request_id or "")]
    for row in whole:
        row.checkout_request_id = hidden(row.checkout_request_id or "")
    Attempt.objects.bulk_update(whole, ["checkout_request_id"], batch_size=1000)
    return len(whole)
