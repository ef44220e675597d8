"""
Statements of the organisation portal, as consistent as Safaricom's, and with defects on demand.

A Book is a list of entries in the order of time. What is planted changes it, or what is written of
it, so that exactly one thing is wrong; a maker writes it as xlsx, xls or csv.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import xlwt

NAIROBI = ZoneInfo("Africa/Nairobi")
START = datetime(2026, 11, 2, 8, 0, 0, tzinfo=NAIROBI)
COLUMNS = (
    "Receipt No.",
    "Completion Time",
    "Initiation Time",
    "Details",
    "Transaction Status",
    "Paid In",
    "Withdrawn",
    "Balance",
    "Balance Confirmed",
    "Reason Type",
    "Other Party Info",
    "Linked Transaction ID",
    "A/C No.",
)
OLD_COLUMNS = (
    "Receipt",
    "Date",
    "Details",
    "Status",
    "Withdrawn",
    "Paid In",
    "Balance",
    "Balance Confirmed",
    "Transaction Type",
    "Other Party Info",
    "Transaction Party Details",
)
PAYBILL, TILL = "Pay Bill Online", "Customer Merchant Payment"
CHARGES = {PAYBILL: "Pay Bill Charge", TILL: "Pay merchant Charge"}
REVERSAL, SETTLEMENT = "Transaction Reversal", "Utility Account to Organization Settlement Account"


@dataclass(frozen=True)
class Entry:
    """One movement; change is what it adds to the balance."""

    receipt: str
    at: datetime
    change: Decimal
    reason: str = PAYBILL
    account: str = ""
    msisdn: str = "254712345678"
    name: str = "JABALI WAKESHO"
    linked: str = ""
    status: str = "Completed"
    details: str = ""
    # What is written instead, where the file lies.
    cells: dict[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        about = f" Acc. {self.account}" if self.account else ""
        return self.details or f"{self.reason} from {self.msisdn} - {self.name}{about}"


@dataclass
class Book:
    """A statement before it is a file; newest_first is how the portal writes it."""

    shortcode: str
    entries: list[Entry]
    opening: Decimal = Decimal("1000.00")
    newest_first: bool = True
    head: dict[str, Any] = field(default_factory=dict)
    # Rows after the balances are made, in the order of the file; they may lie.
    spoil: list[Callable[[list[dict[str, Any]]], None]] = field(default_factory=list)

    @property
    def closing(self) -> Decimal:
        return self.opening + sum((entry.change for entry in self.entries), Decimal(0))

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the file, as cells by column."""
        balance, rows = self.opening, []
        for entry in self.entries:
            balance += entry.change if entry.status == "Completed" else Decimal(0)
            rows.append(_cells(entry, balance))
        if self.newest_first:
            rows.reverse()
        for change in self.spoil:
            change(rows)
        return rows

    def facts(self) -> list[list[Any]]:
        """Return the rows above the columns."""
        moved = [entry.change for entry in self.entries if entry.status == "Completed"]
        paid_in = sum((each for each in moved if each > 0), Decimal(0))
        withdrawn = -sum((each for each in moved if each < 0), Decimal(0))
        times = [entry.at for entry in self.entries] or [START]
        told = {
            "shortcode": self.shortcode,
            "since": written(min(times))[:10] + " 00:00:00",
            "until": written(max(times))[:10] + " 23:59:59",
            "reported": written(max(times) + timedelta(days=1)),
            "opening": money(self.opening),
            "closing": money(self.opening + paid_in - withdrawn),
            "paid_in": money(paid_in),
            "withdrawn": money(withdrawn),
        } | self.head
        return [
            ["Account Holder", "DUKA LTD"],
            ["Short Code", told["shortcode"]],
            ["Account", "Utility Account"],
            ["Time Period", "", f"From {told['since']}", "", f"To {told['until']}"],
            ["Operator", "jane", "", "", f"Date of Report: {told['reported']}"],
            [
                *("Opening Balance:", told["opening"], "Closing Balance:", told["closing"]),
                *("Available Balance:", told["closing"], "Total Paid In:", told["paid_in"]),
                *("Total Withdrawn:", told["withdrawn"]),
            ],
        ]


def book(
    shortcode: str = "600100",
    *,
    count: int = 12,
    reason: str = PAYBILL,
    seed: int = 0,
    prefix: str = "",
    with_charges: bool = True,
    **more: Any,
) -> Book:
    """Make a statement of count payments with their charges, a settlement in the middle."""
    entries: list[Entry] = []
    for number in range(count):
        at = START + timedelta(seconds=37 * number + seed * 7)
        receipt = f"{prefix}{number:07d}" if prefix else receipt_of(number, seed=seed)
        amount = Decimal(50 + (number * 37) % 900)
        entries.append(payment(receipt, at, amount, reason=reason, number=number))
        if with_charges:
            entries.append(charge(entries[-1], Decimal("1.50")))
        if number == count // 2:
            entries.append(settlement(at + timedelta(seconds=9), Decimal(200), seed=seed))
    return Book(shortcode, entries, **more)


