"""
The proof that a statement is whole: nothing is believed of a file whose numbers do not add up.

A statement runs from its first line to its last or the other way round; both are tried beside each
other and the times tell which it is. Lines of one second may stand in any order among themselves,
as long as there is one in which every balance follows from the one before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from reconciliation.statements.layout import Head
from reconciliation.statements.lines import Line
from reconciliation.statements.problems import MOST_KEPT, ProblemCode, problem

_ZERO = Decimal("0.00")
# More lines in one second than this are taken as they stand.
_MOST_TOGETHER = 60


@dataclass(frozen=True, slots=True)
class _Step:
    """What the proof needs of a line."""

    number: int
    moment: datetime
    change: Decimal
    balance: Decimal
    moves: bool


@dataclass
class _Chain:
    """
    The balances in one direction; at is what the next line must begin from, None before the first.

    Oldest first, a line leads from at to its balance. Newest first, its balance must be at, and it
    began from its balance less its own amount.
    """

    is_newest_first: bool
    at: Decimal | None
    breaks: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    last: _Step | None = None

    def take(self, steps: list[_Step]) -> None:
        if self.at is None:
            self.at = self._before(steps[0])
        at = self._through(steps)
        if at is None:
            at = self._in_any_order(steps)
        if at is None:
            at = self._broken(steps)
        self.at, self.last = at, steps[-1]

    def _through(self, steps: list[_Step]) -> Decimal | None:
        at: Decimal | None = self.at
        for step in steps:
            at = self._next(step, at)
            if at is None:
                return None
        return at

    def _in_any_order(self, steps: list[_Step]) -> Decimal | None:
        """Follow the balances through lines of one second, whichever stands first."""
        if not 1 < len(steps) <= _MOST_TOGETHER:
            return None
        left, at = list(steps), self.at
        while left:
            found = next((step for step in left if self._next(step, at) is not None), None)
            if found is None:
                return None
            at = self._after(found)
            left.remove(found)
        return at

    def _next(self, step: _Step, at: Decimal | None) -> Decimal | None:
        """Return where the line leads, None where it does not follow."""
        if at is None:
            return None
        if self.is_newest_first:
            if step.balance != at:
                return None
            return at - step.change if step.moves else at
        if step.moves and at + step.change == step.balance:
            return step.balance
        # What did not complete moves nothing.
        return at if not step.moves and step.balance == at else None

    def _after(self, step: _Step) -> Decimal:
        if self.is_newest_first and step.moves:
            return step.balance - step.change
        return step.balance

    def _before(self, step: _Step) -> Decimal:
        """Return what a line begins from, by its own word."""
        moves_back = not self.is_newest_first and step.moves
        return step.balance - step.change if moves_back else step.balance

    def _broken(self, steps: list[_Step]) -> Decimal:
        """Go through lines that do not follow; each is taken at its word for the next one."""
        at, last = self.at, self.last
        for step in steps:
            if self._next(step, at) is None:
                # The newer one of two lines is it that does not follow from the older.
                self.add_break(last if self.is_newest_first else step, step)
            at, last = self._after(step), step
        assert at is not None  # noqa: S101 - there was a line
        return at

    def add_break(self, step: _Step | None, beside: _Step) -> None:
        self.count += 1
        if len(self.breaks) >= MOST_KEPT:
            return
        if step is None:
            found = problem(ProblemCode.BROKEN_CLOSING, f"{beside.balance:,}", line=beside.number)
        else:
            found = problem(ProblemCode.BROKEN_BALANCE, f"{step.balance:,}", line=step.number)
        self.breaks.append(found)


class Proof:
    """Takes lines in the order of the file, and tells in the end what does not add up."""

    def __init__(self, head: Head) -> None:
        assert head.opening is not None  # noqa: S101 - the caller refused a file without
        assert head.closing is not None  # noqa: S101
        self._head = head
        self._opening, self._closing = head.opening, head.closing
        self._forwards = _Chain(is_newest_first=False, at=head.opening)
        self._backwards = _Chain(is_newest_first=True, at=head.closing)
        self._together: list[_Step] = []
        self.paid_in = self.withdrawn = _ZERO
        self._is_whole = True
        self._last: _Step | None = None
        self._before_last: _Step | None = None
        # By whether the time falls from one line to the next: how often, and the first lines.
        self._counts = {True: 0, False: 0}
        self._turns: dict[bool, list[int]] = {True: [], False: []}
        self.since: datetime | None = None
        self.until: datetime | None = None

    @property
    def is_newest_first(self) -> bool:
        """Tell which way the file runs: by its times, and where they are all one by its balances."""
        if self._counts[True] != self._counts[False]:
            return self._counts[True] > self._counts[False]
        return self._backwards.count < self._forwards.count

    def take(self, line: Line) -> None:
        """Take the next line."""
        step = _Step(line.number, line.completed_at, line.change, line.balance, line.is_completed)
        if line.is_completed:
            self.paid_in += line.paid_in
            self.withdrawn += line.withdrawn
        self._watch_time(step)
        if self._together and self._together[-1].moment != step.moment:
            self._flush()
        self._together.append(step)
        self._before_last, self._last = self._last, step

    def skip(self) -> None:
        """Pass over a line that could not be read: what follows it is believed to follow."""
        self._flush()
        self._is_whole = False
        self._forwards.at = self._backwards.at = None

    def finish(self) -> list[dict[str, Any]]:
        """Return what does not add up, in the order of the file; nothing where all does."""
        self._flush()
        chain = self._backwards if self.is_newest_first else self._forwards
        if not self._is_whole:
            # With a line unread the sums cannot fit, and it is refused already.
            return chain.breaks
        self._end(chain)
        return [*chain.breaks, *self._totals()]

    def notes(self) -> list[dict[str, Any]]:
        """Return the lines whose times run against the file; balances, not times, are the proof."""
        found = self._turns[not self.is_newest_first]
        return [problem(ProblemCode.OUT_OF_ORDER, line=number) for number in found]

    def _flush(self) -> None:
        if self._together:
            self._forwards.take(self._together)
            self._backwards.take(self._together)
            self._together = []

    def _watch_time(self, step: _Step) -> None:
        self.since = min(self.since or step.moment, step.moment)
        self.until = max(self.until or step.moment, step.moment)
        before, last = self._before_last, self._last
        if last is None or last.moment == step.moment:
            return
        falls = step.moment < last.moment
        self._counts[falls] += 1
        if len(self._turns[falls]) < MOST_KEPT:
            # Without the last line this one would stand right: then it is the last that does not.
            fits = before and (before.moment <= step.moment) == falls
            self._turns[falls].append(last.number if fits else step.number)

    def _end(self, chain: _Chain) -> None:
        """Prove that the last line leads to the other balance above the columns."""
        wanted = self._opening if chain.is_newest_first else self._closing
        if chain.last is None or chain.at == wanted or chain.count:
            return
        chain.add_break(chain.last if chain.is_newest_first else None, chain.last)

    def _totals(self) -> list[dict[str, Any]]:
        found = []
        line = self._head.line
        come_to = self._opening + self.paid_in - self.withdrawn
        if come_to != self._closing:
            found.append(problem(ProblemCode.BROKEN_SUM, f"{come_to:,}"))
        for told, added in (
            (self._head.paid_in, self.paid_in),
            (self._head.withdrawn, self.withdrawn),
        ):
            if told is not None and abs(told) != added:
                found.append(problem(ProblemCode.BROKEN_TOTAL, f"{added:,}", line=line))
        return found
