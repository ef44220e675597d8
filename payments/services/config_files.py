"""
Payment configs as a file: which columns there are, how lines are read, how they are written.

A file never holds a secret: no column has one, and a column that looks like one is refused before
anything else is read, without repeating what stood in it. Every fault names its line and column.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from audit.cells import csv_lines, safe_cell
from payments import strictjson
from payments.models import PaymentConfig

MAX_BYTES = 256 * 1024
MAX_LINES = 500
MAX_CELL = 300

COLUMNS = (
    "name",
    "provider",
    "environment",
    "branch",
    "shortcode",
    "store_number",
    "account_number",
    "account_prefix",
    "priority",
    "min_amount",
    "max_amount",
    "daily_limit",
    "monthly_limit",
    "purposes",
    "has_api",
)
REQUIRED = ("name", "provider", "environment", "shortcode")
# Between the purposes in one cell: a comma would look like another column.
PURPOSES_APART = ";"
YES, NO = "yes", "no"
_SECRET_WORDS = ("key", "secret", "passkey", "password", "token", "credential", "initiator")


@dataclass(frozen=True)
class Fault:
    """What is wrong, and where: line 1 is the first line of the file."""

    line: int
    column: str
    detail: str


@dataclass
class Line:
    """One config of a file: its cells as text, by column."""

    number: int
    cells: dict[str, str] = field(default_factory=dict)


class UnreadableFile(Exception):
    """The file cannot be read at all, or its columns are not ours; faults say why."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("The file cannot be imported.")
        self.faults = faults


def read_lines(raw: bytes) -> list[Line]:
    """
    Read a CSV or JSON file; which of them it is, its first sign tells.

    :raises UnreadableFile: with every fault of the file as a whole.
    """
    if len(raw) > MAX_BYTES:
        raise _unreadable(f"The file is larger than {MAX_BYTES // 1024} KB.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable("The file is not UTF-8 text.") from error
    if not text.strip():
        raise _unreadable("The file is empty.")
    is_json = text.lstrip()[:1] in {"[", "{"}
    lines = _json_lines(raw, text) if is_json else _csv_lines(text)
    if not lines:
        raise _unreadable("The file has no configs.")
    if len(lines) > MAX_LINES:
        raise _unreadable(f"The file has more than {MAX_LINES} configs.")
    return lines


def write_csv(configs: Iterable[PaymentConfig]) -> Iterator[str]:
    """Write configs as CSV whose cells no spreadsheet runs."""
    return csv_lines(COLUMNS, ([_cell(config, name) for name in COLUMNS] for config in configs))


def write_json(configs: Iterable[PaymentConfig]) -> str:
    """Write configs as a JSON list, one config to a line."""
    rows = (
        json.dumps({name: _cell(config, name) for name in COLUMNS}, ensure_ascii=False)
        for config in configs
    )
    return "[\n" + ",\n".join(rows) + "\n]\n"


def text_problem(text: str) -> str:
    """Say what is wrong with a cell, or return ""."""
    if len(text) > MAX_CELL:
        return f"More than {MAX_CELL} characters."
    if any(unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} for sign in text):
        return "Control characters and line breaks are not text."
    return ""


def _csv_lines(text: str) -> list[Line]:
    first = text.partition("\n")[0]
    separator = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    before = 0
    try:
        for cells in reader:
            rows.append((before + 1, cells))
            before = reader.line_num
    except csv.Error as error:
        detail = "A quotation mark is not closed, or stands where none may."
        raise UnreadableFile([Fault(before + 1, "", detail)]) from error
    return _lines_below(rows)


def _lines_below(rows: list[tuple[int, list[str]]]) -> list[Line]:
    """Make lines of rows, the first of which names the columns."""
    header = [cell.strip().casefold() for cell in rows[0][1]] if rows else []
    faults = _column_faults(header, 1)
    full = [(number, cells) for number, cells in rows[1:] if any(map(str.strip, cells))]
    too_long = "The line has more cells than the first line."
    faults += [Fault(n, "", too_long) for n, cells in full if len(cells) > len(header)]
    if faults:
        raise UnreadableFile(faults)
    # A spreadsheet leaves out the empty cells at the end of a line.
    return [
        Line(n, dict(zip_longest(header, map(_plain, cells), fillvalue=""))) for n, cells in full
    ]


def _plain(cell: str) -> str:
    """Take off the apostrophe with which an export keeps a spreadsheet from running a cell."""
    bare = cell.strip()
    return bare[1:] if bare.startswith("'") and safe_cell(bare[1:]) == bare else bare


def _json_lines(raw: bytes, text: str) -> list[Line]:
    try:
        rows = strictjson.loads(raw, max_depth=3, max_bytes=MAX_BYTES)
    except strictjson.InvalidJSON as error:
        raise _unreadable(f"The file is not JSON we take: {error.reason}.") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _unreadable("Give a JSON list of objects.")
    numbered = list(zip(_line_numbers(text), rows, strict=True))
    faults = [fault for number, row in numbered for fault in _row_faults(row, number)]
    if faults:
        raise UnreadableFile(faults)
    return [
        Line(number, {name: _text_of(value) for name, value in row.items()})
        for number, row in numbered
    ]


def _row_faults(row: dict[str, Any], number: int) -> list[Fault]:
    detail = "Give text, a number, or for purposes a list of texts."
    wrong = [name for name in COLUMNS if not _is_cell(row.get(name), name)]
    return [
        *_column_faults(list(row), number),
        *(Fault(number, name, detail) for name in wrong),
    ]


def _is_cell(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "has_api"
    if isinstance(value, list):
        return name == "purposes" and all(isinstance(each, str) for each in value)
    return value is None or isinstance(value, str | int | Decimal)


def _line_numbers(text: str) -> Iterator[int]:
    """Tell on which line each object of a JSON list begins; the list was read before."""
    decoder, place = json.JSONDecoder(), text.index("[") + 1
    while True:
        while place < len(text) and (text[place].isspace() or text[place] == ","):
            place += 1
        if place >= len(text) or text[place] == "]":
            return
        yield text.count("\n", 0, place) + 1
        _value, place = decoder.raw_decode(text, place)


def _text_of(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, list):
        return PURPOSES_APART.join(str(each) for each in value)
    return str(value).strip()


def _column_faults(names: list[str], line: int) -> list[Fault]:
    """Find what is not a column of ours; of a secret, not even its value is looked at."""
    faults = [Fault(line, name, f"There must be a column {name}.") for name in _missing(names)]
    for name in names:
        if name not in COLUMNS:
            is_secret = any(word in name.casefold() for word in _SECRET_WORDS)
            detail = "Secrets are never imported." if is_secret else "There is no such column."
            faults.append(Fault(line, name[:40], detail))
    if len(set(names)) != len(names):
        faults.append(Fault(line, "", "A column is there twice."))
    return faults


def _missing(names: list[str]) -> list[str]:
    return [name for name in REQUIRED if name not in names]


def _cell(config: PaymentConfig, name: str) -> str:
    if name == "branch":
        return config.branch.code if config.branch else ""
    if name == "purposes":
        return PURPOSES_APART.join(config.purposes)
    if name == "has_api":
        return YES if config.has_api else NO
    value = getattr(config, name)
    return "" if value is None else str(value)


def _unreadable(detail: str) -> UnreadableFile:
    return UnreadableFile([Fault(1, "", detail)])
