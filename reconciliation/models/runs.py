from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.models import PaymentConfig
from reconciliation.choices import RunKind, RunOutcome
from reconciliation.models.words import in_nairobi
from tenants.ids import new_id
from tenants.scoping import environment_field


class Run(models.Model):
    """One pass of reconciliation: what was asked, found and changed, and how long it took."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    shop = models.ForeignKey("tenants.Shop", on_delete=models.PROTECT, null=True, related_name="+")
    environment = environment_field()
    config = models.ForeignKey(
        PaymentConfig, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    kind = models.CharField(_("kind"), max_length=10, choices=RunKind.choices)
    outcome = models.CharField(
        _("outcome"), max_length=8, choices=RunOutcome.choices, default=RunOutcome.RUNNING
    )
    since = models.DateTimeField(_("from"), null=True)
    until = models.DateTimeField(_("to"), null=True)
    asked = models.PositiveIntegerField(_("asked"), default=0)
    found = models.PositiveIntegerField(_("found"), default=0)
    changed = models.PositiveIntegerField(_("changed"), default=0)
    reviews = models.PositiveIntegerField(_("reviews"), default=0)
    detail = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)
    problem = models.CharField(_("problem"), max_length=300, blank=True)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True)
    # When a pass that must wait goes on; while somebody is at it, when he is taken for dead.
    next_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("reconciliation run")
        verbose_name_plural = _("reconciliation runs")
        ordering = ["-started_at"]
        constraints = [
            # Two passes over one account would only spend its budget twice.
            models.UniqueConstraint(
                fields=["config"],
                name="run_one_pull_at_a_time",
                condition=Q(kind=RunKind.PULL, outcome=RunOutcome.RUNNING),
            )
        ]
        indexes = [
            models.Index(fields=["next_at"], name="run_waits", condition=~Q(next_at=None)),
            models.Index(fields=["-started_at"], name="run_newest"),
            models.Index(fields=["shop", "-started_at"], name="run_shop"),
            models.Index(fields=["config", "kind", "-started_at"], name="run_config"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {in_nairobi(self.started_at)}"


class Replay(models.Model):
    """Inbox rows to be processed again: planned by a person, done in small steps, once each."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    shop = models.ForeignKey(
        "tenants.Shop", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    callback_ids = models.JSONField(default=list)
    done = models.PositiveIntegerField(_("done"), default=0)
    applied = models.PositiveIntegerField(_("applied"), default=0)
    problems = models.JSONField(default=list, blank=True)
    reason = models.CharField(_("reason"), max_length=300)
    asked_by = models.CharField(_("asked by"), max_length=254)
    actor = models.JSONField(default=dict)
    asked_at = models.DateTimeField(_("asked"), default=timezone.now)
    taken_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("replay")
        verbose_name_plural = _("replays")
        ordering = ["-asked_at"]

    def __str__(self) -> str:
        return f"{len(self.callback_ids)} {in_nairobi(self.asked_at)}"
