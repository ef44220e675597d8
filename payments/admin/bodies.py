"""A callback's body as a person may see it: pretty, escaped, and without anybody's number."""

from __future__ import annotations

import json
import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from payments import strictjson
from payments.errors import CannotOpen
from payments.msisdn import mask, mask_checkout_request_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from payments.models import ProviderCallback

SHOWN_CHARACTERS = 8_000
_PHONE = re.compile(r"(?<![0-9A-Za-z_])\+?(?:254|0)?([17][0-9]{8})(?![0-9A-Za-z])")
_CHECKOUT = re.compile(r"ws_CO_[0-9A-Za-z]+")
# C2B says who paid, and how much is left in the till; a result names both parties and balances.
_PRIVATE = frozenset(
    {"firstname", "middlename", "lastname", "name", "fullname", "customername", "payername"}
)
_PRIVATE_ENDS = ("partyname", "publicname", "balance", "availablefunds")
# What the items of a prompt's callback, and of a request's result, are named by.
_LABELS = frozenset({"Name", "Key"})
_ITEM = _LABELS | {"Value"}


def shown_body(callback: ProviderCallback, *, whole_ids: bool) -> tuple[str, str]:
    """Return the body fit to be shown, and a word on what it is."""
    if not callback.body:
        return "", _("The body is gone: raw bodies are kept for a time only.")
    try:
        raw = callback.body.reveal_bytes()
    except CannotOpen:
        return "", _("The sealed body does not open.")
    return masked(raw, whole_ids=whole_ids)


def masked(raw: bytes, *, whole_ids: bool) -> tuple[str, str]:
    """Mask a body; what is no JSON is shown as plain text with its strange signs spelt out."""
    try:
        value = strictjson.loads(raw)
    except strictjson.InvalidJSON as error:
        text = raw[: SHOWN_CHARACTERS * 4].decode("utf-8", errors="backslashreplace")
        note = _("Not readable as JSON (%(reason)s).") % {"reason": error.reason}
        return _cut(_visible(_mask_text(text, whole_ids=whole_ids))), note
    clean = _walk(value, lambda text: _mask_text(text, whole_ids=whole_ids))
    pretty = json.dumps(clean, indent=2, ensure_ascii=False, default=str)
    return _cut(_visible(pretty)), _("JSON, phone numbers masked.")


def _walk(value: Any, mask_one: Callable[[str], str], *, private: bool = False) -> Any:
    if isinstance(value, dict):
        # "Name" of an item says what the item is; anywhere else it is somebody's.
        labels = _LABELS if value.keys() <= _ITEM else frozenset()
        named = any(_is_private(value.get(label)) for label in labels)
        return {
            mask_one(key): _walk(
                each,
                mask_one,
                private=(key == "Value" and named) or (key not in labels and _is_private(key)),
            )
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_walk(each, mask_one) for each in value]
    if private:
        return "*****"
    return _masked_scalar(value, mask_one)


def _is_private(name: Any) -> bool:
    word = str(name).lower()
    return word in _PRIVATE or word.endswith(_PRIVATE_ENDS)


def _masked_scalar(value: Any, mask_one: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask_one(value)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return value
    shown = mask_one(str(value))
    return value if shown == str(value) else shown


def masked_text(text: str, *, whole_ids: bool) -> str:
    """Mask the numbers in a line somebody wrote, and spell out its strange signs."""
    return _visible(_mask_text(text, whole_ids=whole_ids))


def _mask_text(text: str, *, whole_ids: bool) -> str:
    if not whole_ids:
        text = _CHECKOUT.sub(lambda found: mask_checkout_request_id(found[0]), text)
    return _PHONE.sub(lambda found: mask(f"254{found[1]}"), text)


def _visible(text: str) -> str:
    """Spell out control and direction signs: a body must not rearrange the page around it."""
    return "".join(
        each if each == "\n" or unicodedata.category(each)[0] != "C" else _spelt(each)
        for each in text
    )


def _spelt(sign: str) -> str:
    return f"\\u{ord(sign):04x}"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} …"
