"""What a workload found, and the table of all of it."""

from __future__ import annotations

import operator
import statistics
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "≥": operator.ge,
    "≤": operator.le,
    "=": operator.eq,
}


@dataclass(frozen=True)
class Goal:
    """What performance.md asks: a sign, a bound, and the unit where it is no ratio."""

    sign: str
    bound: float
    unit: str = ""

    def is_met(self, value: float) -> bool:
        return _COMPARE[self.sign](value, self.bound)

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:g}{self.unit}"


@dataclass(frozen=True)
class Row:
    """One line of the table; ours and floor are there for orientation only."""

    number: str
    what: str
    ours: str
    floor: str
    value: float
    goal: Goal

    def cells(self) -> tuple[str, ...]:
        mark = "yes" if self.goal.is_met(self.value) else "**no**"
        measured = f"{self.value:.3g}{self.goal.unit}"
        return (self.number, self.what, self.ours, self.floor, measured, str(self.goal), mark)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which share (0..1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(rows: Sequence[Row]) -> str:
    """Write rows as a Markdown table under the commit they were measured at."""
    heading = ("#", "Workload", "ours", "floor", "measured", "goal", "met")
    lines = [heading, ("---",) * len(heading), *(row.cells() for row in rows)]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"Commit {commit()}\n\n{body}"


def commit() -> str:
    """Name the commit, with a plus where the working tree differs from it."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        return f"{name}+" if _git("status", "--porcelain", "-uno") else name
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], capture_output=True, check=True, text=True)  # noqa: S603, S607
    return answer.stdout.strip()
