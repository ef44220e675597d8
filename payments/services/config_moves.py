"""The one writer of a config's status: compare and set on the status that was read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from payments.choices import ConfigStatus
from payments.errors import InvalidTransition, NotFound
from payments.models import PaymentConfig
from payments.states import CONFIG_MOVES, may_move_config

# What a config loses with its status: only a verified one may be active (I20).
_INACTIVE: dict[str, Any] = {"is_active": False}


def lock_config(config: PaymentConfig) -> PaymentConfig:
    """
    Read the config again under its lock.

    FOR UPDATE and not NO KEY: a payment about to be inserted for this config holds KEY SHARE on
    it, and must be seen by whoever deletes it or changes its shortcode.
    """
    rows = PaymentConfig.objects.not_deleted().select_related("shop", "branch")
    locked: PaymentConfig | None = rows.select_for_update(of=("self",)).filter(pk=config.pk).first()
    if locked is None:
        raise NotFound
    return locked


def lock_even_deleted(config: PaymentConfig) -> PaymentConfig:
    """Read the config again under its lock, also where it was deleted meanwhile."""
    rows = PaymentConfig.objects.select_related("shop", "branch").select_for_update(of=("self",))
    locked: PaymentConfig = rows.get(pk=config.pk)
    return locked


def move_config(*, config: PaymentConfig, to: str, now: datetime, **changes: Any) -> PaymentConfig:
    """
    Move a config from the status it was read with, writing changes along with it.

    :raises InvalidTransition: when the move is not in the table, or somebody moved it first.
    """
    if not may_move_config(config.status, to):
        raise refused(config, f"A config that is {config.status} cannot become {to}.")
    changes |= {"status": to, "updated_at": now}
    if to != ConfigStatus.VERIFIED:
        changes |= _INACTIVE
    rows = PaymentConfig.objects.not_deleted().filter(pk=config.pk, status=config.status)
    if not rows.update(**changes):
        config.refresh_from_db()
        raise refused(config, "The config was changed by somebody else meanwhile.")
    for name, value in changes.items():
        setattr(config, name, value)
    return config


def refused(config: PaymentConfig, detail: str) -> InvalidTransition:
    """Make the error that names what the config's status allows instead."""
    allowed = sorted(CONFIG_MOVES[config.status])
    return InvalidTransition(detail, current=config.status, allowed=allowed)
