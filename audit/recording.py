"""Putting an act on the trail: explicit calls, in the transaction of the act itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import models, transaction

from audit import chain, masking
from audit.actions import NEEDS_REASON
from audit.actors import Actor, ActorKind
from audit.models import AuditEntry, AuditHead

Changes = list[dict[str, Any]]


class ReasonMissing(ValueError):
    """A page forgot to ask a person why; the act does not happen (requirements.md S0-70)."""


def record(
    action: str,
    target: models.Model | None,
    *,
    shop_id: Any,
    actor: Actor,
    now: datetime,
    changes: Changes | None = None,
    previous_state: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """
    Add an entry to a shop's chain (shop_id None: the platform's) and return it.

    reason is the act's own, or else the one its actor gave on his page. changes and previous_state
    must be masked already: changes_between and state_of do that. In a transaction that rolls back
    the entry goes with the act; numbers keep no gap.

    :raises ReasonMissing: for a person's act that must be explained and is not.
    """
    reason = (reason or actor.reason).strip()[:300]
    if not reason and actor.kind == ActorKind.USER and action in NEEDS_REASON:
        raise ReasonMissing(action)
    with transaction.atomic():
        head = _lock_head(shop_id)
        entry = AuditEntry(
            shop_id=shop_id,
            seq=head.seq + 1,
            action=action,
            object_type=target._meta.label_lower if target else "",  # noqa: SLF001
            object_id=str(target.pk) if target else "",
            object_label=str(target)[:200] if target else "",
            changes=changes or [],
            previous_state=dict(previous_state or {}),
            reason=reason,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_label=actor.label,
            actor_role=actor.role,
            ip=actor.ip,
            user_agent=actor.user_agent,
            request_id=actor.request_id,
            at=now,
            previous_hash=head.hash,
        )
        entry.hash = chain.seal(entry)
        entry.save(force_insert=True)
        AuditHead.objects.filter(pk=head.pk).update(seq=entry.seq, hash=entry.hash)
    return entry


def record_change(
    action: str,
    target: models.Model,
    *,
    shop_id: Any,
    before: Mapping[str, Any],
    actor: Actor,
    now: datetime,
    reason: str = "",
) -> AuditEntry:
    """Add an entry that tells what became of the fields in before, which state_of made."""
    after = state_of(target, tuple(before))
    return record(
        action,
        target,
        shop_id=shop_id,
        actor=actor,
        now=now,
        changes=changes_between(before, after),
        previous_state=before,
        reason=reason,
    )


def state_of(target: models.Model, fields: tuple[str, ...]) -> dict[str, Any]:
    """Return the named fields as plain JSON values, masked as masking.py says."""
    return {name: masking.shown(name, getattr(target, name)) for name in fields}


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """List what differs between two states: field, old value, new value."""
    return [
        {"field": name, "old": before.get(name), "new": value}
        for name, value in after.items()
        if before.get(name) != value
    ]


def _lock_head(shop_id: Any) -> AuditHead:
    AuditHead.objects.bulk_create([AuditHead(shop_id=shop_id)], ignore_conflicts=True)
    return AuditHead.objects.select_for_update(of=("self",)).get(shop=shop_id)
