"""Payment configs on the wire: what comes in strictly, what goes out without a secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from payments.api.fields import (
    MetadataField,
    OwnWorldSerializer,
    QueryBooleanField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDecimalField,
    StrictIntegerField,
    StrictListField,
    StrictSerializer,
    StrictUUIDField,
)
from payments.choices import ConfigStatus, Environment, Provider, VersionStatus
from payments.models import AccessToken, CredentialVersion, PaymentConfig, VerificationLog
from payments.models.configs import HIGHEST_AMOUNT
from payments.services.config_rules import C2B_VERSIONS, HIGHEST_PRIORITY, MAX_PURPOSES
from payments.services.configs import MAX_REASON_LENGTH
from payments.services.decisions import Why
from payments.services.verification_stages import STAGES
from tenants.models import Branch

_PURPOSE = {"pattern": "[a-z0-9_-]{1,32}", "hint": "Use 1 to 32 of a-z, 0-9, _ and -."}


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class CredentialsField(serializers.Field):
    """Secrets by name; which names there are depends on the provider. Never given back."""

    default_error_messages = {"invalid": "Send an object of texts."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        is_object_of_texts = isinstance(data, Mapping) and all(
            isinstance(value, str) for value in data.values()
        )
        if not is_object_of_texts:
            self.fail("invalid")
        return dict(data)


@extend_schema_field(OpenApiTypes.DATE)
class DayToComeField(serializers.Field):
    """A day as YYYY-MM-DD, in Nairobi; one that has passed would end the config at once."""

    default_error_messages = {
        "invalid": "Send a day as YYYY-MM-DD.",
        "out_of_range": "Give today or a day to come.",
    }

    def to_internal_value(self, data: Any) -> date:
        try:
            day = date.fromisoformat(data) if isinstance(data, str) and len(data) == 10 else None
        except ValueError:
            day = None
        if day is None:
            self.fail("invalid")
        if day < timezone.localdate():
            self.fail("out_of_range")
        return day

    def to_representation(self, value: date) -> str:
        return value.isoformat()


@extend_schema_field(OpenApiTypes.UUID)
class BranchField(StrictUUIDField):
    """A branch of the key's shop, by id."""

    def to_internal_value(self, data: Any) -> Any:
        branch_id = super().to_internal_value(data)
        key = self.context["key"]
        branch = Branch.objects.for_shop(key.shop_id).filter(pk=branch_id, is_active=True).first()
        if branch is None or (key.branch_id is not None and key.branch_id != branch.pk):
            raise serializers.ValidationError("There is no such branch.", code="does_not_exist")
        return branch


class ConfigInput(OwnWorldSerializer):
    """
    A whole config. In a PUT, what is left out gets the default written here.

    Only credentials are kept where they are left out: nobody can read them to send them again.
    """

    name = StrictCharField(max_length=100)
    provider = StrictChoiceField(choices=Provider.choices)
    shortcode = StrictCharField(max_length=32)
    store_number = StrictCharField(max_length=20, allow_blank=True, default="")
    account_number = StrictCharField(max_length=20, allow_blank=True, default="")
    account_prefix = StrictCharField(max_length=6, allow_blank=True, default="")
    branch = BranchField(allow_null=True, default=None)
    priority = StrictIntegerField(lowest=0, highest=HIGHEST_PRIORITY, default=0)
    min_amount = StrictDecimalField(default=1)
    max_amount = StrictDecimalField(default=HIGHEST_AMOUNT)
    daily_limit = StrictDecimalField(allow_null=True, default=None)
    monthly_limit = StrictDecimalField(allow_null=True, default=None)
    purposes = StrictListField(
        child=StrictCharField(**_PURPOSE), max_length=MAX_PURPOSES, default=list
    )
    metadata = MetadataField(default=dict)
    auto_activate = StrictBooleanField(default=False)
    c2b_version = StrictChoiceField(choices=list(C2B_VERSIONS), default="v2")
    credentials_expire_on = DayToComeField(allow_null=True, default=None)
    has_api = StrictBooleanField(default=True)
    refuses_unknown_accounts = StrictBooleanField(default=False)
    assigns_close_references = StrictBooleanField(default=False)
    recheck_above = StrictDecimalField(allow_null=True, default=None)
    credentials = CredentialsField(required=False, write_only=True)


class ConfigFilters(OwnWorldSerializer):
    provider = StrictChoiceField(choices=Provider.choices, required=False)
    environment = StrictChoiceField(choices=Environment.choices, required=False)
    status = StrictChoiceField(choices=ConfigStatus.choices, required=False)
    branch = StrictUUIDField(required=False)
    purpose = StrictCharField(**_PURPOSE, required=False)
    is_active = QueryBooleanField(required=False)


class ActiveConfigFilters(OwnWorldSerializer):
    provider = StrictChoiceField(choices=Provider.choices, required=False)
    environment = StrictChoiceField(choices=Environment.choices, required=False)
    branch = BranchField(required=False)
    amount = StrictDecimalField(required=False)
    purpose = StrictCharField(**_PURPOSE, required=False)


class NothingInput(StrictSerializer):
    """An act that needs no more than its address."""


class ReasonInput(StrictSerializer):
    reason = StrictCharField(max_length=MAX_REASON_LENGTH)


class DeletionInput(OwnWorldSerializer):
    """Why, in the query or in the body."""

    reason = StrictCharField(max_length=MAX_REASON_LENGTH, required=False)


