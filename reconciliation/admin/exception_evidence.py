"""Evidence side by side: what we asked, what Safaricom said, what the receipt and statement show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from payments.admin.history import said
from payments.admin.looks import choice_badge
from payments.choices import (
    CallbackStatus,
    EvidenceSource,
    OutcomeVerdict,
    PaymentStatus,
    ReceiptStatus,
)
from payments.models import Payment, ProviderCallback, Receipt, Review
from payments.receipt_choices import RefundStatus
from payments.services import receipt_rows
from payments.services.review_steps import receipt_of
from reconciliation.admin.exception_looks import shown_to
from reconciliation.choices import LineState
from reconciliation.exceptions import Row
from reconciliation.models import StatementLine
from tenants.admin_looks import NONE, badge, shillings

if TYPE_CHECKING:
    from django.http import HttpRequest

Facts = list[tuple[Any, Any]]
_MOST_SAID = 10
_MOST_LINES = 5


def columns_of(row: Row, request: HttpRequest) -> list[dict[str, Any]]:
    """Build the three columns, each a title and blocks of facts; an empty one says so."""
    payment, receipt = subject_of(row)
    callback = row.callback if isinstance(row, Review) else None
    return [
        _column(_("What we asked"), _asked(payment), _("Nobody asked for this money.")),
        _column(_("What Safaricom said"), _said(payment, callback), _("Nothing yet.")),
        _column(_("Receipt and statement"), _came(row, receipt, request), _("No receipt yet.")),
    ]


def subject_of(row: Row) -> tuple[Payment | None, Receipt | None]:
    """Return the payment and the receipt an item is about."""
    if isinstance(row, Receipt):
        return row.payment, row
    return row.payment, receipt_of(row) if isinstance(row, Review) else row.receipt


def difference(row: Row) -> str:
    """Say by how much what came differs from what was asked, "" where it does not."""
    payment, receipt = subject_of(row)
    if payment is None or receipt is None or receipt.amount in {None, payment.amount}:
        return ""
    amounts = {"asked": shillings(payment.amount), "came": shillings(receipt.amount)}
    return _("KES %(asked)s was asked for, KES %(came)s came.") % amounts


def _column(title: str, blocks: list[Facts], nothing: str) -> dict[str, Any]:
    return {"title": title, "blocks": blocks, "nothing": nothing}


def _asked(payment: Payment | None) -> list[Facts]:
    if payment is None:
        return []
    url = reverse("admin:payments_payment_change", args=[payment.pk])
    name = payment.order_ref or payment.account_reference or _("Sale")
    parts = payment.metadata.get("order_parts") if isinstance(payment.metadata, dict) else None
    facts: Facts = [
        (_("Payment"), format_html('<a href="{}">{}</a>', url, name)),
        (_("Status"), choice_badge(PaymentStatus, payment.status)),
        (_("Amount"), f"KES {shillings(payment.amount)}"),
        (_("Order"), payment.order_ref or NONE),
        (_("Reference"), payment.account_reference or NONE),
        (_("Phone"), payment.phone_masked or NONE),
        (_("Asked"), payment.created_at),
        (_("Payment config"), payment.config or NONE),
        (_("Branch"), payment.branch or NONE),
    ]
    if isinstance(parts, list) and payment.origin == "receipt":
        orders = ", ".join(f"{each.get('order_ref')}: {each.get('amount')}" for each in parts)
        facts.append((_("Split between"), orders))
    return [facts]


def _said(payment: Payment | None, callback: ProviderCallback | None) -> list[Facts]:
    words = payment.evidence.order_by("-recorded_at")[:_MOST_SAID] if payment else []
    blocks: list[Facts] = [
        [
            (_("Told by"), EvidenceSource(word.source).label),
            (_("Verdict"), choice_badge(OutcomeVerdict, word.verdict)),
            (_("Result"), said(word.result_code, word.result_desc) or NONE),
            (_("Amount"), f"KES {shillings(word.amount)}" if word.amount is not None else NONE),
            (_("Receipt"), word.receipt_number or NONE),
            (_("At"), word.recorded_at),
        ]
        for word in words
    ]
    return [_callback(callback), *blocks] if callback else blocks


def _callback(callback: ProviderCallback) -> Facts:
    url = reverse("admin:payments_providercallback_change", args=[callback.pk])
    return [
        (_("Callback"), format_html('<a href="{}">{}</a>', url, callback.get_kind_display())),
        (_("Status"), choice_badge(CallbackStatus, callback.status)),
        (_("Problem"), callback.problem or NONE),
        (_("Source"), callback.source_ip or NONE),
        (_("Result"), said(callback.result_code, callback.result_desc) or NONE),
        (_("Received"), callback.received_at),
    ]


def _came(row: Row, receipt: Receipt | None, request: HttpRequest) -> list[Facts]:
    blocks = []
    if not isinstance(row, (Review, Receipt)):
        blocks.append(
            [
                (_("Refund"), choice_badge(RefundStatus, row.status)),
                (_("Asked by"), shown_to(request, row.asked_by_label)),
                (_("Reason"), row.reason),
                (_("Note"), row.note or NONE),
            ]
        )
    if receipt is not None:
        blocks += [_receipt(receipt, request), *_lines(receipt)]
    return blocks


def _receipt(receipt: Receipt, request: HttpRequest) -> Facts:
    role = request.user.role_in(receipt.shop_id)
    url = reverse("admin:payments_receipt_change", args=[receipt.pk])
    facts: Facts = [
        (_("Receipt"), format_html('<a href="{}">{}</a>', url, receipt.number)),
        (_("Status"), choice_badge(ReceiptStatus, receipt.status)),
        (_("Amount"), f"KES {shillings(receipt.amount)}"),
        (_("Reference typed"), receipt.account_reference or NONE),
        (_("Payer"), receipt_rows.payer_of(receipt, role=role) or NONE),
        (_("Paid"), receipt.paid_at or NONE),
        (_("Channel"), receipt.get_channel_display()),
    ]
    if receipt.reason:
        facts.append((_("Why"), receipt.get_reason_display()))
    return facts


def _lines(receipt: Receipt) -> list[Facts]:
    """Show the lines of statements that bear the receipt's number, in the same shop and world."""
    lines = StatementLine.objects.filter(
        shop=receipt.shop_id, environment=receipt.environment, receipt_number=receipt.number
    ).select_related("statement")
    blocks: list[Facts] = []
    for line in lines.order_by("completed_at")[:_MOST_LINES]:
        amount = line.paid_in or -line.withdrawn
        blocks.append(
            [
                (_("Statement"), f"{line.statement} · {line.line_number}"),
                (_("Line"), line.get_kind_display()),
                (_("Compared"), badge(LineState(line.state).label)),
                (_("Amount"), f"KES {shillings(amount)}"),
                (_("Completed"), line.completed_at),
            ]
        )
    return blocks
