"""
What processing an inbox row again would do: done for real, looked at, and rolled back.

Nothing else can tell so truly: the row goes through the one door as it would when applied. Locks
are waited for a moment only, nothing is asked of a provider, and the numbers of events, which are
rows too, go back with the rest. What two looks at the books differ by is what would change.
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Max, Min, Q, QuerySet

from audit.actors import Actor
from payments.choices import CallbackKind, CallbackStatus, Environment
from payments.errors import PaymentsError
from payments.models import (
    Attempt,
    Event,
    EventCounter,
    Evidence,
    Payment,
    PaymentConfig,
    ProviderCallback,
    ProviderRequest,
    Receipt,
    Refund,
    Review,
    VerificationLog,
)
from payments.services import callbacks, inbox_rows
from tenants.roles import PLATFORM_ROLES

logger = logging.getLogger(__name__)

WAITING = (CallbackStatus.DEAD, CallbackStatus.QUARANTINED)
# What a person may plan at once; a step of the background job takes this many.
MOST_ROWS = 2_000
STEP = 50
_LOCK_WAIT_MS = 2_000
_OF_ACCOUNTS = frozenset({CallbackKind.C2B, CallbackKind.C2B_VALIDATION, CallbackKind.BANK})
_PAYMENT = ("status", "receipt_number", "receipt_pending", "result_code", "late")
_RECEIPT = ("status", "reason", "amount", "payment_id", "account_reference", "label")
_EVIDENCE = ("source", "verdict", "result_code", "amount", "receipt_number", "is_duplicate_receipt")


class Busy(PaymentsError):
    """Somebody else is at work on the same rows; ask again in a moment."""


@dataclass(frozen=True)
class Change:
    """A thing that would be there, or look different; before is None where it is new."""

    kind: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any]

    @property
    def fields(self) -> list[tuple[str, Any, Any]]:
        """List what differs: name, before, after."""
        old = self.before or {}
        return [
            (name, old.get(name), new) for name, new in self.after.items() if old.get(name) != new
        ]


@dataclass(frozen=True)
class Preview:
    """What would become of one row: its status, what changes, the events by their types."""

    callback_id: uuid.UUID
    status: str
    problem: str
    changes: list[Change] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    @property
    def changes_money(self) -> bool:
        return any(each.kind in {"payment", "receipt", "refund"} for each in self.changes)


@dataclass(frozen=True)
class Plan:
    """How many rows, how they are spread, and how long processing them takes at most."""

    ids: list[uuid.UUID]
    by_status: dict[str, int]
    by_kind: dict[str, int]
    oldest: datetime | None
    newest: datetime | None
    left_out: int

    @property
    def steps(self) -> int:
        return -(-len(self.ids) // STEP)


def may_vouch(actor: Actor) -> bool:
    """Tell whether this person answers for a stranger's word: the shop does, the platform does not."""
    return actor.role not in PLATFORM_ROLES


def plan(rows: QuerySet[ProviderCallback]) -> Plan:
    """Count what waits for a person among the rows; MOST_ROWS of them, the oldest, are planned."""
    waiting = rows.filter(status__in=WAITING).exclude(body="").order_by()
    found = list(
        waiting.order_by("received_at", "pk").values_list("pk", "status", "kind")[: MOST_ROWS + 1]
    )
    planned = found[:MOST_ROWS]
    spread = waiting.filter(pk__in=[pk for pk, _status, _kind in planned]).aggregate(
        oldest=Min("received_at"), newest=Max("received_at")
    )
    return Plan(
        ids=[pk for pk, _status, _kind in planned],
        by_status=dict(Counter(status for _pk, status, _kind in planned)),
        by_kind=dict(Counter(kind for _pk, _status, kind in planned)),
        oldest=spread["oldest"],
        newest=spread["newest"],
        left_out=len(found) - len(planned),
    )


def preview(*, callback: ProviderCallback, actor: Actor, now: datetime) -> Preview:
    """
    Tell what processing a row again would do; nothing is left of the try.

    :raises Busy: when somebody else holds what it would touch.
    """
    try:
        return _tried(callback, actor=actor, now=now)
    except DatabaseError as error:
        logger.info("a dry run met a lock", extra={"callback": str(callback.pk)})
        raise Busy("Somebody else is at work on it: try again in a moment.") from error


def preview_some(
    rows: Iterable[ProviderCallback], *, actor: Actor, now: datetime
) -> list[tuple[ProviderCallback, Preview | None]]:
    """Try several rows, each by itself; None where one could not be tried."""
    found: list[tuple[ProviderCallback, Preview | None]] = []
    for row in rows:
        try:
            found.append((row, preview(callback=row, actor=actor, now=now)))
        except Exception:
            logger.info("a dry run broke", extra={"callback": str(row.pk)}, exc_info=True)
            found.append((row, None))
    return found


def apply(*, callback: ProviderCallback, actor: Actor, now: datetime) -> ProviderCallback:
    """Process a row again for real; a row that is settled stays as it is."""
    return callbacks.apply_again(callback=callback, actor=actor, now=now, vouched=may_vouch(actor))


