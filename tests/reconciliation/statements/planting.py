"""Defects planted in a statement, and what must be found of them: each where it is, and no other."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from payments.models import PaymentConfig
from reconciliation.models import ConfigBearer, StatementImport, StatementLine, Tariff
from tests.reconciliation import statement_maker as maker
from tests.reconciliation.statement_maker import Book, Entry
from tests.reconciliation.statements.desk import in_books, payments_in

_CHARGE = Decimal("1.50")
_BACK = 3


@dataclass
class Planted:
    """A statement that is whole, the payments it differs about from our books, and its notes."""

    book: Book
    lost: list[Entry]
    altered: list[Entry]
    shifted: list[Entry]
    reversed: list[Entry]
    foreign: list[Entry]
    overcharged: list[Entry]
    doubled: list[Entry]
    late: list[Entry]

    def notes(self) -> list[tuple[int, str]]:
        """Return the line and code of every note that must be made, in the order of the file."""
        rows = list(enumerate(self.book.rows(), maker.first_line()))
        by_receipt: dict[str, list[int]] = {}
        charges: dict[str, int] = {}
        for number, row in rows:
            if "Charge" in row["Reason Type"]:
                charges[row["Receipt No."]] = number
            elif row["Paid In"]:
                by_receipt.setdefault(row["Receipt No."], []).append(number)
        wanted = [(by_receipt[each.receipt][0], "time_differs") for each in self.shifted]
        wanted += [(by_receipt[each.receipt][0], "foreign") for each in self.foreign]
        wanted += [(charges[each.receipt], "charge_differs") for each in self.overcharged]
        wanted += [(by_receipt[each.receipt][1], "contradicts") for each in self.doubled]
        wanted += [(by_receipt[each.receipt][0], "out_of_order") for each in self.late]
        return sorted(wanted)


def plant(
    config: PaymentConfig, theirs: PaymentConfig, *, count: int, each: int, newest_first: bool
) -> Planted:
    """Make a statement of count payments, and books that differ from it each times in each way."""
    made = maker.book(config.shortcode, count=count, newest_first=newest_first)
    among = payments_in(made)[10:-10]
    picked = random.Random(7).sample(among, 8 * each)  # noqa: S311 - the same every time
    parts = [picked[at : at + each] for at in range(0, 8 * each, each)]
    planted = Planted(made, *parts)
    _enter(planted, config, theirs)
    _plant_lines(planted)
    tariff = Tariff.objects.create(
        provider=config.provider, bearer="merchant", effective_from=date(2026, 1, 1)
    )
    tariff.bands.create(smallest=0, charge=_CHARGE)
    ConfigBearer.objects.create(
        config=config, shop=config.shop, bearer="merchant", effective_from=date(2026, 1, 1)
    )
    return planted


def _enter(planted: Planted, config: PaymentConfig, theirs: PaymentConfig) -> None:
    """Let our books know all but the lost, some otherwise, and another shop its own."""
    otherwise = {
        **{each.receipt: replace(each, change=each.change + 1) for each in planted.altered},
        **{
            each.receipt: replace(each, at=each.at + timedelta(hours=_BACK))
            for each in planted.shifted
        },
    }
    unknown = {each.receipt for each in (*planted.lost, *planted.foreign)}
    ours = [each for each in payments_in(planted.book) if each.receipt not in unknown]
    in_books(config, [otherwise.get(each.receipt, each) for each in ours])
    in_books(theirs, planted.foreign)


def _plant_lines(planted: Planted) -> None:
    """Change the entries themselves; the balances are made of them, so that they agree."""
    overcharged, doubled = numbers(planted.overcharged), numbers(planted.doubled)
    late = numbers(planted.late)
    entries: list[Entry] = []
    for entry in planted.book.entries:
        is_charge = entry.reason in maker.CHARGES.values()
        if is_charge and entry.receipt in overcharged:
            entry = replace(entry, change=entry.change - 1)  # noqa: PLW2901 - one entry of many
        entries.append(entry)
        if not is_charge and entry.receipt in doubled:
            entries.append(entry)
        if entry.receipt in late and not is_charge:
            # Its line tells a time of the past; our books do not know better.
            entries[-1] = replace(entry, at=entry.at - timedelta(minutes=5))
    last = max(entry.at for entry in entries)
    entries += [
        maker.reversal(entry, last + timedelta(seconds=at + 1), receipt=f"TKZ{at:07d}")
        for at, entry in enumerate(planted.reversed)
    ]
    planted.book.entries = entries


@dataclass
class Spoiler:
    """Spoils rows of a file, far from each other, and remembers which lines must be refused."""

    each: int
    faults: list[tuple[int, str]] = field(default_factory=list)

    def __call__(self, rows: list[dict[str, Any]]) -> None:
        """Spoil the rows of a file that runs from its newest line to its oldest."""
        kinds = [self._misdate, self._alter, self._lose, self._double, self._garble]
        step = len(rows) // (len(kinds) * self.each + 1)
        paid = [at for at, row in enumerate(rows) if row["Paid In"]]
        # From the end: what is put in or taken out moves no line that is still to be spoilt.
        for turn in reversed(range(len(kinds) * self.each)):
            at = next(each for each in paid if each >= (turn + 1) * step)
            kinds[turn % len(kinds)](rows, at)
        self.faults = sorted(
            (number, code)
            for number, row in enumerate(rows, maker.first_line())
            for code in row.get("faults", ())
        )

    def _misdate(self, rows: list[dict[str, Any]], at: int) -> None:
        rows[at] |= {"Completion Time": "31-11-2026 10:00:00", "faults": ["bad_date"]}

    def _garble(self, rows: list[dict[str, Any]], at: int) -> None:
        rows[at] |= {"Paid In": "1.500,00", "faults": ["bad_amount"]}

    def _alter(self, rows: list[dict[str, Any]], at: int) -> None:
        amount = maker.amount_in(rows[at], "Paid In")
        rows[at] |= {"Paid In": maker.money(amount + 1), "faults": ["broken_balance"]}

    def _lose(self, rows: list[dict[str, Any]], at: int) -> None:
        """The newer neighbour of a line that is not there is what does not follow."""
        rows[at - 1]["faults"] = ["broken_balance"]
        del rows[at]

    def _double(self, rows: list[dict[str, Any]], at: int) -> None:
        rows.insert(at + 1, rows[at] | {"faults": ["doubled"]})
        rows[at]["faults"] = ["broken_balance"]


def told(statement: StatementImport) -> list[tuple[int, str]]:
    """Return the line and code of every fault or note that was found."""
    return [(found["line"], found["code"]) for found in statement.problems]


def found_as(state: str) -> set[str]:
    """Return the receipts of payments whose line is in a state."""
    rows = StatementLine.objects.filter(kind="payment", state=state)
    return set(rows.values_list("receipt_number", flat=True))


def numbers(entries: Iterable[Entry]) -> set[str]:
    return {entry.receipt for entry in entries}
