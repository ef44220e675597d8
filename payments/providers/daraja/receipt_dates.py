"""
The day in an M-Pesa receipt number: first letter the year, second the month, third the day.

Observed, not promised: year S = 2024, T = 2025, U = 2026; month A to L; day 1 to 9, then A = 10 to
V = 31. 58 of 60 dated receipts fit, the two others are edited samples. So it is a sign, no proof.
"""

from __future__ import annotations

import re
from datetime import date

#: Numbers since about 2013; those before had nine signs, and no day in them.
FORM = re.compile(r"[A-Z0-9]{10}")
_FIRST_YEAR = 2006  # A
_DAYS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


def day_of(number: str) -> date | None:
    """Return the day a receipt number names, None where its first three signs name none."""
    if not FORM.fullmatch(number) or not number[0].isalpha():
        return None
    year = _FIRST_YEAR + ord(number[0]) - ord("A")
    month = ord(number[1]) - ord("A") + 1
    try:
        return date(year, month, _DAYS.index(number[2]))
    except ValueError:
        return None
