"""Sweeps that ask Safaricom for all that came: every quarter of an hour, and every night."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from django.db import close_old_connections, connection

from reconciliation import pull
from reconciliation.models import Run
from reconciliation.pull_accounts import Account, accounts, begin_nightly, begin_recent

# Safaricom may take seconds for each; as many numbers are asked about at once.
THREADS = 8


def pull_recent(*, now: datetime) -> int:
    """Go on with passes that wait, and begin those that are due; return how much was learnt."""
    asked = accounts()
    waiting = pull.waiting(now=now)
    return _work(waiting, asked, now=now) + _begin(begin_recent, asked, now=now)


def pull_nightly(*, now: datetime) -> int:
    """Begin the night's passes over 47 hours; return how much was learnt."""
    return _begin(begin_nightly, accounts(), now=now)


def _begin(begin: Callable[..., Run | None], asked: list[Account], *, now: datetime) -> int:
    begun = [begin(account, now=now) for account in asked]
    return _work([run for run in begun if run is not None], asked, now=now)


def _work(runs: list[Run], asked: list[Account], *, now: datetime) -> int:
    if not runs:
        return 0
    by_config = {account.config.pk: account for account in asked}
    connection.close() if not connection.in_atomic_block else None
    with ThreadPoolExecutor(min(THREADS, len(runs))) as pool:
        return sum(pool.map(lambda run: _go_on(run, by_config.get(run.config_id), now=now), runs))


def _go_on(run: Run, account: Account | None, *, now: datetime) -> int:
    before = run.changed
    try:
        return pull.go_on(run, account, now=now).changed - before
    finally:
        close_old_connections()


PULL_SWEEPS = (pull_recent, pull_nightly)
