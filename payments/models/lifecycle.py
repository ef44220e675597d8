"""A config's way into and out of use: verification runs, proof, approval, claims, breakers."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.choices import BreakerState, HealthReason, ProviderFamily, RunStatus, notice_codes
from payments.fields import EncryptedTextField
from payments.models.configs import CredentialVersion, PaymentConfig
from tenants.scoping import ShopScopedModel, environment_field


class VerificationRun(ShopScopedModel):
    """One visit of the doctor: the stages asked for, and how far it has come."""

    config = models.ForeignKey(PaymentConfig, on_delete=models.PROTECT, related_name="runs")
    version = models.ForeignKey(CredentialVersion, on_delete=models.PROTECT, related_name="+")
    stages = models.JSONField(default=list)
    status = models.CharField(max_length=8, choices=RunStatus.choices, default=RunStatus.RUNNING)
    phone_number = models.CharField(max_length=16, blank=True, help_text=_("Masked."))
    # The number itself, sealed, only until the prompt was sent: the job needs it.
    msisdn = EncryptedTextField(default="")
    actor = models.JSONField(default=dict)
    # When a worker took it; a run nobody took, or whose worker died, is the sweep's.
    taken_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["version"],
                name="verification_one_run",
                condition=Q(status=RunStatus.RUNNING),
            )
        ]

    def __str__(self) -> str:
        return f"{self.config} {self.started_at:%Y-%m-%d %H:%M}"


class GoLiveApproval(ShopScopedModel):
    """A second person's yes, without which no production config becomes active."""

    config = models.ForeignKey(PaymentConfig, on_delete=models.PROTECT, related_name="approvals")
    asked_by = models.ForeignKey(
        "tenants.User", on_delete=models.PROTECT, null=True, related_name="+"
    )
    asked_by_label = models.CharField(max_length=254)
    asked_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(
        "tenants.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    is_approved = models.BooleanField(null=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("go-live approval")
        verbose_name_plural = _("go-live approvals")
        ordering = ["-asked_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["config"], name="approval_one_open", condition=Q(decided_at=None)
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=models.F("asked_by")),
                name="approval_by_a_second_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.config}: {self.asked_by_label}"


class ShortcodeClaim(ShopScopedModel):
    """
    A shop that proved control of a production shortcode; the unique index decides races.

    Shared claims, which platform staff allow, stand outside it.
    """

    environment = environment_field()
    family = models.CharField(max_length=8, choices=ProviderFamily.choices)
    shortcode = models.CharField(max_length=32)
    config = models.ForeignKey(PaymentConfig, on_delete=models.PROTECT, related_name="claims")
    is_shared = models.BooleanField(_("shared"), default=False)
    claimed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("shortcode claim")
        verbose_name_plural = _("shortcode claims")
        ordering = ["-claimed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "family", "shortcode"],
                name="claim_one_shop_a_shortcode",
                condition=Q(is_shared=False),
            ),
            models.UniqueConstraint(
                fields=["shop", "environment", "family", "shortcode"], name="claim_once_a_shop"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.shortcode} ({self.family})"


class Breaker(models.Model):
    """Whether a config is tried at all: fed by refusals and HTTP failures, never by customers."""

    config = models.OneToOneField(
        PaymentConfig, primary_key=True, on_delete=models.PROTECT, related_name="breaker"
    )
    state = models.CharField(
        max_length=9, choices=BreakerState.choices, default=BreakerState.CLOSED
    )
    failures = models.PositiveSmallIntegerField(default=0)
    opened_at = models.DateTimeField(null=True, blank=True)
    probe_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=60, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)
    # What the watch over callbacks and success found: told, and never a reason to open.
    concern = models.CharField(max_length=20, blank=True)
    concern_at = models.DateTimeField(null=True, blank=True)
    concern_data = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return f"{self.config_id}: {self.state}"

    @property
    def trouble(self) -> str:
        """Name what keeps the config from being healthy, the gravest first; empty for nothing."""
        if self.state == BreakerState.OPEN:
            return HealthReason.BREAKER_OPEN
        return HealthReason.FAILURES if self.failures else self.concern


class TokenRefusal(models.Model):
    """A fresh access token refused within its life: a sign that another system fetches tokens."""

    app_fingerprint = models.CharField(max_length=64)
    at = models.DateTimeField()
    token_age_s = models.PositiveIntegerField()

    class Meta:
        indexes = [models.Index(fields=["app_fingerprint", "-at"], name="token_refusal_app")]

    def __str__(self) -> str:
        return f"{self.app_fingerprint[:8]} {self.at:%Y-%m-%d %H:%M}"


class Notice(ShopScopedModel):
    """Something a shop must know until it is over; one open row a subject."""

    config = models.ForeignKey(
        PaymentConfig, on_delete=models.PROTECT, null=True, blank=True, related_name="notices"
    )
    code = models.CharField(max_length=24, choices=notice_codes)
    subject = models.CharField(max_length=64, blank=True)
    data = models.JSONField(default=dict, blank=True)
    opened_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    # Not shown and not mailed until then: somebody has seen it and goes on.
    muted_until = models.DateTimeField(null=True, blank=True)
    muted_by = models.CharField(max_length=254, blank=True)

    class Meta:
        verbose_name = _("warning")
        verbose_name_plural = _("warnings")
        ordering = ["-opened_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "config", "code", "subject"],
                name="notice_one_open",
                condition=Q(closed_at=None),
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.subject}"
