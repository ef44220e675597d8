"""
Single cells of a statement: exact, or refused. Nothing here guesses.

A date that can be read in two ways is no date; an amount is digits with or without commas between
thousands. What stands in a cell may be a formula or HTML: it is text like any other.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

NAIROBI = ZoneInfo("Africa/Nairobi")
_CENT = Decimal("0.01")
# 0.1 + 0.2 is 0.30000000000000004 in a spreadsheet; a tenth of a cent is somebody's mistake.
_NOISE = Decimal("0.0001")
_LARGEST = Decimal(10) ** 12
_AMOUNT = re.compile(r"-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,12})(?:\.[0-9]{1,2})?", re.ASCII)
# As accountants write what is owed.
_BRACKETS = re.compile(r"\(([0-9][0-9,]*(?:\.[0-9]+)?)\)", re.ASCII)
_CURRENCY = re.compile(r"^(?:KES|KSH\.?)\s*|\s*(?:KES|KSH\.?)$", re.IGNORECASE)
_PORTAL = re.compile(r"([0-9]{2})-([0-9]{2})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2})", re.ASCII)
_OTHER = re.compile(
    r"([0-9]{1,4})([-/.])([0-9]{1,2})\2([0-9]{1,4})[ T]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?",
    re.ASCII,
)
# M-PESA began in March 2007.
_FIRST_YEAR, _LAST_YEAR = 2007, 2099
_WHITE = re.compile(r"\s+")


def text(value: Any, most: int = 500) -> str:
    """Return a cell as one line of text without control characters, cut to most."""
    if value is None:
        return ""
    if isinstance(value, str) and value.isprintable() and "  " not in value:
        return value[: most + 1].strip()[:most]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    words = _WHITE.sub(" ", str(value)[: 4 * most])
    return "".join(sign for sign in words if sign.isprintable()).strip()[:most]


def amount(value: Any) -> Decimal | None:
    """
    Return exact shillings with two decimals, None for an empty cell.

    :raises ValueError: when it is anything but an amount.
    """
    if value is None or value == "":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _rounded(Decimal(str(value)))
    written = value.strip() if isinstance(value, str) else "?"
    plain = _BRACKETS.sub(r"-\1", _CURRENCY.sub("", written))
    if written and not _AMOUNT.fullmatch(plain):
        raise ValueError("no amount")
    return _rounded(Decimal(plain.replace(",", ""))) if written else None


def _rounded(number: Decimal) -> Decimal:
    if not number.is_finite() or abs(number) >= _LARGEST:
        raise ValueError("no amount")
    exact = number.quantize(_CENT)
    if abs(exact - number) >= _NOISE:
        raise ValueError("no amount")
    return exact


def moment(
    value: Any, *, epoch: datetime, within: tuple[datetime, datetime] | None = None
) -> datetime:
    """
    Return an aware moment in Nairobi; epoch is what the file counts days from.

    :raises ValueError: when it is no date, or could be several and within does not tell which.
    """
    if isinstance(value, datetime):
        return value.replace(microsecond=0, tzinfo=NAIROBI)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _in_years(_of_serial(value, epoch))
    written = value.strip() if isinstance(value, str) else ""
    if match := _PORTAL.fullmatch(written):
        day, month, year, hour, minute, second = map(int, match.groups())
        return _in_years(datetime(year, month, day, hour, minute, second, tzinfo=NAIROBI))
    return _the_one(_readings(written), within)


def _of_serial(days: float, epoch: datetime) -> datetime:
    """Read days since epoch, to the second; a spreadsheet's fractions of seconds are noise."""
    if not 0 < days < 100_000:
        raise ValueError("no date")
    return (epoch + timedelta(seconds=round(days * 86_400))).replace(tzinfo=NAIROBI)


def _readings(written: str) -> set[datetime]:
    """Return every moment the text could mean."""
    match = _OTHER.fullmatch(written)
    if match is None:
        return set()
    one, sign, two, three = match[1], match[2], match[3], match[4]
    if len(one) == 4:
        orders = [(one, two, three)]
    elif len(three) == 4:
        # The portal's own order with its own sign; a slash may be an American's.
        orders = [(three, two, one), *([(three, one, two)] if sign == "/" else [])]
    else:
        orders = [(f"20{three}", two, one), (f"20{three}", one, two), (f"20{one}", two, three)]
    hour, minute, second = (int(part or 0) for part in match.groups()[4:])
    found = set()
    for year, month, day in orders:
        try:
            at = datetime(int(year), int(month), int(day), hour, minute, second, tzinfo=NAIROBI)
            found.add(_in_years(at))
        except ValueError:
            continue
    return found


def _the_one(found: set[datetime], within: tuple[datetime, datetime] | None) -> datetime:
    if len(found) > 1 and within is not None:
        found = {each for each in found if within[0] <= each <= within[1]}
    if len(found) != 1:
        raise ValueError("no date, or several")
    return found.pop()


def _in_years(moment_: datetime) -> datetime:
    if not _FIRST_YEAR <= moment_.year <= _LAST_YEAR:
        raise ValueError("no date of M-PESA's")
    return moment_
