"""
Read JSON from strangers: a fixed size and depth, no surprises, one kind of error.

The standard reader recurses until the stack ends, takes NaN, lets the last of two equal keys win
and turns 5.00 into a float. Here the nesting is counted before anything is parsed, numbers are
int or exact Decimal, and whatever two readers could understand differently is refused: NaN,
Infinity, duplicate keys, numbers of more than 30 characters, text that is not UTF-8 or holds half
a surrogate pair. A byte order mark is tolerated, because some gateways prepend one and nothing can
be hidden in it. NUL inside text is left in: the caller knows whether to clean or to refuse.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

MAX_DEPTH = 16
MAX_BYTES = 65_536
MAX_NUMBER_LENGTH = 30
# 1E+30 in memory is harmless, but int(Decimal("1E+999999999")) would eat the machine.
MAX_EXPONENT = 30

_OPENER, _CLOSER = b"{[", b"}]"
# Possessive, so that an unterminated string of escaped quotes costs one pass and not n squared.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class InvalidJSON(ValueError):
    """The bytes are not JSON we accept; reason is a stable word and says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def loads(raw: bytes, *, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_BYTES) -> Any:
    """
    Read one JSON value from raw.

    :raises InvalidJSON: with reason empty, too_large, too_deep, encoding, malformed, duplicate_key,
        not_a_number, number_too_long.
    """
    if len(raw) > max_bytes:
        raise InvalidJSON("too_large")
    _check_depth(raw, max_depth)
    text = _decode(raw)
    if not text.strip():
        raise InvalidJSON("empty")
    try:
        value = _DECODER.decode(text)
    except InvalidJSON:
        raise
    except ValueError as error:
        raise InvalidJSON("malformed") from error
    _check_text(text, value)
    return value


def _check_depth(raw: bytes, max_depth: int) -> None:
    # Nearly every honest body ends here: it has not even enough brackets to be too deep.
    if raw.count(b"{") + raw.count(b"[") <= max_depth:
        return
    depth = 0
    for token in _TOKEN.finditer(raw):
        first = token[0][:1]
        if first in _OPENER:
            depth += 1
        elif first in _CLOSER:
            depth -= 1
        if depth > max_depth:
            raise InvalidJSON("too_deep")


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidJSON("encoding") from error


def _check_text(text: str, value: Any) -> None:
    # "\ud800" alone is legal JSON and illegal UTF-8: the database would refuse it much later.
    if not _SURROGATE.search(text):
        return
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        raise InvalidJSON("encoding") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidJSON("duplicate_key")
    return found


def _integer(literal: str) -> int:
    if len(literal) > MAX_NUMBER_LENGTH:
        raise InvalidJSON("number_too_long")
    return int(literal)


def _decimal(literal: str) -> Decimal:
    if len(literal) > MAX_NUMBER_LENGTH:
        raise InvalidJSON("number_too_long")
    try:
        number = Decimal(literal)
    except InvalidOperation as error:
        raise InvalidJSON("number_too_long") from error
    # Of zero too: Decimal("0E+999999999") is as dangerous to quantize as any other.
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > MAX_EXPONENT:
        raise InvalidJSON("number_too_long")
    return number


def _constant(literal: str) -> NoReturn:
    raise InvalidJSON("not_a_number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_decimal,
    parse_constant=_constant,
)
