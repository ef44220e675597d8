"""The one way a body gets in: application/json, at most 16 KiB, an object, strictly read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import APIException
from rest_framework.parsers import BaseParser

from payments import strictjson
from payments.errors import InvalidInput

MAX_BODY_BYTES = 16_384
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What strictjson found, in words for whoever wrote the client.
_REASONS = {
    "empty": "The body is empty.",
    "too_deep": f"The body is nested deeper than {strictjson.MAX_DEPTH} levels.",
    "encoding": "The body is not UTF-8.",
    "malformed": "The body is not JSON.",
    "duplicate_key": "An object has the same key twice.",
    "not_a_number": "NaN and Infinity are no JSON.",
    "number_too_long": f"A number has more than {strictjson.MAX_NUMBER_LENGTH} characters.",
}


class TooLarge(APIException):
    """The body has more than MAX_BODY_BYTES."""

    status_code = 413
    default_detail = f"A body has at most {MAX_BODY_BYTES} bytes."
    default_code = "too_large"


class StrictJSONParser(BaseParser):
    """Reads one JSON object; numbers with a point or exponent become Decimal, never float."""

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        del media_type, parser_context
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise TooLarge
        if raw.startswith(_BYTE_ORDER_MARK):
            raise _invalid("encoding")
        try:
            value = strictjson.loads(raw, max_bytes=MAX_BODY_BYTES)
        except strictjson.InvalidJSON as error:
            raise _invalid(error.reason) from error
        if not isinstance(value, dict):
            raise InvalidInput(
                "The body is not an object.", errors=[("", "not_an_object", "Send an object.")]
            )
        return value


def _invalid(reason: str) -> InvalidInput:
    detail = _REASONS.get(reason, "The body is not JSON.")
    return InvalidInput(detail, errors=[("", reason, detail)])
