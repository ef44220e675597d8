"""What a receipt's page tells: facts, who checked it, what was asked about it, what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from audit.actions import AuditAction
from audit.masking import mask_emails
from audit.models import AuditEntry
from payments.admin.history import said
from payments.admin.looks import choice_badge
from payments.admin.refund_acts import repeat_payer_note
from payments.admin.tables import Table, table
from payments.choices import Environment, ReceiptStatus
from payments.receipt_choices import CheckAnswer, RequestStatus, UnallocatedReason
from payments.services import receipt_rows
from tenants.admin_looks import NONE, badge, shillings
from tenants.roles import Role

if TYPE_CHECKING:
    from django.http import HttpRequest

    from payments.models import Receipt

_MOST_CHECKS = 20


def badges_of(receipt: Receipt) -> list[Any]:
    """Draw the status, and why money waits or that it is to be given back."""
    badges: list[Any] = [choice_badge(ReceiptStatus, receipt.status)]
    if receipt.reason:
        is_over = receipt.reason == UnallocatedReason.REFUND_NEEDED
        badges.append(badge(receipt.get_reason_display(), "bad" if is_over else "quiet"))
    if receipt.environment == Environment.SANDBOX:
        badges.append(choice_badge(Environment, receipt.environment))
    if repeated := repeat_payer_note(receipt):
        badges.append(badge(repeated, "bad"))
    return badges


def facts_of(receipt: Receipt, request: HttpRequest, *, payment: str) -> list[tuple[Any, Any]]:
    """List what is known; rows about its payment stand there once it has one."""
    role = request.user.role_in(receipt.shop_id) or request.user.platform_role
    facts = [
        (_("Receipt"), receipt.number),
        (_("Amount"), f"KES {shillings(receipt.amount)}"),
        (_("Reference typed"), receipt.account_reference or NONE),
        (_("Label"), receipt.label or NONE),
        (_("Payer"), receipt_rows.payer_of(receipt, role=role) or NONE),
        (_("Paid"), receipt.paid_at or NONE),
        (_("Arrived"), receipt.created_at),
        (_("Channel"), receipt.get_channel_display()),
        (_("Kind of transaction"), receipt.transaction_type or NONE),
        (_("Shop"), receipt.shop),
        (_("Branch"), receipt_rows.place_of(receipt) or NONE),
        (_("Payment config"), receipt.config or NONE),
    ]
    if receipt.payment:
        facts.insert(2, (_("Payment"), payment))
    if receipt.claimed_at:
        facts += [
            (_("Given by"), _shown_to(request, receipt.claimed_by)),
            (_("Given"), receipt.claimed_at),
        ]
    if receipt.reversed_at:
        facts.append((_("Taken back"), receipt.reversed_at))
    return facts


def tables_of(receipt: Receipt, request: HttpRequest, *, shows_acts: bool) -> list[Table]:
    """List the tables that have rows; acts are for those who may read the audit log."""
    tables = [_checks(receipt, request), _requests(receipt, request)]
    if shows_acts:
        tables.insert(0, _acts(receipt, request))
    return [each for each in tables if each["rows"]]


def _acts(receipt: Receipt, request: HttpRequest) -> Table:
    entries = AuditEntry.objects.filter(
        shop=receipt.shop_id, object_type="payments.receipt", object_id=str(receipt.pk)
    )
    rows = [
        [
            entry.at,
            AuditAction(entry.action).label,
            _shown_to(request, entry.actor_label) or NONE,
            entry.reason or NONE,
        ]
        for entry in entries.order_by("-at", "-seq")
    ]
    return table(_("What was done"), [_("At"), _("Action"), _("By"), _("Reason")], rows)


def _checks(receipt: Receipt, request: HttpRequest) -> Table:
    checks = receipt.checks.select_related("branch").order_by("-at")[:_MOST_CHECKS]
    rows = [
        [
            check.at,
            _("Claimed") if check.is_claim else _("Checked"),
            choice_badge(CheckAnswer, check.answer),
            check.branch or NONE,
            _shown_to(request, check.asked_by) or NONE,
        ]
        for check in checks
    ]
    columns = [_("At"), _("What"), _("Answer"), _("Branch"), _("By")]
    return table(_("Shown at the till"), columns, rows)


def _requests(receipt: Receipt, request: HttpRequest) -> Table:
    rows = [
        [
            each.requested_at,
            each.get_kind_display(),
            choice_badge(RequestStatus, each.status),
            said(each.result_code, each.result_desc) or NONE,
            _shown_to(request, each.asked_by) or NONE,
        ]
        for each in receipt.requests.order_by("-requested_at")
    ]
    columns = [_("At"), _("Question"), _("Status"), _("Result"), _("By")]
    return table(_("Asked of Safaricom"), columns, rows)


def _shown_to(request: HttpRequest, label: str) -> str:
    is_support = request.user.platform_role == Role.SUPPORT
    return str(mask_emails(label)) if is_support else label
