"""The work in the background: whatever statement waits, until none does or time is up."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from reconciliation.choices import StatementStatus
from reconciliation.statements import applying, reading_jobs, taking

logger = logging.getLogger(__name__)

# A worker does other things too: after this long it leaves the rest to the next sweep.
BUSY_S = 20.0


def process_statements(*, now: datetime) -> int:
    """Read uploaded statements and apply those a person let; return how many turns were taken."""
    began = time.monotonic()
    return work(clock=lambda: now + timedelta(seconds=time.monotonic() - began), busy_s=BUSY_S)


def work(*, clock: Callable[[], datetime], busy_s: float) -> int:
    """Take what waits, for about busy_s seconds; clock tells how late it is."""
    turns, until = 0, time.monotonic() + busy_s
    while statement := taking.take(now=clock()):
        turns += 1
        try:
            if statement.status == StatementStatus.READING:
                reading_jobs.read(statement, clock=clock)
            else:
                applying.apply(statement, clock=clock, busy_s=until - time.monotonic())
        except taking.LeaseLost:
            logger.info("somebody else has the statement", extra={"statement": str(statement.pk)})
        if time.monotonic() > until:
            break
    return turns
