"""What was said about a payment, and the moves it made: both are written once."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.utils import timezone

from payments.choices import EvidenceSource, OutcomeVerdict, PaymentStatus
from payments.models.payments import Attempt, Payment
from tenants.scoping import ShopScopedModel, environment_field, unindexed_shop


class Evidence(ShopScopedModel):
    """What somebody said became of a payment. Append-only; the digest recognises repeats."""

    shop = unindexed_shop()
    environment = environment_field()
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="evidence", db_index=False
    )
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, null=True, related_name="+")
    callback = models.ForeignKey(
        "payments.ProviderCallback", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    source = models.CharField(max_length=20, choices=EvidenceSource.choices)
    verdict = models.CharField(max_length=10, choices=OutcomeVerdict.choices)
    is_final = models.BooleanField(default=False)
    is_duplicate_receipt = models.BooleanField(default=False)
    result_code = models.CharField(max_length=40, blank=True)
    result_desc = models.CharField(max_length=300, blank=True)
    # Six decimals, so that nothing a provider says is rounded into the amount we expect.
    amount = models.DecimalField(max_digits=18, decimal_places=6, null=True)
    receipt_number = models.CharField(max_length=32, blank=True)
    paid_at = models.DateTimeField(null=True)
    digest = models.CharField(max_length=64)
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["recorded_at", "id"]
        triggers = [
            pgtrigger.Protect(name="evidence_append_only", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="evidence_fixed",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("verdict", "amount", "receipt_number", "payment"),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["payment", "digest"], name="evidence_once"),
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.verdict} {self.result_code}"


class Transition(ShopScopedModel):
    """One recorded move of a payment; append-only, one per change of status."""

    shop = unindexed_shop()
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="transitions", db_index=False
    )
    number = models.PositiveSmallIntegerField()
    from_status = models.CharField(max_length=10, choices=PaymentStatus.choices, blank=True)
    to_status = models.CharField(max_length=10, choices=PaymentStatus.choices)
    # Read with the payment's others; evidence is never deleted, so that nobody looks it up here.
    evidence = models.ForeignKey(
        Evidence, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    why = models.CharField(max_length=200, blank=True)
    actor_kind = models.CharField(max_length=10)
    actor_label = models.CharField(max_length=254, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        triggers = [
            pgtrigger.Protect(
                name="transition_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]
        constraints = [
            models.UniqueConstraint(fields=["payment", "number"], name="transition_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.from_status or 'new'} → {self.to_status}"
