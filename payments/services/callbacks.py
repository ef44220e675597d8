"""
The inbox: keep first, believe later.

`receive` (storing.py) commits the bytes before anything looks inside. `apply_waiting` takes rows in sets, binds
each to its attempt, and hands what it says to the one door. A row that cannot be applied stays and
is tried again; after eight tries it is dead and a person is told.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import CallbackKind, CallbackStatus, EvidenceSource, ReviewCode
from payments.errors import CannotOpen, PaymentsError, UnreadableBody
from payments.models import Attempt, Payment, ProviderCallback
from payments.providers.base import Outcome
from payments.providers.registry import parser_for
from payments.services import checkout_ids, evidence, inbox_rows, other_callbacks, reviews
from payments.services.evidence import NewEvidence
from payments.services.inbox_rows import Bound
from payments.services.sources import is_listed
from payments.services.storing import receive

__all__ = [
    "BATCH",
    "MAX_TRIES",
    "apply_again",
    "apply_now",
    "apply_rows",
    "apply_stored_for",
    "apply_stored_for_all",
    "apply_waiting",
    "receive",
]

logger = logging.getLogger(__name__)

MAX_TRIES = 8
_BACK_OFF_S = 5
BATCH = 100


class Unbindable(PaymentsError):
    """The row will never be applied: what it says, or whom it names, does not fit."""

    def __init__(self, problem: str, status: str = CallbackStatus.QUARANTINED) -> None:
        super().__init__(problem)
        self.row_status = status


def apply_now(row_id: uuid.UUID, *, lock_wait_ms: int, now: datetime) -> bool:
    """Apply one row while its sender waits; tell whether it is settled. Never raises."""
    try:
        return apply_rows([row_id], now=now, lock_wait_ms=lock_wait_ms) == 1
    except DatabaseError:
        logger.info("callback left to the applier", extra={"callback": str(row_id)})
    except Exception:
        logger.exception("callback left to the applier", extra={"callback": str(row_id)})
    return False


def apply_waiting(*, now: datetime, limit: int = BATCH) -> int:
    """Apply up to limit rows that are due; return how many were settled."""
    ids = inbox_rows.due(now=now, limit=limit)
    if not ids:
        return 0
    try:
        return apply_rows(ids, now=now)
    except Exception:
        # One row spoils the set: take them one by one, so that only that row waits.
        logger.warning("a set of callbacks could not be applied", exc_info=True)
        return sum(_apply_alone(row_id, now=now) for row_id in ids)


def apply_stored_for(attempt_id: uuid.UUID, *, now: datetime) -> int:
    """
    Apply what an attempt's address received and nobody has applied yet; return how many.

    A query's yes names no amount: it must not pass a stored callback that names another one.
    """
    return apply_stored_for_all([attempt_id], now=now)


def apply_stored_for_all(attempt_ids: Sequence[uuid.UUID], *, now: datetime) -> int:
    """Do the same for many attempts; return how many were applied."""
    rows = ProviderCallback.objects.filter(subject_id__in=attempt_ids, status=CallbackStatus.NEW)
    ids = rows.order_by("received_at", "pk").values_list("pk", flat=True)
    return sum(_apply_alone(row_id, now=now) for row_id in list(ids))


def apply_rows(ids: Sequence[uuid.UUID], *, now: datetime, lock_wait_ms: int | None = None) -> int:
    """Settle the rows that are new and not in another worker's hands; return how many."""
    with transaction.atomic():
        inbox_rows.limit_lock_wait(lock_wait_ms)
        rows = inbox_rows.lock(ids)
        others = [row for row in rows if row.kind != CallbackKind.STK]
        bound, refused = _bind_all([row for row in rows if row.kind == CallbackKind.STK])
        applied = evidence.apply_batch([_as_evidence(b, now=now) for b in bound], now=now)
        for item, answer in zip(bound, applied, strict=True):
            status = CallbackStatus.APPLIED if answer.is_new else CallbackStatus.DUPLICATE
            inbox_rows.settle(item.row, status, now=now)
        inbox_rows.write([item.row for item in bound])
    # Each alone: a payment is locked before its attempts and before the feed of events, and after
    # the batch above we would hold the feed while waiting for a payment.
    for refusal in refused:
        with transaction.atomic():
            inbox_rows.limit_lock_wait(lock_wait_ms)
            if inbox_rows.lock([refusal.row.pk]):
                _put_aside(refusal, now=now)
    other_callbacks.settle_each(others, lock_wait_ms=lock_wait_ms, now=now)
    inbox_rows.note_config_callbacks(bound, now=now)
    return len(rows)


def apply_again(
    *, callback: ProviderCallback, actor: Actor, now: datetime, vouched: bool = True
) -> ProviderCallback:
    """
    Try a dead or quarantined row once more, because a person says so.

    vouched says that he answers for its source: an unlisted address does not hold it back then.
    """
    with transaction.atomic():
        row = ProviderCallback.objects.select_for_update().get(pk=callback.pk)
        if row.status in {CallbackStatus.APPLIED, CallbackStatus.DUPLICATE} or not row.body:
            return row
        before = recording.state_of(row, ("status", "problem"))
        row.status, row.problem = CallbackStatus.NEW, ""
        is_stk = row.kind == CallbackKind.STK
        if not is_stk:
            other_callbacks.settle(row, now=now, vouched=vouched)
        bound, refused = _bind_all([row] if is_stk else [], vouched=vouched)
        for item in bound:
            new = _as_evidence(item, now=now, actor=actor)
            is_new = evidence.apply_evidence(new, now=now).is_new
            status = CallbackStatus.APPLIED if is_new else CallbackStatus.DUPLICATE
            inbox_rows.settle(row, status, now=now)
            inbox_rows.write([row])
        for refusal in refused:
            _put_aside(refusal, now=now)
        act, shop_id = AuditAction.CALLBACK_REAPPLIED, row.shop_id
        recording.record_change(act, row, shop_id=shop_id, before=before, actor=actor, now=now)
    return row


