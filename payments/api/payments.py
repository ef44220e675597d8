"""Taking payments and looking at them."""

from __future__ import annotations

import time
import uuid
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.base import MalipoView
from payments.api.idempotency import idempotent
from payments.api.payment_schema import (
    IDEMPOTENCY_HEADER,
    PaymentOutput,
    ReadinessOutput,
    StatsOutput,
    TimelineEntry,
)
from payments.api.payment_serializers import (
    NoBody,
    PaymentFilters,
    PaymentInput,
    PaymentQuery,
    ReadinessFilters,
    StatsFilters,
)
from payments.errors import InvalidInput, NotFound
from payments.models import Attempt, Payment
from payments.services import checking, initiation, readiness, retrying, stats, timeline
from payments.services.checkout_ids import forms_of
from payments.services.payment_rows import (
    WholePayment,
    describe_all,
    visible_payments,
    whole_payment,
)
from payments.services.upstream import release_connection
from tenants.models import Branch
from tenants.roles import Action

_STEP_S = 0.5


class PaymentView(MalipoView):
    """What views of payments share: the rows this key may see."""

    def rows(self) -> QuerySet[Payment]:
        return visible_payments(
            shop_id=self.shop.pk,
            environment=self.environment,
            role=self.key.role,
            branch_id=self.branch_id,
            now=self.now,
        )

    def payment(self, payment_id: uuid.UUID) -> Payment:
        """Return one visible payment; another shop's and none at all are the same answer."""
        payment = self.rows().filter(pk=payment_id).first()
        if payment is None:
            raise NotFound("There is no such payment.")
        return payment

    def branch_named(self, branch_id: uuid.UUID | None) -> Branch | None:
        """
        Return the branch a request is about: the key's own, or the one it names.

        :raises InvalidInput: when it names one that is not the shop's, or not the key's.
        """
        if branch_id is None or branch_id == self.branch_id:
            return self.key.branch
        branch = Branch.objects.filter(pk=branch_id, shop=self.shop, is_active=True).first()
        if branch is None or self.branch_id is not None:
            detail = "This is no branch of yours."
            raise InvalidInput(detail, errors=[("branch", "not_yours", detail)])
        return branch

    def describe(self, payment: Payment) -> dict[str, Any]:
        """Describe a payment as it is now."""
        return self.whole(payment.pk).describe(role=self.key.role)

    def whole(self, payment_id: uuid.UUID) -> WholePayment:
        """Return one visible payment with all that describes it, as payment() but in one look."""
        found = whole_payment(
            payment_id,
            shop_id=self.shop.pk,
            environment=self.environment,
            role=self.key.role,
            branch_id=self.branch_id,
            now=self.now,
        )
        if found is None:
            raise NotFound("There is no such payment.")
        return found


