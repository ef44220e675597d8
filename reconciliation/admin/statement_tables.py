"""A statement in words and tables: what it would do, what it did, what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.admin.tables import Table, table
from reconciliation.choices import LineKind, LineState, StatementStatus
from reconciliation.models import StatementImport, StatementLine
from reconciliation.statements.packing import unpack
from reconciliation.statements.problems import ProblemCode, is_note, sentence
from reconciliation.statements.reading_jobs import sample_of
from tenants.admin_looks import NONE, badge, shillings

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

_MOST_LINES = 12
_MOST_SHOWN = 50
_TONES = {
    LineState.MATCHED: "good",
    LineState.ONLY_SAFARICOM: "warn",
    LineState.AMOUNT_DIFFERS: "bad",
    LineState.CONFLICT: "bad",
    LineState.REVERSED: "bad",
}
_MEANING = {
    LineState.MATCHED: gettext_lazy("Safaricom and our books say the same."),
    LineState.ONLY_SAFARICOM: gettext_lazy(
        "Money we were never told of. Applying brings it into the books."
    ),
    LineState.AMOUNT_DIFFERS: gettext_lazy("Applying opens a review; a person decides."),
    LineState.CONFLICT: gettext_lazy(
        "Told before otherwise, or another account's. A person looks."
    ),
    LineState.REVERSED: gettext_lazy("The money went back to who paid it."),
    LineState.CHARGE: gettext_lazy("What Safaricom keeps for itself."),
    LineState.SETTLEMENT: gettext_lazy("Money moved to a bank or another account of the shop."),
    LineState.IGNORED: gettext_lazy("Neither a payment nor a charge; kept as it stands."),
    LineState.NEW: gettext_lazy("It did not go in; the next statement tries it again."),
}
_MEANING_NOW = {
    **_MEANING,
    LineState.ONLY_SAFARICOM: gettext_lazy(
        "Money we had not been told of. It is in the books now, without a payment of ours."
    ),
    LineState.AMOUNT_DIFFERS: gettext_lazy("A review is open; a person decides."),
}
STATUS_TONES = {
    StatementStatus.UPLOADED: "wait",
    StatementStatus.READING: "wait",
    StatementStatus.REFUSED: "bad",
    StatementStatus.READ: "warn",
    StatementStatus.APPLYING: "wait",
    StatementStatus.APPLIED: "good",
}
_SAID = {
    StatementStatus.UPLOADED: gettext_lazy("The file waits to be read."),
    StatementStatus.READING: gettext_lazy("The file is being read and proved."),
    StatementStatus.REFUSED: gettext_lazy("Refused. Nothing of it is in the books."),
    StatementStatus.READ: gettext_lazy("All balances agree. Nothing is changed yet."),
    StatementStatus.APPLYING: gettext_lazy("It is being applied. You may leave this page."),
    StatementStatus.APPLIED: gettext_lazy("Its lines are in the books."),
    StatementStatus.DISCARDED: gettext_lazy("Discarded. Nothing of it is in the books."),
}


def said_of(statement: StatementImport) -> str:
    """Say in a sentence how a statement stands."""
    return str(_SAID[StatementStatus(statement.status)])


def hint_of(statement: StatementImport) -> str:
    """Say what to do now, where there is something."""
    if any(found.get("code") == ProblemCode.OTHER_SHORTCODE for found in statement.problems):
        return _("Upload it again for the payment config whose number it names.")
    if statement.status == StatementStatus.REFUSED:
        return _("Download the statement again from the portal, and upload it as it is.")
    if statement.status == StatementStatus.READ:
        return _("Look at the numbers, then apply.")
    return ""


def progress_of(statement: StatementImport) -> dict[str, Any] | None:
    """Return how far a worker is; while it reads, nobody knows how much is to come."""
    if statement.status == StatementStatus.READING:
        text = _("%(count)s lines read") % {"count": _count(statement.lines_read)}
        return {"text": text, "most": 1, "done": 0}
    if statement.status != StatementStatus.APPLYING:
        return None
    most = statement.lines_total or 1
    text = _("%(done)s of %(most)s lines") % {
        "done": _count(statement.lines_applied),
        "most": _count(most),
    }
    return {"text": text, "most": most, "done": statement.lines_applied}


def results_of(statement: StatementImport) -> list[Table]:
    """Lay out what applying would do, or did, by state."""
    if statement.status not in {StatementStatus.READ, StatementStatus.APPLIED}:
        return []
    counts = statement.counts
    is_applied = statement.status == StatementStatus.APPLIED
    meaning_of = _MEANING_NOW if is_applied else _MEANING
    rows = [
        [badge(state.label, _TONES.get(state, "quiet")), _count(found), meaning_of[state]]
        for state in LineState
        if (found := counts.get(f"state_{state}", 0))
    ]
    if known := counts.get("known", 0):
        meaning = _("Another statement had these lines; they are not counted twice.")
        rows.append([badge(_("Known already")), _count(known), meaning])
    title = _("What it brought") if is_applied else _("What applying would do")
    return [table(title, [_("Lines"), _("Number"), _("What it means")], rows)]


def problems_of(statement: StatementImport) -> list[Table]:
    """Lay out what is wrong, by line, and what one should only know."""
    faults = [found for found in statement.problems if not is_note(found)]
    notes = [found for found in statement.problems if is_note(found)]
    tables = []
    if faults:
        total = statement.counts.get("faults", len(faults))
        title = _("What is wrong")
        if total > len(faults):
            title = _("What is wrong: the first %(shown)s of %(total)s") % {
                "shown": len(faults),
                "total": _count(total),
            }
        tables.append(_problem_table(title, faults))
    if notes:
        tables.append(_problem_table(_("Worth a look"), notes))
    return tables


def sample_table(statement: StatementImport) -> list[Table]:
    """Lay out some lines as they were read, for a person to see that they are read right."""
    if statement.status != StatementStatus.READ:
        return []
    lines = sample_of(unpack(statement.read_lines.reveal_bytes()), most=_MOST_LINES)
    rows = [
        [
            line.number,
            line.receipt_number,
            moment(line.completed_at),
            LineKind(line.kind).label,
            _amount(line.paid_in, line.withdrawn),
            line.reason_type or NONE,
            line.account_reference or NONE,
        ]
        for line in lines
    ]
    columns = [_("Line"), _("Receipt"), _("Paid"), _("What"), "KES", _("Reason"), _("Reference")]
    return [table(_("Some lines, as they were read"), columns, rows)]


def attention_table(statement: StatementImport) -> list[Table]:
    """Lay out the lines of an applied statement that a person should look at."""
    if statement.status != StatementStatus.APPLIED:
        return []
    looked_at = (LineState.AMOUNT_DIFFERS, LineState.CONFLICT, LineState.REVERSED)
    found: list[StatementLine] = []
    for state in (*looked_at, LineState.NEW, LineState.ONLY_SAFARICOM):
        rows = statement.lines.filter(state=state).select_related("receipt", "payment")
        found += rows.order_by("line_number")[: _MOST_SHOWN - len(found)]
    cells = [
        [
            line.line_number,
            receipt_link(line),
            badge(line.get_state_display(), _TONES.get(LineState(line.state), "quiet")),
            moment(line.completed_at),
            _amount(line.paid_in, line.withdrawn),
            line.account_reference or NONE,
            " ".join(filter(None, [line.payer_initials, line.payer_masked])) or NONE,
        ]
        for line in found
    ]
    columns = [_("Line"), _("Receipt"), _("State"), _("Paid"), "KES", _("Reference"), _("Payer")]
    return [table(_("Lines to look at"), columns, cells)] if cells else []


def receipt_link(line: StatementLine) -> str:
    if line.receipt_id is None:
        return line.receipt_number
    url = reverse("admin:payments_receipt_change", args=[line.receipt_id])
    return format_html('<a href="{}">{}</a>', url, line.receipt_number)


def facts_of(statement: StatementImport) -> list[tuple[Any, Any]]:
    return [
        (_("Payment config"), statement.config),
        (_("Shop"), statement.shop),
        (_("Account"), statement.account or NONE),
        (_("Period"), period(statement)),
        (_("Opening balance"), _money(statement.opening_balance)),
        (_("Paid in"), _money(statement.paid_in)),
        (_("Withdrawn"), _money(statement.withdrawn)),
        (_("Closing balance"), _money(statement.closing_balance)),
        (_("Uploaded by"), statement.uploaded_by),
        (_("Uploaded"), moment(statement.uploaded_at)),
        (_("Applied"), moment(statement.applied_at)),
    ]


def period(statement: StatementImport) -> str:
    if statement.since is None or statement.until is None:
        return NONE
    days = [
        date_format(localtime(at), "SHORT_DATE_FORMAT") for at in (statement.since, statement.until)
    ]
    return " – ".join(dict.fromkeys(days))  # noqa: RUF001 - a dash, as in print


def moment(at: datetime | None) -> str:
    return date_format(localtime(at), "SHORT_DATETIME_FORMAT") if at else NONE


def _problem_table(title: str, found: Iterable[dict[str, Any]]) -> Table:
    rows = [[each["line"] or _("The file"), sentence(each)] for each in found]
    return table(title, [_("Line"), _("What is wrong")], rows)


def _amount(paid_in: Decimal, withdrawn: Decimal) -> str:
    return shillings(paid_in - withdrawn)


def _money(amount: Decimal | None) -> str:
    return NONE if amount is None else f"KES {shillings(amount)}"


def _count(number: int) -> str:
    return number_format(number, use_l10n=True, force_grouping=True)
