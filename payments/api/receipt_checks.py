"""Is it real? What a till asks of a code or message somebody shows at the counter."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.base import MalipoView
from payments.api.fields import OwnWorldSerializer, StrictCharField, StrictDecimalField
from payments.api.receipt_serializers import ReceiptOutput
from payments.api.schema import BothLanguages
from payments.receipt_choices import CheckAnswer
from payments.services import receipt_checks
from tenants.roles import Action


class PastedTextField(serializers.CharField):
    """A message as it was pasted: line breaks are let through, the reader judges the rest."""

    default_error_messages = {"not_text": "Send text."}

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if data is not serializers.empty and data is not None and not isinstance(data, str):
            self.fail("not_text")
        return super().run_validation(data)


class ReceiptCheckInput(OwnWorldSerializer):
    """A code or a message, and what the cashier expects."""

    receipt_number = StrictCharField(required=False, max_length=32)
    sms = PastedTextField(required=False, help_text="The M-Pesa message, at most 2,000 characters.")
    amount = StrictDecimalField(required=False)
    phone_last3 = StrictCharField(
        required=False, pattern=r"[0-9]{3}", hint="Give the last three digits of the payer's phone."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if ("receipt_number" in attrs) == ("sms" in attrs):
            detail = "Give either receipt_number or sms."
            raise serializers.ValidationError({"receipt_number": [detail]}, code="one_of")
        return attrs


class ReceiptCheckOutput(serializers.Serializer):
    """The answer; `message` is fit to show a cashier, `why` refines it."""

    answer = serializers.ChoiceField(CheckAnswer.choices)
    why = serializers.CharField(allow_null=True)
    receipt = ReceiptOutput(allow_null=True)
    message = BothLanguages()
    retry_after = serializers.IntegerField(required=False)


class ReceiptCheckView(MalipoView):
    """Tell whether a receipt is genuine and unused; ask Safaricom where it is not known yet."""

    actions: ClassVar = {"POST": Action.CLAIM_RECEIPTS}

    @extend_schema(
        operation_id="receipts_check", request=ReceiptCheckInput, responses=ReceiptCheckOutput
    )
    def post(self, request: Request) -> Response:
        given = self.read(ReceiptCheckInput)
        name = "sms" if "sms" in given else "receipt_number"
        shown = receipt_checks.read(
            given[name],
            amount=given.get("amount"),
            last3=given.get("phone_last3", ""),
            name=name,
        )
        checked = receipt_checks.check(
            shop=self.shop,
            environment=self.environment,
            branch=self.key.branch,
            shown=shown,
            actor=self.actor,
            now=self.now,
        )
        return Response(receipt_checks.describe(checked, role=self.key.role))
