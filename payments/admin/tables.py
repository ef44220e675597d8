"""The rows a payment's story is told from, as tables; an empty one is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from payments.admin.history import said
from payments.admin.looks import choice_badge
from payments.choices import (
    AttemptStatus,
    CallbackStatus,
    OutcomeVerdict,
    ReceiptStatus,
    Submission,
)
from payments.services.decisions import Why
from tenants.admin_looks import NONE, badge, shillings, yes_no

if TYPE_CHECKING:
    from payments.admin.history import Story

Table = dict[str, Any]
_WHY_TONES: dict[str, str] = {
    Why.CHOSEN: "good",
    Why.LOWER_PRIORITY: "wait",
    Why.BREAKER_OPEN: "bad",
    Why.DAILY_LIMIT_REACHED: "warn",
    Why.MONTHLY_LIMIT_REACHED: "warn",
}


def tables_of(story: Story) -> list[Table]:
    tables = [
        _routing(story),
        _attempts(story),
        _evidence(story),
        _callbacks(story),
        _receipts(story),
    ]
    return [table for table in tables if table["rows"]]


def table(title: str, columns: list[str], rows: list[list[Any]]) -> Table:
    """Lay out a table; cells carry their column's name, for the cards on a phone."""
    return {
        "title": title,
        "columns": columns,
        "rows": [list(zip(columns, row, strict=True)) for row in rows],
    }


def _routing(story: Story) -> Table:
    """Lay out the payment's decision record as it was written; nothing is worked out again."""
    columns = [_("Config"), _("Level"), _("Why"), _("Attempt"), _("What came of it")]
    rows = [
        [
            step["name"],
            _("Branch") if step["level"] == "branch" else _("Shop"),
            why_badge(step["why"]),
            step.get("tried") or NONE,
            step.get("outcome") or NONE,
        ]
        for step in story.payment.resolution
    ]
    return table(_("Why this config"), columns, rows)


def why_badge(why: str) -> Any:
    """Draw one of decisions.Why; a word of an older record stands as it is."""
    label = Why(why).label if why in Why.values else why
    return badge(label, _WHY_TONES.get(why, "quiet"))


def _attempts(story: Story) -> Table:
    columns = [
        _("No."),
        _("Status"),
        _("Request"),
        _("Checkout request id"),
        _("Result"),
        _("At"),
    ]
    rows = [
        [
            attempt.number,
            choice_badge(AttemptStatus, attempt.status),
            choice_badge(Submission, attempt.submission),
            story.checkout_id(attempt.checkout_request_id),
            said(attempt.result_code, attempt.result_desc) or NONE,
            attempt.requested_at,
        ]
        for attempt in story.attempts
    ]
    return table(_("Attempts"), columns, rows)


def _evidence(story: Story) -> Table:
    columns = [
        _("Source"),
        _("Verdict"),
        _("Final"),
        _("Amount"),
        _("Receipt"),
        _("Result"),
        _("At"),
    ]
    rows = [
        [
            evidence.get_source_display(),
            choice_badge(OutcomeVerdict, evidence.verdict),
            yes_no(evidence.is_final),
            shillings(evidence.amount),
            evidence.receipt_number or NONE,
            said(evidence.result_code, evidence.result_desc) or NONE,
            evidence.recorded_at,
        ]
        for evidence in story.evidence
    ]
    return table(_("Evidence"), columns, rows)


def _callbacks(story: Story) -> Table:
    columns = [_("Received"), _("Source"), _("Status"), _("Result"), _("Problem")]
    rows = [
        [
            callback.received_at,
            callback.source_ip or NONE,
            choice_badge(CallbackStatus, callback.status),
            said(callback.result_code, callback.result_desc) or NONE,
            callback.problem or NONE,
        ]
        for callback in story.callbacks
    ]
    return table(_("Callbacks"), columns, rows)


def _receipts(story: Story) -> Table:
    columns = [_("Receipt"), _("Amount"), _("Status"), _("Channel"), _("Paid")]
    rows = [
        [
            receipt.number,
            shillings(receipt.amount),
            choice_badge(ReceiptStatus, receipt.status),
            receipt.get_channel_display(),
            receipt.paid_at or NONE,
        ]
        for receipt in story.receipts
    ]
    return table(_("Receipts"), columns, rows)
