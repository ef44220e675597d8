"""What we ask Safaricom that is answered later, and the refunds that wait for such answers."""

from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.models.configs import CredentialVersion, PaymentConfig, VerificationLog
from payments.models.payments import Payment
from payments.models.receipts import Receipt
from payments.receipt_choices import RefundStatus, RequestKind, RequestStatus
from tenants.scoping import ShopScopedModel, environment_field

OPEN_REFUNDS = frozenset(
    {RefundStatus.ASKED, RefundStatus.APPROVED, RefundStatus.SENT, RefundStatus.UNKNOWN}
)


class ProviderRequest(ShopScopedModel):
    """
    One asynchronous request, committed before it is sent; its id is in the result's address.

    Never sent a second time by itself: "outcome unknown" stays so until somebody tells.
    """

    environment = environment_field()
    kind = models.CharField(_("kind"), max_length=8, choices=RequestKind.choices)
    status = models.CharField(
        _("status"), max_length=10, choices=RequestStatus.choices, default=RequestStatus.CREATED
    )
    config = models.ForeignKey(PaymentConfig, on_delete=models.PROTECT, related_name="requests")
    version = models.ForeignKey(CredentialVersion, on_delete=models.PROTECT, related_name="+")
    receipt_number = models.CharField(_("receipt"), max_length=32, blank=True)
    receipt = models.ForeignKey(
        Receipt, on_delete=models.PROTECT, null=True, blank=True, related_name="requests"
    )
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="requests"
    )
    verification_log = models.ForeignKey(
        VerificationLog, on_delete=models.PROTECT, null=True, blank=True, related_name="requests"
    )
    amount = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    # Why it is asked: a check at the till, a held receipt, a second look, the doctor, a refund.
    purpose = models.CharField(max_length=16, blank=True)
    originator_conversation_id = models.CharField(max_length=64, blank=True)
    conversation_id = models.CharField(max_length=64, blank=True)
    result_code = models.CharField(_("result code"), max_length=40, blank=True)
    result_desc = models.CharField(max_length=300, blank=True)
    result = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)
    asked_by = models.CharField(_("asked by"), max_length=254)
    requested_at = models.DateTimeField(_("asked"), default=timezone.now)
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True)

    class Meta:
        verbose_name = _("request to Safaricom")
        verbose_name_plural = _("requests to Safaricom")
        ordering = ["-requested_at"]
        indexes = [
            models.Index(fields=["shop", "-requested_at"], name="request_shop"),
            models.Index(fields=["shop", "receipt_number"], name="request_receipt"),
            models.Index(fields=["status", "requested_at"], name="request_open"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.receipt_number}"


class Refund(ShopScopedModel):
    """Money to be given back: asked by one person, approved by another, sent once."""

    environment = environment_field()
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="refunds"
    )
    receipt = models.ForeignKey(Receipt, on_delete=models.PROTECT, related_name="refunds")
    amount = models.DecimalField(_("amount"), max_digits=12, decimal_places=2)
    status = models.CharField(
        _("status"), max_length=8, choices=RefundStatus.choices, default=RefundStatus.ASKED
    )
    reason = models.CharField(_("reason"), max_length=300)
    request = models.OneToOneField(
        ProviderRequest, on_delete=models.PROTECT, null=True, blank=True, related_name="refund"
    )
    asked_by = models.ForeignKey(
        "tenants.User", on_delete=models.PROTECT, null=True, related_name="+"
    )
    asked_by_label = models.CharField(_("asked by"), max_length=254)
    asked_at = models.DateTimeField(_("asked"), default=timezone.now)
    decided_by = models.ForeignKey(
        "tenants.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_by_label = models.CharField(_("decided by"), max_length=254, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=300, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        ordering = ["-asked_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["receipt"],
                name="refund_one_open",
                condition=Q(status__in=sorted(OPEN_REFUNDS)),
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None)
                | Q(asked_by=None)
                | ~Q(decided_by=models.F("asked_by")),
                name="refund_by_a_second_person",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_amount_positive"),
        ]
        indexes = [models.Index(fields=["shop", "-asked_at"], name="refund_shop")]

    def __str__(self) -> str:
        return f"{self.receipt.number} KES {self.amount}"
