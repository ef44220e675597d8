"""Sweeps that keep the house: what is wrong is told, and what is past its time is let go."""

from __future__ import annotations

from datetime import datetime

from payments.services import tallies
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


UPKEEP_SWEEPS = (
    watch_health,
    fold_tallies,
    purging.purge_raw_bodies,
    purging.purge_statement_files,
    purging.purge_receipt_checks,
    purging.purge_idempotency_keys,
    purging.purge_runs,
    purging.forget_phone_numbers,
)
