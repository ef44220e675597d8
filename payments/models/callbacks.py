from __future__ import annotations

import ipaddress

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.choices import CallbackKind, CallbackStatus, callback_kinds
from payments.fields import EncryptedTextField
from tenants.ids import new_id

_TROUBLED = [CallbackStatus.DEAD, CallbackStatus.DUPLICATE, CallbackStatus.QUARANTINED]


class ProviderCallback(models.Model):
    """
    The inbox: what arrived at a callback address, UNTRUSTED, kept before anybody looks inside.

    shop is empty until the row is attributed: storing takes one INSERT and no look-up. The body is
    sealed and goes after its retention; digest, size and verdict stay.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=8, choices=callback_kinds)
    subject_id = models.UUIDField()
    shop = models.ForeignKey(
        "tenants.Shop", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    payment = models.ForeignKey(
        "payments.Payment", on_delete=models.PROTECT, null=True, related_name="callbacks"
    )
    status = models.CharField(
        _("status"), max_length=12, choices=CallbackStatus.choices, default=CallbackStatus.NEW
    )
    body = EncryptedTextField(default="")
    digest = models.CharField(max_length=64)
    size = models.PositiveIntegerField(_("bytes"))
    content_type = models.CharField(max_length=100, blank=True)
    source_ip = models.GenericIPAddressField(_("source"), null=True)
    result_code = models.CharField(_("result code"), max_length=40, blank=True)
    result_desc = models.CharField(max_length=300, blank=True)
    checkout_request_id = models.CharField(max_length=64, blank=True)
    merchant_request_id = models.CharField(max_length=64, blank=True)
    problem = models.CharField(_("problem"), max_length=300, blank=True)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(_("received"), default=timezone.now)
    settled_at = models.DateTimeField(_("settled"), null=True, blank=True)
    processing_ms = models.PositiveIntegerField(null=True, blank=True)

    # When this process took it in hand, by time.perf_counter; no column.
    locked_s: float | None = None

    class Meta:
        verbose_name = _("callback")
        verbose_name_plural = _("callback inbox")
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                name="callback_to_apply",
                condition=Q(status=CallbackStatus.NEW),
            ),
            models.Index(fields=["subject_id"], name="callback_subject"),
            models.Index(fields=["shop", "-received_at"], name="callback_shop"),
            models.Index(fields=["-received_at"], name="callback_newest"),
            # Few among many: what a person must look at, and what is no answer to a prompt.
            models.Index(
                fields=["status", "-received_at"],
                name="callback_troubled",
                condition=Q(status__in=_TROUBLED),
            ),
            models.Index(
                fields=["shop", "kind", "-received_at"],
                name="callback_other_kinds",
                condition=~Q(kind=CallbackKind.STK),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.received_at:%Y-%m-%d %H:%M:%S}"


class CallbackSource(models.Model):
    """An address or network a provider's callbacks come from; an operator edits the list."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    network = models.CharField(
        _("network"), max_length=50, unique=True, help_text=_("An address or CIDR network.")
    )
    note = models.CharField(_("note"), max_length=200, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("callback source")
        verbose_name_plural = _("callback sources")
        ordering = ["network"]

    def __str__(self) -> str:
        return self.network

    def clean(self) -> None:
        """Refuse what is no network, and write it in its one form."""
        try:
            self.network = str(ipaddress.ip_network(self.network.strip()))
        except ValueError as error:
            raise ValidationError(
                {"network": _("Write 196.201.214.200 or 196.201.214.0/24.")}
            ) from error
