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

# What a reader takes for one another; no sign of ours stands for 0, O, 1, I and L, but they are typed.
_LOOK_ALIKES = ("0OQD", "1ILJ7T", "2Z", "5S", "6G", "8B", "UVY", "MN", "4A", "KX", "EF", "PR")
_ALIKE = frozenset(
    frozenset((one, other)) for group in _LOOK_ALIKES for one in group for other in group
)
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
    own = _own_part(reference, prefix)
    return all(sign in _VALUES for sign in own) and bool(own) and _weighted_sum(own) == 0


def is_shaped_like_ours(reference: str, prefix: str = "") -> bool:
    """Say whether reference has the length of one of ours and its prefix, whatever else it holds."""
    return bool(_own_part(reference, prefix))


def _own_part(reference: str, prefix: str) -> str:
    """Return what follows the prefix in a reference of our length, else ""."""
    text = reference.strip().upper()
    own = text.removeprefix(prefix.upper())
    fits = len(own) == _own_length(prefix) and len(text) == len(prefix) + len(own)
    return own if fits and own.isascii() and own.isalnum() else ""


def distance(typed: str, reference: str) -> int:
    """
    Count the slips between what was typed and a reference: 0 for the same, else 1 or more.

    A wrong, missing or surplus sign and two neighbours in the wrong order are one slip; a sign
    taken for one that looks like it is half of one. Case, blanks and dashes do not count.
    """
    halves = _half_slips(_plain(typed), _plain(reference))
    return (halves + 1) // 2


def _plain(text: str) -> str:
    return "".join(sign for sign in text.upper() if not sign.isspace() and sign != "-")


def _half_slips(typed: str, reference: str) -> int:
    """Compute the optimal string alignment distance (Damerau-Levenshtein), in halves of a slip."""
    before: list[int] = []
    last = [2 * place for place in range(len(reference) + 1)]
    for row, sign in enumerate(typed, 1):
        current = [2 * row]
        for column, other in enumerate(reference, 1):
            cost = min(
                last[column] + 2,
                current[column - 1] + 2,
                last[column - 1] + _cost(sign, other),
            )
            is_swap = row > 1 and column > 1 and sign == reference[column - 2]
            if is_swap and typed[row - 2] == other:
                cost = min(cost, before[column - 2] + 2)
            current.append(cost)
        before, last = last, current
    return last[-1]


def _cost(sign: str, other: str) -> int:
    if sign == other:
        return 0
    return 1 if frozenset((sign, other)) in _ALIKE else 2


def _own_length(prefix: str) -> int:
    if len(prefix) > MAX_PREFIX_LENGTH:
        raise ValueError(f"a reference prefix has at most {MAX_PREFIX_LENGTH} characters")
    return min(_FULL_LENGTH, MAX_LENGTH - len(prefix))


def _check_character(random_part: str) -> str:
    return ALPHABET[-_weighted_sum(f"{random_part}{ALPHABET[0]}") % _BASE]


def _weighted_sum(signs: str) -> int:
    return sum(place * _VALUES[sign] for place, sign in enumerate(reversed(signs), 1)) % _BASE
