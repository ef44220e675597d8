from __future__ import annotations

import pgtrigger
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.actions import action_choices
from audit.actors import ActorKind
from tenants.ids import new_id


class AuditEntry(models.Model):
    """
    Who did what, when, from where and why: one link of its shop's chain.

    seq runs from 1 without gaps; hash covers every field and the hash before it, under a key that
    is not in the database. shop is empty for acts on the platform itself: they have a chain too.
    Actor and target are snapshots, so that the entry outlives them.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    shop = models.ForeignKey(
        "tenants.Shop", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    seq = models.BigIntegerField(_("number"))
    action = models.CharField(_("action"), max_length=48, choices=action_choices)
    object_type = models.CharField(_("kind of object"), max_length=40, blank=True)
    # As long as the longest key of a row: the fingerprint of an app.
    object_id = models.CharField(_("object id"), max_length=64, blank=True)
    object_label = models.CharField(_("object"), max_length=200, blank=True)
    changes = models.JSONField(_("changes"), default=list, encoder=DjangoJSONEncoder)
    previous_state = models.JSONField(_("before"), default=dict, encoder=DjangoJSONEncoder)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    actor_kind = models.CharField(_("kind of actor"), max_length=10, choices=ActorKind.choices)
    actor_id = models.CharField(max_length=40, blank=True)
    actor_label = models.CharField(_("actor"), max_length=254, blank=True)
    actor_role = models.CharField(_("role"), max_length=12, blank=True)
    # Text, not inet: what is hashed must read back letter for letter.
    ip = models.CharField(_("address"), max_length=45, null=True, blank=True)  # noqa: DJ001
    user_agent = models.CharField(_("user agent"), max_length=200, blank=True)
    request_id = models.CharField(_("request id"), max_length=100, blank=True)
    at = models.DateTimeField(_("time"))
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        ordering = ["-at", "-seq"]
        triggers = [
            pgtrigger.Protect(
                name="audit_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "seq"], name="audit_no_second_number", nulls_distinct=False
            )
        ]
        indexes = [
            models.Index(fields=["shop", "-at"], name="audit_shop"),
            models.Index(fields=["shop", "action", "-at"], name="audit_action"),
            models.Index(fields=["actor_id", "-at"], name="audit_actor"),
            models.Index(fields=["object_type", "object_id", "-at"], name="audit_object"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.action}"


class AuditHead(models.Model):
    """The last link of each chain; its row lock makes writers queue, so numbers have no gap."""

    shop = models.OneToOneField(
        "tenants.Shop", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    seq = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True)
    # What was last written outside of it: the file and this row each notice when the other goes.
    anchored_seq = models.BigIntegerField(default=0)
    anchored_hash = models.CharField(max_length=64, blank=True)
    anchored_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shop"], name="audit_one_head", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return f"{self.shop_id or 'platform'} {self.seq}"
