from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.models import PaymentConfig
from reconciliation.models.words import in_nairobi
from tenants.scoping import ShopScopedModel, environment_field


class Shift(ShopScopedModel):
    """
    A period one cashier, branch or config answers for, signed off with the numbers of that moment.

    totals never change afterwards; what changes later is shown beside them as an adjustment.
    """

    environment = environment_field()
    branch = models.ForeignKey(
        "tenants.Branch", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    config = models.ForeignKey(
        PaymentConfig, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    cashier = models.CharField(_("cashier"), max_length=254, blank=True)
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("to"))
    totals = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    reported = models.DecimalField(
        _("the till reports"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    note = models.CharField(_("note"), max_length=300, blank=True)
    signed_by = models.CharField(_("signed by"), max_length=254)
    signed_at = models.DateTimeField(_("signed"), default=timezone.now)

    class Meta:
        verbose_name = _("shift")
        verbose_name_plural = _("shifts")
        ordering = ["-until"]
        constraints = [
            models.CheckConstraint(
                condition=Q(until__gt=models.F("since")), name="shift_has_length"
            ),
            models.UniqueConstraint(
                fields=["shop", "environment", "branch", "config", "cashier", "since", "until"],
                name="shift_once",
                nulls_distinct=False,
            ),
        ]
        indexes = [models.Index(fields=["shop", "-until"], name="shift_shop")]

    def __str__(self) -> str:
        whose = self.cashier or self.branch or self.config or self.shop
        return f"{whose} {in_nairobi(self.until)}"
