from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone

from payments.models.payments import Payment
from tenants.scoping import ShopScopedModel, environment_field


class IdempotencyKey(ShopScopedModel):
    """The till's promise that this is the same sale; unique in the database."""

    environment = environment_field()
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="+")
    running_until = models.DateTimeField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "environment", "key"], name="idempotency_key_once"
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_age")]

    def __str__(self) -> str:
        return self.key
