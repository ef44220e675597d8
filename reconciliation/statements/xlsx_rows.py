"""
The rows of an .xlsx sheet, as openpyxl parses them, without what it adds for writing them again.

Its own rows build an object tree for every text that stands in its cell and not in the table of
shared texts, as Java's exporters write them: half of the time it takes to read a statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openpyxl.worksheet._reader import INLINE_STRING, WorkSheetParser
from openpyxl.xml.constants import SHEET_MAIN_NS

_TEXT = f"{{{SHEET_MAIN_NS}}}t"
_PHONETIC = f"{{{SHEET_MAIN_NS}}}rPh"


def rows_of(book: Any, sheet: Any, *, most_cells: int) -> Iterator[tuple[int, list[Any]]]:
    """Return rows with their numbers; cells beyond most_cells are left out."""
    # There is no public way to the parser; the versions are locked, and tests read all formats.
    with sheet._get_source() as source:  # noqa: SLF001
        parser = _Parser(
            source,
            sheet._shared_strings,  # noqa: SLF001
            epoch=book.epoch,
            date_formats=book._date_formats,  # noqa: SLF001
            timedelta_formats=book._timedelta_formats,  # noqa: SLF001
        )
        for number, found in parser.parse():
            cells: list[Any] = []
            for cell in found:
                place = cell["column"] - 1
                if place >= most_cells:
                    continue
                cells.extend([None] * (place + 1 - len(cells)))
                cells[place] = cell["value"]
            yield number, cells


class _Parser(WorkSheetParser):
    """Reads a text in its cell by its runs alone."""

    def parse_cell(self, element: Any) -> dict[str, Any]:
        found: dict[str, Any]
        inline = element.find(INLINE_STRING) if element.get("t") == "inlineStr" else None
        if inline is None:
            found = super().parse_cell(element)
            return found
        element.attrib.pop("t")
        found = super().parse_cell(element)
        found["value"] = "".join(_texts(inline)) if found["value"] is None else found["value"]
        return found


def _texts(inline: Any) -> Iterator[str]:
    """Return the texts of an inline cell, without how they are pronounced."""
    for child in inline:
        if child.tag == _TEXT:
            yield child.text or ""
        elif child.tag != _PHONETIC:
            yield from (text.text or "" for text in child.iter(_TEXT))
