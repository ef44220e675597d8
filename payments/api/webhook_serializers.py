"""Webhooks on the wire: what comes in strictly, what goes out, and the secret only once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.views.decorators.debug import sensitive_variables
from rest_framework import serializers

from payments.api.fields import (
    OwnWorldSerializer,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictListField,
)
from payments.models import WebhookDelivery, WebhookEndpoint
from payments.models.webhooks import MAX_URL
from payments.services.webhook_sending import Outcome
from payments.webhook_choices import (
    EVENT_TYPES,
    DeliveryProblem,
    DeliveryStatus,
    DisabledReason,
)


class EndpointInput(OwnWorldSerializer):
    url = StrictCharField(max_length=MAX_URL)
    types = StrictListField(
        child=StrictChoiceField(choices=EVENT_TYPES), required=False, max_length=len(EVENT_TYPES)
    )


class EndpointChanges(EndpointInput):
    is_active = StrictBooleanField(required=False)


class EndpointOutput(serializers.ModelSerializer):
    types = serializers.ListField(child=serializers.CharField())
    disabled_reason = serializers.ChoiceField(DisabledReason.choices, allow_null=True)

    class Meta:
        model = WebhookEndpoint
        fields = (
            "id",
            "url",
            "types",
            "environment",
            "is_active",
            "disabled_reason",
            "disabled_at",
            "last_seq",
            "failing_since",
            "last_delivered_at",
            "old_secret_until",
            "created_at",
        )

    def to_representation(self, instance: WebhookEndpoint) -> dict[str, Any]:
        row = super().to_representation(instance)
        return {**row, "disabled_reason": row["disabled_reason"] or None}


class EndpointWithSecret(EndpointOutput):
    secret = serializers.CharField()

    class Meta(EndpointOutput.Meta):
        fields = (*EndpointOutput.Meta.fields, "secret")


class TryOutput(serializers.Serializer):
    """What the address answered; `problem` is null where it took the test."""

    delivered = serializers.BooleanField()
    response_status = serializers.IntegerField(allow_null=True)
    problem = serializers.ChoiceField(DeliveryProblem.choices, allow_null=True)
    answer = serializers.CharField(allow_blank=True)
    took_ms = serializers.IntegerField(allow_null=True)


class DeliveryOutput(serializers.ModelSerializer):
    """One event for one webhook; status, problem and answer are those of the last try."""

    event = serializers.UUIDField(source="event_id")
    webhook_endpoint = serializers.UUIDField(source="endpoint_id")
    status = serializers.ChoiceField(DeliveryStatus.choices)
    problem = serializers.ChoiceField(DeliveryProblem.choices, allow_null=True)

    class Meta:
        model = WebhookDelivery
        fields = (
            "id",
            "webhook_endpoint",
            "event",
            "seq",
            "type",
            "status",
            "attempts",
            "response_status",
            "problem",
            "answer",
            "took_ms",
            "last_tried_at",
            "next_try_at",
            "delivered_at",
            "created_at",
        )

    def to_representation(self, instance: WebhookDelivery) -> dict[str, Any]:
        row = super().to_representation(instance)
        return {**row, "problem": row["problem"] or None}


@sensitive_variables()
def represent_with_secret(endpoint: WebhookEndpoint, secret: str) -> dict[str, Any]:
    return {**EndpointOutput(endpoint).data, "secret": secret}


def represent_outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "delivered": outcome.is_delivered,
        "response_status": outcome.status,
        "problem": outcome.problem or None,
        "answer": outcome.answer,
        "took_ms": outcome.took_ms,
    }


def represent_deliveries(rows: Iterable[WebhookDelivery]) -> Any:
    return DeliveryOutput(rows, many=True).data
