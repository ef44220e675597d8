from __future__ import annotations

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from payments import msisdn
from payments.api.fields import (
    MetadataField,
    OwnWorldSerializer,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictSerializer,
    StrictUUIDField,
)
from payments.choices import PaymentStatus, Provider
from payments.errors import InvalidPhoneNumber
from payments.receipt_choices import PaymentOrigin

_WHOLE = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
LONGEST_WAIT_S = 25


@extend_schema_field(
    {
        "oneOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": f"^{_WHOLE.pattern}$"},
        ]
    }
)
class PromptAmountField(serializers.Field):
    """Whole shillings: M-Pesa takes no cents, and what is shown must be what is asked."""

    default_error_messages = {"invalid": 'Send whole shillings, as 150 or "150".'}

    def to_internal_value(self, data: Any) -> int:
        text = str(data) if isinstance(data, int) and not isinstance(data, bool) else data
        if not isinstance(text, str) or not _WHOLE.fullmatch(text):
            self.fail("invalid")
        return int(text)

    def to_representation(self, value: Any) -> str:
        return str(value)


class PaymentInput(OwnWorldSerializer):
    """What a till sends to take a payment."""

    amount = PromptAmountField()
    phone_number = StrictCharField(max_length=32)
    provider = StrictChoiceField(choices=Provider.choices, required=False)
    branch = StrictUUIDField(required=False)
    order_ref = StrictCharField(
        required=False,
        max_length=64,
        pattern=r"[A-Za-z0-9._/-]+",
        hint="Use letters, digits and . _ / - only.",
    )
    account_reference = StrictCharField(
        required=False,
        max_length=12,
        pattern=r"[A-Za-z0-9 ._/-]+",
        hint="Use letters, digits, blanks and . _ / - only.",
        folded=True,
    )
    description = StrictCharField(
        required=False,
        max_length=13,
        pattern=r"[ -~]+",
        hint="Use letters, digits and signs of plain English only.",
        folded=True,
    )
    purpose = StrictCharField(required=False, max_length=32, pattern=r"[a-z0-9_-]+")
    metadata = MetadataField(required=False)
    second_sale = StrictBooleanField(required=False)

    def validate_phone_number(self, value: str) -> str:
        return msisdn.normalise(value)


class NoBody(OwnWorldSerializer):
    """An action that takes no input."""


class PaymentQuery(StrictSerializer):
    """The query of one payment."""

    wait = StrictCharField(required=False, pattern=r"[0-9]{1,2}", hint="Give 0 to 25.")

    def validate_wait(self, value: str) -> int:
        if int(value) > LONGEST_WAIT_S:
            raise serializers.ValidationError(f"Give 0 to {LONGEST_WAIT_S}.", code="out_of_range")
        return int(value)


class PaymentFilters(OwnWorldSerializer):
    """The filters of the list of payments."""

    status = StrictChoiceField(choices=PaymentStatus.choices, required=False)
    origin = StrictChoiceField(choices=PaymentOrigin.choices, required=False)
    provider = StrictChoiceField(choices=Provider.choices, required=False)
    branch = StrictUUIDField(required=False)
    config = StrictUUIDField(required=False)
    created_after = StrictDateTimeField(required=False)
    created_before = StrictDateTimeField(required=False)
    phone_number = StrictCharField(required=False, max_length=32)
    receipt_number = StrictCharField(required=False, max_length=32)
    order_ref = StrictCharField(required=False, max_length=64)
    account_reference = StrictCharField(required=False, max_length=12, folded=True)
    checkout_request_id = StrictCharField(required=False, max_length=64)

    def validate_phone_number(self, value: str) -> str:
        try:
            return msisdn.normalise(value)
        except InvalidPhoneNumber as error:
            raise serializers.ValidationError(str(error), code=error.code) from error


class StatsFilters(OwnWorldSerializer):
    """The filters of stats and readiness."""

    branch = StrictUUIDField(required=False)


class ReadinessFilters(StatsFilters):
    """Readiness may be asked of one provider."""

    provider = StrictChoiceField(choices=Provider.choices, required=False)
