"""Reading payments: who sees which rows, and all that describes one in few statements."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from payments.models import Attempt, Payment, PaymentConfig, Review
from payments.services.representation import describe_payment
from tenants.models import Branch
from tenants.prepared import Reader
from tenants.roles import Action, Grant, Role, grant

NAIROBI = ZoneInfo("Africa/Nairobi")

# All that a poll tells in one statement (performance.md, B4); attempts and reviews are few.
_WHOLE = Reader(
    """
    FROM payments_payment payment
    LEFT JOIN payments_paymentconfig config ON config.id = payment.config_id
    LEFT JOIN tenants_branch branch ON branch.id = payment.branch_id
    LEFT JOIN payments_attempt attempt ON attempt.payment_id = payment.id
    LEFT JOIN payments_review review
        ON review.payment_id = payment.id AND review.resolved_at IS NULL
    WHERE payment.id = %(id)s AND payment.shop_id = %(shop_id)s
      AND payment.environment = %(environment)s
      AND (%(branch_id)s::uuid IS NULL OR payment.branch_id = %(branch_id)s::uuid)
      AND (%(since)s::timestamptz IS NULL OR payment.created_at >= %(since)s::timestamptz)
    ORDER BY attempt.number, review.opened_at
    """,
    payment=Payment,
    config=(PaymentConfig, ("id", "branch_id", "name", "shortcode")),
    branch=(Branch, ("id", "code", "name")),
    attempt=Attempt,
    review=Review,
)

_ATTEMPTS = Reader(
    "FROM payments_attempt a WHERE a.payment_id = ANY (%s) ORDER BY a.number", a=Attempt
)
_OPEN_REVIEWS = Reader(
    """
    FROM payments_review r WHERE r.payment_id = ANY (%s) AND r.resolved_at IS NULL
    ORDER BY r.opened_at
    """,
    r=Review,
)


@dataclass(frozen=True)
class WholePayment:
    """A payment with what describes it: attempts in order, open reviews."""

    payment: Payment
    attempts: list[Attempt]
    reviews: list[Review]

    def describe(self, *, role: str) -> dict[str, Any]:
        return describe_payment(
            self.payment,
            attempts=self.attempts,
            reviews=self.reviews,
            shows_phone_tail=role == Role.ADMIN,
        )


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
    if (since := _visible_since(role, now)) is not None:
        rows = rows.filter(created_at__gte=since)
    return rows.select_related("config", "branch")


def whole_payment(
    payment_id: uuid.UUID,
    *,
    shop_id: uuid.UUID,
    environment: str,
    role: str,
    branch_id: uuid.UUID | None,
    now: datetime,
) -> WholePayment | None:
    """Return one of visible_payments with all that describes it, in one statement."""
    rows = _WHOLE.rows(
        {
            "id": payment_id,
            "shop_id": shop_id,
            "environment": environment,
            "branch_id": branch_id,
            "since": _visible_since(role, now),
        }
    )
    if not rows:
        return None
    payment, config, branch = rows[0][:3]
    payment.config, payment.branch = config, branch
    attempts = {attempt.pk: attempt for *_others, attempt, _review in rows if attempt}
    reviews = {review.pk: review for *_others, review in rows if review}
    return WholePayment(payment, [*attempts.values()], [*reviews.values()])


def _visible_since(role: str, now: datetime) -> datetime | None:
    is_of_today = grant(role, Action.LIST_PAYMENTS) is Grant.OWN_BRANCHES_TODAY
    return start_of_day(now) if is_of_today else None


def start_of_day(now: datetime) -> datetime:
    """Return midnight in Nairobi, where the shop's day begins."""
    return now.astimezone(NAIROBI).replace(hour=0, minute=0, second=0, microsecond=0)


def describe_all(payments: Iterable[Payment], *, role: str) -> list[dict[str, Any]]:
    """Describe payments with their attempts and reviews, in two statements for all of them."""
    rows = list(payments)
    attempts: dict[uuid.UUID, list[Attempt]] = defaultdict(list)
    reviews: dict[uuid.UUID, list[Review]] = defaultdict(list)
    ids = [row.pk for row in rows]
    for attempt in _ATTEMPTS.all([ids]):
        attempts[attempt.payment_id].append(attempt)
    for review in _OPEN_REVIEWS.all([ids]):
        reviews[review.payment_id].append(review)
    return [
        WholePayment(row, attempts[row.pk], reviews[row.pk]).describe(role=role) for row in rows
    ]
