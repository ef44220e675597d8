"""
Where things stand on a statement: columns by their names, facts above them by theirs.

Two layouts are known, the organisation portal's of today and its older CSV. Columns may come in
any order and others may be among them; what the proof and the books need must be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from reconciliation.statements import cells
from reconciliation.statements.opening import Row, Sheet
from reconciliation.statements.problems import ProblemCode, StatementRefused

# By what is left of a name without spaces, points and strokes, in small letters.
_COLUMNS = {
    "receiptno": "receipt_number",
    "receipt": "receipt_number",
    "receiptnumber": "receipt_number",
    "mpesareceiptno": "receipt_number",
    "mpesareceiptnumber": "receipt_number",
    "completiontime": "completed_at",
    "date": "completed_at",
    "initiationtime": "initiated_at",
    "details": "details",
    "transactionstatus": "transaction_status",
    "status": "transaction_status",
    "paidin": "paid_in",
    "withdrawn": "withdrawn",
    "balance": "balance",
    "reasontype": "reason_type",
    "transactiontype": "reason_type",
    "otherpartyinfo": "other_party",
    "transactionpartydetails": "party_details",
    "linkedtransactionid": "linked",
    "acno": "account_reference",
    "accountno": "account_reference",
}
# Of two columns that could be meant, the one the layout of today names so is.
_SURE = frozenset(
    {"receiptno", "completiontime", "transactionstatus", "reasontype", "otherpartyinfo", "acno"}
)
# As the layout of today calls what must be there.
_REQUIRED = {
    "completed_at": "Completion Time",
    "transaction_status": "Transaction Status",
    "paid_in": "Paid In",
    "withdrawn": "Withdrawn",
    "balance": "Balance",
    "reason_type": "Reason Type",
}
_FACTS = {
    "shortcode": "shortcode",
    "account": "account",
    "timeperiod": "period",
    "openingbalance": "opening",
    "closingbalance": "closing",
    "totalpaidin": "paid_in",
    "totalwithdrawn": "withdrawn",
    "from": "since",
    "to": "until",
    "dateofreport": "reported",
}
_AMOUNTS = {
    "opening": "Opening Balance",
    "closing": "Closing Balance",
    "paid_in": "Total Paid In",
    "withdrawn": "Total Withdrawn",
}
# What stands after a label that has no value.
_LABELS = frozenset({*_FACTS, "accountholder", "operator", "availablebalance"})
_HEAD_ROWS = 60
# Fewer of our names beside a receipt's is a line of text, not the columns.
_FEWEST_NAMES = 4
_NO_LETTER = re.compile(r"[^0-9a-z]")
_UNIT = re.compile(r"\s*\((?:kes|ksh|kshs|eat)\.?\)\s*$", re.IGNORECASE)
_FROM_TO = re.compile(r"^\s*(from|to)\b[\s:]*(.*)$", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{4,12}", re.ASCII)


@dataclass
class Head:
    """What stands above the columns; times are aware, amounts exact, None where not told."""

    shortcode: str = ""
    account: str = ""
    since: datetime | None = None
    until: datetime | None = None
    reported: datetime | None = None
    opening: Decimal | None = None
    closing: Decimal | None = None
    paid_in: Decimal | None = None
    withdrawn: Decimal | None = None
    line: int = 0


@dataclass
class Layout:
    """A sheet whose columns were found: place of each field, and the rows below."""

    head: Head
    places: dict[str, int]
    rows: Iterator[Row]
    epoch: datetime
    named: dict[str, str] = field(default_factory=dict)


def find_layout(sheets: Iterator[Sheet]) -> Layout:
    """
    Find the columns, on whatever sheet they are.

    :raises StatementRefused: when no line names them, or one that must be there is missing.
    """
    for sheet in sheets:
        above: list[Row] = []
        for number, row in sheet.rows:
            if number > _HEAD_ROWS:
                break
            if places := _places(row, line=number):
                head = _head(above, epoch=sheet.epoch)
                head.line = number
                return Layout(head, places, sheet.rows, sheet.epoch)
            above.append((number, row))
    raise StatementRefused(ProblemCode.NO_HEADER)


def _plain(value: Any) -> str:
    return _NO_LETTER.sub("", value.casefold()) if isinstance(value, str) else ""


def _places(row: list[Any], *, line: int) -> dict[str, int]:
    """Return where each field stands if the row names columns, else nothing."""
    plain = [_UNIT.sub("", cell) if isinstance(cell, str) else "" for cell in row]
    named = [(place, _COLUMNS.get(_plain(cell), "")) for place, cell in enumerate(plain)]
    fields = [field for _place, field in named if field]
    if "receipt_number" not in fields or len(set(fields)) < _FEWEST_NAMES:
        return {}
    sure = {name for place, name in named if _plain(plain[place]) in _SURE}
    named = [
        (place, "" if name in sure and _plain(plain[place]) not in _SURE else name)
        for place, name in named
    ]
    fields = [field for _place, field in named if field]
    for place, name in named:
        if name and fields.count(name) > 1:
            raise StatementRefused(ProblemCode.COLUMN_TWICE, cells.text(row[place]), line=line)
    missing = [shown for name, shown in _REQUIRED.items() if name not in fields]
    if missing:
        raise StatementRefused(ProblemCode.NO_COLUMN, ", ".join(missing), line=line)
    return {name: place for place, name in named if name}


def _head(above: list[Row], *, epoch: datetime) -> Head:
    """Read the labels above the columns; a value stands after its colon or in the next cell."""
    head = Head()
    for number, row in above:
        filled = [cell for cell in row if cell not in {None, ""}]
        for place, cell in enumerate(filled):
            follower = filled[place + 1] if place + 1 < len(filled) else None
            if _plain(follower) in _LABELS:
                follower = None
            name, value = _fact(cell, follower)
            if name and value not in {None, ""}:
                _take(head, name, value, epoch=epoch, line=number)
    return head


def _fact(cell: Any, follower: Any) -> tuple[str, Any]:
    if not isinstance(cell, str):
        return "", None
    if match := _FROM_TO.match(cell):
        return _FACTS[match[1].lower()], match[2] or follower
    label, colon, rest = cell.partition(":")
    name = _FACTS.get(_plain(label), "")
    return name, rest.strip() if colon and rest.strip() else follower


def _take(head: Head, name: str, value: Any, *, epoch: datetime, line: int) -> None:
    if name == "period":
        # "From … To …" in one cell, or in cells of their own, which are read by themselves.
        parts = re.split(r"\bto\b", str(value), flags=re.IGNORECASE)
        for part, name_ in zip(parts, ("since", "until"), strict=False):
            if (match := _FROM_TO.match(part)) or name_ == "until":
                _take(head, name_, match[2] if match else part, epoch=epoch, line=line)
        return
    if name == "shortcode":
        found = _NUMBER.search(cells.text(value))
        head.shortcode = head.shortcode or (found[0] if found else "")
    elif name == "account":
        head.account = head.account or cells.text(value, 100)
    else:
        _take_exact(head, name, value, epoch=epoch, line=line)


def _take_exact(head: Head, name: str, value: Any, *, epoch: datetime, line: int) -> None:
    try:
        if name in _AMOUNTS:
            setattr(head, name, cells.amount(value))
        else:
            written = value.strip(" -") if isinstance(value, str) else value
            setattr(head, name, cells.moment(written, epoch=epoch))
    except ValueError as error:
        if name == "reported":
            # Good to know, and proves nothing.
            return
        shown = _AMOUNTS.get(name, "Time Period")
        raise StatementRefused(ProblemCode.BAD_HEAD, shown, line=line) from error


def names_columns(cells_: dict[str, Any]) -> bool:
    """Tell whether a line names the columns again, as on the top of every printed page."""
    return all(_COLUMNS.get(_plain(cell)) == name for name, cell in cells_.items())


def missing_balances(head: Head) -> list[str]:
    """Name the balances without which nothing can be proved."""
    return [_AMOUNTS[name] for name in ("opening", "closing") if getattr(head, name) is None]
