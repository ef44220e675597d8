from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.choices import ReviewCode
from tenants.scoping import ShopScopedModel, environment_field


class Review(ShopScopedModel):
    """
    A doubt that needs a person, beside the payment's status.

    subject says what it is about (a receipt, an attempt, a callback), so that the same evidence
    never opens it twice, not even after it was resolved.
    """

    environment = environment_field()
    payment = models.ForeignKey(
        "payments.Payment", on_delete=models.PROTECT, null=True, related_name="reviews"
    )
    receipt = models.ForeignKey(
        "payments.Receipt", on_delete=models.PROTECT, null=True, blank=True, related_name="reviews"
    )
    callback = models.ForeignKey(
        "payments.ProviderCallback", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    code = models.CharField(_("reason"), max_length=24, choices=ReviewCode.choices)
    subject = models.CharField(max_length=64, blank=True)
    blocking = models.BooleanField(_("blocking"), default=False)
    opened_at = models.DateTimeField(_("opened"), default=timezone.now)
    assigned_to = models.ForeignKey(
        "tenants.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # Above an amount the shop sets, two people: who said so first, and what.
    proposed_by = models.CharField(max_length=254, blank=True)
    proposal = models.JSONField(default=dict, blank=True)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    resolved_by = models.CharField(max_length=254, blank=True)
    resolution = models.CharField(max_length=20, blank=True)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        ordering = ["-opened_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["payment", "code", "subject"],
                name="review_once_a_subject",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(resolved_at=None)
                | Q(proposed_by="")
                | ~Q(resolved_by=models.F("proposed_by")),
                name="review_by_a_second_person",
            ),
        ]
        indexes = [
            models.Index(fields=["shop", "-opened_at"], name="review_shop"),
            models.Index(fields=["-opened_at"], name="review_newest"),
            # What waits is counted on every page, by reason, and what is done with stays for ever.
            models.Index(
                fields=["shop", "code", "-opened_at"],
                name="review_open",
                condition=Q(resolved_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.payment or ''}"
