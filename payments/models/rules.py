from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.models.configs import PaymentConfig
from payments.receipt_choices import RuleKind
from tenants.scoping import ShopScopedModel


class AccountRule(ShopScopedModel):
    """
    What a typed account reference means: a label, a branch, an order.

    Exact beats the longest prefix, which beats the default; upper and lower case are one.
    """

    config = models.ForeignKey(
        PaymentConfig, on_delete=models.PROTECT, related_name="account_rules"
    )
    kind = models.CharField(_("applies"), max_length=8, choices=RuleKind.choices)
    pattern = models.CharField(_("reference"), max_length=40, blank=True)
    label = models.CharField(_("label"), max_length=64, blank=True)
    branch = models.ForeignKey(
        "tenants.Branch",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("branch"),
    )
    order_ref = models.CharField(_("order reference"), max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("account rule")
        verbose_name_plural = _("account rules")
        ordering = ["kind", "pattern"]
        constraints = [
            models.UniqueConstraint(fields=["config", "kind", "pattern"], name="account_rule_once"),
            models.CheckConstraint(
                condition=Q(kind=RuleKind.DEFAULT) ^ ~Q(pattern=""),
                name="account_rule_has_pattern",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pattern or '*'} → {self.label}"
