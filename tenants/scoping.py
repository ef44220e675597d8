"""The one place that knows how rows are fenced: every row of a shop carries its shop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models

from tenants.choices import Environment
from tenants.ids import new_id

if TYPE_CHECKING:
    import uuid


class ShopScopedQuerySet(models.QuerySet):
    def for_shop(self, shop: models.Model | uuid.UUID) -> Self:
        return self.filter(shop=shop)

    def in_environment(self, environment: str) -> Self:
        return self.filter(environment=environment)


class ShopScopedModel(models.Model):
    """A row that belongs to one shop, for ever: PROTECT, because money rows outlive a contract."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    shop = models.ForeignKey("tenants.Shop", on_delete=models.PROTECT, related_name="+")

    objects = ShopScopedQuerySet.as_manager()

    class Meta:
        abstract = True


def unindexed_shop() -> models.ForeignKey:
    """
    Return a shop without an index of its own, for the rows that are written all day.

    Their other indexes begin with the shop, or the rows are only ever found by their payment.
    """
    return models.ForeignKey(
        "tenants.Shop", on_delete=models.PROTECT, related_name="+", db_index=False
    )


def environment_field() -> models.CharField:
    return models.CharField(max_length=10, choices=Environment.choices)
