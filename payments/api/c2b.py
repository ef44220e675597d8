"""C2B addresses over REST."""

from __future__ import annotations

import uuid
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.configs import ConfigView
from payments.api.fields import StrictChoiceField, StrictSerializer
from payments.services import c2b_urls
from payments.services.c2b_urls import RESPONSE_TYPES
from tenants.roles import Action


class RegisterUrlsInput(StrictSerializer):
    response_type = StrictChoiceField(choices=list(RESPONSE_TYPES), default="Completed")


class RegisteredUrlsOutput(serializers.Serializer):
    """What is registered, since when; addresses without the part that is their lock."""

    held_by = serializers.CharField()
    version = serializers.CharField()
    response_type = serializers.CharField()
    validation_url = serializers.CharField()
    confirmation_url = serializers.CharField()
    registered_at = serializers.DateTimeField()


class ConfigRegisterUrls(ConfigView):
    """Tell Safaricom where to tell us of payments nobody asked for."""

    actions: ClassVar = {"POST": Action.MANAGE_WEBHOOKS}

    @extend_schema(request=RegisterUrlsInput, responses=RegisteredUrlsOutput)
    def post(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        config = self.config(config_id)
        given = self.read(RegisterUrlsInput)
        config = c2b_urls.register_urls(config=config, actor=self.actor, now=self.now, **given)
        what = {**config.c2b_registration, "registered_at": config.c2b_registered_at}
        return Response(RegisteredUrlsOutput(what).data)
