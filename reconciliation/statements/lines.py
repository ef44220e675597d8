"""
From rows to lines: exact values, and of the payer only what may be kept.

Names become initials and numbers a mask and an index, in the details too, before anything leaves
this module. A line that cannot be read is a problem with its number, and the others are read on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from payments import msisdn as msisdns
from payments.errors import InvalidPhoneNumber
from payments.fields import blind_index
from payments.services.arrival_rows import initials_of
from reconciliation.choices import LineKind
from reconciliation.statements import cells
from reconciliation.statements.kinds import kind_of
from reconciliation.statements.layout import Layout, names_columns
from reconciliation.statements.problems import ProblemCode, problem

_RECEIPT = re.compile(r"[A-Z0-9]{6,32}", re.ASCII)
_RECEIPT_TODAY = re.compile(r"[A-Z0-9]{9,12}", re.ASCII)
_ZERO = Decimal("0.00")
# A number as people have them, whole or partly hidden; twelve or ten digits, or nine.
_PHONE = re.compile(r"(?<![0-9*])\+?(?:254|0)?[17][0-9]{8}(?![0-9*])", re.ASCII)
_MASKED = re.compile(r"(?:254|0)?[17][0-9]{0,3}\s?\*{2,}\s?[0-9]{2,4}", re.ASCII)
_MSISDN = re.compile(r"254[17][0-9]{8}", re.ASCII)
# "2547… - JABALI WAKESHO Acc. RENT": what stands between the stroke and the account is a name.
_NAME = re.compile(r"(?<=\*)([0-9]{2,4})\s*-\s*(.+?)(?=\s+Acc(?:ount)?\b|\s*$)", re.IGNORECASE)
_ACCOUNT = re.compile(r"\bAcc(?:ount)?\.?\s*(?:No\.?)?[\s:]*(\S.{0,39})$", re.IGNORECASE)
_DAY = timedelta(days=1)
_MOVED = frozenset({"completed", "complete", "success", "successful"})
Problem = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement; amounts are never negative, moments aware."""

    number: int
    receipt_number: str
    completed_at: datetime
    initiated_at: datetime | None
    details: str
    transaction_status: str
    paid_in: Decimal
    withdrawn: Decimal
    balance: Decimal
    reason_type: str
    kind: str
    account_reference: str
    payer_initials: str
    payer_masked: str
    payer_index: str
    linked: str

    @property
    def change(self) -> Decimal:
        return self.paid_in - self.withdrawn

    @property
    def is_completed(self) -> bool:
        """Tell whether the money moved; words of Safaricom's we do not know are no yes."""
        return self.transaction_status.casefold() in _MOVED

    @property
    def digest(self) -> str:
        """Name the line by its content: the same line of another file is the same."""
        amounts = (self.paid_in, self.withdrawn, self.balance)
        moment = int(self.completed_at.timestamp())
        said = "|".join(map(str, (self.receipt_number, moment, *amounts)))
        return hashlib.sha256(said.encode()).hexdigest()


