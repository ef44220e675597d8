"""
Asking providers what became of prompts, many at once.

Threads do nothing but ask: a question costs its thread the provider's time. What was answered is
applied here, in sets, so that each statement is paid once for all that came in meanwhile; and the
next attempts are taken while the last ones are still out.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import close_old_connections, connection, transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from audit.actors import Actor
from payments.choices import AttemptStatus, PaymentStatus
from payments.errors import ProviderUnavailable
from payments.models import AccessToken, Attempt, Payment
from payments.providers.base import Outcome
from payments.services import attempts as attempt_rows
from payments.services import checking, reviews, upstream
from reconciliation.query_runs import note_pass

logger = logging.getLogger(__name__)

ACTOR = Actor.system("sweep")
ASK_THREADS = 32
# While those that were taken before are asked: nobody waits for the next ones.
ASK_BATCH = 2 * ASK_THREADS
FRESH = timedelta(minutes=5)
# How long a taken attempt is out of other sweeps' hands: longer than it queues and is asked.
_CLAIM = timedelta(seconds=90)
# How long answers gather before they are applied.
_GATHER_S = 0.1
_OPEN = (AttemptStatus.CREATED, AttemptStatus.SUBMITTED, AttemptStatus.FAILED)


@dataclass(frozen=True)
class Asked:
    """An attempt whose turn it was; outcome is None where nothing was said."""

    attempt: Attempt
    was_asked: bool
    outcome: Outcome | None = None


def ask_due_attempts(*, now: datetime, fresh_only: bool = False) -> int:
    """
    Ask providers about attempts whose time has come; return how many payments moved.

    Fair across shops, within the budget of each Daraja app. An attempt past the last rung of the
    ladder without an answer gets a review: a person must look.
    """
    began = time.monotonic()
    asked, settled = Counter[str](), Counter[str]()
    out: set[Future[Asked]] = set()
    is_more = True
    with ThreadPoolExecutor(ASK_THREADS) as pool:
        while is_more or out:
            if is_more and len(out) <= ASK_THREADS:
                passed = timedelta(seconds=time.monotonic() - began)
                claimed = claim(now=now, until=now + passed + _CLAIM, fresh_only=fresh_only)
                is_more = len(claimed) >= ASK_BATCH
                out |= {
                    pool.submit(_ask_in_thread, attempt, app, now)
                    for attempt, app in _ready(claimed, now=now)
                }
            connection.close() if not connection.in_atomic_block else None
            done, out = wait(out, timeout=_GATHER_S)
            answers = [each.result() for each in done]
            asked.update(each.attempt.config.environment for each in answers)
            settled.update(attempt.config.environment for attempt in _settle(answers, now=now))
    note_pass(asked, settled, took_s=time.monotonic() - began, now=now)
    return settled.total()


def ask_fresh_attempts(*, now: datetime) -> int:
    """Ask about payments a customer still waits for; see ask_due_attempts."""
    return ask_due_attempts(now=now, fresh_only=True)


def claim(*, now: datetime, until: datetime, fresh_only: bool = False) -> list[Attempt]:
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
        Attempt.objects.filter(pk__in=[row.pk for row in claimed]).update(next_ask_at=until)
    return claimed


def _ready(
    claimed: Sequence[Attempt], *, now: datetime
) -> Iterator[tuple[Attempt, AccessToken | None]]:
    """Give the attempts that can be asked about now, each with the token of its app."""
    apps = AccessToken.objects.in_bulk({row.version.app_fingerprint for row in claimed})
    for attempt in claimed:
        app = apps.get(attempt.version.app_fingerprint)
        if _is_due_and_affordable(attempt, app, now=now):
            yield attempt, app


def _is_due_and_affordable(attempt: Attempt, app: AccessToken | None, *, now: datetime) -> bool:
    """Step attempts without an id up the ladder; hold back those whose app has no budget left."""
    if not attempt.checkout_request_id:
        _step_up([Asked(attempt, was_asked=False)], now=now)
        return False
    wait_s = checking.try_budget_of(app, attempt.version.app_fingerprint, now=now)
    if wait_s:
        Attempt.objects.filter(pk=attempt.pk).update(next_ask_at=now + timedelta(seconds=wait_s))
    return not wait_s


def _ask_in_thread(attempt: Attempt, app: AccessToken | None, now: datetime) -> Asked:
    """Ask about one attempt. Never raises."""
    try:
        with upstream.upstream_slot():
            outcome = checking.query(attempt, now=now, known=app)
            return Asked(attempt, was_asked=True, outcome=outcome)
    except ProviderUnavailable:
        return Asked(attempt, was_asked=False)
    except Exception:
        logger.exception("asking about an attempt failed", extra={"attempt": str(attempt.pk)})
        return Asked(attempt, was_asked=True)
    finally:
        close_old_connections()


def _settle(asked: Sequence[Asked], *, now: datetime) -> list[Attempt]:
    """Apply what was said and step all up the ladder; return the attempts that moved a payment."""
    answered = [(each.attempt, each.outcome) for each in asked if each.outcome is not None]
    applied = checking.apply_answers(answered, actor=ACTOR, now=now)
    _step_up(asked, now=now)
    return [
        attempt
        for (attempt, _outcome), came in zip(answered, applied, strict=True)
        if came and came.moved
    ]


def _step_up(asked: Iterable[Asked], *, now: datetime) -> None:
    """Set the next time to ask, whatever was said; past the last one, tell a person."""
    was_asked = {each.attempt.pk: each.was_asked for each in asked}
    rows = Attempt.objects.in_bulk(list(was_asked))
    for pk, attempt in rows.items():
        attempt.asked_count += was_asked[pk]
        attempt.next_ask_at = _next_ask(attempt, now=now)
        attempt.last_asked_at = now if was_asked[pk] else attempt.last_asked_at
    # The lock order of everybody who takes several attempts.
    ordered = sorted(rows.values(), key=lambda attempt: attempt.pk)
    Attempt.objects.bulk_update(ordered, ["asked_count", "next_ask_at", "last_asked_at"])
    for attempt in ordered:
        is_open = attempt.status in {AttemptStatus.CREATED, AttemptStatus.SUBMITTED}
        if attempt.next_ask_at is None and is_open and not _is_paid(attempt):
            _open_unresolved(attempt, now=now)


def _next_ask(attempt: Attempt, *, now: datetime) -> datetime | None:
    if attempt.status == AttemptStatus.SUCCEEDED or attempt.asked_count >= attempt_rows.MAX_ASKS:
        return None
    return attempt_rows.next_ask(attempt.requested_at, now=now)


def _is_paid(attempt: Attempt) -> bool:
    """Tell whether another attempt brought the money: then nobody need look for it."""
    paid = Payment.objects.filter(pk=attempt.payment_id, status=PaymentStatus.COMPLETED)
    return paid.exists()


def _open_unresolved(attempt: Attempt, *, now: datetime) -> None:
    """Tell a person; the payment first, as everybody locks."""
    with transaction.atomic():
        Payment.objects.select_for_update(of=("self",)).get(pk=attempt.payment_id)
        reviews.open_unresolved(attempt, now=now)
