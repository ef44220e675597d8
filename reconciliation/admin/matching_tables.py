"""What the page "Books agree?" shows: days, their lines, and both as a file."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audit.cells import csv_lines
from reconciliation import matching
from reconciliation.matching import MatchedDay, MatchedLine, Scope
from reconciliation.matching_words import EXPLAINED, WRONG, DayVerdict, MatchState
from tenants.admin_looks import NONE, badge, shillings

VERDICT_TONES = {
    DayVerdict.AGREES: "good",
    DayVerdict.DIFFERS: "bad",
    DayVerdict.PARTLY: "warn",
    DayVerdict.NOT_COVERED: "quiet",
}
# Said beside "look here", where the verdict itself no longer tells.
COVERED = {
    DayVerdict.AGREES: gettext_lazy("Covered by a statement"),
    DayVerdict.PARTLY: DayVerdict.PARTLY.label,
    DayVerdict.NOT_COVERED: DayVerdict.NOT_COVERED.label,
}
_STATE_TONES: dict[str, str] = {
    MatchState.MATCHED: "good",
    MatchState.ONLY_SAFARICOM: "bad",
    MatchState.ONLY_US: "bad",
    MatchState.AMOUNT_DIFFERS: "bad",
    MatchState.REVERSED: "warn",
}
SHOWN = tuple(state for state in MatchState if state != MatchState.CHARGE)
_DAY_COLUMNS = ("day", "config", "shortcode", "branch", "verdict", "covered")
_LINE_COLUMNS = (
    "receipt",
    "paid_at",
    "day",
    "config",
    "shortcode",
    "branch",
    "state",
    "safaricom",
    "ours",
    "expected_charge",
)


@dataclass(frozen=True)
class Names:
    """Configs and branches of the shop by id, so that a table asks nobody for names."""

    configs: Mapping[Any, Any]
    branches: Mapping[Any, Any]

    def config(self, pk: uuid.UUID | None) -> str:
        return str(self.configs.get(pk) or _("No account"))

    def branch(self, pk: uuid.UUID | None) -> str:
        return str(self.branches.get(pk) or NONE)


def day_rows(days: Iterable[MatchedDay], names: Names, query: Any) -> list[dict[str, Any]]:
    """Lay out days; query writes the address of a day's lines from what narrows them."""
    return [
        {
            "day": row.day,
            "config": names.config(row.config_id),
            "branch": names.branch(row.branch_id),
            "verdict": badge(row.verdict.label, VERDICT_TONES[row.verdict]),
            "covered": "" if row.verdict == row.covered else COVERED[row.covered],
            "cells": [_cell(row, state, query) for state in SHOWN],
            "charged": shillings(row.charged) if row.charged else NONE,
            "expected": NONE if row.expected is None else shillings(row.expected),
            "charge_differs": row.expected is not None and row.charged != row.expected,
            "url": query(day=row.day, config=row.config_id),
        }
        for row in days
    ]


def _cell(row: MatchedDay, state: MatchState, query: Any) -> dict[str, Any]:
    tally = row.tally(state)
    return {
        "label": state.label,
        "count": tally.count,
        "amount": shillings(tally.amount),
        "is_wrong": bool(tally.count) and state in WRONG,
        "url": query(day=row.day, config=row.config_id, state=state.value),
    }


def line_rows(lines: Iterable[MatchedLine], names: Names) -> list[dict[str, Any]]:
    return [
        {
            "number": line.number or NONE,
            "url": _url_of(line),
            "at": timezone.localtime(line.at, matching.NAIROBI),
            "state": state_badge(line.state),
            "config": names.config(line.config_id),
            "branch": names.branch(line.branch_id),
            "theirs": shillings(line.theirs),
            "ours": shillings(line.ours),
            "expected": shillings(line.expected),
        }
        for line in lines
    ]


def state_badge(state: str) -> str:
    return badge(MatchState(state).label, _STATE_TONES.get(state, "quiet"))


def _url_of(line: MatchedLine) -> str:
    if line.payment_id:
        return reverse("admin:payments_payment_change", args=[line.payment_id])
    if line.receipt_id:
        return reverse("admin:payments_receipt_change", args=[line.receipt_id])
    return ""


def summary_of(days: list[MatchedDay]) -> list[dict[str, Any]]:
    """Add up the period, one card for each state that occurs."""
    cards = []
    for state in MatchState:
        count = sum(row.tally(state).count for row in days)
        amount = sum((row.tally(state).amount for row in days), start=matching.Tally().amount)
        if count:
            said = {
                "label": state.label,
                "says": EXPLAINED[state],
                "count": count,
                "amount": shillings(amount),
                "is_wrong": state in WRONG,
            }
            cards.append(said)
    return cards


def coverage_words(wanted: Scope) -> str:
    """Say in one sentence how many days of the accounts statements cover."""
    found = matching.coverage(wanted)
    if wanted.config:
        found = {wanted.config.pk: found.get(wanted.config.pk, {})}
    words = [word for days in found.values() for word in days.values()]
    whole = words.count(DayVerdict.AGREES)
    text = ngettext(
        "Statements cover %(whole)s of %(count)s day of the accounts.",
        "Statements cover %(whole)s of %(count)s days of the accounts.",
        len(words),
    )
    return text % {"whole": whole, "count": len(words)} if words else ""


def days_as_csv(days: Iterable[MatchedDay], names: Names) -> Iterator[str]:
    """Write days, one a line: for each state how many and how much; amounts with a point."""
    sums = [f"{state}_{what}" for state in MatchState for what in ("count", "amount")]
    header = (*_DAY_COLUMNS, *sums, "expected_charges")
    return csv_lines(header, (_day_cells(row, names) for row in days))


def _day_cells(row: MatchedDay, names: Names) -> list[Any]:
    config = names.configs.get(row.config_id)
    head = [row.day, config and config.name, config and config.shortcode]
    head += [names.branches.get(row.branch_id), row.verdict.value, row.covered.value]
    sums = [value for state in MatchState for value in _sums(row, state)]
    return [*head, *sums, row.expected]


def _sums(row: MatchedDay, state: str) -> tuple[Any, Any]:
    tally = row.tally(state)
    return tally.count, tally.amount


def lines_as_csv(wanted: Scope, state: str, names: Names) -> Iterator[str]:
    """Write the lines of a period, a day at a time, so that a quarter fits in memory."""
    return csv_lines(_LINE_COLUMNS, _line_cells(wanted, state, names))


def _line_cells(wanted: Scope, state: str, names: Names) -> Iterator[list[Any]]:
    day = wanted.since
    while day <= wanted.until:
        page, has_more = 1, True
        while has_more:
            one_day = replace(wanted, since=day, until=day)
            lines, has_more = matching.match_lines(one_day, state=state, page=page, size=5000)
            page += 1
            for line in lines:
                config = names.configs.get(line.config_id)
                at = timezone.localtime(line.at, matching.NAIROBI).isoformat(timespec="seconds")
                yield [
                    line.number,
                    at,
                    line.day,
                    config and config.name,
                    config and config.shortcode,
                    names.branches.get(line.branch_id),
                    line.state,
                    line.theirs,
                    line.ours,
                    line.expected,
                ]
        day += timedelta(days=1)
