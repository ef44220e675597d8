"""Sweeps that keep the house: what is wrong or new is told, what is past its time is let go."""

from __future__ import annotations

from datetime import datetime

from payments.services import tallies, webhook_rounds
from reconciliation import health, purging


def watch_health(*, now: datetime) -> int:
    """Tell of what is wrong with configs and shops, until it is over; return how many moved."""
    return health.watch(now=now)


def fold_tallies(*, now: datetime) -> int:
    """Add what ended lately to the sums that pages of numbers read; return how many changes."""
    del now  # the sums know no clock
    folded = total = tallies.fold()
    while folded == tallies.FOLDED_AT_ONCE:
        folded = tallies.fold()
        total += folded
    return total


def deliver_webhooks(*, now: datetime) -> int:
    """Push events to shops' own systems; return how many deliveries were tried."""
    return webhook_rounds.deliver_due(now=now)


UPKEEP_SWEEPS = (
    deliver_webhooks,
    watch_health,
    fold_tallies,
    purging.purge_raw_bodies,
    purging.purge_statement_files,
    purging.purge_receipt_checks,
    purging.purge_idempotency_keys,
    purging.purge_runs,
    purging.purge_webhook_deliveries,
    purging.forget_phone_numbers,
)
