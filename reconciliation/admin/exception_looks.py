"""How an item of the queue of exceptions looks: its reason in words, its age, who has it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.translation import gettext as _

from audit.masking import mask_emails
from payments.models import Receipt, Refund, Review
from payments.receipt_choices import UnallocatedReason
from payments.services import receipt_rows
from payments.services.review_steps import Resolution, receipt_of
from reconciliation import exception_acts
from reconciliation.dashboards_words import length
from reconciliation.exceptions import Entry, Row
from tenants.admin_looks import NONE, badge, shillings
from tenants.models import User
from tenants.roles import Action, Role, may

if TYPE_CHECKING:
    from django.http import HttpRequest


def items_of(entries: Iterable[Entry], request: HttpRequest, *, now: datetime) -> list[Any]:
    """Describe the lines of a page, for its table."""
    entries = list(entries)
    ids = {entry.holder_id for entry in entries} - {None}
    people = {user.pk: user.email for user in User.objects.filter(pk__in=ids)}
    return [_item(entry, request, people, now=now) for entry in entries]


def reason_of(row: Row) -> str:
    """Say in words why somebody must look."""
    if isinstance(row, Review):
        return str(row.get_code_display())
    if isinstance(row, Refund):
        return _("Refund: %(status)s") % {"status": row.get_status_display()}
    return str(row.get_reason_display()) or _("Money without an owner")


def weight_of(row: Row) -> Any:
    """Draw what an item holds up, or what it waits for."""
    if isinstance(row, Review):
        if row.resolved_at:
            return badge(_("Resolved"), "good")
        if row.resolution == Resolution.REFUND:
            return badge(_("Refund under way"), "wait")
        return badge(_("Holds the goods"), "bad") if row.blocking else badge(_("Note"))
    if isinstance(row, Receipt):
        is_marked = row.reason == UnallocatedReason.REFUND_NEEDED
        return badge(_("To be given back"), "bad") if is_marked else badge(_("Waits"), "wait")
    return badge(_("Money out"), "warn")


def place_of(row: Row) -> Any:
    """Return the branch an item belongs to, or None for the whole shop."""
    if isinstance(row, Receipt):
        return receipt_rows.place_of(row)
    branch = row.payment.branch if row.payment else None
    return branch or (receipt_rows.place_of(row.receipt) if row.receipt else None)


def about(row: Row) -> str:
    """Name the sale and the receipt an item is about."""
    receipt = row if isinstance(row, Receipt) else row.receipt
    payment = row.payment
    named = payment and (payment.order_ref or payment.account_reference)
    parts = [named, receipt.number if receipt else payment and payment.receipt_number]
    return " · ".join(str(part) for part in parts if part) or NONE


def proposal_of(row: Row, request: HttpRequest) -> str:
    """Say who proposed what, "" where nobody did."""
    if isinstance(row, Review) and row.proposal and row.resolved_at is None:
        who, said = row.proposed_by, row.proposal
        what: Any = Resolution(said["resolution"]).label
    else:
        who, said = exception_acts.proposal_of(row)
        what = exception_acts.Step(said["step"]).label if said else ""
    if not said:
        return ""
    given = {"who": shown_to(request, who), "what": what, "why": said["reason"]}
    return _("%(who)s proposed: %(what)s. Because: %(why)s") % given


def shown_to(request: HttpRequest, label: str) -> str:
    """Mask people's addresses for platform support."""
    return str(mask_emails(label)) if request.user.platform_role == Role.SUPPORT else label


def stake_of(row: Row) -> Any:
    """Return how much an item is about: the largest amount anybody named."""
    if not isinstance(row, Review):
        return row.amount
    amounts = [each.amount for each in (row.payment, receipt_of(row)) if each is not None]
    return max((amount for amount in amounts if amount is not None), default=None)


def _item(
    entry: Entry, request: HttpRequest, people: dict[uuid.UUID, str], *, now: datetime
) -> dict[str, Any]:
    row = entry.row
    holder = people.get(entry.holder_id) if entry.holder_id else None
    page = "admin:reconciliation_exceptionitem"
    return {
        "pk": row.pk,
        "kind": entry.kind,
        "reason": reason_of(row),
        "about": about(row),
        "amount": shillings(entry.stake),
        "at": entry.at,
        "age": length(now - entry.at),
        "holder": shown_to(request, holder) if holder else "",
        "is_mine": entry.holder_id == request.user.pk,
        "shop": row.shop,
        "branch": place_of(row),
        "weight": weight_of(row),
        "is_proposed": isinstance(row, Review) and bool(row.proposal),
        "may_decide": may(request.user.role_in(row.shop_id), Action.RESOLVE_REVIEWS),
        "url": reverse(f"{page}_change", args=[row.pk]),
        "assign": reverse(f"{page}_assign", args=[row.pk]),
    }
