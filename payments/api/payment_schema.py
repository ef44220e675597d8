"""What the OpenAPI document says of payments; the answers themselves are built by hand."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from payments.choices import (
    AttemptStatus,
    Environment,
    Fault,
    Finality,
    NextStep,
    PaymentStatus,
    Provider,
    ReviewCode,
    Submission,
    WhoActs,
)
from payments.receipt_choices import ManualMethod, PaymentOrigin

IDEMPOTENCY_HEADER = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="The till's promise that this is the same sale: 1 to 255 printable ASCII characters.",
)


class MessageOutput(serializers.Serializer):
    en = serializers.CharField()
    sw = serializers.CharField()


class ResultOutput(serializers.Serializer):
    code = serializers.CharField(allow_null=True)
    finality = serializers.ChoiceField(Finality.choices, allow_null=True)
    fault = serializers.ChoiceField(Fault.choices, allow_null=True)
    message = MessageOutput()
    next_step = serializers.ChoiceField(NextStep.choices)
    who_acts = serializers.ChoiceField(WhoActs.choices)
    retry_after = serializers.IntegerField(allow_null=True)


class AttemptOutput(serializers.Serializer):
    id = serializers.UUIDField()
    number = serializers.IntegerField()
    status = serializers.ChoiceField(AttemptStatus.choices)
    submission = serializers.ChoiceField(Submission.choices)
    checkout_request_id = serializers.CharField(allow_null=True)
    merchant_request_id = serializers.CharField(allow_null=True)
    config = serializers.UUIDField()
    requested_at = serializers.DateTimeField()
    result_code = serializers.CharField(allow_null=True)
    result_desc = serializers.CharField(allow_null=True)


class ReviewOutput(serializers.Serializer):
    id = serializers.UUIDField()
    code = serializers.ChoiceField(ReviewCode.choices)
    blocking = serializers.BooleanField()
    opened_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)


class BranchName(serializers.Serializer):
    id = serializers.UUIDField()
    code = serializers.CharField()
    name = serializers.CharField()


class ConfigName(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    shortcode = serializers.CharField()
    level = serializers.ChoiceField(["branch", "shop"])


class PaymentOutput(serializers.Serializer):
    """A payment. `release_goods` is the only thing a till may act on."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(PaymentStatus.choices)
    previous_status = serializers.ChoiceField(PaymentStatus.choices, allow_null=True)
    environment = serializers.ChoiceField(Environment.choices)
    origin = serializers.ChoiceField(PaymentOrigin.choices)
    provider = serializers.ChoiceField(Provider.choices, allow_null=True)
    method = serializers.ChoiceField(ManualMethod.choices, allow_null=True)
    external_reference = serializers.CharField(allow_null=True)
    amount = serializers.DecimalField(max_digits=12, decimal_places=2)
    currency = serializers.CharField()
    phone_number = serializers.CharField(allow_null=True)
    order_ref = serializers.CharField(allow_null=True)
    account_reference = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_null=True)
    purpose = serializers.CharField(allow_null=True)
    branch = BranchName(allow_null=True)
    config = ConfigName(allow_null=True)
    paid = serializers.BooleanField()
    release_goods = serializers.BooleanField()
    receipt_number = serializers.CharField(allow_null=True)
    receipt_pending = serializers.BooleanField()
    late = serializers.BooleanField()
    reviews = ReviewOutput(many=True)
    result = ResultOutput()
    attempts = AttemptOutput(many=True)
    can_retry = serializers.BooleanField()
    expires_at = serializers.DateTimeField()
    poll_after = serializers.IntegerField(allow_null=True)
    label = serializers.CharField(allow_null=True)
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)


class TimelineEntry(serializers.Serializer):
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(
        [
            "transition",
            "routing",
            "evidence",
            "callback",
            "attempt",
            "answer",
            "receipt",
            "request",
            "refund",
            "review",
            "check",
        ]
    )
    summary = serializers.CharField()
    data = serializers.DictField()


class TotalOutput(serializers.Serializer):
    amount = serializers.CharField()
    count = serializers.IntegerField()


class ManualTotalsOutput(serializers.Serializer):
    """What of the takings was written down by hand."""

    today = TotalOutput()
    month = TotalOutput()


class CodeCountOutput(serializers.Serializer):
    code = serializers.CharField(allow_null=True)
    count = serializers.IntegerField()


class FailedOutput(serializers.Serializer):
    count = serializers.IntegerField()
    by_code = CodeCountOutput(many=True)


class StatsOutput(serializers.Serializer):
    """Takings and outcomes; days are Nairobi's."""

    today = TotalOutput()
    month = TotalOutput()
    manual = ManualTotalsOutput()
    success_rate = serializers.FloatField(allow_null=True)
    pending = serializers.IntegerField()
    unknown = serializers.IntegerField()
    failed = FailedOutput()
    last_sync_at = serializers.DateTimeField(allow_null=True)


class ReasonOutput(serializers.Serializer):
    """What is in the way or to be looked at; message is the English one of messages."""

    code = serializers.CharField()
    message = serializers.CharField()
    messages = MessageOutput()


class ReadinessOutput(serializers.Serializer):
    """Can a payment be taken now; blockers say what is in the way."""

    ready = serializers.BooleanField()
    blockers = ReasonOutput(many=True)
    warnings = ReasonOutput(many=True)
