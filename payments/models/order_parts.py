from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tenants.scoping import ShopScopedModel, environment_field


class OrderPart(ShopScopedModel):
    """
    What one order got of money that paid for several; the parts of a sale add up to it.

    A receipt credits one payment (I3). So the money stays one sale, without an order of its own,
    and each order it covers counts as paid while that sale is completed.
    """

    environment = environment_field()
    payment = models.ForeignKey("payments.Payment", on_delete=models.PROTECT, related_name="parts")
    order_ref = models.CharField(_("order reference"), max_length=64)
    amount = models.DecimalField(_("amount"), max_digits=12, decimal_places=2)

    class Meta:
        verbose_name = _("part of an order")
        verbose_name_plural = _("parts of orders")
        ordering = ["order_ref"]
        constraints = [
            models.UniqueConstraint(fields=["payment", "order_ref"], name="part_once_a_sale"),
            models.CheckConstraint(
                condition=Q(amount__gt=0) & ~Q(order_ref=""), name="part_is_something"
            ),
        ]
        indexes = [
            models.Index(fields=["shop", "environment", "order_ref"], name="part_order"),
        ]

    def __str__(self) -> str:
        return f"{self.order_ref}: {self.amount}"
