from __future__ import annotations

from decimal import Decimal
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.choices import (
    FAMILY_OF,
    ConfigHealth,
    ConfigStatus,
    HealthReason,
    Provider,
    ProviderFamily,
    VerificationResult,
    VerificationStage,
    VerificationType,
    VersionStatus,
)
from payments.fields import EncryptedSecretsField, EncryptedTextField
from tenants.ids import new_id
from tenants.scoping import ShopScopedModel, ShopScopedQuerySet, environment_field

# Safaricom's limit per customer and transaction (Daraja FAQ; requirements.md C5).
HIGHEST_AMOUNT = Decimal(250_000)


class PaymentConfigQuerySet(ShopScopedQuerySet):
    def not_deleted(self) -> Self:
        return self.filter(deleted_at=None)

    def usable(self) -> Self:
        return self.not_deleted().filter(status=ConfigStatus.VERIFIED, is_active=True)


class PaymentConfig(ShopScopedModel):
    """How a shop or branch takes money through one account; its secrets are in its versions."""

    branch = models.ForeignKey(
        "tenants.Branch", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    provider = models.CharField(_("provider"), max_length=16, choices=Provider.choices)
    environment = environment_field()
    name = models.CharField(_("name"), max_length=100)
    shortcode = models.CharField(_("shortcode"), max_length=32)
    store_number = models.CharField(_("store number"), max_length=20, blank=True)
    account_number = models.CharField(_("target account"), max_length=20, blank=True)
    account_prefix = models.CharField(_("account prefix"), max_length=6, blank=True)
    status = models.CharField(
        _("status"), max_length=10, choices=ConfigStatus.choices, default=ConfigStatus.DRAFT
    )
    is_active = models.BooleanField(_("active"), default=False)
    is_default = models.BooleanField(_("default"), default=False)
    priority = models.PositiveSmallIntegerField(_("priority"), default=0)
    min_amount = models.DecimalField(
        _("smallest amount"), max_digits=12, decimal_places=2, default=1
    )
    max_amount = models.DecimalField(
        _("largest amount"), max_digits=12, decimal_places=2, default=HIGHEST_AMOUNT
    )
    daily_limit = models.DecimalField(
        _("daily limit"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    monthly_limit = models.DecimalField(
        _("monthly limit"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    purposes = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)
    suspended_reason = models.CharField(max_length=200, blank=True)
    verified_at = models.DateTimeField(_("verified"), null=True, blank=True)
    verified_by = models.CharField(max_length=254, blank=True)
    last_tested_at = models.DateTimeField(_("last tested"), null=True, blank=True)
    last_test_result = models.CharField(
        max_length=8, choices=VerificationResult.choices, blank=True
    )
    last_test_error = models.CharField(max_length=300, blank=True)
    rotation_scheduled_at = models.DateTimeField(null=True, blank=True)
    credentials_expire_on = models.DateField(_("credentials expire"), null=True, blank=True)
    auto_activate = models.BooleanField(_("switch on once verified"), default=False)
    proven_at = models.DateTimeField(_("control proven"), null=True, blank=True)
    c2b_version = models.CharField(
        _("C2B version"), max_length=2, choices=[("v1", "v1"), ("v2", "v2")], default="v2"
    )
    c2b_registered_at = models.DateTimeField(_("C2B registered"), null=True, blank=True)
    c2b_registration = models.JSONField(default=dict, blank=True)
    # Asked for what came to the account, and so completed where callbacks were lost.
    pull_registered_at = models.DateTimeField(_("pull registered"), null=True, blank=True)
    pull_enabled = models.BooleanField(_("pulls transactions"), default=False)
    # Without an API money comes outside, and is known by hand or by statement only.
    has_api = models.BooleanField(_("has an API"), default=True)
    refuses_unknown_accounts = models.BooleanField(
        _("refuse payments with an unknown account number"), default=False
    )
    assigns_close_references = models.BooleanField(
        _("assign a mistyped reference when one open payment fits exactly"), default=False
    )
    recheck_above = models.DecimalField(
        _("check again from this amount"), max_digits=12, decimal_places=2, null=True, blank=True
    )
    refused_count = models.PositiveSmallIntegerField(default=0)
    last_callback_at = models.DateTimeField(_("last callback"), null=True, blank=True)
    created_by = models.CharField(max_length=254)
    updated_by = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = PaymentConfigQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment config")
        verbose_name_plural = _("payment configs")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "branch", "provider", "environment", "shortcode", "account_number"],
                name="config_shortcode_once_a_branch",
                condition=Q(deleted_at=None),
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["shop", "branch", "provider", "environment"],
                name="config_one_default",
                condition=Q(is_default=True, deleted_at=None),
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(status=ConfigStatus.VERIFIED),
                name="config_active_only_if_verified",
            ),
            models.CheckConstraint(
                condition=Q(min_amount__gte=1)
                & Q(max_amount__gte=models.F("min_amount"))
                & Q(max_amount__lte=HIGHEST_AMOUNT),
                name="config_amounts_in_order",
            ),
            models.CheckConstraint(
                condition=~Q(provider=Provider.MPESA_TILL) | ~Q(store_number="") | Q(has_api=False),
                name="config_till_has_store_number",
            ),
        ]
        indexes = [
            models.Index(fields=["shop", "provider", "is_active"], name="config_shop_provider"),
            models.Index(fields=["shop", "branch", "is_active"], name="config_shop_branch"),
            models.Index(fields=["shortcode", "provider"], name="config_shortcode"),
            models.Index(fields=["status", "rotation_scheduled_at"], name="config_rotation"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.shortcode})"

    @property
    def family(self) -> ProviderFamily:
        return FAMILY_OF[self.provider]

    @property
    def level(self) -> str:
        return "branch" if self.branch_id else "shop"

    @property
    def health(self) -> str:
        """Tell what status, breaker and last test say; lists read the breaker along with it."""
        if self.status in {ConfigStatus.SUSPENDED, ConfigStatus.EXPIRED, ConfigStatus.FAILED}:
            return ConfigHealth.DOWN
        if self.status != ConfigStatus.VERIFIED:
            return ConfigHealth.UNKNOWN
        if self.health_reason == HealthReason.BREAKER_OPEN:
            return ConfigHealth.DOWN
        return ConfigHealth.DEGRADED if self.health_reason else ConfigHealth.OK

    @property
    def health_reason(self) -> str:
        """Name why a verified config is not healthy; empty where it is, or its status says it."""
        if self.status != ConfigStatus.VERIFIED:
            return ""
        breaker = getattr(self, "breaker", None)
        if breaker is not None and breaker.trouble:
            return str(breaker.trouble)
        is_good = self.last_test_result == VerificationResult.SUCCESS
        return "" if is_good else HealthReason.LAST_TEST


class CredentialVersion(ShopScopedModel):
    """
    One generation of a config's secrets.

    masks were made at writing, so that a list opens nothing. app_fingerprint is the HMAC over
    environment, consumer key and secret by which the shared access token is found.
    """

    config = models.ForeignKey(PaymentConfig, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=8, choices=VersionStatus.choices)
    secrets = EncryptedSecretsField(
        bind=("config.environment", "config.provider", "config.shortcode"), default=dict
    )
    masks = models.JSONField(default=dict)
    app_fingerprint = models.CharField(max_length=64, blank=True, db_index=True)
    reason = models.CharField(max_length=200, blank=True)
    scheduled_at = models.DateTimeField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    refused_count = models.PositiveSmallIntegerField(default=0)
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    activated_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["config", "number"], name="version_number_once"),
            models.UniqueConstraint(
                fields=["config"],
                name="version_one_current",
                condition=Q(status=VersionStatus.CURRENT),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.config} v{self.number}"


