"""Doubts that need a person: which are open, and what was decided."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.fields import (
    OwnWorldSerializer,
    QueryBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictUUIDField,
)
from payments.api.payment_schema import ReviewOutput
from payments.api.payments import PaymentView
from payments.choices import ReviewCode
from payments.errors import InvalidInput, NotFound
from payments.models import Payment, Review
from payments.services import review_acts, review_rows
from payments.services.review_steps import Resolution
from tenants.roles import Action

_RESOLVING = """
`accept`: the shop takes things as they are. Of an amount that differs (`AMOUNT_MISMATCH`), and of
money on top (`SURPLUS`), it keeps the money as a sale of its own; the payment that asked for
another amount stays unpaid. A callback of an unlisted address is applied. `allocate`: the receipt
goes to `payment`, which must be of its exact amount. `refund`: a refund is asked for; where the
receipt is credited the review stays open until the refund ends, so that nobody releases goods for
it. `ignore`: closed, nothing else.

Above the amount the shop has set, the first caller proposes: 200, `resolved_at` null, `proposal`
says what and who. A second person confirms it in the back office.
"""


class ReviewFilters(OwnWorldSerializer):
    """`open=true` leaves out what is resolved, `open=false` what is not."""

    code = StrictChoiceField(choices=ReviewCode.choices, required=False)
    open = QueryBooleanField(required=False)


class ResolveInput(OwnWorldSerializer):
    resolution = StrictChoiceField(choices=Resolution.choices)
    reason = StrictCharField(max_length=200)
    payment = StrictUUIDField(required=False)


class ProposalOutput(serializers.Serializer):
    resolution = serializers.ChoiceField(Resolution.choices)
    payment = serializers.UUIDField(allow_null=True)
    reason = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField()


class WholeReviewOutput(ReviewOutput):
    """A review; `resolution` without `resolved_at` is a refund under way."""

    payment = serializers.UUIDField(allow_null=True)
    receipt_number = serializers.CharField(allow_null=True)
    receipt_amount = serializers.CharField(allow_null=True)
    assigned_to = serializers.CharField(allow_null=True)
    proposal = ProposalOutput(allow_null=True)
    resolution = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    resolved_by = serializers.CharField(allow_null=True)


class ReviewView(PaymentView):
    """What views of reviews share: the rows this key may see."""

    def reviews(self) -> QuerySet[Review]:
        return review_rows.visible_reviews(
            shop_id=self.shop.pk,
            environment=self.environment,
            role=self.key.role,
            branch_id=self.branch_id,
            now=self.now,
        )


class ReviewList(ReviewView):
    """All reviews of the key's world, newest first."""

    actions: ClassVar = {"GET": Action.LIST_PAYMENTS}
    filters = ReviewFilters
    is_list = True

    @extend_schema(
        operation_id="reviews_list",
        parameters=[ReviewFilters],
        responses=WholeReviewOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        del request
        rows = self.reviews()
        if "code" in self.query:
            rows = rows.filter(code=self.query["code"])
        if "open" in self.query:
            rows = rows.filter(resolved_at__isnull=self.query["open"])
        return self.page(rows, lambda found: [review_rows.describe(row) for row in found])


class ReviewResolve(ReviewView):
    """Decide one review."""

    actions: ClassVar = {"POST": Action.RESOLVE_REVIEWS}

    @extend_schema(
        operation_id="reviews_resolve",
        request=ResolveInput,
        responses=WholeReviewOutput,
        description=_RESOLVING,
    )
    def post(self, request: Request, review_id: uuid.UUID) -> Response:
        del request
        review = self.reviews().filter(pk=review_id).first()
        if review is None:
            raise NotFound("There is no such review.")
        given: dict[str, Any] = self.read(ResolveInput)
        decided = review_acts.resolve(
            review=review,
            resolution=given["resolution"],
            reason=given["reason"],
            payment=self._target(given.get("payment")),
            user=self.key.created_by,
            actor=self.actor,
            now=self.now,
        )
        return Response(review_rows.describe(decided))

    def _target(self, payment_id: uuid.UUID | None) -> Payment | None:
        """Return the payment named in the body; what this key does not see is no payment."""
        if payment_id is None:
            return None
        payment: Payment | None = self.rows().filter(pk=payment_id).first()
        if payment is None:
            detail = "There is no such payment."
            raise InvalidInput(detail, errors=[("payment", "not_found", detail)])
        return payment
