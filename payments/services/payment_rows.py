"""Reading payments: who sees which rows, and all that describes one in few statements."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from payments.models import Attempt, Payment, Review
from payments.services.representation import describe_payment
from tenants.roles import Action, Grant, Role, grant

NAIROBI = ZoneInfo("Africa/Nairobi")


def visible_payments(
    *,
    shop_id: uuid.UUID,
    environment: str,
    role: str,
    branch_id: uuid.UUID | None,
    now: datetime,
) -> QuerySet[Payment]:
    """Return the rows a key may see: its shop, environment, branch; a cashier's only of today."""
    rows = Payment.objects.filter(shop_id=shop_id, environment=environment)
    if branch_id is not None:
        rows = rows.filter(branch_id=branch_id)
    if grant(role, Action.LIST_PAYMENTS) is Grant.OWN_BRANCHES_TODAY:
        rows = rows.filter(created_at__gte=start_of_day(now))
    return rows.select_related("config", "branch")


def start_of_day(now: datetime) -> datetime:
    """Return midnight in Nairobi, where the shop's day begins."""
    return now.astimezone(NAIROBI).replace(hour=0, minute=0, second=0, microsecond=0)


def describe_all(payments: Iterable[Payment], *, role: str) -> list[dict[str, Any]]:
    """Describe payments with their attempts and reviews, in two statements for all of them."""
    rows = list(payments)
    attempts: dict[uuid.UUID, list[Attempt]] = defaultdict(list)
    reviews: dict[uuid.UUID, list[Review]] = defaultdict(list)
    ids = [row.pk for row in rows]
    for attempt in Attempt.objects.filter(payment__in=ids).order_by("number"):
        attempts[attempt.payment_id].append(attempt)
    for review in Review.objects.filter(payment__in=ids, resolved_at=None).order_by("opened_at"):
        reviews[review.payment_id].append(review)
    return [
        describe_payment(
            row,
            attempts=attempts[row.pk],
            reviews=reviews[row.pk],
            shows_phone_tail=role == Role.ADMIN,
        )
        for row in rows
    ]


def describe_one(payment: Payment, *, role: str) -> dict[str, Any]:
    return describe_all([payment], role=role)[0]
