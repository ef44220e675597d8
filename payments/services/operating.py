"""What whoever runs the platform sets by hand: where callbacks come from, how often we may ask."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.models import AccessToken, CallbackSource

_SOURCE = ("network", "note", "is_active")
_BUDGET = ("query_budget_per_minute",)


@transaction.atomic
def save_source(*, source: CallbackSource, actor: Actor, now: datetime) -> CallbackSource:
    """Add an address callbacks are believed from, or change one."""
    old = CallbackSource.objects.select_for_update().filter(pk=source.pk).first()
    before = recording.state_of(old, _SOURCE) if old else dict.fromkeys(_SOURCE)
    source.save()
    act = AuditAction.SOURCE_CHANGED
    recording.record_change(act, source, shop_id=None, before=before, actor=actor, now=now)
    return source


@transaction.atomic
def set_query_budget(
    *, token: AccessToken, per_minute: int | None, actor: Actor, now: datetime
) -> AccessToken:
    """Let a Daraja app be asked so often a minute; None is the platform's own budget."""
    row = AccessToken.objects.select_for_update().defer("token").get(pk=token.pk)
    before = recording.state_of(row, _BUDGET)
    row.query_budget_per_minute = per_minute
    row.save(update_fields=[*_BUDGET])
    act = AuditAction.BUDGET_CHANGED
    recording.record_change(act, row, shop_id=None, before=before, actor=actor, now=now)
    return row
