"""
Cells of an export that a spreadsheet must not take for a formula.

A cell that begins with = + - @ or a tab, carriage return or line feed is run by Excel and its kin;
an apostrophe before it makes it text (OWASP, CSV Injection).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
# Excel takes the wide forms of East Asia for the same signs.
_WIDE_FORMS = ("＝", "＋", "－", "＠")  # noqa: RUF001 - these very signs


def safe_cell(value: Any) -> str:
    """Write a value as a cell that stays text."""
    if value is None:
        return ""
    is_plain = isinstance(value, dict | list)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True) if is_plain else str(value)
    text = text.replace("\x00", "")
    begins = text.lstrip(" ").startswith((*_BEGINS_A_FORMULA, *_WIDE_FORMS))
    return f"'{text}" if begins else text


def csv_lines(header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Write a CSV line by line, all cells quoted; the mark at its head tells Excel it is UTF-8."""
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_ALL)
    yield "\ufeff" + writer.writerow([safe_cell(cell) for cell in header])
    for row in rows:
        yield writer.writerow([safe_cell(cell) for cell in row])


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line
