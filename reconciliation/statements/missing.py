"""
What our books call paid and a statement of its time does not have.

The balances of a statement prove that no line of it is missing, so money of its time that it lacks
did not come in. A payment that only a query called paid is held then; a receipt that others told
of as well is a person's to look at and blocks nothing, as where a pull does not list it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet

from audit.actors import Actor
from payments.choices import PaymentStatus, ReceiptChannel, ReceiptStatus, ReviewCode
from payments.models import Payment, Receipt, Review
from payments.services import matching, reviews
from reconciliation.choices import LineKind, LineState
from reconciliation.models import StatementImport, StatementLine

# Safaricom's clock, the provider's callback and ours are three.
_CLOCKS_DIFFER = timedelta(minutes=10)
# Where more are missing, one look at the books tells a person more than a queue of them.
_MOST = 200
_CODE = ReviewCode.NOT_AT_SAFARICOM
_ACTOR = Actor.system("statement")
Span = tuple[datetime, datetime]


def doubt_missing(statement: StatementImport, *, now: datetime) -> None:
    """Open a review for each payment of the statement's time that it lacks, end those it has."""
    _end_doubts(statement, now=now)
    span = _span(statement)
    if span is None:
        return
    for receipt in _receipts(statement, span).select_related("payment")[:_MOST]:
        with transaction.atomic():
            reviews.open_about(receipt, _CODE, subject=str(receipt.pk), now=now)
    for payment in _unproven(statement, span)[:_MOST]:
        with transaction.atomic():
            reviews.open_unlisted(payment, now=now)


def _span(statement: StatementImport) -> Span | None:
    """
    Return between which moments nothing can be missing.

    The period may end after the file was made, so the newest line ends it. A statement without any
    payment is of an account that customers do not pay to.
    """
    lines = _payment_lines(statement).filter(statement=statement)
    newest = StatementLine.objects.filter(statement=statement).aggregate(at=Max("completed_at"))
    if statement.since is None or newest["at"] is None or not lines.exists():
        return None
    return statement.since + _CLOCKS_DIFFER, newest["at"] - _CLOCKS_DIFFER


def _payment_lines(statement: StatementImport) -> QuerySet[StatementLine]:
    """Return the account's lines of customers' money, of this statement and of others."""
    rows = StatementLine.objects.filter(shop=statement.shop_id, kind=LineKind.PAYMENT)
    return rows.exclude(state=LineState.CONFLICT)


def _ours(statement: StatementImport) -> dict[str, Any]:
    return {"shop": statement.shop_id, "config__in": matching.siblings(statement.config)}


def _receipts(statement: StatementImport, span: Span) -> QuerySet[Receipt]:
    """Find credited receipts of the time that no line has."""
    listed = _payment_lines(statement).filter(receipt_number=OuterRef("number"))
    rows = Receipt.objects.filter(
        ~Exists(listed), **_ours(statement), status=ReceiptStatus.CREDITED, paid_at__range=span
    )
    return rows.exclude(channel=ReceiptChannel.MANUAL).order_by("paid_at")


def _unproven(statement: StatementImport, span: Span) -> QuerySet[Payment]:
    """Find payments that began and completed in the time, and whose receipt nobody ever named."""
    rows = Payment.objects.filter(
        ~Exists(Receipt.objects.filter(payment=OuterRef("pk"))),
        **_ours(statement),
        status=PaymentStatus.COMPLETED,
        receipt_pending=True,
        created_at__range=span,
        completed_at__lte=span[1],
    )
    return rows.order_by("created_at")


def _end_doubts(statement: StatementImport, *, now: datetime) -> None:
    """Close the doubts about what a statement has after all."""
    listed = _payment_lines(statement).filter(receipt_number=OuterRef("number"))
    rows = Receipt.objects.filter(Exists(listed), shop=statement.shop_id)
    doubted = Review.objects.filter(shop=statement.shop_id, code=_CODE, resolved_at=None)
    about = doubted.filter(receipt__in=rows) | doubted.filter(
        receipt=None, payment__receipt_pending=False
    )
    for subject in list(about.values_list("subject", flat=True)):
        with transaction.atomic():
            reason = "A statement of Safaricom's has it."
            reviews.close_about(_CODE, subject=subject, actor=_ACTOR, reason=reason, now=now)
