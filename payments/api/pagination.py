"""Pages of every list: newest first, `?limit=` 1 to 200, `{"results","next","previous"}`."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rest_framework.pagination import Cursor
    from rest_framework.request import Request

HIGHEST_LIMIT = 200
DEFAULT_LIMIT = 50
# PostgreSQL takes no wider one.
_WIDEST_ZONE = timedelta(hours=16)
# What the framework writes: offset, reverse, position.
_CURSOR = re.compile(rb"(?=.)(?:o=[0-9]{1,4}&?)?(?:r=1&?)?(?:p=[^&=]+)?")
_NUMBER = re.compile(r"[0-9]{1,6}")


class NewestFirst(CursorPagination):
    """Cursor pages by the time of creation. Nothing is counted, so a million rows cost no more."""

    page_size = DEFAULT_LIMIT
    page_size_query_param = "limit"
    max_page_size = HIGHEST_LIMIT
    ordering = ("-created_at", "-id")

    def get_page_size(self, request: Request) -> int:
        return limit_of(request)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Refuse a cursor that was not ours, before the database has to."""
        given = request.query_params.get(self.cursor_query_param)
        if given is not None and not _is_cursor(given):
            raise _invalid_cursor()
        try:
            cursor = super().decode_cursor(request)
        except NotFound as error:
            raise _invalid_cursor() from error
        if cursor is not None and cursor.position is not None and not _is_time(cursor.position):
            raise _invalid_cursor()
        return cursor

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {"results": data, "next": self.get_next_link(), "previous": self.get_previous_link()}
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {
                "results": schema,
                "next": link,
                "previous": link,
            },
        }


def page_of_table(rows: Sequence[Any], request: Request) -> tuple[Sequence[Any], dict[str, Any]]:
    """Cut a page out of a table that ships with the code; the cursor is a row number."""
    limit = limit_of(request)
    given = request.query_params.get("cursor", "0")
    if not _NUMBER.fullmatch(given):
        raise _invalid_cursor()
    start = int(given)

    def link(to: int) -> str:
        return replace_query_param(request.build_absolute_uri(), "cursor", str(to))

    links = {
        "next": link(start + limit) if start + limit < len(rows) else None,
        "previous": link(max(0, start - limit)) if start > 0 else None,
    }
    return rows[start : start + limit], links


def limit_of(request: Request) -> int:
    """Read `?limit=`; more than may be had is an error, because fewer rows would look like all."""
    given = request.query_params.get("limit", str(DEFAULT_LIMIT))
    limit = int(given) if _NUMBER.fullmatch(given) else 0
    if not 1 <= limit <= HIGHEST_LIMIT:
        raise ValidationError({"limit": [f"Give 1 to {HIGHEST_LIMIT}."]}, code="out_of_range")
    return limit


def _is_cursor(given: str) -> bool:
    """Tell whether the text has the form of our links: what reads as "the first page" misleads."""
    try:
        return _CURSOR.fullmatch(b64decode(given, validate=True)) is not None
    except ValueError:
        return False


def _is_time(position: str) -> bool:
    try:
        time = parse_datetime(position)
        offset = time and time.utcoffset()
        return offset is not None and abs(offset) < _WIDEST_ZONE and bool(time.astimezone(UTC))
    except (ValueError, OverflowError):
        return False


def _invalid_cursor() -> ValidationError:
    return ValidationError({"cursor": ["This is no cursor of this list."]}, code="invalid")