class AccessToken(models.Model):
    """
    The one access token of a Daraja app, shared by every config on that app.

    A new token kills the old one (Daraja portal, Authorization FAQ), hence one row per app.
    refreshing_until is the lease of whoever fetches a new one: nobody holds a lock meanwhile.
    """

    app_fingerprint = models.CharField(primary_key=True, max_length=64)
    environment = environment_field()
    token = EncryptedTextField(bind=("environment",), default="")
    obtained_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    refreshing_until = models.DateTimeField(null=True, blank=True)
    refused_at = models.DateTimeField(null=True, blank=True)
    # Since when we are refused without a reason: this app, or Safaricom itself?
    doubted_at = models.DateTimeField(null=True, blank=True)
    query_paused_until = models.DateTimeField(null=True, blank=True)
    query_budget_per_minute = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        verbose_name = _("access token")
        verbose_name_plural = _("access tokens")
        constraints = [
            models.CheckConstraint(
                condition=Q(token="") | Q(expires_at__isnull=False), name="token_has_expiry"
            )
        ]

    def __str__(self) -> str:
        return f"{self.environment} {self.app_fingerprint[:8]}"


class VerificationLog(ShopScopedModel):
    """One probe of one config; payloads hold allow-listed fields only (safety.md section 8)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    config = models.ForeignKey(
        PaymentConfig, on_delete=models.PROTECT, related_name="verifications"
    )
    version = models.ForeignKey(CredentialVersion, on_delete=models.PROTECT, null=True)
    type = models.CharField(max_length=16, choices=VerificationType.choices)
    run = models.ForeignKey(
        "payments.VerificationRun", on_delete=models.PROTECT, null=True, related_name="logs"
    )
    stage = models.CharField(max_length=16, choices=VerificationStage.choices, blank=True)
    result = models.CharField(max_length=8, choices=VerificationResult.choices)
    next_action = models.CharField(max_length=300, blank=True)
    checkout_request_id = models.CharField(max_length=64, blank=True, db_index=True)
    response_code = models.CharField(max_length=40, blank=True)
    response_message = models.CharField(max_length=300, blank=True)
    error_details = models.CharField(max_length=500, blank=True)
    duration_ms = models.PositiveIntegerField(default=0)
    request_payload = models.JSONField(default=dict)
    response_payload = models.JSONField(default=dict)
    initiated_by = models.CharField(max_length=254, blank=True)
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["config", "-created_at"], name="verification_config"),
            models.Index(fields=["shop", "type", "-created_at"], name="verification_shop"),
        ]

    def __str__(self) -> str:
        return f"{self.config}: {self.type} {self.result}"
