"""
What must happen without anybody calling: each sweep takes due rows, acts, and returns a count.

A sweep may run twice at once (beat, `manage.py sweep`, a second worker): rows are taken with
SKIP LOCKED and given a later due time before anything slow happens.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from audit import anchors
from payments.services import (
    callbacks,
    config_expiry,
    config_watch,
    expiry,
    notice_mails,
    proof_asking,
    rotation_schedule,
    token_renewal,
    token_wars,
    unproven,
    verification,
)
from reconciliation import replays
from reconciliation.asking import ask_due_attempts, ask_fresh_attempts
from reconciliation.pull_sweeps import PULL_SWEEPS
from reconciliation.receipt_sweeps import RECEIPT_SWEEPS
from reconciliation.statements.working import process_statements
from reconciliation.upkeep_sweeps import UPKEEP_SWEEPS


def expire_overdue(*, now: datetime) -> int:
    """Expire payments nobody confirmed in time; return how many."""
    return _repeat(lambda: expiry.expire_overdue(now=now))


def reprocess_callbacks(*, now: datetime) -> int:
    """Apply inbox rows that wait; return how many were settled."""
    return _repeat(lambda: callbacks.apply_waiting(now=now))


def run_replays(*, now: datetime) -> int:
    """Go on processing inbox rows again, as people planned it; return how many rows were done."""
    return replays.run(now=now)


def refresh_tokens(*, now: datetime) -> int:
    """Renew access tokens with under ten minutes left; return how many were fetched."""
    return token_renewal.renew_short(now=now)


def run_due_rotations(*, now: datetime) -> int:
    """Put scheduled and left-behind credentials in use; return how many."""
    return rotation_schedule.run_due(now=now)


def remind_of_rotations(*, now: datetime) -> int:
    """Remind shops of dates that come near; return how many reminders moved."""
    return rotation_schedule.remind(now=now)


def expire_configs(*, now: datetime) -> int:
    """Expire configs at their end, suspend those whose number another proved; return how many."""
    return config_expiry.expire_configs(now=now) + unproven.suspend_overtaken(now=now)


def close_token_wars(*, now: datetime) -> int:
    """Close the notices of apps that were left in peace for a day; return how many."""
    return token_wars.close_quiet(now=now)


def watch_configs(*, now: datetime) -> int:
    """Tell of configs without callbacks, or with far less success; return how many changed."""
    return config_watch.watch_configs(now=now)


def mail_notices(*, now: datetime) -> int:
    """Send the mails of notices that were not sent yet; return how many."""
    return notice_mails.send_due(now=now)


def finish_verifications(*, now: datetime) -> int:
    """Perform verifications no worker took, ask about proofs nobody told of; return how many."""
    return verification.perform_waiting(now=now) + proof_asking.ask_waiting(now=now)


def anchor_audit(*, now: datetime) -> int:
    """Keep the heads of the audit chains outside the database; return how many."""
    return anchors.write_heads(now=now)


SWEEPS: dict[str, Callable[..., int]] = {
    sweep.__name__: sweep
    for sweep in (
        ask_fresh_attempts,
        ask_due_attempts,
        expire_overdue,
        reprocess_callbacks,
        run_replays,
        refresh_tokens,
        run_due_rotations,
        remind_of_rotations,
        expire_configs,
        close_token_wars,
        watch_configs,
        *RECEIPT_SWEEPS,
        *PULL_SWEEPS,
        process_statements,
        mail_notices,
        anchor_audit,
        finish_verifications,
        *UPKEEP_SWEEPS,
    )
}


def _repeat(step: Callable[[], int]) -> int:
    total = 0
    while count := step():
        total += count
    return total
