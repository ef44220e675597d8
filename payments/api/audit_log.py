"""What was done to a payment config, and by whom: the shop's own trail, as the chain has it."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db.models import F
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.actions import AuditAction
from audit.models import AuditEntry
from payments.api.configs import ConfigView
from tenants.roles import Action


class ChangeOutput(serializers.Serializer):
    """One field; secrets are masked for ever, on both sides."""

    field = serializers.CharField()
    old = serializers.JSONField(allow_null=True)
    new = serializers.JSONField(allow_null=True)


class ActorOutput(serializers.Serializer):
    kind = serializers.CharField(source="actor_kind")
    id = serializers.CharField(source="actor_id", allow_blank=True)
    label = serializers.CharField(source="actor_label", allow_blank=True)
    role = serializers.CharField(source="actor_role", allow_blank=True)
    ip = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField(allow_blank=True)


class AuditEntryOutput(serializers.Serializer):
    """One link of the shop's chain; seq has no gaps over the whole shop."""

    id = serializers.UUIDField()
    seq = serializers.IntegerField()
    action = serializers.ChoiceField(choices=AuditAction.values)
    changes = ChangeOutput(many=True)
    previous_state = serializers.DictField()
    reason = serializers.CharField(allow_blank=True)
    actor = ActorOutput(source="*")
    request_id = serializers.CharField(allow_blank=True)
    hash = serializers.CharField()
    created_at = serializers.DateTimeField(source="at")


class ConfigAuditLog(ConfigView):
    actions: ClassVar = {"GET": Action.VIEW_AUDIT}
    is_list = True

    @extend_schema(responses=AuditEntryOutput(many=True))
    def get(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        config = self.config(config_id)
        rows = AuditEntry.objects.filter(
            shop=config.shop_id,
            object_type="payments.paymentconfig",
            object_id=str(config.pk),
        )
        # The pages of every list are cut by created_at.
        rows = rows.annotate(created_at=F("at"))
        return self.page(rows, lambda entries: AuditEntryOutput(entries, many=True).data)
