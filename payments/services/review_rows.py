"""Reading reviews: who sees which rows, and a review as the outside sees it (api.md)."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet

from payments.models import Review
from payments.services.payment_rows import start_of_day
from payments.services.representation import describe_review, moment, money
from payments.services.review_steps import receipt_of
from tenants.roles import Action, Grant, grant


def visible_reviews(
    *,
    shop_id: uuid.UUID,
    environment: str,
    role: str,
    branch_id: uuid.UUID | None,
    now: datetime,
) -> QuerySet[Review]:
    """
    Return the rows a key may see: its shop, environment, branch; a cashier's only of today.

    A review without a payment belongs to its receipt's branch, if it has one.
    """
    rows = Review.objects.filter(shop_id=shop_id, environment=environment)
    if branch_id is not None:
        rows = rows.filter(Q(payment__branch=branch_id) | Q(receipt__branch=branch_id))
    if grant(role, Action.LIST_PAYMENTS) is Grant.OWN_BRANCHES_TODAY:
        rows = rows.filter(payment__created_at__gte=start_of_day(now))
    rows = rows.select_related("payment", "receipt", "assigned_to", "shop")
    rows = rows.prefetch_related("payment__receipts")
    # Lists are paged by the time of creation.
    paged: QuerySet[Review] = rows.annotate(created_at=F("opened_at"))
    return paged


def describe(review: Review) -> dict[str, Any]:
    """Describe a review with what it is about, and how it ended or who proposed what."""
    receipt = receipt_of(review)
    return {
        **describe_review(review),
        "payment": str(review.payment_id) if review.payment_id else None,
        "receipt_number": receipt.number if receipt else None,
        "receipt_amount": money(receipt.amount) if receipt else None,
        "assigned_to": str(review.assigned_to) if review.assigned_to else None,
        "proposal": _proposal(review),
        "resolution": review.resolution or None,
        "reason": review.reason or None,
        "resolved_by": review.resolved_by or None,
        "resolved_at": moment(review.resolved_at),
    }


def _proposal(review: Review) -> dict[str, Any] | None:
    if not review.proposal or review.resolved_at is not None:
        return None
    return {
        "resolution": review.proposal["resolution"],
        "payment": review.proposal["payment"] or None,
        "reason": review.proposal["reason"],
        "by": review.proposed_by,
        "at": review.proposal["at"],
    }
