from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.fields import EncryptedTextField
from payments.models import Payment, PaymentConfig, Receipt
from reconciliation.choices import LineKind, LineState, StatementStatus
from tenants.scoping import ShopScopedModel, environment_field

_ENDED_BADLY = (StatementStatus.REFUSED, StatementStatus.DISCARDED)


class StatementImport(ShopScopedModel):
    """
    One uploaded file of the organisation portal: read in the background, shown, then applied.

    The file itself is sealed, and goes once it was applied and its retention is over.
    """

    environment = environment_field()
    config = models.ForeignKey(PaymentConfig, on_delete=models.PROTECT, related_name="statements")
    status = models.CharField(
        _("status"),
        max_length=10,
        choices=StatementStatus.choices,
        default=StatementStatus.UPLOADED,
    )
    filename = models.CharField(_("file"), max_length=200)
    digest = models.CharField(max_length=64)
    size = models.PositiveIntegerField(_("bytes"))
    file = EncryptedTextField(default="")
    # What was read of it, without names and whole numbers (statements/packing.py).
    read_lines = EncryptedTextField(default="")
    shortcode = models.CharField(max_length=32, blank=True)
    account = models.CharField(_("account"), max_length=100, blank=True)
    since = models.DateTimeField(_("from"), null=True)
    until = models.DateTimeField(_("to"), null=True)
    opening_balance = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    closing_balance = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    paid_in = models.DecimalField(_("paid in"), max_digits=16, decimal_places=2, null=True)
    withdrawn = models.DecimalField(_("withdrawn"), max_digits=16, decimal_places=2, null=True)
    lines_read = models.PositiveIntegerField(default=0)
    lines_total = models.PositiveIntegerField(null=True)
    lines_applied = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict, blank=True)
    # [{"line": 12, "code": …, "detail": …}], at most some hundred: a person reads them.
    problems = models.JSONField(default=list, blank=True, encoder=DjangoJSONEncoder)
    uploaded_by = models.CharField(_("uploaded by"), max_length=254)
    actor = models.JSONField(default=dict)
    uploaded_at = models.DateTimeField(_("uploaded"), default=timezone.now)
    taken_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    applied_at = models.DateTimeField(_("applied"), null=True, blank=True)

    class Meta:
        verbose_name = _("statement")
        verbose_name_plural = _("statements")
        ordering = ["-uploaded_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "config", "digest"],
                name="statement_file_once",
                condition=~Q(status__in=_ENDED_BADLY),
            )
        ]
        indexes = [
            models.Index(fields=["shop", "-uploaded_at"], name="statement_shop"),
            models.Index(fields=["config", "until"], name="statement_config"),
        ]

    def __str__(self) -> str:
        return self.filename


class StatementLine(ShopScopedModel):
    """One line of a statement; unique by its content in a shop, whatever files it came in."""

    environment = environment_field()
    config = models.ForeignKey(PaymentConfig, on_delete=models.PROTECT, related_name="+")
    statement = models.ForeignKey(StatementImport, on_delete=models.PROTECT, related_name="lines")
    line_number = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    receipt_number = models.CharField(_("receipt"), max_length=32)
    completed_at = models.DateTimeField(_("completed"))
    initiated_at = models.DateTimeField(null=True)
    details = models.CharField(max_length=300, blank=True)
    transaction_status = models.CharField(max_length=40, blank=True)
    paid_in = models.DecimalField(_("paid in"), max_digits=14, decimal_places=2, default=0)
    withdrawn = models.DecimalField(_("withdrawn"), max_digits=14, decimal_places=2, default=0)
    balance = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    reason_type = models.CharField(max_length=100, blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=LineKind.choices)
    state = models.CharField(
        _("state"), max_length=14, choices=LineState.choices, default=LineState.NEW
    )
    account_reference = models.CharField(max_length=40, blank=True)
    payer_initials = models.CharField(max_length=20, blank=True)
    payer_masked = models.CharField(max_length=40, blank=True)
    payer_index = models.CharField(max_length=64, blank=True)
    linked_receipt_number = models.CharField(max_length=32, blank=True)
    receipt = models.ForeignKey(
        Receipt, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    expected_charge = models.DecimalField(max_digits=10, decimal_places=2, null=True)

    class Meta:
        verbose_name = _("statement line")
        verbose_name_plural = _("statement lines")
        ordering = ["statement", "line_number"]
        constraints = [
            models.UniqueConstraint(fields=["shop", "config", "digest"], name="line_once")
        ]
        indexes = [
            models.Index(fields=["statement", "line_number"], name="line_statement"),
            models.Index(fields=["config", "completed_at"], name="line_config"),
            models.Index(fields=["shop", "receipt_number"], name="line_receipt"),
        ]

    def __str__(self) -> str:
        return f"{self.receipt_number} {self.completed_at:%Y-%m-%d}"
