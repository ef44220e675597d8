"""
Single values as Daraja writes them in callbacks, read as a stranger's: None is "not said plainly".

Amounts are 1, 1.00, "1.00" or "{Amount={CurrencyCode=KES, MinimumAmount=618683,
BasicAmount=6186.83}}"; moments 20231108101530, "20231108101530" or "08.11.2023 10:15:30", in East
Africa Time; balances "Working Account|KES|346568.83|6186.83|340382.00|0.00&Float Account|KES|…".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from payments.errors import UnreadableBody
from payments.providers.base import Balance
from payments.providers.daraja.messages import EAT, TIMESTAMP_FORM
from payments.providers.daraja.reading import MAX_ID_LENGTH, text_of

# numeric(12, 2) holds it; no M-Pesa payment comes near.
AMOUNT_LIMIT = Decimal(10) ** 10

_AMOUNT_TEXT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_GROUPED = re.compile(r"-?[0-9]{1,3}(,[0-9]{3}){1,4}(\.[0-9]{1,6})?")
_BASIC_AMOUNT = re.compile(r"BasicAmount=(-?[0-9.]{1,20})[,}]")
_RECEIPT = re.compile(r"[A-Z0-9]{6,32}")
_LONG_NUMBER = re.compile(r"[0-9]{5,}")
_MOMENT_FORMS = (
    TIMESTAMP_FORM,
    "%d.%m.%Y %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
)
_CURRENCY = "KES"


def amount(value: Any) -> Decimal | None:
    """Return value as exact shillings with two decimals, None where it is not an amount."""
    if isinstance(value, str) and _AMOUNT_TEXT.fullmatch(value.strip(" ")):
        value = Decimal(value.strip(" "))
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    shillings = Decimal(value)
    if abs(shillings) >= AMOUNT_LIMIT:
        return None
    exact = shillings.quantize(Decimal("0.01"))
    return exact if exact == shillings else None


def written_amount(value: Any) -> Decimal | None:
    """Return an amount that may be grouped ("1,600.00") or wrapped in a BasicAmount as well."""
    text = value.strip(" ") if isinstance(value, str) else ""
    if basic := _BASIC_AMOUNT.search(text):
        return amount(basic[1])
    return amount(text.replace(",", "") if _GROUPED.fullmatch(text) else value)


def receipt_number(value: Any) -> str | None:
    """Return a receipt in capitals, because uniqueness must not hang on the case somebody typed."""
    text = text_of(value, 64).upper()
    return text if _RECEIPT.fullmatch(text) else None


def moment(value: Any) -> datetime | None:
    """Return an aware moment; Daraja names no zone and means East Africa Time."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    text = text_of(value, 32)
    for form in _MOMENT_FORMS:
        try:
            found = datetime.strptime(text, form).replace(tzinfo=EAT)
        except ValueError:
            continue
        # strptime takes 2023110810153 for a moment too: one digit short is no date we know.
        return found if len(text) == len(found.strftime(form)) else None
    return None


def balances(value: Any) -> Iterator[Balance]:
    """Read accounts joined by "&"; an account that cannot be read, or is not in KES, is skipped."""
    for part in text_of(value, 2000).split("&"):
        name, currency, *figures = [*(piece.strip() for piece in part.split("|")), "", ""]
        current = written_amount(figures[0]) if figures else None
        if name and currency == _CURRENCY and current is not None:
            yield Balance(name[:80], current, written_amount(figures[1]))


def charge(value: Any) -> Decimal | None:
    """Return the fee of "Fee For B2C Payment|KES|22.40", several of them summed, or of a number."""
    if not isinstance(value, str) or "|" not in value:
        return written_amount(value)
    fees = [written_amount(part.rpartition("|")[2]) for part in value.split("&")]
    told = [fee for fee in fees if fee is not None]
    return sum(told, Decimal(0)) if len(told) == len(fees) else None


def plain_words(text: str) -> str:
    """Return text that names nobody: "" where it holds a number as long as a phone's part."""
    return "" if _LONG_NUMBER.search(text) else text


def request_id(value: Any) -> str:
    """
    Return an id of Daraja's, "" where none was given.

    :raises UnreadableBody: cut or dropped, such an id could pass for a missing one.
    """
    if value is None:
        return ""
    text = text_of(value, MAX_ID_LENGTH + 1)
    if not text or len(text) > MAX_ID_LENGTH:
        raise UnreadableBody("A request id that cannot be Daraja's.")
    return text
