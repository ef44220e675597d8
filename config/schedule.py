"""Every periodic task on one page: the sweep, its interval in seconds, and why it runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True)
class Sweep:
    """One periodic task; name is the function in reconciliation/sweeps.py."""

    name: str
    every_s: int
    why: str


# In the order of `sweep --once`: believe what is stored before asking, and ask before giving up.
SWEEPS = (
    Sweep("reprocess_callbacks", 10, "The inbox is the queue: apply what is stored and new."),
    Sweep("ask_fresh_attempts", 20, "A customer waits at the till: ask as soon as it is due."),
    Sweep("ask_due_attempts", 120, "Callbacks get lost: ask Safaricom what became of it."),
    Sweep("expire_overdue", 60, "A prompt nobody answered must not look open for ever."),
    Sweep("refresh_tokens", 300, "Renew what has under ten minutes left, before a cashier waits."),
    Sweep("run_due_rotations", 60, "Rotations are due, or were left half done by a dead process."),
    Sweep("expire_configs", 3600, "Credentials end: by their date, or refused again and again."),
    Sweep("remind_of_rotations", 3600, "A shop wants to know 14, 3 and 1 days before a date."),
    Sweep("close_token_wars", 3600, "A day of quiet: the other system is gone."),
    Sweep("mail_notices", 60, "What a shop must know reaches its admins by mail as well."),
    Sweep("anchor_audit", 86_400, "Heads of the audit chains go outside: a cut tail shows."),
    Sweep("finish_verifications", 15, "A visit nobody took, a KES 1 nobody told about."),
    Sweep("purge_raw_bodies", 86_400, "Raw bodies hold personal data: 90 days, then only digests."),
    Sweep("purge_idempotency_keys", 86_400, "Answers are kept seven days, not for ever."),
)

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    sweep.name: {
        "task": f"reconciliation.tasks.{sweep.name}",
        "schedule": timedelta(seconds=sweep.every_s),
        "options": {"expires": sweep.every_s},
    }
    for sweep in SWEEPS
}
