"""The ledger of money that arrived: what is there, and whose it is."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.idempotency import idempotent
from payments.api.payment_schema import IDEMPOTENCY_HEADER, PaymentOutput
from payments.api.payments import PaymentView
from payments.api.receipt_serializers import (
    AllocateInput,
    ClaimInput,
    ReceiptFilters,
    ReceiptOutput,
)
from payments.errors import NotFound
from payments.models import Payment, Receipt
from payments.services import counter_claims, receipt_acts, two_people
from payments.services.receipt_rows import describe_receipt, visible_receipts, with_number
from tenants.roles import Action

_COLUMNS = {"branch": "place"}
_PAID = {"paid_after": "gte", "paid_before": "lt"}


class ReceiptView(PaymentView):
    """What views of receipts share: the rows this key may list."""

    def receipts(self) -> QuerySet[Receipt]:
        return visible_receipts(
            shop_id=self.shop.pk, environment=self.environment, branch_id=self.branch_id
        )

    def receipt(self, receipt_id: uuid.UUID) -> Receipt:
        """Return one listed receipt; another shop's and none at all are the same answer."""
        receipt = self.receipts().filter(pk=receipt_id).first()
        if receipt is None:
            raise NotFound("There is no such receipt.")
        return receipt


class ReceiptList(ReceiptView):
    """Receipts of the key's world and branch, newest first: by `paid_at` where filtered by it."""

    actions: ClassVar = {"GET": Action.VIEW_STATS}
    filters = ReceiptFilters
    is_list = True

    @extend_schema(
        operation_id="receipts_list",
        parameters=[ReceiptFilters],
        responses=ReceiptOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        rows = _filtered(self.receipts(), self.query)
        role = self.key.role
        return self.page(
            rows,
            lambda found: [describe_receipt(row, role=role) for row in found],
            newest_by="told_paid_at" if _PAID.keys() & self.query.keys() else "created_at",
        )


class ReceiptClaim(ReceiptView):
    """Let a receipt pay for an order, once."""

    actions: ClassVar = {"POST": Action.CLAIM_RECEIPTS}

    @extend_schema(
        operation_id="receipts_claim",
        request=ClaimInput,
        parameters=[IDEMPOTENCY_HEADER],
        responses={201: PaymentOutput},
        description=(
            "Single use, whatever the number of tills. 409 `receipt_already_used` (with `used_at` "
            "and `used_branch`), `amount_differs`, `order_already_paid`, or `invalid_transition` "
            "where the money was taken back; a receipt that is unknown, another shop's or "
            "branch's, held or in review is 404."
        ),
    )
    @idempotent
    def post(self, request: Request) -> tuple[Payment, int]:
        given = self.read(ClaimInput)
        payment = counter_claims.claim(
            shop=self.shop,
            environment=self.environment,
            branch=self.key.branch,
            idempotency_key=self.idempotency_key,
            actor=self.actor,
            now=self.now,
            **given,
        )
        return payment, 201


class ReceiptAllocate(ReceiptView):
    """Give an unallocated receipt to a payment that lacks its money."""

    actions: ClassVar = {"POST": Action.RESOLVE_REVIEWS}

    @extend_schema(
        operation_id="receipts_allocate",
        request=AllocateInput,
        responses=ReceiptOutput,
        description=(
            "409 `receipt_already_used`, `amount_differs`, or `invalid_transition` where receipt "
            "or payment is in no state for it, or where the shop wants two people for the amount: "
            "they decide in the back office."
        ),
    )
    def post(self, request: Request, receipt_id: uuid.UUID) -> Response:
        receipt = self.receipt(receipt_id)
        given = self.read(AllocateInput)
        receipt_acts.refuse_used(receipt)
        two_people.refuse_one_person(receipt)
        allocated = receipt_acts.allocate(
            receipt=receipt,
            payment=self.payment(given["payment"]),
            actor=self.actor,
            now=self.now,
        )
        return Response(describe_receipt(allocated, role=self.key.role))


def _filtered(rows: QuerySet[Receipt], query: dict[str, Any]) -> QuerySet[Receipt]:
    # The expression of the index receipt_paid, which has no other column of this time.
    rows = rows.annotate(told_paid_at=Coalesce("paid_at", "created_at"))
    for name, value in query.items():
        if name == "receipt_number":
            rows = with_number(rows, value)
        elif name in _PAID:
            how = _PAID[name]
            rows = rows.filter(**{f"paid_at__{how}": value, f"told_paid_at__{how}": value})
        else:
            rows = rows.filter(**{_COLUMNS.get(name, name): value})
    return rows
