"""
What stands before reading an M-Pesa message: whether it is text at all.

A message is pasted by whoever wants goods, so it is judged before it is understood. What hides or
turns signs is refused whole; what merely looks like another sign (a Cyrillic A, a full-width digit)
is read on as it is and noted, because that is how a genuine message is doctored.
"""

from __future__ import annotations

import re
import unicodedata

# A genuine message has some 160 to 450 characters, two glued ones twice that.
MAX_LENGTH = 2_000
# Replaced by a space: how messages are broken when they are copied.
_BLANKS = frozenset("\t\n\r\u00a0\u202f")
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE = frozenset("\u00ad\u180e\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff")
_FORBIDDEN = frozenset({"Cc", "Cn", "Co", "Cs", "Zl", "Zp"})
_EMOJI_MARKS = frozenset("\ufe0e\ufe0f\u20e3")
_SPACES = re.compile(r"\s+")


class Unreadable(ValueError):
    """The text is no message anybody sent; why names the reason: too_long, control, turned, empty."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def clean(text: str) -> str:
    """
    Return text on one line, blanks made single; signs that look like others stay.

    :raises Unreadable: when it is empty, too long, or holds signs that are no text.
    """
    if len(text) > MAX_LENGTH:
        raise Unreadable("too_long")
    if any(sign in _TURNING for sign in text):
        raise Unreadable("turned")
    text = "".join(" " if sign in _BLANKS else sign for sign in text)
    if any(unicodedata.category(sign) in _FORBIDDEN for sign in text):
        raise Unreadable("control")
    text = _SPACES.sub(" ", text).strip()
    if not text:
        raise Unreadable("empty")
    return text


def is_doctored(text: str) -> bool:
    """Tell whether signs hide in the text, or letters or digits of other scripts look like ours."""
    return not text.isascii() and any(_is_odd(sign) for sign in text)


def as_read(text: str) -> str:
    """Return what a person reads: wide signs as plain ones, hidden signs dropped."""
    if text.isascii():
        return text
    seen = "".join(sign for sign in text if sign not in _INVISIBLE)
    return unicodedata.normalize("NFKC", seen)


def _is_odd(sign: str) -> bool:
    if sign.isascii():
        return False
    if sign in _INVISIBLE:
        return True
    category = unicodedata.category(sign)
    if category.startswith("L"):
        return not unicodedata.name(sign, "").startswith("LATIN ")
    # Combining marks and digits of other scripts; a promotion's emoji is neither.
    return category in {"Nd", "Nl", "No"} or (category == "Mn" and sign not in _EMOJI_MARKS)