class PaymentList(PaymentView):
    """All payments of the key's world, newest first; or a new one."""

    actions: ClassVar = {"GET": Action.LIST_PAYMENTS, "POST": Action.TAKE_PAYMENTS}
    filters = PaymentFilters
    is_list = True

    @extend_schema(
        operation_id="payments_list",
        parameters=[PaymentFilters],
        responses=PaymentOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        rows = _filtered(self.rows(), self.query)
        return self.page(rows, lambda found: describe_all(found, role=self.key.role))

    @extend_schema(
        operation_id="payments_create",
        request=PaymentInput,
        parameters=[IDEMPOTENCY_HEADER],
        responses={201: PaymentOutput},
    )
    @idempotent
    def post(self, request: Request) -> tuple[Payment, int]:
        given = self.read(PaymentInput)
        branch = self.branch_named(given.pop("branch", None))
        asked = initiation.NewPayment(msisdn=given.pop("phone_number"), **given)
        payment = initiation.initiate_payment(
            shop=self.shop,
            environment=self.environment,
            branch=branch,
            asked=asked,
            idempotency_key=self.idempotency_key,
            actor=self.actor,
            now=self.now,
        )
        return payment, 201


class PaymentDetail(PaymentView):
    """One payment; `?wait=` holds the answer until its status changes."""

    actions: ClassVar = {"GET": Action.LIST_PAYMENTS}
    filters = PaymentQuery

    @extend_schema(
        operation_id="payments_retrieve", parameters=[PaymentQuery], responses=PaymentOutput
    )
    def get(self, request: Request, payment_id: uuid.UUID) -> Response:
        found = self.whole(payment_id)
        if wait_s := self.query.get("wait"):
            found = self._wait_for_change(found, wait_s)
        return Response(found.describe(role=self.key.role))

    def _wait_for_change(self, found: WholePayment, wait_s: int) -> WholePayment:
        """Look every half second, holding no database connection in between."""
        status, until = found.payment.status, time.monotonic() + wait_s
        while found.payment.status == status and time.monotonic() < until:
            release_connection()
            time.sleep(_STEP_S)
            found = self.whole(found.payment.pk)
        return found


class PaymentTimeline(PaymentView):
    """Everything that happened to a payment, in order, scrubbed."""

    actions: ClassVar = {"GET": Action.VIEW_STATS}

    @extend_schema(operation_id="payments_timeline", responses=TimelineEntry(many=True))
    def get(self, request: Request, payment_id: uuid.UUID) -> Response:
        return Response(timeline.timeline_of(payment=self.payment(payment_id), role=self.key.role))


class PaymentRetry(PaymentView):
    """A person asks the customer again."""

    actions: ClassVar = {"POST": Action.TAKE_PAYMENTS}

    @extend_schema(
        operation_id="payments_retry",
        request=NoBody,
        parameters=[IDEMPOTENCY_HEADER],
        responses={201: PaymentOutput, 200: PaymentOutput},
    )
    @idempotent
    def post(self, request: Request, payment_id: uuid.UUID) -> tuple[Payment, int]:
        self.read(NoBody)
        payment, is_sent = retrying.retry_payment(
            payment=self.payment(payment_id),
            idempotency_key=self.idempotency_key,
            actor=self.actor,
            now=self.now,
        )
        return payment, 201 if is_sent else 200


class PaymentCheck(PaymentView):
    """Ask the provider now."""

    actions: ClassVar = {"POST": Action.ASK_PROVIDER}

    @extend_schema(operation_id="payments_check", request=NoBody, responses=PaymentOutput)
    def post(self, request: Request, payment_id: uuid.UUID) -> Response:
        self.read(NoBody)
        payment = checking.ask_now(payment=self.payment(payment_id), actor=self.actor, now=self.now)
        return Response(self.describe(payment))


class PaymentStats(PaymentView):
    """Today's and this month's takings, and what is open."""

    actions: ClassVar = {"GET": Action.VIEW_STATS}
    filters = StatsFilters

    @extend_schema(operation_id="payments_stats", parameters=[StatsFilters], responses=StatsOutput)
    def get(self, request: Request) -> Response:
        branch = self.branch_named(self.query.get("branch"))
        numbers = stats.shop_numbers(
            shops=[self.shop.pk],
            environment=self.environment,
            branches=[branch.pk] if branch else None,
            now=self.now,
        )
        return Response(numbers.as_dict())


class PaymentReadiness(PaymentView):
    """Can a payment be taken here and now, and if not, what is in the way."""

    actions: ClassVar = {"GET": Action.VIEW_STATS}
    filters = ReadinessFilters

    @extend_schema(
        operation_id="payments_readiness", parameters=[ReadinessFilters], responses=ReadinessOutput
    )
    def get(self, request: Request) -> Response:
        branch = self.branch_named(self.query.get("branch"))
        return Response(
            readiness.readiness_of(
                shop_id=self.shop.pk,
                environment=self.environment,
                branch_id=branch.pk if branch else None,
                provider=self.query.get("provider"),
                now=self.now,
            )
        )


def _filtered(rows: QuerySet[Payment], query: dict[str, Any]) -> QuerySet[Payment]:
    columns = {
        "created_after": "created_at__gte",
        "created_before": "created_at__lt",
        "branch": "branch_id",
        "config": "config_id",
    }
    for name, value in query.items():
        if name == "phone_number":
            rows = rows.filter(phone_index=initiation.phone_index(value))
        elif name == "receipt_number":
            # As it was typed, or as M-Pesa writes it; receipts are found alike (receipt_rows.py).
            rows = rows.filter(receipt_number__in={value, value.upper()})
        elif name == "checkout_request_id":
            rows = rows.filter(
                pk__in=Attempt.objects.filter(checkout_request_id__in=forms_of(value)).values(
                    "payment"
                )
            )
        else:
            rows = rows.filter(**{columns.get(name, name): value})
    return rows
