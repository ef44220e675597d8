"""Addresses of shops' own systems, and what became of telling them each event."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.fields import EncryptedTextField
from payments.models.events import Event
from payments.webhook_choices import DeliveryStatus, DisabledReason, problem_choices
from tenants.scoping import ShopScopedModel, environment_field, unindexed_shop

MAX_URL = 500


class WebhookEndpoint(ShopScopedModel):
    """
    One address that is told of the events of its environment, in their order.

    last_seq is the newest event that deliveries were made of: making an event writes nothing here.
    leased_until and leased_by belong to the worker that serves the address just now; nobody holds
    a lock while it does.
    """

    environment = environment_field()
    url = models.CharField(_("address"), max_length=MAX_URL)
    # Empty: all types.
    types = models.JSONField(default=list, blank=True)
    is_active = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=16, choices=DisabledReason.choices, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    secret = EncryptedTextField(bind=("environment", "shop_id"), default="")
    # Signs beside the new one until then, so that the receiver may change over in its own time.
    old_secret = EncryptedTextField(bind=("environment", "shop_id"), default="")
    old_secret_until = models.DateTimeField(null=True, blank=True)
    last_seq = models.BigIntegerField(default=0)
    failing_since = models.DateTimeField(null=True, blank=True)
    last_delivered_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    leased_by = models.UUIDField(null=True, blank=True)
    served_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=254, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.shown_url

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def shown_url(self) -> str:
        """The address for logs and the trail: what follows a question mark may be a password."""
        head, mark, _query = self.url.partition("?")
        return f"{head}?********" if mark else head


class WebhookDelivery(ShopScopedModel):
    """
    One event for one address. What is sent is read from the event when it is sent.

    attempts counts all tries, step those of the schedule: a person's try uses none of it up.
    """

    shop = unindexed_shop()
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+", db_index=False)
    seq = models.BigIntegerField()
    type = models.CharField(max_length=40)
    status = models.CharField(
        max_length=10, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    step = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    last_tried_at = models.DateTimeField(null=True, blank=True)
    response_status = models.PositiveSmallIntegerField(null=True, blank=True)
    problem = models.CharField(max_length=24, choices=problem_choices, blank=True)
    # The beginning of what a failed try was answered, without long numbers.
    answer = models.TextField(blank=True)
    took_ms = models.PositiveIntegerField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "event"], name="webhook_event_once"),
            models.CheckConstraint(
                condition=~Q(status=DeliveryStatus.PENDING) | Q(next_try_at__isnull=False),
                name="webhook_pending_has_next_try",
            ),
        ]
        indexes = [
            models.Index(fields=["endpoint", "-created_at", "-id"], name="webhook_newest"),
            models.Index(
                fields=["endpoint", "next_try_at", "seq"],
                name="webhook_due",
                condition=Q(status=DeliveryStatus.PENDING),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"