def receipt_of(number: int, *, seed: int = 0) -> str:
    return f"TK{'ABCDEFGHJK'[seed % 10]}{number:07d}"


def payment(
    receipt: str, at: datetime, amount: Decimal, *, reason: str = PAYBILL, number: int = 0
) -> Entry:
    msisdn = f"2547{(number * 7919) % 10**8:08d}"
    account = f"INV{number}" if reason == PAYBILL else ""
    return Entry(receipt, at, amount, reason, account, msisdn)


def charge(of: Entry, amount: Decimal) -> Entry:
    """Make the charge of a payment: the same receipt, the same second."""
    return replace(
        of, change=-amount, reason=CHARGES.get(of.reason, "Charge"), account="", cells={}
    )


def settlement(at: datetime, amount: Decimal, *, seed: int = 0) -> Entry:
    name = f"SET{seed:03d}{at:%M%S}"
    return Entry(name, at, -amount, SETTLEMENT, details="Settlement to bank", name="", msisdn="")


def reversal(of: Entry, at: datetime, *, receipt: str = "TKZ9999999", linked: bool = True) -> Entry:
    """Make the line that takes a payment back."""
    return Entry(
        receipt,
        at,
        -of.change,
        REVERSAL,
        details=f"Reversal of {of.receipt} to {of.msisdn} - {of.name}",
        linked=of.receipt if linked else "",
        msisdn=of.msisdn,
    )


def money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def amount_in(row: dict[str, Any], column: str) -> Decimal:
    return Decimal(row[column].replace(",", ""))


def written(at: datetime) -> str:
    return f"{at.astimezone(NAIROBI):%d-%m-%Y %H:%M:%S}"


def xlsx(made: Book, *, columns: tuple[str, ...] = COLUMNS, sheet: str = "Statement") -> bytes:
    file = openpyxl.Workbook(write_only=True)
    page = file.create_sheet(sheet)
    for row in _table(made, columns):
        page.append(row)
    out = io.BytesIO()
    file.save(out)
    return out.getvalue()


def xls(made: Book, *, columns: tuple[str, ...] = COLUMNS) -> bytes:
    file = xlwt.Workbook()
    page = file.add_sheet("Statement")
    style = xlwt.easyxf(num_format_str="DD-MM-YYYY HH:MM:SS")
    for y, row in enumerate(_table(made, columns)):
        for x, cell in enumerate(row):
            page.write(y, x, cell, style) if isinstance(cell, datetime) else page.write(y, x, cell)
    out = io.BytesIO()
    file.save(out)
    return out.getvalue()


def text(
    made: Book,
    *,
    columns: tuple[str, ...] = COLUMNS,
    separator: str = ",",
    encoding: str = "utf-8",
) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    writer.writerows(_table(made, columns))
    return out.getvalue().encode(encoding)


FORMATS: dict[str, Callable[[Book], bytes]] = {
    "xlsx": xlsx,
    "xls": xls,
    "csv": text,
    "csv, semicolons": lambda made: text(made, separator=";"),
    "csv, tabs": lambda made: text(made, separator="\t"),
    "csv, marked UTF-8": lambda made: text(made, encoding="utf-8-sig"),
    "csv, UTF-16": lambda made: text(made, encoding="utf-16"),
    "csv, unmarked UTF-16": lambda made: text(made, encoding="utf-16-le"),
    "csv, Windows": lambda made: text(made, encoding="cp1252"),
    "csv, older layout": lambda made: text(made, columns=OLD_COLUMNS),
}


def _table(made: Book, columns: tuple[str, ...]) -> Iterator[list[Any]]:
    yield from made.facts()
    yield list(columns)
    for row in made.rows():
        yield [row.get(_OLD_NAMES.get(name, name), "") for name in columns]


def _cells(entry: Entry, balance: Decimal) -> dict[str, Any]:
    completed = entry.status == "Completed"
    paid_in = money(entry.change) if entry.change > 0 and completed else ""
    # The portal writes what went out with a minus.
    withdrawn = money(entry.change) if entry.change < 0 and completed else ""
    party = f"{entry.msisdn} - {entry.name}" if entry.msisdn else entry.name
    return {
        "Receipt No.": entry.receipt,
        "Completion Time": written(entry.at),
        "Initiation Time": written(entry.at - timedelta(seconds=2)),
        "Details": entry.words,
        "Transaction Status": entry.status,
        "Paid In": paid_in,
        "Withdrawn": withdrawn,
        "Balance": money(balance),
        "Balance Confirmed": "true",
        "Reason Type": entry.reason,
        "Other Party Info": party,
        "Linked Transaction ID": entry.linked,
        "A/C No.": entry.account,
    } | entry.cells


_OLD_NAMES = {
    "Receipt": "Receipt No.",
    "Date": "Completion Time",
    "Status": "Transaction Status",
    "Transaction Type": "Reason Type",
}


def first_line() -> int:
    """Return the number of the first line below the columns."""
    return 8
