from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from reconciliation.choices import DataKind
from tenants.ids import new_id


class RetentionRule(models.Model):
    """How long one kind of personal data is kept; a kind without a row has its default."""

    kind = models.CharField(_("kind"), primary_key=True, max_length=20, choices=DataKind.choices)
    days = models.PositiveIntegerField(_("days"))
    changed_by = models.CharField(_("changed by"), max_length=254, blank=True)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)

    class Meta:
        verbose_name = _("retention")
        verbose_name_plural = _("retention")
        ordering = ["kind"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.days}"


class SavedFilter(models.Model):
    """A person's own filter of a list, by a name of his."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    page = models.CharField(max_length=60)
    name = models.CharField(_("name"), max_length=60)
    query = models.CharField(max_length=500)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("saved filter")
        verbose_name_plural = _("saved filters")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["user", "page", "name"], name="saved_filter_once")
        ]

    def __str__(self) -> str:
        return self.name