def _apply_alone(row_id: uuid.UUID, *, now: datetime) -> int:
    try:
        return apply_rows([row_id], now=now)
    except Exception as error:
        logger.exception("a callback could not be applied", extra={"callback": str(row_id)})
        _note_failure(row_id, error, now=now)
        return 0


def _note_failure(row_id: uuid.UUID, error: Exception, *, now: datetime) -> None:
    with transaction.atomic():
        row = ProviderCallback.objects.select_for_update().get(pk=row_id)
        if row.status != CallbackStatus.NEW:
            return
        row.tries += 1
        row.problem = f"{type(error).__name__} while applying."
        row.next_try_at = now + timedelta(seconds=_BACK_OFF_S * 2**row.tries)
        if row.tries >= MAX_TRIES:
            inbox_rows.settle(row, CallbackStatus.DEAD, now=now)
            _tell_of_dead(row, now=now)
        inbox_rows.write([row])


def _tell_of_dead(row: ProviderCallback, *, now: datetime) -> None:
    if row.kind != CallbackKind.STK:
        other_callbacks.tell_of_dead(row, now=now)
        return
    attempt = Attempt.objects.select_related("payment").filter(pk=row.subject_id).first()
    if attempt:
        reviews.open_for_callback(row, attempt, ReviewCode.DEAD_CALLBACK, now=now)


@dataclass(frozen=True)
class Refused:
    """A row that cannot be bound, and why."""

    row: ProviderCallback
    attempt: Attempt | None
    why: Unbindable


def _bind_all(
    rows: Sequence[ProviderCallback], *, vouched: bool = False
) -> tuple[list[Bound], list[Refused]]:
    """Bind what can be bound; the rest is to be put aside."""
    attempts = inbox_rows.attempts_of(rows)
    bound, refused = [], []
    for row in rows:
        attempt = attempts.get(row.subject_id)
        try:
            bound.append(_bind(row, attempt, vouched=vouched))
        except Unbindable as why:
            refused.append(Refused(row, attempt, why))
    return bound, refused


def _bind(row: ProviderCallback, attempt: Attempt | None, *, vouched: bool) -> Bound:
    if attempt is None:
        raise Unbindable("No attempt has this address.", CallbackStatus.DEAD)
    row.shop_id, row.payment_id = attempt.shop_id, attempt.payment_id
    outcome = _read(row)
    inbox_rows.note_outcome(row, outcome)
    if not vouched and not is_listed(row.source_ip, attempt.payment.environment):
        raise UnlistedSource
    if not _is_about(attempt, outcome.checkout_request_id):
        raise Unbindable("The CheckoutRequestID is not this attempt's.")
    return Bound(row, attempt, outcome)


class UnlistedSource(Unbindable):
    """The sender's address is not on the list of callback sources."""

    def __init__(self) -> None:
        super().__init__("The source address is not on the list.")


def _is_about(attempt: Attempt, told: str) -> bool:
    """Tell whether an id is the attempt's own, or one it may adopt: nobody else's."""
    known = attempt.checkout_request_id
    if not told or known:
        return bool(told and known) and checkout_ids.is_same(known or "", told)
    others = Attempt.objects.filter(config=attempt.config_id, checkout_request_id=told)
    return not others.exclude(pk=attempt.pk).exists()


def _read(row: ProviderCallback) -> Outcome:
    try:
        body = row.body.reveal_bytes() if row.body else b""
        return parser_for(row.kind)(body)
    except (UnreadableBody, CannotOpen) as error:
        raise Unbindable(f"Unreadable: {error.detail}", CallbackStatus.DEAD) from error


def _put_aside(refused: Refused, *, now: datetime) -> None:
    """Quarantine or bury a row with its reason and a review, and have the provider asked."""
    row, attempt, why = refused.row, refused.attempt, refused.why
    row.problem = why.detail[:300]
    inbox_rows.settle(row, why.row_status, now=now)
    inbox_rows.write([row])
    logger.warning("callback put aside", extra={"callback": str(row.pk), "why": why.detail})
    if attempt is None:
        return
    Payment.objects.select_for_update(of=("self",)).get(pk=attempt.payment_id)
    # Whoever sent it: something happened, and the provider can be asked.
    Attempt.objects.filter(pk=attempt.pk, status__in=["created", "submitted", "failed"]).update(
        next_ask_at=now
    )
    unlisted = isinstance(why, UnlistedSource)
    code = ReviewCode.UNLISTED_SOURCE if unlisted else ReviewCode.DEAD_CALLBACK
    reviews.open_for_callback(row, attempt, code, now=now)


def _as_evidence(bound: Bound, *, now: datetime, actor: Actor | None = None) -> NewEvidence:
    return NewEvidence(
        payment_id=bound.attempt.payment_id,
        attempt_id=bound.attempt.pk,
        source=EvidenceSource.STK_CALLBACK,
        outcome=bound.outcome,
        actor=actor or Actor.provider("Safaricom", ip=bound.row.source_ip),
        heard_at=now,
        callback_id=bound.row.pk,
    )