class VerifyInput(StrictSerializer):
    stages = StrictListField(
        child=StrictChoiceField(choices=list(STAGES)), required=False, allow_empty=False
    )
    phone_number = StrictCharField(max_length=32, required=False)


class ConfigOutput(serializers.Serializer):
    """A config as people may see it; credentials are the masks made when they were written."""

    id = serializers.UUIDField()
    shop = serializers.UUIDField(source="shop_id")
    branch = serializers.UUIDField(source="branch_id", allow_null=True)
    name = serializers.CharField()
    provider = serializers.CharField()
    environment = serializers.CharField()
    shortcode = serializers.CharField()
    store_number = serializers.CharField()
    account_number = serializers.CharField()
    account_prefix = serializers.CharField()
    priority = serializers.IntegerField()
    min_amount = StrictDecimalField()
    max_amount = StrictDecimalField()
    daily_limit = StrictDecimalField(allow_null=True)
    monthly_limit = StrictDecimalField(allow_null=True)
    purposes = serializers.ListField(child=serializers.CharField())
    metadata = MetadataField()
    auto_activate = serializers.BooleanField()
    c2b_version = serializers.CharField()
    credentials_expire_on = serializers.DateField(allow_null=True)
    has_api = serializers.BooleanField()
    refuses_unknown_accounts = serializers.BooleanField()
    assigns_close_references = serializers.BooleanField()
    recheck_above = StrictDecimalField(allow_null=True)
    c2b_registered_at = serializers.DateTimeField(allow_null=True)
    proven_at = serializers.DateTimeField(allow_null=True)
    status = serializers.CharField()
    is_active = serializers.BooleanField()
    is_default = serializers.BooleanField()
    health = serializers.CharField()
    # Why health is not ok; empty where it is, or status says it.
    health_reason = serializers.CharField()
    suspended_reason = serializers.CharField()
    version = serializers.SerializerMethodField()
    previous_version = serializers.SerializerMethodField()
    credentials = serializers.SerializerMethodField()
    verified_at = serializers.DateTimeField(allow_null=True)
    verified_by = serializers.CharField()
    last_tested_at = serializers.DateTimeField(allow_null=True)
    last_test_result = serializers.CharField()
    last_test_error = serializers.CharField()
    rotation_scheduled_at = serializers.DateTimeField(allow_null=True)
    token_expires_at = serializers.SerializerMethodField()
    last_token_refresh_at = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_version(self, config: PaymentConfig) -> int:
        current = self.context["current"].get(config.pk)
        return current.number if current else 1

    def get_previous_version(self, config: PaymentConfig) -> int | None:
        return self.context["previous"].get(config.pk)

    def get_credentials(self, config: PaymentConfig) -> dict[str, str]:
        current = self.context["current"].get(config.pk)
        return current.masks if current else {}

    @extend_schema_field({"type": "string", "format": "date-time", "nullable": True})
    def get_token_expires_at(self, config: PaymentConfig) -> str | None:
        return _time(self._token(config), "expires_at")

    @extend_schema_field({"type": "string", "format": "date-time", "nullable": True})
    def get_last_token_refresh_at(self, config: PaymentConfig) -> str | None:
        return _time(self._token(config), "obtained_at")

    def _token(self, config: PaymentConfig) -> AccessToken | None:
        current = self.context["current"].get(config.pk)
        return self.context["tokens"].get(current.app_fingerprint) if current else None


class VerificationLogOutput(serializers.ModelSerializer):
    version = serializers.IntegerField(source="version.number", allow_null=True)

    class Meta:
        model = VerificationLog
        fields = (
            "id",
            "type",
            "stage",
            "result",
            "response_code",
            "response_message",
            "error_details",
            "next_action",
            "duration_ms",
            "version",
            "request_payload",
            "response_payload",
            "initiated_by",
            "ip_address",
            "user_agent",
            "created_at",
        )


class VerificationOutput(serializers.Serializer):
    """What `verify` answers."""

    logs = VerificationLogOutput(many=True)
    config = ConfigOutput()


class ResolutionStepOutput(serializers.Serializer):
    config = serializers.UUIDField()
    name = serializers.CharField()
    level = serializers.ChoiceField(choices=["branch", "shop"])
    chosen = serializers.BooleanField()
    why = serializers.ChoiceField(choices=Why.choices)


class ActiveConfigOutput(serializers.Serializer):
    config = ConfigOutput()
    resolution = ResolutionStepOutput(many=True)


def represent_configs(configs: Iterable[PaymentConfig]) -> list[dict[str, Any]]:
    """Turn configs into data with two more queries, however many they are; none is opened."""
    configs = list(configs)
    versions = CredentialVersion.objects.filter(config__in=configs).defer("secrets")
    current = {v.config_id: v for v in versions if v.status == VersionStatus.CURRENT}
    rotated = [v for v in versions if v.status == VersionStatus.ROTATED]
    previous = {v.config_id: v.number for v in sorted(rotated, key=lambda v: v.number)}
    fingerprints = {version.app_fingerprint for version in current.values()} - {""}
    tokens = AccessToken.objects.defer("token").in_bulk(fingerprints)
    context = {"current": current, "previous": previous, "tokens": tokens}
    return list(ConfigOutput(configs, many=True, context=context).data)


def represent_config(config: PaymentConfig) -> dict[str, Any]:
    return represent_configs([config])[0]


def _time(token: AccessToken | None, name: str) -> str | None:
    value = getattr(token, name, None)
    return serializers.DateTimeField().to_representation(value) if value else None
