"""Rotation over HTTP: new credentials in, the versions out, masked."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.config_serializers import ConfigOutput, CredentialsField, represent_config
from payments.api.configs import ConfigView
from payments.api.fields import StrictCharField, StrictDateTimeField, StrictSerializer
from payments.models import CredentialVersion
from payments.services import rotation
from payments.services.configs import MAX_REASON_LENGTH
from tenants.roles import Action


class RotateInput(StrictSerializer):
    """The secrets that change; what is left out is kept. With a time: tried and used then."""

    credentials = CredentialsField(write_only=True)
    reason = StrictCharField(max_length=MAX_REASON_LENGTH)
    scheduled_at = StrictDateTimeField(required=False, allow_null=True)


class VersionOutput(serializers.ModelSerializer):
    """One generation of a config's secrets, as masks made when they were written."""

    version = serializers.IntegerField(source="number")
    credentials = serializers.DictField(source="masks", child=serializers.CharField())

    class Meta:
        model = CredentialVersion
        fields = (
            "id",
            "version",
            "status",
            "credentials",
            "reason",
            "scheduled_at",
            "verified_at",
            "activated_at",
            "retired_at",
            "refused_count",
            "created_by",
            "created_at",
        )


class ConfigRotate(ConfigView):
    actions: ClassVar = {"POST": Action.MANAGE_CONFIGS}

    @extend_schema(request=RotateInput, responses=ConfigOutput)
    @sensitive_variables()
    def post(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        config = self.config(config_id)
        given = self.read(RotateInput)
        config = rotation.rotate_credentials(config=config, actor=self.actor, now=self.now, **given)
        return Response(represent_config(config))


class ConfigVersions(ConfigView):
    actions: ClassVar = {"GET": Action.VIEW_CONFIGS}
    is_list = True

    @extend_schema(responses=VersionOutput(many=True))
    def get(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        rows = self.config(config_id).versions.defer("secrets")
        return self.page(rows, lambda versions: VersionOutput(versions, many=True).data)
