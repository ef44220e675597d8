"""
Fields that take exactly what the contract says.

The framework's own are kind: they take `1_000`, Arabic digits, `1e-500` (as 0.00), "yes" and
half surrogates. A sum or a reference that two readers understand differently is an error here.
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from payments.api.folding import fold

_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,2})?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
# Control, half surrogate, line and paragraph separator: nothing of them is text in a field.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# They turn what a person reads around; a name or reference has no use for them.
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_LONGEST_NAME_SHOWN = 64


def text_problem(text: str) -> str:
    """Say what is wrong with a text, or return "" where nothing is."""
    if text.isascii() and text.isprintable():
        return ""
    for character in text:
        if unicodedata.category(character) in _FORBIDDEN_CATEGORIES:
            return "Control characters are not text."
        if character in _DIRECTION_MARKS:
            return "Marks that turn the direction of writing are not taken."
    return ""


class StrictCharField(serializers.CharField):
    """Text: a JSON string, NFC or folded to ASCII, trimmed, without control characters."""

    default_error_messages = {"not_text": "Send text.", "invalid_text": "{reason}"}

    def __init__(
        self, *, pattern: str = "", hint: str = "", folded: bool = False, **kwargs: Any
    ) -> None:
        self.pattern = re.compile(pattern) if pattern else None
        self.hint = hint
        self.folded = folded
        super().__init__(**kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if data is not serializers.empty and data is not None and not isinstance(data, str):
            self.fail("not_text")
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        reason = text_problem(data)
        if reason:
            self.fail("invalid_text", reason=reason)
        text = fold(data) if self.folded else unicodedata.normalize("NFC", data)
        text = text.strip() if self.trim_whitespace else text
        if text and self.pattern is not None and not self.pattern.fullmatch(text):
            self.fail("invalid_text", reason=self.hint or "This does not have the right form.")
        return text


@extend_schema_field(OpenApiTypes.BOOL)
class StrictBooleanField(serializers.Field):
    """true or false, nothing that merely looks like it."""

    default_error_messages = {"invalid": "Send true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return bool(data)

    def to_representation(self, value: Any) -> bool:
        return bool(value)


@extend_schema_field(OpenApiTypes.BOOL)
class QueryBooleanField(serializers.Field):
    """`true` or `false` in an address."""

    default_error_messages = {"invalid": "Give true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if data not in ("true", "false"):
            self.fail("invalid")
        return bool(data == "true")

    def to_representation(self, value: Any) -> bool:
        return bool(value)


@extend_schema_field(OpenApiTypes.INT)
class StrictIntegerField(serializers.Field):
    """A JSON integer between two bounds."""

    default_error_messages = {
        "invalid": "Send a whole number.",
        "out_of_range": "Give {lowest} to {highest}.",
    }

    def __init__(self, *, lowest: int, highest: int, **kwargs: Any) -> None:
        self.lowest, self.highest = lowest, highest
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        if not self.lowest <= data <= self.highest:
            self.fail("out_of_range", lowest=self.lowest, highest=self.highest)
        return int(data)

    def to_representation(self, value: Any) -> int:
        return int(value)


_MONEY_SCHEMA = {"type": "string", "pattern": f"^{_DECIMAL.pattern}$", "example": "1500.00"}


@extend_schema_field(_MONEY_SCHEMA)
class StrictDecimalField(serializers.Field):
    """Shillings, with cents or without: a JSON integer, or ASCII digits as text."""

    default_error_messages = {"invalid": 'Send a whole number, or text like "1500.00".'}

    def to_internal_value(self, data: Any) -> Decimal:
        text = str(data) if isinstance(data, int) and not isinstance(data, bool) else data
        if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
            self.fail("invalid")
        return Decimal(text)

    def to_representation(self, value: Any) -> str:
        return f"{value:.2f}"


@extend_schema_field(OpenApiTypes.UUID)
class StrictUUIDField(serializers.Field):
    """An id in its usual form of 36 characters."""

    default_error_messages = {"invalid": "This is no id."}

    def to_internal_value(self, data: Any) -> uuid.UUID:
        if not isinstance(data, str) or not _UUID.fullmatch(data):
            self.fail("invalid")
        return uuid.UUID(data)

    def to_representation(self, value: Any) -> str:
        return str(value)


class StrictChoiceField(serializers.ChoiceField):
    """One of a few words."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", input=str(data)[:_LONGEST_NAME_SHOWN])
        return data


@extend_schema_field(OpenApiTypes.DATETIME)
class StrictDateTimeField(serializers.Field):
    """A time with its zone, RFC 3339; a space stands for the `+` that an address swallowed."""

    default_error_messages = {"invalid": "Send a time with its zone, as RFC 3339 says."}

    def to_internal_value(self, data: Any) -> datetime:
        text = data.replace(" ", "+") if isinstance(data, str) else ""
        try:
            time = parse_datetime(text.upper()) if _TIME.fullmatch(text) else None
            # In UTC: PostgreSQL takes no zone of 16 hours and more, Python does.
            time = time and time.astimezone(UTC)
        except (ValueError, OverflowError):
            time = None
        if time is None or not 1 < time.year < 9999:
            self.fail("invalid")
        return time  # type: ignore[return-value]

    def to_representation(self, value: Any) -> str:
        return str(value.isoformat())


class StrictListField(serializers.ListField):
    """A JSON list."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        return list(super().to_internal_value(data))


@extend_schema_field(OpenApiTypes.OBJECT)
class MetadataField(serializers.Field):
    """An object of the caller's own; kept and given back, never looked at."""

    default_error_messages = {"invalid": "Send an object.", "invalid_text": "{reason}"}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        for text in _texts(data):
            reason = text_problem(text.replace("\n", " ").replace("\t", " "))
            if reason:
                self.fail("invalid_text", reason=reason)
        return dict(_plain(data))

    def to_representation(self, value: Any) -> dict[str, Any]:
        return dict(value or {})


class StrictSerializer(serializers.Serializer):
    """A serializer to which an unknown field is an error: a typing error must not pass for a no."""

    default_error_messages = {"unknown_field": "There is no such field."}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(
                str(name)[:_LONGEST_NAME_SHOWN] for name in data.keys() - self._known()
            )
            if unknown:
                detail = self.error_messages["unknown_field"]
                raise serializers.ValidationError(
                    {_printable(name): [detail] for name in unknown}, code="unknown_field"
                )
        return super().to_internal_value(data)

    def _known(self) -> set[str]:
        return {name for name, field in self.fields.items() if not field.read_only}


class OwnWorldSerializer(StrictSerializer):
    """
    An input that may name shop and environment, if it must: only the key's own.

    A till configured for the wrong shop is told so; it never acts on another one.
    """

    default_error_messages = {"not_yours": "This is not the key's own."}

    shop = StrictUUIDField(required=False, write_only=True)
    environment = StrictCharField(required=False, write_only=True)

    def validate_shop(self, value: uuid.UUID) -> uuid.UUID:
        if value != self.context["key"].shop_id:
            raise serializers.ValidationError(self.error_messages["not_yours"], code="not_yours")
        return value

    def validate_environment(self, value: str) -> str:
        if value != self.context["key"].environment:
            raise serializers.ValidationError(self.error_messages["not_yours"], code="not_yours")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        # Both are known from the key; whoever reads on needs neither.
        return {name: value for name, value in attrs.items() if name not in {"shop", "environment"}}


def _printable(name: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in name)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _plain(value: Any) -> Any:
    """Turn exact decimals into what JSON stores; whoever needs them exact sends text."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
