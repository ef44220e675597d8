"""
The one writer of a payment's status.

Every change takes one transition row and one event, in the same transaction; the update compares
with the version that was read, so of two workers one wins. Written in sets, in SQL: through the
ORM these statements were more than half of the callback path (performance.md, B2).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from audit.actors import Actor
from payments import states
from payments.choices import PaymentStatus
from payments.errors import InvalidTransition
from payments.models import Attempt, Payment, Review, Transition
from payments.services.events import NewEvent, record_events
from payments.services.representation import describe_payment
from tenants import prepared

_MOVE = """
    UPDATE payments_payment AS p
    SET status = v.status, previous_status = v.previous_status, version = v.version,
        receipt_number = v.receipt_number, receipt_pending = v.receipt_pending, late = v.late,
        result_code = v.result_code, result_desc = v.result_desc,
        completed_at = v.completed_at, expires_at = v.expires_at
    FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::int[], %s::text[], %s::bool[],
        %s::bool[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
        AS v (id, read_version, status, previous_status, version, receipt_number, receipt_pending,
              late, result_code, result_desc, completed_at, expires_at)
    WHERE p.id = v.id AND p.version = v.read_version
"""

_TRANSITIONS = prepared.Writer(Transition)


@dataclass
class Change:
    """
    A payment whose attributes already carry what shall be written.

    path lists the statuses to move through; events are types to record beside those of the moves.
    attempts and reviews are what the events describe.
    """

    payment: Payment
    attempts: list[Attempt]
    reviews: list[Review]
    actor: Actor
    path: Sequence[str] = field(default_factory=list)
    why: str = ""
    evidence_id: uuid.UUID | None = None
    events: list[str] = field(default_factory=list)


def move_payment(change: Change, *, now: datetime) -> Payment:
    """
    Move one payment along change.path.

    :raises InvalidTransition: when the path is not allowed or another worker moved it first.
    """
    with transaction.atomic():
        write_changes([change], now=now)
    return change.payment


def write_changes(changes: Sequence[Change], *, now: datetime) -> None:
    """
    Write payments, transitions and events in the caller's transaction.

    :raises InvalidTransition: as move_payment; then nothing of the set is written.
    """
    transitions = [row for change in changes for row in _walk(change, now=now)]
    _update([change.payment for change in changes])
    _TRANSITIONS.insert(transitions)
    record_events([event for change in changes for event in _events(change)], now=now)


def record_creation(change: Change, *, now: datetime) -> None:
    """Record that a payment came to be: its row is already there, with version 1."""
    _TRANSITIONS.insert([Transition(**_transition(change, "", PaymentStatus.CREATED, now=now))])
    record_events([_event(change, "payment.created")], now=now)


def _walk(change: Change, *, now: datetime) -> list[Transition]:
    """Move the object step by step; a step the database's own table refuses is written alone."""
    payment = change.payment
    payment.read_version = payment.version  # type: ignore[attr-defined]
    rows: list[Transition] = []
    for step, status in enumerate(change.path):
        if not states.may_move_payment(payment.status, status):
            raise InvalidTransition(f"A {payment.status} payment does not become {status}.")
        if step and not states.may_move_payment(rows[0].from_status, status):
            _update([payment])
            payment.read_version = payment.version  # type: ignore[attr-defined]
        payment.version += 1
        rows.append(Transition(**_transition(change, payment.status, status, now=now)))
        payment.previous_status, payment.status = payment.status, status
        if status == PaymentStatus.COMPLETED:
            payment.completed_at = now
    return rows


def _transition(change: Change, old: str, new: str, *, now: datetime) -> dict[str, object]:
    return {
        "shop_id": change.payment.shop_id,
        "payment": change.payment,
        "number": change.payment.version,
        "from_status": old,
        "to_status": new,
        "evidence_id": change.evidence_id,
        "why": change.why[:200],
        "actor_kind": change.actor.kind,
        "actor_label": change.actor.label,
        "at": now,
    }


def _update(payments: Sequence[Payment]) -> None:
    if not payments:
        return
    rows = [
        (
            p.pk,
            p.read_version,  # type: ignore[attr-defined]
            str(p.status),
            str(p.previous_status),
            p.version,
            p.receipt_number,
            p.receipt_pending,
            p.late,
            p.result_code,
            p.result_desc,
            p.completed_at,
            p.expires_at,
        )
        for p in payments
    ]
    with prepared.cursor() as cursor:
        cursor.execute(_MOVE, [list(column) for column in zip(*rows, strict=True)])
        if cursor.rowcount != len(payments):
            raise InvalidTransition("Another worker moved the payment first.")


def _events(change: Change) -> list[NewEvent]:
    types = [*(f"payment.{status}" for status in change.path), *change.events]
    return [_event(change, event_type) for event_type in types]


def _event(change: Change, event_type: str) -> NewEvent:
    payment = change.payment
    return NewEvent(
        shop_id=payment.shop_id,
        environment=payment.environment,
        type=event_type,
        data=describe_payment(payment, attempts=change.attempts, reviews=change.reviews),
    )
