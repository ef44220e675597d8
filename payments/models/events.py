from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone

from tenants.scoping import ShopScopedModel, environment_field, unindexed_shop


class EventCounter(models.Model):
    """
    The last sequence number given away; its row lock keeps the numbers without gaps.

    One a shop and environment: a key sees one environment only, and must see no gap in it.
    """

    shop = models.ForeignKey("tenants.Shop", on_delete=models.PROTECT, related_name="+")
    environment = environment_field()
    last_seq = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shop", "environment"], name="event_counter_once")
        ]

    def __str__(self) -> str:
        return f"{self.shop_id} {self.environment}: {self.last_seq}"


class Event(ShopScopedModel):
    """What happened, in the order it happened, in the transaction in which it happened."""

    shop = unindexed_shop()
    seq = models.BigIntegerField()
    environment = environment_field()
    type = models.CharField(max_length=40)
    data = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["seq"]
        constraints = [
            models.UniqueConstraint(fields=["shop", "environment", "seq"], name="event_no_gap")
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"
