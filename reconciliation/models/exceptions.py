from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from payments.models import Review
from reconciliation.exception_kinds import ItemKind
from tenants.scoping import ShopScopedModel


class ExceptionItem(Review):
    """
    The door of the one queue of what people must decide: reviews, loose money, refunds.

    It has no rows of its own, and not all of its rows are reviews (exceptions.py).
    """

    class Meta:
        proxy = True
        verbose_name = _("exception")
        verbose_name_plural = _("exceptions")


class Handling(ShopScopedModel):
    """
    Who looks at loose money or a refund, and what one person proposed to do with it.

    Reviews have columns of their own for that.
    """

    kind = models.CharField(max_length=8, choices=ItemKind.choices)
    item_id = models.UUIDField(unique=True)
    assigned_to = models.ForeignKey(
        "tenants.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    proposed_by = models.CharField(max_length=254, blank=True)
    proposal = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("handling")
        verbose_name_plural = _("handlings")

    def __str__(self) -> str:
        return f"{self.kind} {self.item_id}"
