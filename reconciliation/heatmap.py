"""A map of rows and hours: a colour and a word for how well each did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from payments.services.stats_health import Hour
from tenants.admin_looks import NONE

CELL_WIDTH, CELL_HEIGHT = 36, 34
NAMES, HEAD = 150, 24
# From so many percent on; a customer's own no is not counted.
GOOD, FAIR = 90, 70
_LONGEST_NAME = 21


@dataclass(frozen=True)
class Cell:
    """One hour of one config; tone is good, fair, bad or none, and text is never colour alone."""

    x: int
    y: int
    tone: str
    text: str
    title: str
    word: str
    hour: Hour


@dataclass(frozen=True)
class Row:
    """One config: its name as drawn and whole, and its cells."""

    name: str
    whole_name: str
    y: int
    cells: list[Cell]

    @property
    def told(self) -> list[Cell]:
        """The hours in which anything happened, for the table."""
        return [cell for cell in self.cells if cell.tone != "none"]


@dataclass(frozen=True)
class HeatMap:
    """Rows of cells under the hours."""

    rows: list[Row]
    hours: list[tuple[int, str]]
    width: str
    height: str
    cell_width: int = CELL_WIDTH - 2
    cell_height: int = CELL_HEIGHT - 4


def heat_map(
    rows: Sequence[tuple[str, dict[datetime, Hour]]], moments: Sequence[datetime]
) -> HeatMap:
    """Lay out the map; moments are the hours from left to right."""
    labels = [f"{localtime(moment).hour:02d}" for moment in moments]
    drawn = [_row(place, name, hours, moments) for place, (name, hours) in enumerate(rows)]
    return HeatMap(
        rows=drawn,
        hours=[(_x(place) + CELL_WIDTH // 2 - 1, label) for place, label in enumerate(labels)],
        width=str(NAMES + CELL_WIDTH * len(moments)),
        height=str(HEAD + CELL_HEIGHT * len(rows)),
    )


def word_of(hour: Hour) -> tuple[str, Any]:
    """Return the tone and the word for an hour."""
    if hour.rate is None:
        return ("quiet", _("Customers only")) if hour.declined else ("none", _("Nothing"))
    if hour.rate >= GOOD:
        return "good", _("Good")
    return ("fair", _("Fair")) if hour.rate >= FAIR else ("bad", _("Bad"))


def _row(place: int, name: str, hours: dict[datetime, Hour], moments: Sequence[datetime]) -> Row:
    y = HEAD + place * CELL_HEIGHT
    is_long = len(name) > _LONGEST_NAME
    return Row(
        name=f"{name[: _LONGEST_NAME - 1]}…" if is_long else name,
        whole_name=name,
        y=y + CELL_HEIGHT // 2 + 3,
        cells=[_cell(column, y, hours.get(at, Hour()), at) for column, at in enumerate(moments)],
    )


def _cell(column: int, y: int, hour: Hour, at: datetime) -> Cell:
    tone, word = word_of(hour)
    said = {
        "hour": f"{localtime(at):%H}:00",
        "word": word,
        "paid": hour.paid,
        "lost": hour.lost,
        "declined": hour.declined,
    }
    title = _("%(hour)s: %(word)s. %(paid)s paid, %(lost)s not, %(declined)s declined by customers")
    rate = NONE if hour.rate is None else f"{hour.rate:.0f}"
    return Cell(
        x=_x(column),
        y=y,
        tone=tone,
        text="" if tone == "none" else rate,
        title=title % said,
        word=str(word),
        hour=hour,
    )


def _x(column: int) -> int:
    return NAMES + column * CELL_WIDTH
