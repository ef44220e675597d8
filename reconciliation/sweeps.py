"""
What must happen without anybody calling: each sweep takes due rows, acts, and returns a count.

A sweep may run twice at once (beat, `manage.py sweep`, a second worker): rows are taken with
SKIP LOCKED and given a later due time before anything slow happens.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import close_old_connections, connection, transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from audit import anchors
from audit.actors import Actor
from payments.choices import AttemptStatus, PaymentStatus
from payments.errors import ProviderUnavailable
from payments.models import Attempt, Payment
from payments.services import attempts as attempt_rows
from payments.services import (
    callbacks,
    checking,
    config_expiry,
    config_watch,
    expiry,
    notice_mails,
    proof_asking,
    reviews,
    rotation_schedule,
    token_renewal,
    token_wars,
    upstream,
    verification,
)
from reconciliation import replays
from reconciliation.pull_sweeps import PULL_SWEEPS
from reconciliation.query_runs import note_pass
from reconciliation.receipt_sweeps import RECEIPT_SWEEPS
from reconciliation.statements.working import process_statements
from reconciliation.upkeep_sweeps import UPKEEP_SWEEPS

logger = logging.getLogger(__name__)

ACTOR = Actor.system("sweep")
ASK_BATCH = 200
ASK_THREADS = 32
FRESH = timedelta(minutes=5)
# How long a taken attempt is out of other sweeps' hands: longer than any call may last.
_CLAIM = timedelta(seconds=60)
_OPEN = (AttemptStatus.CREATED, AttemptStatus.SUBMITTED, AttemptStatus.FAILED)


def ask_due_attempts(*, now: datetime, fresh_only: bool = False) -> int:
    """
    Ask providers about attempts whose time has come; return how many payments moved.

    Fair across shops, within the budget of each Daraja app. An attempt past the last rung of the
    ladder without an answer gets a review: a person must look.
    """
    moved, began = 0, time.monotonic()
    asked, settled = Counter[str](), Counter[str]()
    while claimed := _claim(now=now, fresh_only=fresh_only):
        affordable = [attempt for attempt in claimed if _is_due_and_affordable(attempt, now=now)]
        connection.close() if not connection.in_atomic_block else None
        with ThreadPoolExecutor(min(ASK_THREADS, len(affordable) or 1)) as pool:
            answers = list(pool.map(lambda attempt: _ask_in_thread(attempt, now=now), affordable))
        moved += sum(answers)
        for attempt, is_settled in zip(affordable, answers, strict=True):
            asked[attempt.config.environment] += 1
            settled[attempt.config.environment] += is_settled
        if len(claimed) < ASK_BATCH:
            break
    note_pass(asked, settled, took_s=time.monotonic() - began, now=now)
    return moved


def ask_fresh_attempts(*, now: datetime) -> int:
    """Ask about payments a customer still waits for; see ask_due_attempts."""
    return ask_due_attempts(now=now, fresh_only=True)


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
    """Expire configs whose credentials are at their end; return how many."""
    return config_expiry.expire_configs(now=now)


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


def _claim(*, now: datetime, fresh_only: bool) -> list[Attempt]:
    """Take due attempts, every shop's oldest first, and put them out of other sweeps' hands."""
    due = Attempt.objects.filter(next_ask_at__lte=now, status__in=_OPEN)
    if fresh_only:
        due = due.filter(requested_at__gt=now - FRESH)
    turn = Window(RowNumber(), partition_by=F("shop_id"), order_by=F("next_ask_at").asc())
    ids = [
        pk
        for pk, _turn in due.annotate(turn=turn)
        .order_by("turn", "next_ask_at")
        .values_list("pk", "turn")[:ASK_BATCH]
    ]
    with transaction.atomic():
        rows = Attempt.objects.select_for_update(of=("self",), skip_locked=True)
        rows = rows.filter(pk__in=ids, next_ask_at__lte=now)
        claimed = list(rows.select_related("config", "version", "payment"))
        Attempt.objects.filter(pk__in=[row.pk for row in claimed]).update(next_ask_at=now + _CLAIM)
    return claimed


def _is_due_and_affordable(attempt: Attempt, *, now: datetime) -> bool:
    """Step attempts without an id up the ladder; hold back those whose app has no budget left."""
    if not attempt.checkout_request_id:
        _step_up(attempt, now=now, was_asked=False)
        return False
    wait_s = checking.try_budget(attempt.version.app_fingerprint, now=now)
    if wait_s:
        Attempt.objects.filter(pk=attempt.pk).update(next_ask_at=now + timedelta(seconds=wait_s))
    return not wait_s


def _ask_in_thread(attempt: Attempt, *, now: datetime) -> bool:
    try:
        return _ask(attempt, now=now)
    except Exception:
        logger.exception("asking about an attempt failed", extra={"attempt": str(attempt.pk)})
        return False
    finally:
        close_old_connections()


def _ask(attempt: Attempt, *, now: datetime) -> bool:
    """Ask about one attempt; step it up the ladder whatever came of it."""
    was_asked = False
    try:
        with upstream.upstream_slot():
            was_asked = True
            applied = checking.ask(attempt=attempt, actor=ACTOR, now=now)
    except ProviderUnavailable:
        return False
    finally:
        _step_up(attempt, now=now, was_asked=was_asked)
    return bool(applied and applied.moved)


def _step_up(attempt: Attempt, *, now: datetime, was_asked: bool) -> None:
    """Set the next time to ask; past the last one, tell a person."""
    attempt.refresh_from_db(fields=["status", "asked_count", "next_ask_at"])
    asked = attempt.asked_count + was_asked
    next_at = attempt_rows.next_ask(attempt.requested_at, now=now)
    if attempt.status == AttemptStatus.SUCCEEDED or asked >= attempt_rows.MAX_ASKS:
        next_at = None
    Attempt.objects.filter(pk=attempt.pk).update(
        next_ask_at=next_at,
        asked_count=asked,
        last_asked_at=now if was_asked else F("last_asked_at"),
    )
    is_open = attempt.status in {AttemptStatus.CREATED, AttemptStatus.SUBMITTED}
    if next_at is None and is_open and not _is_paid(attempt):
        _open_unresolved(attempt, now=now)


def _is_paid(attempt: Attempt) -> bool:
    """Tell whether another attempt brought the money: then nobody need look for it."""
    paid = Payment.objects.filter(pk=attempt.payment_id, status=PaymentStatus.COMPLETED)
    return paid.exists()


def _open_unresolved(attempt: Attempt, *, now: datetime) -> None:
    """Tell a person; the payment first, as everybody locks."""
    with transaction.atomic():
        Payment.objects.select_for_update(of=("self",)).get(pk=attempt.payment_id)
        reviews.open_unresolved(attempt, now=now)
