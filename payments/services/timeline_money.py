"""What happened around a payment's money: receipts, questions to Safaricom, refunds, checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from payments.models import ProviderRequest, Receipt, ReceiptCheck, Refund
from payments.services.representation import moment, money


@dataclass(frozen=True)
class Entry:
    """One thing that happened; row is what it was read from."""

    at: datetime
    kind: str
    summary: str
    data: dict[str, Any]
    row: Any = None


def receipts(rows: Iterable[Receipt]) -> Iterator[Entry]:
    """Tell when each receipt was learnt, used by a person, and taken back."""
    for row in rows:
        named = {"receipt": row.number, "by": row.claimed_by}
        data = {
            "receipt_number": row.number,
            "amount": money(row.amount),
            "status": row.status,
            "channel": row.channel,
            "paid_at": moment(row.paid_at),
        }
        yield Entry(row.created_at, "receipt", _("Receipt %(receipt)s learnt") % named, data, row)
        if row.claimed_at:
            told = {**data, "by": row.claimed_by}
            summary = _("Receipt %(receipt)s used by %(by)s") % named
            yield Entry(row.claimed_at, "receipt", summary, told, row)
        if row.reversed_at:
            summary = _("Receipt %(receipt)s taken back") % named
            yield Entry(row.reversed_at, "receipt", summary, data, row)


def requests(rows: Iterable[ProviderRequest]) -> Iterator[Entry]:
    """Tell what Safaricom was asked besides prompts, and what it answered."""
    for row in rows:
        named = {"what": row.get_kind_display(), "status": row.get_status_display()}
        data = {
            "request": str(row.pk),
            "request_kind": row.kind,
            "status": row.status,
            "receipt_number": row.receipt_number or None,
            "conversation_id": row.conversation_id or None,
            "originator_conversation_id": row.originator_conversation_id or None,
        }
        asked = {**data, "by": row.asked_by}
        yield Entry(row.requested_at, "request", _("Asked: %(what)s") % named, asked, row)
        if row.answered_at:
            told = {**data, "result_code": row.result_code or None}
            summary = _("Answer to %(what)s: %(status)s") % named
            yield Entry(row.answered_at, "request", summary, told, row)


def refunds(rows: Iterable[Refund]) -> Iterator[Entry]:
    """Tell who asked for the money back, who decided, and how it ended."""
    for row in rows:
        named = {"amount": money(row.amount), "status": row.get_status_display()}
        data = {"refund": str(row.pk), "amount": money(row.amount), "status": row.status}
        asked = {**data, "by": row.asked_by_label}
        yield Entry(row.asked_at, "refund", _("Refund of KES %(amount)s asked") % named, asked, row)
        if row.decided_at:
            decided = {**data, "by": row.decided_by_label}
            yield Entry(row.decided_at, "refund", _("Refund decided"), decided, row)
        if row.ended_at:
            summary = _("Refund ended: %(status)s") % named
            yield Entry(row.ended_at, "refund", summary, data, row)


def checks(rows: Iterable[ReceiptCheck]) -> Iterator[Entry]:
    """Tell who showed the receipt at a counter, and what he was told."""
    for row in rows:
        data = {"answer": row.answer, "is_claim": row.is_claim, "by": row.asked_by}
        named = {"answer": row.get_answer_display()}
        said = (
            _("Receipt claimed: %(answer)s") if row.is_claim else _("Receipt checked: %(answer)s")
        )
        yield Entry(row.at, "check", said % named, data, row)
