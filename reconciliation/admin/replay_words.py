"""What a dry run found, in words: which thing, which field, from what to what."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.admin.looks import choice_badge
from payments.admin.tables import Table, table
from payments.choices import (
    CallbackStatus,
    EvidenceSource,
    OutcomeVerdict,
    PaymentStatus,
    ReceiptStatus,
    ReviewCode,
    VerificationResult,
)
from payments.receipt_choices import RefundStatus, RequestStatus, UnallocatedReason
from reconciliation.replay import Change, Preview
from tenants.admin_looks import NONE, badge, shillings

_KINDS: dict[str, Any] = {
    "payment": gettext_lazy("Payment"),
    "receipt": gettext_lazy("Receipt"),
    "review": gettext_lazy("Review"),
    "evidence": gettext_lazy("Evidence"),
    "request": gettext_lazy("Request to Safaricom"),
    "refund": gettext_lazy("Refund"),
    "verification": gettext_lazy("Verification"),
}
_FIELDS: dict[str, Any] = {
    "status": gettext_lazy("Status"),
    "receipt_number": gettext_lazy("Receipt"),
    "receipt_pending": gettext_lazy("Waits for its receipt"),
    "result_code": gettext_lazy("Result"),
    "late": gettext_lazy("Late"),
    "reason": gettext_lazy("Reason"),
    "amount": gettext_lazy("Amount"),
    "payment_id": gettext_lazy("Payment"),
    "account_reference": gettext_lazy("Reference"),
    "label": gettext_lazy("Label"),
    "open": gettext_lazy("Open"),
    "blocking": gettext_lazy("Holds the goods"),
    "source": gettext_lazy("Told by"),
    "verdict": gettext_lazy("Verdict"),
    "is_duplicate_receipt": gettext_lazy("Another payment's receipt"),
    "result": gettext_lazy("Result"),
}
_CHOICES: dict[tuple[str, str], Any] = {
    ("payment", "status"): PaymentStatus,
    ("receipt", "status"): ReceiptStatus,
    ("receipt", "reason"): UnallocatedReason,
    ("request", "status"): RequestStatus,
    ("refund", "status"): RefundStatus,
    ("verification", "result"): VerificationResult,
    ("evidence", "source"): EvidenceSource,
    ("evidence", "verdict"): OutcomeVerdict,
}


def tables_of(found: Preview) -> list[Table]:
    """Show what would change, and the events that would be written; empty tables are left out."""
    rows = [
        [_thing(each), _FIELDS.get(name, name), *_shown_pair(each, name, old, new)]
        for each in found.changes
        for name, old, new in each.fields
        if each.before is not None or not (new is False or _is_nothing(new))
    ]
    changes = table(_("What would change"), [_("What"), _("Field"), _("Now"), _("Then")], rows)
    events = table(
        _("Events that would be written"), [_("Event")], [[each] for each in found.events]
    )
    return [each for each in (changes, events) if each["rows"]]


def sentence_of(found: Preview | None) -> str:
    """Say what would become of one row, in a line."""
    if found is None:
        return _("It cannot be tried at the moment.")
    status = str(CallbackStatus(found.status).label)
    moved = [
        f"{_KINDS[each.kind]}: {_shown(each.kind, 'status', each.after['status'], plain=True)}"
        for each in found.changes
        if each.kind in {"payment", "refund"} and _moved(each)
    ]
    return "; ".join([status, *moved, *filter(None, [found.problem])])


def _moved(change: Change) -> bool:
    return (change.before or {}).get("status") != change.after["status"]


def _thing(change: Change) -> Any:
    kind = _KINDS[change.kind]
    name = change.name
    if change.kind == "review":
        code = name.partition(" ")[0]
        name = str(ReviewCode(code).label) if code in ReviewCode.values else code
    elif change.kind != "receipt":
        name = ""
    said = f"{kind} {name}".strip() if change.kind != "review" else name
    return f"{said} ({_('new')})" if change.before is None else said


def _shown_pair(change: Change, name: str, old: Any, new: Any) -> list[Any]:
    before = NONE if change.before is None else _shown(change.kind, name, old)
    return [before, _shown(change.kind, name, new)]


def _shown(kind: str, name: str, value: Any, *, plain: bool = False) -> Any:
    if _is_nothing(value):
        return NONE
    if (choices := _CHOICES.get((kind, name))) is not None:
        return str(choices(value).label) if plain else choice_badge(choices, value)
    if isinstance(value, bool):
        return badge(_("Yes") if value else _("No"))
    return f"KES {shillings(value)}" if isinstance(value, Decimal) else str(value)


def _is_nothing(value: Any) -> bool:
    return value is None or value == ""
