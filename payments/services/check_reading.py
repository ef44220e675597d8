"""Reading what is shown at the counter: a code somebody typed, or a message he pasted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

from django.utils.translation import gettext_noop as _

from payments.errors import InvalidInput
from payments.providers.daraja import sms
from payments.providers.daraja.sms import Kind, Message

# What the ledger holds; a message is longer, and has other signs.
_LONGEST_CODE = 32
_SEPARATORS = re.compile(r"[\s.\-]+")
# Why a text is not read: English and Swahili.
_UNREADABLE: dict[str, tuple[str, str]] = {
    "too_long": (
        _("This is too long for an M-Pesa message and cannot be read. Type the code instead."),
        "Maandishi haya ni marefu mno kwa ujumbe wa M-Pesa na hayasomeki. Andika msimbo badala yake.",
    ),
    "control": (
        _("This cannot be read: it holds control characters. Type the code instead."),
        "Hii haisomeki: ina alama zisizo maandishi. Andika msimbo badala yake.",
    ),
    "turned": (
        _("This cannot be read: it holds marks that turn the writing. Type the code instead."),
        "Hii haisomeki: ina alama zinazogeuza mwandiko. Andika msimbo badala yake.",
    ),
    "empty": (
        _("Type a code or paste a message."),
        "Andika msimbo au bandika ujumbe.",
    ),
    "no_code": (
        _("There is no M-Pesa code in this text."),
        "Hakuna msimbo wa M-Pesa katika maandishi haya.",
    ),
}


@dataclass(frozen=True)
class Shown:
    """What somebody showed: a code, or a message with its code; and what the cashier expects."""

    number: str
    message: Message | None = field(default=None, repr=False)
    amount: Decimal | None = None
    last3: str = ""

    @property
    def kind(self) -> str:
        return self.message.kind if self.message else ""


def read(typed: str, *, amount: Decimal | None = None, last3: str = "", name: str = "sms") -> Shown:
    """
    Read what was typed or pasted; name is the field's, for the error.

    :raises InvalidInput: when it cannot be read, or there is no code in it to look up.
    """
    compact = _SEPARATORS.sub("", typed)
    # A code may be typed in groups; words without a figure are none.
    is_one = compact.isascii() and compact.isalnum() and len(compact) <= _LONGEST_CODE
    if is_one and (compact == typed.strip() or any(sign.isdigit() for sign in compact)):
        return Shown(compact.upper(), None, amount, last3)
    try:
        message = sms.parse(typed)
    except sms.Unreadable as error:
        raise _unreadable(name, error.why) from error
    is_nothing = message.kind in {Kind.UNKNOWN, Kind.BANK_NOTICE} and not message.is_doctored
    if is_nothing and not message.receipt_number:
        raise _unreadable(name, "no_code")
    return Shown(message.receipt_number, message, amount, last3)


def _unreadable(name: str, why: str) -> InvalidInput:
    english, swahili = _UNREADABLE[why]
    message = {"en": english, "sw": swahili}
    return InvalidInput(english, errors=[(name, why, english)], message=message)
