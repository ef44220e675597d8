"""
Reversals on a statement: the money a line takes back, found by its link or in its words.

They are looked at when all payments of the statement are in, because a statement that begins with
the newest line tells of the reversal first. One whose payment nobody knows yet waits for the
statement that has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from audit.actors import Actor
from payments.choices import EvidenceSource, ReceiptChannel, ReceiptStatus, ReviewCode
from payments.models import Receipt
from payments.services import matching, radar, reviews
from reconciliation.choices import LineKind, LineState
from reconciliation.models import StatementImport, StatementLine

_NUMBER_IN_TEXT = re.compile(r"\b(?=[A-Z0-9]*[A-Z])(?=[A-Z0-9]*[0-9])[A-Z0-9]{10}\b", re.ASCII)
_OPEN = (LineState.NEW, LineState.ONLY_SAFARICOM)
_ACTOR = Actor.system("statement")


def note_reversals(statement: StatementImport, *, now: datetime) -> int:
    """Take back what the account's reversal lines say went back; return how much was news."""
    rows = StatementLine.objects.filter(
        shop=statement.shop_id,
        config__in=matching.siblings(statement.config),
        kind=LineKind.REVERSAL,
        state__in=_OPEN,
    )
    return sum(_note(row, now=now) for row in rows.order_by("completed_at").iterator())


def _note(line: StatementLine, *, now: datetime) -> bool:
    receipt = _original_of(line)
    if receipt is None:
        _settle(line, LineState.ONLY_SAFARICOM, None)
        return False
    if receipt.amount is not None and receipt.amount != line.withdrawn:
        # A part of it went back: what that means for the sale, a person says.
        reviews.open_about(
            receipt, ReviewCode.AMOUNT_MISMATCH, subject=f"line {line.pk}", blocking=True, now=now
        )
        _settle(line, LineState.AMOUNT_DIFFERS, receipt)
        return False
    is_news = radar.note_reversal(receipt, source=EvidenceSource.STATEMENT, actor=_ACTOR, now=now)
    _settle(line, LineState.REVERSED, receipt)
    paid = StatementLine.objects.filter(
        shop=line.shop_id, receipt_number=receipt.number, kind=LineKind.PAYMENT
    )
    paid.filter(state__in=(*_OPEN, LineState.MATCHED)).update(state=LineState.REVERSED)
    return is_news


def _original_of(line: StatementLine) -> Receipt | None:
    """Find the receipt that was reversed, in the shop's ledger and of this account."""
    for number in _numbers(line):
        rows = Receipt.objects.filter(
            shop=line.shop_id, environment=line.environment, number=number
        ).exclude(channel=ReceiptChannel.MANUAL, status=ReceiptStatus.REVERSED)
        accounts = {None, *matching.siblings(line.config)}
        found: Receipt | None = next((row for row in rows if row.config_id in accounts), None)
        if found is not None:
            return found
    return None


def _numbers(line: StatementLine) -> Iterable[str]:
    """Return what may be the number of the payment: its link, its words, then the line's own."""
    words = _NUMBER_IN_TEXT.findall(line.details.upper())
    others = [number for number in words if number != line.receipt_number]
    return [
        number for number in (line.linked_receipt_number, *others, line.receipt_number) if number
    ]


def _settle(line: StatementLine, state: str, receipt: Receipt | None) -> None:
    StatementLine.objects.filter(pk=line.pk).update(
        state=state, receipt=receipt, payment=receipt.payment_id if receipt else None
    )
