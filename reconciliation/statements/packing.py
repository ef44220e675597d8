"""
The lines of a statement as they are kept between preview and apply: small, and without people.

What a person saw in the preview is what is applied, and the file is read once.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from reconciliation.statements.lines import Line

_CHUNK = 64 * 1024
_NAMES = tuple(each.name for each in fields(Line))
_MOMENTS = tuple(_NAMES.index(name) for name in ("completed_at", "initiated_at"))
_AMOUNTS = tuple(_NAMES.index(name) for name in ("paid_in", "withdrawn", "balance"))


class Packer:
    """Takes lines one by one; packed() ends it."""

    def __init__(self) -> None:
        self._engine = zlib.compressobj(1)
        self._parts: list[bytes] = []

    def add(self, line: Line) -> None:
        """Add the next line."""
        written = json.dumps([_written(getattr(line, name)) for name in _NAMES])
        self._parts.append(self._engine.compress(f"{written}\n".encode()))

    def packed(self) -> bytes:
        """Return all that was added."""
        return b"".join([*self._parts, self._engine.flush()])


def unpack(packed: bytes) -> Iterator[Line]:
    """Return the lines in their order, a few at a time in memory."""
    engine, rest = zlib.decompressobj(), b""
    for start in range(0, len(packed), _CHUNK):
        rest += engine.decompress(packed[start : start + _CHUNK])
        *whole, rest = rest.split(b"\n")
        yield from map(_line, whole)


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return int(value.timestamp())
    return str(value) if isinstance(value, Decimal) else value


def _line(written: bytes) -> Line:
    values = json.loads(written)
    for at in _MOMENTS:
        values[at] = None if values[at] is None else datetime.fromtimestamp(values[at], UTC)
    for at in _AMOUNTS:
        values[at] = Decimal(values[at])
    return Line(*values)