def _tried(callback: ProviderCallback, *, actor: Actor, now: datetime) -> Preview:
    with transaction.atomic():
        inbox_rows.limit_lock_wait(_LOCK_WAIT_MS)
        seen = _last_seen(callback)
        with transaction.atomic():
            row = apply(callback=callback, actor=actor, now=now)
            events = _events_since(seen, now=now)
            touched = _touched(row, events)
            after = snapshot(touched)
            # Out of the inner block: what was done is undone, what was learnt stays.
            transaction.set_rollback(True)
        before = snapshot(touched)
        transaction.set_rollback(True)
    return Preview(
        callback_id=callback.pk,
        status=row.status,
        problem=row.problem,
        changes=changes_between(before, after),
        events=[event.type for event in events],
    )


Snapshot = dict[tuple[str, str], dict[str, Any]]


@dataclass(frozen=True)
class Touched:
    """What a row may have to do with: its own subject, and what its events named."""

    callback_id: uuid.UUID
    subject_id: uuid.UUID
    payments: frozenset[str]
    receipts: frozenset[str]


def snapshot(touched: Touched) -> Snapshot:
    """Look at everything a row may change, by kind and a name that lasts."""
    of_payments = Q(payment__in=touched.payments)
    receipts = Receipt.objects.filter(of_payments | Q(pk__in=touched.receipts))
    reviews = Review.objects.filter(
        of_payments | Q(callback=touched.callback_id) | Q(receipt__in=receipts.values("pk"))
    )
    found: Snapshot = {}
    for payment in Payment.objects.filter(pk__in=touched.payments):
        found["payment", str(payment.pk)] = _fields(payment, _PAYMENT)
    for receipt in receipts:
        found["receipt", receipt.number] = _fields(receipt, _RECEIPT)
    for review in reviews:
        is_open = {"open": review.resolved_at is None}
        found["review", f"{review.code} {review.subject}"] = is_open | _fields(
            review, ("blocking",)
        )
    for row in Evidence.objects.filter(of_payments):
        # Its digest names a word; what a person released changes a word's standing.
        found["evidence", f"{row.payment_id} {row.digest}"] = _fields(row, _EVIDENCE)
    for request in ProviderRequest.objects.filter(pk=touched.subject_id):
        found["request", str(request.pk)] = _fields(request, ("status", "result_code"))
    for refund in Refund.objects.filter(request=touched.subject_id):
        found["refund", str(refund.pk)] = _fields(refund, ("status",))
    for log in VerificationLog.objects.filter(pk=touched.subject_id):
        found["verification", str(log.pk)] = _fields(log, ("result",))
    return found


def changes_between(before: Snapshot, after: Snapshot) -> list[Change]:
    """List what is new or differs, in a steady order; nothing is ever taken away."""
    return [
        Change(kind, name, before.get((kind, name)), state)
        for (kind, name), state in sorted(after.items())
        if before.get((kind, name)) != state
    ]


def _fields(row: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _shop_of(callback: ProviderCallback) -> uuid.UUID | None:
    """Return whose row it is, as its address tells, where nobody attributed it yet."""
    if callback.shop_id is not None:
        return callback.shop_id
    owner: Any = {
        CallbackKind.STK: Attempt,
        CallbackKind.PROOF: VerificationLog,
        **dict.fromkeys(_OF_ACCOUNTS, PaymentConfig),
    }.get(CallbackKind(callback.kind), ProviderRequest)
    shop_id: uuid.UUID | None = (
        owner.objects.filter(pk=callback.subject_id).values_list("shop_id", flat=True).first()
    )
    return shop_id


def _last_seen(callback: ProviderCallback) -> tuple[uuid.UUID | None, dict[str, int]]:
    """Return whose row it is, and the last event's number of each of the shop's feeds."""
    shop_id = _shop_of(callback)
    counters = EventCounter.objects.filter(shop=shop_id).values_list("environment", "last_seq")
    return shop_id, dict(counters)


def _events_since(seen: tuple[uuid.UUID | None, dict[str, int]], *, now: datetime) -> list[Event]:
    """List what this try recorded; what others recorded meanwhile bears another time."""
    shop_id, last = seen
    rows = Event.objects.filter(shop=shop_id, created_at=now).order_by("environment", "seq")
    found: list[Event] = []
    for environment in Environment.values:
        newer = rows.filter(environment=environment, seq__gt=last.get(environment, 0))
        found.extend(newer)
    return found


def _touched(row: ProviderCallback, events: Sequence[Event]) -> Touched:
    payments = {str(row.payment_id)} if row.payment_id else set()
    receipts = set()
    for event in events:
        kind = event.type.partition(".")[0]
        if kind == "payment":
            payments.add(str(event.data["id"]))
        elif kind == "receipt":
            receipts.add(str(event.data["id"]))
            payments.add(str(event.data.get("payment") or ""))
    return Touched(row.pk, row.subject_id, frozenset(payments - {""}), frozenset(receipts))
