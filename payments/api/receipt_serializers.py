"""What tills send about receipts, and what the OpenAPI document says of the answers."""

from __future__ import annotations

from rest_framework import serializers

from payments.api.fields import (
    OwnWorldSerializer,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictDecimalField,
    StrictUUIDField,
)
from payments.api.payment_schema import BranchName
from payments.choices import ReceiptChannel, ReceiptStatus
from payments.receipt_choices import UnallocatedReason


class ReceiptFilters(OwnWorldSerializer):
    """The filters of the list of receipts."""

    status = StrictChoiceField(choices=ReceiptStatus.choices, required=False)
    receipt_number = StrictCharField(required=False, max_length=32)
    branch = StrictUUIDField(required=False)
    paid_after = StrictDateTimeField(required=False)
    paid_before = StrictDateTimeField(required=False)


class ClaimInput(OwnWorldSerializer):
    """A receipt and the order it shall pay for; the amount is the order's, cents and all."""

    receipt_number = StrictCharField(
        max_length=32, pattern=r"[A-Za-z0-9._/-]+", hint="Use letters and digits only."
    )
    order_ref = StrictCharField(
        max_length=64,
        pattern=r"[A-Za-z0-9._/-]+",
        hint="Use letters, digits and . _ / - only.",
    )
    amount = StrictDecimalField()


class AllocateInput(OwnWorldSerializer):
    """The payment a receipt shall be given to."""

    payment = StrictUUIDField()


class ReceiptOutput(serializers.Serializer):
    """Money that arrived. `payer` is initials and a masked number, as much of it as is known."""

    id = serializers.UUIDField()
    receipt_number = serializers.CharField()
    amount = serializers.DecimalField(max_digits=12, decimal_places=2, allow_null=True)
    status = serializers.ChoiceField(ReceiptStatus.choices)
    payment = serializers.UUIDField(allow_null=True)
    channel = serializers.ChoiceField(ReceiptChannel.choices)
    account_reference = serializers.CharField(allow_null=True)
    payer = serializers.CharField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    claimed_at = serializers.DateTimeField(allow_null=True)
    label = serializers.CharField(allow_null=True)
    branch = BranchName(allow_null=True)
    reason = serializers.ChoiceField(UnallocatedReason.choices, allow_null=True)
