"""
Charts as plain numbers for inline SVG; the pages say the same again in a table.

Places and sizes are texts, so that no language writes them with its own commas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

WIDTH = 720
HEIGHT = 140
FOOT = 26
MARGIN = 14
# So many labels stand side by side without touching.
MOST_LABELS = 12


@dataclass(frozen=True)
class Point:
    """One column: its label, what it says when touched, and its parts from the ground up."""

    label: str
    title: str
    parts: Sequence[tuple[str, Decimal | int]]
    is_now: bool = False


@dataclass(frozen=True)
class Part:
    """A piece of a column; kind is the class that colours it."""

    kind: str
    y: str
    height: str


@dataclass(frozen=True)
class Column:
    """A column where it stands; label is empty where labels would touch."""

    x: str
    width: str
    middle: str
    step: str
    left: str
    label: str
    title: str
    parts: list[Part]
    is_now: bool


@dataclass(frozen=True)
class Chart:
    """A chart of columns."""

    title: str
    columns: list[Column]
    legend: list[tuple[str, Any]]
    width: int = WIDTH
    base: int = HEIGHT
    height: int = HEIGHT + FOOT

    @property
    def box(self) -> str:
        """The view: a little wider than the columns, for the first and last label."""
        return f"-{MARGIN} 0 {self.width + 2 * MARGIN} {self.height}"


def columns(
    points: Sequence[Point],
    *,
    title: str,
    legend: Sequence[tuple[str, Any]] = (),
    most_labels: int = MOST_LABELS,
) -> Chart:
    """Lay out columns: the highest is full height, whatever is more than nothing is to be seen."""
    highest = max((sum(value for _kind, value in each.parts) for each in points), default=0)
    step = Decimal(WIDTH) / max(len(points), 1)
    every = -(-len(points) // most_labels) or 1
    laid = [
        _column(each, place=place, step=step, highest=highest, has_label=place % every == 0)
        for place, each in enumerate(points)
    ]
    return Chart(title, laid, list(legend))


def share(part: int | Decimal, whole: int | Decimal) -> str:
    """Return a part as so many of a hundred, for the width of a bar."""
    return _text(Decimal(100) * part / whole) if whole else "0"


def _column(point: Point, *, place: int, step: Decimal, highest: Any, has_label: bool) -> Column:
    gap = min(step * Decimal("0.15"), Decimal(8))
    left = step * place
    return Column(
        x=_text(left + gap),
        width=_text(step - 2 * gap),
        middle=_text(left + step / 2),
        step=_text(step),
        left=_text(left),
        label=point.label if has_label else "",
        title=point.title,
        parts=_parts(point, highest),
        is_now=point.is_now,
    )


def _parts(point: Point, highest: Any) -> list[Part]:
    laid, top = [], Decimal(HEIGHT)
    for kind, value in point.parts:
        if not value:
            continue
        height = max(Decimal(HEIGHT - 4) * Decimal(value) / Decimal(highest), Decimal("1.5"))
        top -= height
        laid.append(Part(kind, _text(top), _text(height)))
    return laid


def _text(number: Decimal) -> str:
    return f"{number:.1f}"
