"""
From the bytes of an upload to rows of cells, in bounded memory.

What a file is, its first bytes tell, never its name. A ZIP is measured before anything in it is
read; a spreadsheet is then read row by row. Formulas are not run and links are not followed.
"""

from __future__ import annotations

import codecs
import csv
import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import openpyxl
import xlrd
from openpyxl.utils.exceptions import InvalidFileException
from xlrd.compdoc import CompDocError

from reconciliation.statements.problems import ProblemCode, StatementRefused
from reconciliation.statements.xlsx_rows import rows_of

ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
MOST_ROWS = 200_000
_MOST_CELLS = 32
_MOST_PARTS = 300
_MOST_UNPACKED = 300 * 1024 * 1024
_MOST_RATIO = 120
_RATIO_COUNTS_FROM = 5 * 1024 * 1024
_CHUNK = 256 * 1024
_SNIFFED = 4096
_PLAIN_LETTERS = 0.6
_HEAD_LINES = 60
# Signs of a document type, with which XML can be made to swell or to read other files.
_DTD = (b"<!DOCTYPE", b"<!ENTITY")
# The name of the stream an encrypted workbook is kept in.
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
# What these libraries raise over a broken file is not documented: anything a reader may meet.
_BROKEN = (
    xlrd.XLRDError,
    CompDocError,
    InvalidFileException,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    SyntaxError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet's days have no zone

# Signs that are in no text: the file is something else.
_NO_TEXT = tuple(chr(code) for code in (*range(9), *range(14, 28)))

Row = tuple[int, list[Any]]


@dataclass(frozen=True)
class Sheet:
    """Rows with their numbers, from 1; epoch is what day numbers count from."""

    rows: Iterator[Row]
    epoch: datetime = _EPOCH


def inspect(raw: bytes, *, max_bytes: int) -> None:
    """
    Look at an upload from outside.

    :raises StatementRefused: when it is nothing that should be opened.
    """
    if len(raw) > max_bytes:
        raise StatementRefused(ProblemCode.TOO_LARGE, max_bytes // 1024**2)
    if not raw[:_SNIFFED].strip() and not raw.strip():
        raise StatementRefused(ProblemCode.EMPTY)
    if raw.startswith(ZIP):
        _measure(raw)
    elif raw.startswith(OLE):
        if _ENCRYPTED in raw:
            raise StatementRefused(ProblemCode.LOCKED)
    else:
        _encoding_of(raw)


def sheets(raw: bytes) -> Iterator[Sheet]:
    """
    Open an upload that was inspected, sheet by sheet; a CSV is one sheet.

    :raises StatementRefused: while rows are read.
    """
    if raw.startswith(ZIP):
        return _guarded_sheets(_xlsx(raw))
    if raw.startswith(OLE):
        return _guarded_sheets(_xls(raw))
    return iter([Sheet(_counted(_csv(raw)))])


def _guarded_sheets(found: Iterator[Sheet]) -> Iterator[Sheet]:
    try:
        for sheet in found:
            yield Sheet(_counted(_guarded(sheet.rows)), sheet.epoch)
    except _BROKEN as error:
        raise StatementRefused(_cause_of(error)) from error


def _guarded(rows: Iterator[Row]) -> Iterator[Row]:
    number = 0
    try:
        for number, cells in rows:
            yield number, cells
    except _BROKEN as error:
        raise StatementRefused(_cause_of(error), line=number) from error


def _cause_of(error: Exception) -> ProblemCode:
    return ProblemCode.LOCKED if "encrypted" in str(error).lower() else ProblemCode.DAMAGED


def _counted(rows: Iterator[Row]) -> Iterator[Row]:
    """Leave out empty rows, and refuse more rows than a statement can have."""
    for number, cells in rows:
        if number > MOST_ROWS:
            raise StatementRefused(ProblemCode.TOO_LONG, f"{MOST_ROWS:,}", line=number)
        if any(cell is not None and str(cell).strip() for cell in cells):
            yield number, cells


def _measure(raw: bytes) -> None:
    """Look at a ZIP from outside, then through it once, a small piece at a time."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            parts = archive.infolist()
            _refuse_swelling(parts)
            if not any(part.filename.startswith("xl/") for part in parts):
                raise StatementRefused(ProblemCode.NOT_A_SHEET)
            if any(part.flag_bits & 1 for part in parts):
                raise StatementRefused(ProblemCode.LOCKED)
            for part in parts:
                _look_through(archive, part)
    except _BROKEN as error:
        raise StatementRefused(ProblemCode.DAMAGED) from error


def _refuse_swelling(parts: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(part.file_size for part in parts)
    packed = max(1, sum(part.compress_size for part in parts))
    swells = unpacked > _RATIO_COUNTS_FROM and unpacked > _MOST_RATIO * packed
    if len(parts) > _MOST_PARTS or unpacked > _MOST_UNPACKED or swells:
        raise StatementRefused(ProblemCode.SWELLS)


def _look_through(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Unpack a part and forget it: its checksum is proved, and it declares no document type."""
    before = b""
    with archive.open(part) as stream:
        while piece := stream.read(_CHUNK):
            seen = (before + piece).replace(b"\x00", b"")
            if any(sign in seen for sign in _DTD):
                raise StatementRefused(ProblemCode.DAMAGED)
            before = piece[-32:]


def _xlsx(raw: bytes) -> Iterator[Sheet]:
    with warnings.catch_warnings():
        # About styles and validations, which we do not read.
        warnings.simplefilter("ignore")
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, keep_links=False)
    for sheet in book.worksheets:
        yield Sheet(rows_of(book, sheet, most_cells=_MOST_CELLS), book.epoch)


def _xls(raw: bytes) -> Iterator[Sheet]:
    book = xlrd.open_workbook(
        file_contents=raw, on_demand=True, ragged_rows=True, logfile=io.StringIO()
    )
    for index in range(book.nsheets):
        sheet = book.sheet_by_index(index)
        yield Sheet(
            (number + 1, [_xls_cell(cell, book.datemode) for cell in sheet.row(number)])
            for number in range(sheet.nrows)
        )
        book.unload_sheet(index)


def _xls_cell(cell: Any, datemode: int) -> Any:
    if cell.ctype == xlrd.XL_CELL_DATE:
        return xlrd.xldate_as_datetime(cell.value, datemode)
    return cell.value


def _csv(raw: bytes) -> Iterator[Row]:
    encoding = _encoding_of(raw)
    separator = _separator_of(raw, encoding)
    stream = io.TextIOWrapper(io.BytesIO(raw), encoding=encoding, newline="")
    reader = csv.reader(stream, delimiter=separator, strict=True)
    before = 0
    try:
        for cells in reader:
            yield before + 1, cells
            before = reader.line_num
    except csv.Error as error:
        raise StatementRefused(ProblemCode.BAD_QUOTE, line=before + 1) from error


def _encoding_of(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _proved(raw, "utf-16")
    head = raw[:_SNIFFED]
    for encoding, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        # Text without a mark at its head: every second byte of plain letters is empty.
        if head[first::2].count(0) > len(head) * _PLAIN_LETTERS / 2:
            return _proved(raw, encoding)
    try:
        return _proved(raw, "utf-8-sig")
    except StatementRefused:
        return _proved(raw, "cp1252")


def _proved(raw: bytes, encoding: str) -> str:
    """Return the encoding if the whole file is text in it, without the signs no text has."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for start in range(0, len(raw), _CHUNK):
            is_last = start + _CHUNK >= len(raw)
            piece = decoder.decode(raw[start : start + _CHUNK], is_last)
            if any(sign in piece for sign in _NO_TEXT):
                raise StatementRefused(ProblemCode.NOT_A_SHEET)
    except UnicodeDecodeError as error:
        raise StatementRefused(ProblemCode.NOT_A_SHEET) from error
    return encoding


def _separator_of(raw: bytes, encoding: str) -> str:
    """Take the separator of the line that has most of one: the one that names the columns."""
    stream = io.TextIOWrapper(io.BytesIO(raw), encoding=encoding, newline="")
    lines = [stream.readline(_SNIFFED) for _number in range(_HEAD_LINES)]
    counts = {sign: max(line.count(sign) for line in lines) for sign in (",", ";", "\t")}
    return max(counts, key=lambda sign: counts[sign])
