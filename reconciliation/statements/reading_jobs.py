"""
Reading an uploaded statement in the background: prove it, and count what it would do.

Nothing is written to the books. What was read is kept beside the file, without people in it, for
apply to take; a broken statement is refused with every fault and its line, and its file goes.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from reconciliation.choices import LineKind, StatementStatus
from reconciliation.models import StatementImport
from reconciliation.statements import opening, taking
from reconciliation.statements.judging import Judge, Judged
from reconciliation.statements.layout import Head, Layout, find_layout, missing_balances
from reconciliation.statements.lines import Line, Reader
from reconciliation.statements.packing import Packer
from reconciliation.statements.problems import (
    MOST_KEPT,
    ProblemCode,
    StatementRefused,
    problem,
)
from reconciliation.statements.proving import Proof

SLICE = 1000
_MOST_OF_A_KIND = 40
Clock = Callable[[], datetime]
Problem = dict[str, Any]


def read(statement: StatementImport, *, clock: Clock) -> None:
    """Read a statement that was taken to its end: it is READ or REFUSED then."""
    try:
        reading = _Reading(statement, clock=clock)
        reading.run()
        reading.finish()
    except StatementRefused as error:
        _refuse(statement, [error.found], clock=clock)


class _Reading:
    """One pass through a file."""

    def __init__(self, statement: StatementImport, *, clock: Clock) -> None:
        self._statement, self._clock = statement, clock
        self._faults: list[Problem] = []
        self._notes: list[Problem] = []
        self._counts: Counter[str] = Counter()
        self._seen: dict[str, int] = {}
        self._packer = Packer()
        layout = _layout_of(statement)
        self._head = layout.head
        self._judge = Judge(statement.config)
        self._proof = Proof(layout.head)
        self._lines = Reader(layout, self._complain).lines()

    def run(self) -> None:
        while lines := [self._take(line) for line in islice(self._lines, SLICE)]:
            for judged in self._judge.judge(lines):
                self._count(judged)
            read_so_far = self._counts["lines"]
            taking.hold(self._statement, now=self._clock(), lines_read=read_so_far)

    def finish(self) -> None:
        faults = [*self._faults, *self._proof.finish()]
        if not self._counts["lines"] and not faults:
            faults = [problem(ProblemCode.EMPTY)]
        facts = _facts(self._head, self._proof)
        counts = {**self._statement.counts, **self._counts}
        if faults:
            _refuse(self._statement, faults, clock=self._clock, counts=counts, **facts)
            return
        notes = sorted([*self._notes, *self._proof.notes()], key=_by_line)
        self._statement.read_lines = self._packer.packed()
        self._statement.save(update_fields=["read_lines"])
        taking.hold(
            self._statement,
            now=self._clock(),
            status=StatementStatus.READ,
            counts={**counts, "notes": len(notes)},
            problems=notes[:MOST_KEPT],
            lines_total=self._counts["lines"],
            read_at=self._clock(),
            **facts,
        )
        taking.release(self._statement)

    def _complain(self, found: Problem) -> None:
        self._faults.append(found)
        if found["code"] != ProblemCode.MIXED_DATES:
            self._proof.skip()

    def _take(self, line: Line) -> Line:
        """Take a line before the next one is read: a fault of that one stands behind it."""
        self._counts["lines"] += 1
        self._proof.take(line)
        self._packer.add(line)
        return line

    def _count(self, judged: Judged) -> None:
        line = judged.line
        if (first := self._seen.setdefault(judged.digest[:32], line.number)) != line.number:
            self._faults.append(problem(ProblemCode.DOUBLED, first, line=line.number))
        self._counts[f"kind_{line.kind}"] += 1
        for note in judged.notes:
            self._note(note)
        if judged.is_known:
            self._counts["known"] += 1
            return
        self._counts["new"] += 1
        self._counts[f"state_{judged.state}"] += 1

    def _note(self, note: Problem) -> None:
        """Keep the first notes of each kind; an old tariff must not drown a contradiction."""
        code = f"note_{note['code']}"
        self._counts[code] += 1
        if self._counts[code] <= _MOST_OF_A_KIND:
            self._notes.append(note)


def _layout_of(statement: StatementImport) -> Layout:
    """Find the columns, and refuse a statement of another account or without balances."""
    raw = zlib.decompress(statement.file.reveal_bytes())
    layout = find_layout(opening.sheets(raw))
    head, config = layout.head, statement.config
    if not head.shortcode:
        raise StatementRefused(ProblemCode.NO_SHORTCODE)
    if head.shortcode not in {config.shortcode, config.store_number}:
        raise StatementRefused(ProblemCode.OTHER_SHORTCODE, head.shortcode)
    if missing := missing_balances(head):
        raise StatementRefused(ProblemCode.NO_BALANCE, ", ".join(missing))
    return layout


def _facts(head: Head, proof: Proof) -> dict[str, Any]:
    return {
        "shortcode": head.shortcode,
        "account": head.account,
        "since": head.since or proof.since,
        "until": _until(head, proof),
        "opening_balance": head.opening,
        "closing_balance": head.closing,
        "paid_in": proof.paid_in,
        "withdrawn": proof.withdrawn,
    }


def _until(head: Head, proof: Proof) -> datetime | None:
    """Return till when the statement tells all: a period may end after the file was made."""
    told = min((at for at in (head.until, head.reported) if at), default=None)
    return max((at for at in (told, proof.until) if at), default=None)


def _refuse(
    statement: StatementImport, faults: list[Problem], *, clock: Clock, **facts: Any
) -> None:
    """Keep what is wrong, and nothing else."""
    counts = facts.pop("counts", statement.counts)
    found = sorted(faults, key=_by_line)
    taking.hold(
        statement,
        now=clock(),
        status=StatementStatus.REFUSED,
        problems=found[:MOST_KEPT],
        counts={**counts, "faults": len(found)},
        file="",
        read_at=clock(),
        **facts,
    )
    taking.release(statement)


def _by_line(found: Problem) -> int:
    return int(found["line"])


def sample_of(lines: Iterator[Line], *, most: int) -> list[Line]:
    """Choose lines to show: the first few, and the first ones of every kind."""
    chosen: list[Line] = []
    kinds: Counter[str] = Counter()
    for line in islice(lines, SLICE):
        kinds[line.kind] += 1
        if len(chosen) < most and (line.kind != LineKind.PAYMENT or kinds[line.kind] <= most // 2):
            chosen.append(line)
    return chosen
