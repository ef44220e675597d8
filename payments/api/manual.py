"""Money a person writes down: cash, card, a till without an API."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from payments import msisdn
from payments.api.fields import (
    OwnWorldSerializer,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictDecimalField,
    StrictUUIDField,
)
from payments.api.idempotency import idempotent
from payments.api.payment_schema import IDEMPOTENCY_HEADER, PaymentOutput
from payments.api.payments import PaymentView
from payments.models import Payment
from payments.receipt_choices import ManualMethod, PaymentOrigin
from payments.services import manual
from payments.services.manual import ManualPayment
from payments.services.payment_rows import describe_all
from tenants.roles import Action

_COLUMNS = {"created_after": "created_at__gte", "created_before": "created_at__lt"}


class ManualInput(OwnWorldSerializer):
    """What is written down. Cents are taken here: cash and banks have them."""

    amount = StrictDecimalField()
    method = StrictChoiceField(choices=ManualMethod.choices)
    reference = StrictCharField(required=False, max_length=64, pattern=r"[ -~]+")
    order_ref = StrictCharField(
        required=False,
        max_length=64,
        pattern=r"[A-Za-z0-9._/-]+",
        hint="Use letters, digits and . _ / - only.",
    )
    reason = StrictCharField(required=False, max_length=200)
    phone_number = StrictCharField(required=False, max_length=32)
    branch = StrictUUIDField(required=False)

    def validate_phone_number(self, value: str) -> str:
        return msisdn.normalise(value)


class ManualFilters(OwnWorldSerializer):
    """The filters of the list of payments written down."""

    method = StrictChoiceField(choices=ManualMethod.choices, required=False)
    branch = StrictUUIDField(required=False)
    order_ref = StrictCharField(required=False, max_length=64)
    created_after = StrictDateTimeField(required=False)
    created_before = StrictDateTimeField(required=False)


class VoidInput(OwnWorldSerializer):
    reason = StrictCharField(max_length=200)


class ManualList(PaymentView):
    """Payments written down by hand, newest first; or a new one."""

    actions: ClassVar = {"GET": Action.LIST_PAYMENTS, "POST": Action.RECORD_MANUAL}
    filters = ManualFilters
    is_list = True

    @extend_schema(
        operation_id="manual_payments_list",
        parameters=[ManualFilters],
        responses=PaymentOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        del request
        asked = {_COLUMNS.get(name, name): value for name, value in self.query.items()}
        rows = self.rows().filter(origin=PaymentOrigin.MANUAL, **asked)
        return self.page(rows, lambda found: describe_all(found, role=self.key.role))

    @extend_schema(
        operation_id="manual_payments_create",
        request=ManualInput,
        parameters=[IDEMPOTENCY_HEADER],
        responses={201: PaymentOutput},
        description=(
            "Writes a payment down; it is `completed` and `paid` at once. A reference that is a "
            "receipt number pays once: `receipt_already_used` where the shop used it already. "
            "Where the shop received that money and nobody used it, the receipt is claimed: the "
            'payment then says `"origin": "receipt"`; `amount_differs` where it is another amount.'
        ),
    )
    @idempotent
    def post(self, request: Request) -> tuple[Payment, int]:
        del request
        given: dict[str, Any] = self.read(ManualInput)
        branch = self.branch_named(given.pop("branch", None))
        payment = manual.record(
            shop=self.shop,
            environment=self.environment,
            branch=branch,
            given=ManualPayment(msisdn=given.pop("phone_number", ""), **given),
            idempotency_key=self.idempotency_key,
            actor=self.actor,
            now=self.now,
        )
        return payment, 201


class ManualVoid(PaymentView):
    """Take back a payment written down by mistake; nothing is deleted."""

    actions: ClassVar = {"POST": Action.VOID_MANUAL}

    @extend_schema(
        operation_id="manual_payments_void",
        request=VoidInput,
        responses=PaymentOutput,
        description="Only payments written down by hand, once: else 409 `invalid_transition`.",
    )
    def post(self, request: Request, payment_id: uuid.UUID) -> Response:
        del request
        payment = self.payment(payment_id)
        given = self.read(VoidInput)
        voided = manual.void(
            payment=payment, reason=given["reason"], actor=self.actor, now=self.now
        )
        return Response(self.describe(voided))
