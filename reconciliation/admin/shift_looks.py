"""A shift's numbers as tables and as cells of an export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from django.utils.html import format_html
from django.utils.translation import gettext as _

from audit.masking import mask_emails
from payments.admin.tables import table
from payments.receipt_choices import ManualMethod
from payments.services.stats import Total
from reconciliation.models import Shift
from reconciliation.shift_totals import TAKEN, Cells, Proof, Totals, taken_of
from reconciliation.shifts import Adjustment, adjustments_of, difference_of
from tenants.admin_looks import NONE, shillings

Table = dict[str, Any]
HEADER = ("part", "name", "proof", "count", "amount")


def whole_rows(totals: Totals) -> list[dict[str, Any]]:
    """Return the kinds of proof with what they sum to; what is no takings is told apart."""
    return [
        {
            "proof": proof,
            "label": proof.label,
            "total": totals.whole.get(proof, Total()),
            "is_taken": proof in TAKEN,
        }
        for proof in Proof
    ]


def split_tables(totals: Totals, *, masked: bool) -> list[Table]:
    """Lay out the takings by cashier, branch and config, and what was written down by method."""
    titles = {"cashier": _("By cashier"), "branch": _("By branch"), "config": _("By config")}
    tables = [
        _split(title, totals.by[name], masked=masked)
        for name, title in titles.items()
        if totals.by[name]
    ]
    if totals.manual:
        rows = [
            [_method(key), total.count, _money(total.amount)]
            for key, total in sorted(totals.manual.items())
        ]
        tables.append(table(_("Written down by hand"), [_("Method"), _("Payments"), "KES"], rows))
    return tables


def adjustment_table(rows: Iterable[Adjustment]) -> Table:
    columns = [_("Kind"), _("When signed"), _("Now"), _("Difference")]
    cells = [
        [
            Proof(row.proof).label,
            f"{_money(row.was.amount)} ({row.was.count})",
            f"{_money(row.now.amount)} ({row.now.count})",
            f"{signed(row.amount)} ({row.count:+d})",
        ]
        for row in rows
    ]
    return table(_("Adjustments since it was signed"), columns, cells)


def csv_rows(shift: Shift, *, masked: bool) -> Iterator[list[Any]]:
    """Write a signed shift as rows of HEADER, with its adjustments."""
    totals = Totals.from_data(shift.totals)
    yield from _cells_of("signed", "", totals.whole)
    for method, total in sorted(totals.manual.items()):
        yield ["manual", method, Proof.MANUAL.value, total.count, _plain(total.amount)]
    for name, split in totals.by.items():
        for key, cells in sorted(split.items()):
            yield from _cells_of(name, mask_emails(key) if masked else key, cells)
    for row in adjustments_of(shift):
        yield ["adjustment", "", row.proof, row.count, _plain(row.amount)]
    yield ["taken", "", "", totals.taken.count, _plain(totals.taken.amount)]
    if shift.reported is not None:
        yield ["reported", "", "", "", _plain(shift.reported)]
        yield ["difference", "", "", "", _plain(difference_of(shift) or Decimal(0))]


def signed(amount: Decimal | None) -> str:
    """Write a difference with its sign."""
    if amount is None:
        return NONE
    return f"+{shillings(amount)}" if amount > 0 else shillings(amount)


def _split(title: str, split: dict[str, Cells], *, masked: bool) -> Table:
    unknown = [Proof.UNKNOWN, Proof.REVERSED, Proof.FAILED]
    columns = [_("Name"), _("Taken (KES)"), *(str(Proof(each).label) for each in unknown)]
    rows = [
        [
            (mask_emails(key) if masked else key) or NONE,
            format_html("{} ({})", _money(taken_of(cells).amount), taken_of(cells).count),
            *(_counted(cells.get(each, Total())) for each in unknown),
        ]
        for key, cells in sorted(split.items())
    ]
    return table(title, columns, rows)


def _cells_of(part: str, name: str, cells: Cells) -> Iterator[list[Any]]:
    for proof in Proof:
        total = cells.get(proof, Total())
        yield [part, name, proof.value, total.count, _plain(total.amount)]


def _counted(total: Total) -> str:
    return f"{_money(total.amount)} ({total.count})" if total.count else NONE


def _method(key: str) -> str:
    return str(ManualMethod(key).label) if key in ManualMethod.values else key


def _money(amount: Decimal) -> str:
    return shillings(amount)


def _plain(amount: Decimal) -> str:
    return f"{amount:.2f}"
