"""
What the audit trail keeps of a payment config: its fields, its state, and the masks of its secrets.

One entry for each act, written in the transaction of the act. A new act of a config calls
`state_of` before it changes anything and `record` when it is done.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from audit import masking, recording
from audit.actors import Actor
from audit.models import AuditEntry
from payments.choices import VersionStatus
from payments.models import CredentialVersion, PaymentConfig
from payments.services import config_events
from payments.services.config_rules import FIELD_NAMES

_STATE = ("environment", "status", "is_active", "is_default", "suspended_reason", "deleted_at")
# In the order of the model, so that two entries read alike.
_KEPT = tuple(
    field.name
    for field in PaymentConfig._meta.concrete_fields  # noqa: SLF001 - Django's own documented API
    if field.name in {*FIELD_NAMES, *_STATE}
)

State = dict[str, Any]


def state_of(config: PaymentConfig) -> State:
    """Return what the trail keeps of a config as it is now, with nothing secret in it."""
    state = {name: _shown(name, config) for name in _KEPT}
    version = _version_of(config)
    if version is None:
        return state
    masks = {f"credentials.{name}": mask for name, mask in sorted(version.masks.items())}
    # Two secrets have the same mask: that one was replaced shows in the number.
    return {**state, "credentials.version": version.number, **masks}


def record(
    action: str,
    config: PaymentConfig,
    *,
    before: State,
    actor: Actor,
    now: datetime,
    reason: str = "",
    more: recording.Changes | None = None,
) -> AuditEntry:
    """
    Put an act on the trail: what it changed since before, and what there was; tell the feed.

    The feed first: everybody who takes both takes them in this order.
    """
    changes = recording.changes_between(before, state_of(config))
    config_events.tell(action, config, now=now)
    return recording.record(
        action,
        config,
        shop_id=config.shop_id,
        actor=actor,
        now=now,
        changes=[*changes, *(more or [])],
        previous_state=before,
        reason=reason,
    )


def _version_of(config: PaymentConfig) -> CredentialVersion | None:
    versions = CredentialVersion.objects.filter(config=config.pk, status=VersionStatus.CURRENT)
    return versions.defer("secrets").first()


def _shown(name: str, config: PaymentConfig) -> Any:
    value = getattr(config, name)
    if isinstance(value, Decimal):
        return f"{value:.2f}"  # as the database keeps it, whatever was typed
    return masking.shown(name, value)
