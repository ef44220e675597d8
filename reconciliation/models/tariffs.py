from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.choices import Provider
from payments.models import PaymentConfig
from reconciliation.choices import Bearer
from tenants.ids import new_id
from tenants.scoping import ShopScopedModel


class Tariff(models.Model):
    """What Safaricom charges from a date on; a new one never changes what was charged before."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.CharField(_("provider"), max_length=16, choices=Provider.choices)
    bearer = models.CharField(_("paid by"), max_length=8, choices=Bearer.choices)
    effective_from = models.DateField(_("valid from"))
    source = models.CharField(_("source"), max_length=200, blank=True)
    created_by = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("tariff")
        verbose_name_plural = _("tariffs")
        ordering = ["provider", "bearer", "-effective_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "bearer", "effective_from"], name="tariff_once_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_provider_display()} {self.get_bearer_display()} {self.effective_from}"


class TariffBand(models.Model):
    """The charge for amounts from `smallest` up to the next band."""

    tariff = models.ForeignKey(Tariff, on_delete=models.PROTECT, related_name="bands")
    smallest = models.DecimalField(_("from amount"), max_digits=12, decimal_places=2)
    charge = models.DecimalField(_("charge"), max_digits=10, decimal_places=2)
    percent = models.DecimalField(_("percent"), max_digits=6, decimal_places=4, default=0)

    class Meta:
        verbose_name = _("band")
        verbose_name_plural = _("bands")
        ordering = ["smallest"]
        constraints = [
            models.UniqueConstraint(fields=["tariff", "smallest"], name="tariff_band_once")
        ]

    def __str__(self) -> str:
        return f"{self.smallest}: {self.charge}"


class ConfigBearer(ShopScopedModel):
    """Who pays the charges of a config from a date on."""

    config = models.ForeignKey(PaymentConfig, on_delete=models.PROTECT, related_name="bearers")
    bearer = models.CharField(_("paid by"), max_length=8, choices=Bearer.choices)
    effective_from = models.DateField(_("valid from"))

    class Meta:
        verbose_name = _("bearer of charges")
        verbose_name_plural = _("bearers of charges")
        ordering = ["-effective_from"]
        constraints = [
            models.UniqueConstraint(fields=["config", "effective_from"], name="bearer_once_a_day")
        ]

    def __str__(self) -> str:
        return f"{self.config} {self.bearer} {self.effective_from}"
