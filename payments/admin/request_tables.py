"""Requests to Safaricom in words, for their own page and for those of refunds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from payments.admin.history import said
from payments.admin.looks import choice_badge
from payments.admin.tables import Table, table
from payments.receipt_choices import RequestStatus
from payments.services import request_words
from tenants.admin_looks import NONE

if TYPE_CHECKING:
    from payments.models import ProviderRequest, Receipt

_MOST_LISTED = 20


def explanation_of(row: ProviderRequest) -> str:
    """Return what the result means, in the reader's language, or as Safaricom wrote it."""
    meaning = request_words.explained(row.result_code)
    return _(meaning) if meaning else said(row.result_code, row.result_desc)


def requests_of(receipt: Receipt) -> list[Table]:
    """Lay out what was asked about a receipt; nothing where nothing was."""
    found = receipt.requests.order_by("-requested_at")[:_MOST_LISTED]
    rows = [
        [
            row.requested_at,
            row.get_kind_display(),
            choice_badge(RequestStatus, row.status),
            row.result_code or NONE,
            explanation_of(row) or NONE,
            row.answered_at or NONE,
        ]
        for row in found
    ]
    columns = [_("Asked"), _("What"), _("Status"), _("Code"), _("Meaning"), _("Answered")]
    return [table(_("Asked of Safaricom"), columns, rows)] if rows else []
