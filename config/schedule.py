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
    Sweep("run_replays", 10, "A person waits for callbacks to be processed again."),
    Sweep("ask_fresh_attempts", 20, "A customer waits at the till: ask as soon as it is due."),
    Sweep("ask_due_attempts", 120, "Callbacks get lost: ask Safaricom what became of it."),
    Sweep("expire_overdue", 60, "A prompt nobody answered must not look open for ever."),
    Sweep("refresh_tokens", 300, "Renew what has under ten minutes left, before a cashier waits."),
    Sweep("run_due_rotations", 60, "Rotations are due, or were left half done by a dead process."),
    Sweep("expire_configs", 3600, "Credentials end: by their date, or refused again and again."),
    Sweep("remind_of_rotations", 3600, "A shop wants to know 14, 3 and 1 days before a date."),
    Sweep("close_token_wars", 3600, "A day of quiet: the other system is gone."),
    Sweep("watch_configs", 300, "Callbacks that stay away, success that drops: somebody looks."),
    Sweep(
        "watch_patterns", 300, "Many failures, shown-again receipts, odd amounts: tell the shop."
    ),
    Sweep(
        "close_refunded_reviews", 60, "The money is back, or it is not: the doubt ends or stays."
    ),
    Sweep("watch_health", 60, "Somebody must hear of what went silent before customers say so."),
    Sweep("fold_tallies", 30, "Pages of numbers read sums; what ended since is added to them."),
    Sweep("mail_notices", 60, "What a shop must know reaches its admins by mail as well."),
    Sweep("deliver_webhooks", 5, "Shops' own systems hear of events without asking."),
    Sweep("anchor_audit", 86_400, "Heads of the audit chains go outside: a cut tail shows."),
    Sweep("finish_verifications", 15, "A visit nobody took, a KES 1 nobody told about."),
    Sweep("settle_held_receipts", 20, "The prompt it waited for is over: somebody may claim it."),
    Sweep("ask_about_strangers", 60, "A stranger told of money: Safaricom knows if it is there."),
    Sweep(
        "close_silent_requests", 60, "What nobody answered must not look as if it were on its way."
    ),
    Sweep("recheck_receipts", 60, "Customers take money back after they left with the goods."),
    Sweep("pull_recent", 60, "Callbacks get lost: each quarter of an hour, ask for all that came."),
    Sweep("pull_nightly", 1800, "After two at night, what came in 47 hours, once more."),
    Sweep("process_statements", 5, "Somebody waits to see what his statement would do."),
    Sweep("purge_raw_bodies", 86_400, "Raw bodies hold personal data: 90 days, then only digests."),
    Sweep("purge_idempotency_keys", 86_400, "Answers are kept seven days, not for ever."),
    Sweep("purge_statement_files", 86_400, "A file names all who paid; its lines need no names."),
    Sweep("purge_receipt_checks", 86_400, "Who asked what at the counter is of use for a year."),
    Sweep("purge_runs", 86_400, "What a pass did stands on the payments; its own row may go."),
    Sweep("purge_webhook_deliveries", 86_400, "The feed keeps the events; how they went, a month."),
    Sweep("forget_phone_numbers", 86_400, "Mask and index do, once nobody pays back any more."),
)

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    sweep.name: {
        "task": f"reconciliation.tasks.{sweep.name}",
        "schedule": timedelta(seconds=sweep.every_s),
        "options": {"expires": sweep.every_s},
    }
    for sweep in SWEEPS
}
