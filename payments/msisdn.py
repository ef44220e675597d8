"""
Kenyan mobile numbers: normalise what people type, mask what others may see.

The form 07…, 01…, 7…, 1…, 2547…, 2541…, +254… is ours (ASCII digits, spaces and dashes only), the
second opinion is phonenumbers'. Its table of *valid* prefixes is not asked: it lags behind the
regulator (0109 and 0190…0199 are unknown to it), and a number refused here can never pay, while
one that does not exist is refused by Safaricom at no cost.
"""

from __future__ import annotations

import re

import phonenumbers

from payments.errors import InvalidPhoneNumber

_MAX_LENGTH = 32
_SEPARATORS = str.maketrans("", "", " -")
# [0-9] and not \d, which takes Arabic and full-width digits too.
_FORM = re.compile(r"(?:\+?254|0)?([17][0-9]{8})")
_MASK = "*****"


def normalise(phone_number: str) -> str:
    """
    Return phone_number as an MSISDN of twelve digits, 2547… or 2541….

    :raises InvalidPhoneNumber: when it is not a Kenyan mobile number.
    """
    if not isinstance(phone_number, str) or len(phone_number) > _MAX_LENGTH:
        raise InvalidPhoneNumber
    match = _FORM.fullmatch(phone_number.translate(_SEPARATORS))
    if match is None or not _is_possible(match[1]):
        raise InvalidPhoneNumber
    return f"254{match[1]}"


def mask(msisdn: str) -> str:
    """Return msisdn as 2547*****678; anything that is no MSISDN is hidden whole."""
    if len(msisdn) != 12:
        return _MASK
    return f"{msisdn[:4]}{_MASK}{msisdn[-3:]}"


def mask_checkout_request_id(checkout_request_id: str) -> str:
    """Return the id without its last nine characters: since 2022 they are the payer's number."""
    return f"{checkout_request_id[:-9]}{'*' * min(9, len(checkout_request_id))}"


def _is_possible(national_number: str) -> bool:
    try:
        number = phonenumbers.parse(national_number, "KE")
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_possible_number(number)
