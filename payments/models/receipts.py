from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.choices import ProviderFamily, ReceiptChannel, ReceiptStatus
from tenants.scoping import ShopScopedModel, environment_field


class Receipt(ShopScopedModel):
    """
    The ledger of money that arrived: one row per receipt, over all channels and shops.

    The unique constraint is the lock: whoever inserts the row may credit it, once.
    """

    environment = environment_field()
    family = models.CharField(max_length=8, choices=ProviderFamily.choices)
    number = models.CharField(_("receipt"), max_length=32)
    amount = models.DecimalField(_("amount"), max_digits=12, decimal_places=2, null=True)
    status = models.CharField(_("status"), max_length=12, choices=ReceiptStatus.choices)
    channel = models.CharField(_("channel"), max_length=10, choices=ReceiptChannel.choices)
    payment = models.ForeignKey(
        "payments.Payment", on_delete=models.PROTECT, null=True, related_name="receipts"
    )
    config = models.ForeignKey(
        "payments.PaymentConfig", on_delete=models.PROTECT, null=True, related_name="+"
    )
    shortcode = models.CharField(max_length=32, blank=True)
    account_reference = models.CharField(max_length=40, blank=True)
    payer_masked = models.CharField(max_length=40, blank=True)
    paid_at = models.DateTimeField(_("paid"), null=True)
    claimed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("receipt")
        verbose_name_plural = _("receipts")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "family", "number"], name="receipt_one_credit"
            ),
            models.UniqueConstraint(
                fields=["payment"],
                name="receipt_one_credited_a_payment",
                condition=Q(status=ReceiptStatus.CREDITED),
            ),
        ]
        indexes = [models.Index(fields=["shop", "-created_at"], name="receipt_shop")]

    def __str__(self) -> str:
        return self.number