class Reader:
    """Reads the rows of a layout; what is wrong with them is handed to complain."""

    def __init__(self, layout: Layout, complain: Callable[[Problem], None]) -> None:
        self._layout = layout
        self._complain = complain
        head = layout.head
        self._period = (head.since, head.until) if head.since and head.until else None
        self._within = self._period and (self._period[0] - _DAY, self._period[1] + _DAY)
        self._date_kinds: set[bool] = set()

    def lines(self) -> Iterator[Line]:
        """Read on to the end, leaving out what cannot be read."""
        for number, row in self._layout.rows:
            if self._is_no_line(row):
                continue
            try:
                yield self._line(number, row)
            except _Unreadable as error:
                self._complain(problem(error.code, error.value, line=number))

    def _is_no_line(self, row: list[Any]) -> bool:
        """
        Tell totals, words below the lines, and columns named again: nothing with a time of its own.

        Were it a line after all, the balances would not follow without it.
        """
        receipt, at = self._cell(row, "receipt_number"), self._cell(row, "completed_at")
        if not cells.text(at):
            return not _RECEIPT_TODAY.fullmatch(cells.text(receipt).upper())
        return names_columns({"receipt_number": receipt, "completed_at": at})

    def _line(self, number: int, row: list[Any]) -> Line:
        amounts = self._amounts(row)
        reason = self._text(row, "reason_type", 100)
        payer = payer_of(self._text(row, "other_party") or self._text(row, "party_details"))
        details = self._text(row, "details")
        reference = self._text(row, "account_reference", 40) or _reference_in(details)
        return Line(
            number=number,
            receipt_number=self._receipt(row),
            completed_at=self._completed_at(row, number),
            initiated_at=self._initiated_at(row),
            details=without_people(details, payer.name)[:300],
            transaction_status=self._text(row, "transaction_status", 40),
            paid_in=amounts[0],
            withdrawn=amounts[1],
            balance=amounts[2],
            reason_type=without_people(reason, payer.name)[:100],
            kind=kind_of(reason, paid_in=amounts[0], withdrawn=amounts[1]),
            account_reference=reference,
            payer_initials=initials_of(payer.name),
            payer_masked=payer.masked,
            payer_index=payer.index,
            linked=_receipt_or_none(self._text(row, "linked", 40)),
        )

    def _cell(self, row: list[Any], name: str) -> Any:
        place = self._layout.places.get(name)
        return row[place] if place is not None and place < len(row) else None

    def _text(self, row: list[Any], name: str, most: int = 300) -> str:
        return cells.text(self._cell(row, name), most)

    def _receipt(self, row: list[Any]) -> str:
        written = self._text(row, "receipt_number", 64)
        if found := _receipt_or_none(written):
            return found
        raise _Unreadable(ProblemCode.BAD_RECEIPT, written)

    def _amounts(self, row: list[Any]) -> tuple[Decimal, Decimal, Decimal]:
        """Return paid in, withdrawn and balance; money that went out may be written with a minus."""
        paid_in = self._amount(row, "paid_in") or _ZERO
        withdrawn = abs(self._amount(row, "withdrawn") or _ZERO)
        if paid_in and withdrawn:
            raise _Unreadable(ProblemCode.TWO_AMOUNTS)
        if paid_in < 0:
            paid_in, withdrawn = _ZERO, -paid_in
        balance = self._amount(row, "balance")
        if balance is None:
            raise _Unreadable(ProblemCode.BAD_AMOUNT)
        return paid_in, withdrawn, balance

    def _amount(self, row: list[Any], name: str) -> Decimal | None:
        cell = self._cell(row, name)
        try:
            return cells.amount(cell)
        except ValueError as error:
            raise _Unreadable(ProblemCode.BAD_AMOUNT, cells.text(cell, 60)) from error

    def _completed_at(self, row: list[Any], number: int) -> datetime:
        cell = self._cell(row, "completed_at")
        self._watch_kind(cell, number)
        found = self._moment(cell)
        if self._within and not self._within[0] <= found <= self._within[1]:
            raise _Unreadable(ProblemCode.OUTSIDE_PERIOD, f"{found:%d-%m-%Y %H:%M:%S}")
        return found

    def _initiated_at(self, row: list[Any]) -> datetime | None:
        cell = self._cell(row, "initiated_at")
        return None if cell in {None, ""} else self._moment(cell)

    def _moment(self, cell: Any) -> datetime:
        try:
            return cells.moment(cell, epoch=self._layout.epoch, within=self._within or None)
        except (ValueError, OverflowError) as error:
            raise _Unreadable(ProblemCode.BAD_DATE, cells.text(cell, 60)) from error

    def _watch_kind(self, cell: Any, number: int) -> None:
        """
        Complain once where dates are text on some lines and real dates on others.

        Excel in American turns 03-11-2026 around to the 11th of March, and leaves 13-11-2026 alone.
        """
        if len(self._date_kinds) == 1 and isinstance(cell, str) not in self._date_kinds:
            self._complain(problem(ProblemCode.MIXED_DATES, line=number))
        self._date_kinds.add(isinstance(cell, str))


class _Unreadable(Exception):
    """A line cannot be read."""

    def __init__(self, code: ProblemCode, value: str = "") -> None:
        super().__init__(code)
        self.code, self.value = code, value


@dataclass(frozen=True)
class Payer:
    """Whoever a line names; name stays in memory only."""

    name: str = ""
    masked: str = ""
    index: str = ""


def payer_of(written: str) -> Payer:
    """Read "254712345678 - JABALI WAKESHO", with the number whole, hidden in part, or missing."""
    number, stroke, name = written.partition(" - ")
    if not stroke:
        number, name = ("", written) if not any(map(str.isdigit, written)) else (written, "")
    masked, index = _number(number.strip())
    return Payer(name.strip(), masked, index)


@lru_cache(maxsize=4096)
def _number(written: str) -> tuple[str, str]:
    if _MASKED.fullmatch(written):
        return written.replace(" ", ""), ""
    if _MSISDN.fullmatch(written):
        return msisdns.mask(written), blind_index("phone", written)
    try:
        msisdn = msisdns.normalise(written)
    except InvalidPhoneNumber:
        return "", ""
    return msisdns.mask(msisdn), blind_index("phone", msisdn)


def without_people(text: str, name: str) -> str:
    """Take names and whole numbers out of a text."""
    hidden = _PHONE.sub(lambda found: _number(found[0].strip())[0] or "*****", text)
    initials = initials_of(name)
    # Not by a pattern: a new one for every line would take longer than all the rest.
    at = hidden.lower().find(name.lower()) if len(name) > 1 else -1
    while at >= 0:
        hidden = hidden[:at] + initials + hidden[at + len(name) :]
        at = hidden.lower().find(name.lower(), at + len(initials))
    return _NAME.sub(lambda found: f"{found[1]} - {initials_of(found[2])}", hidden)


def _reference_in(details: str) -> str:
    found = _ACCOUNT.search(details)
    return found[1].strip()[:40] if found else ""


def _receipt_or_none(written: str) -> str:
    capitals = written.upper()
    return capitals if _RECEIPT.fullmatch(capitals) else ""


def is_payment(line: Line) -> bool:
    """Tell whether the line is money a customer paid, and that arrived."""
    return line.kind == LineKind.PAYMENT and line.is_completed and line.paid_in > 0
