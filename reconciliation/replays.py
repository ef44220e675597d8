"""
Processing many inbox rows again: planned by a person, done in the background, each row once.

A row and the mark that it is done are one transaction. Whoever dies in between has done nothing
of it, and whoever goes on begins with it; two workers at once do not meet.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import CallbackStatus
from payments.errors import InvalidInput
from payments.models import ProviderCallback
from payments.services import inbox_rows
from payments.services.configs import check_reason
from reconciliation import replay as trying
from reconciliation.models import Replay

logger = logging.getLogger(__name__)

MOST_PROBLEMS = 100
_LOCK_WAIT_MS = 5_000


def ask(
    *, ids: Sequence[uuid.UUID], shop_id: uuid.UUID | None, reason: str, actor: Actor, now: datetime
) -> Replay:
    """
    Plan that rows are processed again; shop_id None where they are of several shops.

    The caller has made sure that this person may act on each of them.

    :raises InvalidInput: without a reason, without rows, or with too many.
    """
    check_reason(reason)
    if not 0 < len(ids) <= trying.MOST_ROWS:
        detail = "Nothing among them waits to be processed again."
        raise InvalidInput(detail, errors=[("callbacks", "invalid", detail)])
    with transaction.atomic():
        replay = Replay.objects.create(
            shop_id=shop_id,
            callback_ids=[str(pk) for pk in ids],
            reason=reason.strip()[:300],
            asked_by=actor.label[:254],
            actor=asdict(actor),
            asked_at=now,
        )
        recording.record(
            AuditAction.CALLBACKS_REPLAYED,
            replay,
            shop_id=shop_id,
            actor=actor,
            now=now,
            changes=[{"field": "callbacks", "old": 0, "new": len(ids)}],
            reason=reason,
        )
    return replay


def run(*, now: datetime) -> int:
    """Go on with what waits, a step of each replay; return how many rows were done."""
    waiting = Replay.objects.filter(finished_at=None).order_by("asked_at")
    return sum(_step(pk, now=now) for pk in list(waiting.values_list("pk", flat=True)[:10]))


def _step(replay_id: uuid.UUID, *, now: datetime) -> int:
    ids = Replay.objects.values_list("callback_ids", flat=True).get(pk=replay_id)
    done = 0
    while done < trying.STEP and _next_row(replay_id, ids, now=now):
        done += 1
    return done


def _next_row(replay_id: uuid.UUID, ids: Sequence[str], *, now: datetime) -> bool:
    """Do the next row and note it; False when none is left, or another worker is at it."""
    with transaction.atomic():
        rows = Replay.objects.select_for_update(of=("self",), skip_locked=True)
        replay = rows.defer("callback_ids").filter(pk=replay_id, finished_at=None).first()
        if replay is None:
            return False
        if replay.done < len(ids):
            _do(replay, ids[replay.done], now=now)
            replay.done += 1
        if replay.done >= len(ids):
            replay.finished_at = now
        replay.taken_at = now
        replay.save(update_fields=["done", "applied", "problems", "taken_at", "finished_at"])
    return True


def _do(replay: Replay, callback_id: str, *, now: datetime) -> None:
    """Process one row; what breaks is noted and leaves nothing behind."""
    actor = Actor(**replay.actor)
    try:
        with transaction.atomic():
            inbox_rows.limit_lock_wait(_LOCK_WAIT_MS)
            callback = ProviderCallback.objects.get(pk=callback_id)
            if _is_out_of_reach(callback, actor):
                _note(replay, callback_id, "It does not wait any more.")
                return
            row = trying.apply(callback=callback, actor=actor, now=now)
    except Exception as error:
        logger.exception("a callback could not be processed again", extra={"callback": callback_id})
        _note(replay, callback_id, f"{type(error).__name__} while applying.")
        return
    if row.status in {CallbackStatus.APPLIED, CallbackStatus.DUPLICATE}:
        replay.applied += 1
    else:
        _note(replay, callback_id, row.problem)


def _is_out_of_reach(callback: ProviderCallback, actor: Actor) -> bool:
    """Tell whether it is settled, or may not be moved by whoever planned it."""
    if callback.status == CallbackStatus.DEAD:
        return False
    return not (callback.status == CallbackStatus.QUARANTINED and trying.may_vouch(actor))


def _note(replay: Replay, callback_id: str, problem: str) -> None:
    if len(replay.problems) < MOST_PROBLEMS:
        known: list[Any] = replay.problems
        replay.problems = [*known, {"callback": callback_id, "problem": problem[:200]}]
