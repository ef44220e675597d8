"""
Account references we mint: short, readable over a counter, with a check character.

31 signs without look-alikes (no 0 O 1 I L). 31 is a prime, so a weighted sum modulo 31 catches
every single wrong sign and every swap of two signs; Luhn would miss some swaps. Each sign has the
weight of its place counted from the right, the check character has weight 1 and makes the sum 0.
A prefix (the shop's own, on its paybill) stands before it and takes no part in the check.
"""

from __future__ import annotations

import secrets

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
# AccountReference is at most 12 characters (Daraja 3.0 portal, MpesaExpressSimulate, 28 Dec 2025).
MAX_LENGTH = 12
# Seven random signs and one check character: 27 thousand million references.
_FULL_LENGTH = 8
# Below this a shop would run into its own references within days.
_SHORTEST = 6
MAX_PREFIX_LENGTH = MAX_LENGTH - _SHORTEST

_BASE = len(ALPHABET)
_VALUES = {sign: value for value, sign in enumerate(ALPHABET)}


def new_reference(prefix: str = "") -> str:
    """
    Return a fresh random reference of at most 12 characters, beginning with prefix.

    Not unique by itself: the caller's database constraint is.

    :raises ValueError: when prefix leaves fewer than six characters.
    """
    length = _own_length(prefix)
    random_part = "".join(secrets.choice(ALPHABET) for _ in range(length - 1))
    return f"{prefix}{random_part}{_check_character(random_part)}"


def is_well_formed(reference: str, prefix: str = "") -> bool:
    """Say whether reference could be one of ours; case and surrounding blanks do not matter."""
    text = reference.strip().upper()
    own = text.removeprefix(prefix.upper())
    if len(own) != _own_length(prefix) or len(text) != len(prefix) + len(own):
        return False
    return all(sign in _VALUES for sign in own) and _weighted_sum(own) == 0


def _own_length(prefix: str) -> int:
    if len(prefix) > MAX_PREFIX_LENGTH:
        raise ValueError(f"a reference prefix has at most {MAX_PREFIX_LENGTH} characters")
    return min(_FULL_LENGTH, MAX_LENGTH - len(prefix))


def _check_character(random_part: str) -> str:
    return ALPHABET[-_weighted_sum(f"{random_part}{ALPHABET[0]}") % _BASE]


def _weighted_sum(signs: str) -> int:
    return sum(place * _VALUES[sign] for place, sign in enumerate(reversed(signs), 1)) % _BASE
