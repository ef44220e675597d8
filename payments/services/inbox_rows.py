"""The inbox's rows: locked, looked up and written in sets, so that a batch costs few statements."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from payments.models import Attempt, Payment, PaymentConfig, ProviderCallback
from payments.providers.base import Outcome
from tenants import prepared
from tenants.prepared import Reader

_WRITE = """
    UPDATE payments_providercallback AS c
    SET status = v.status, shop_id = v.shop_id, payment_id = v.payment_id, problem = v.problem,
        result_code = v.code, result_desc = v.descr, checkout_request_id = v.checkout,
        merchant_request_id = v.merchant, tries = v.tries, next_try_at = v.next_try_at,
        settled_at = v.settled_at, processing_ms = v.ms
    FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[],
        %s::text[], %s::text[], %s::int[], %s::timestamptz[], %s::timestamptz[], %s::int[])
        AS v (id, status, shop_id, payment_id, problem, code, descr, checkout, merchant, tries,
              next_try_at, settled_at, ms)
    WHERE c.id = v.id
"""

# Without SKIP LOCKED all workers would pick the same rows, and one of them would get them.
_DUE = """
    SELECT id FROM payments_providercallback WHERE status = 'new' AND next_try_at <= %s
    ORDER BY next_try_at LIMIT %s FOR UPDATE SKIP LOCKED
"""
_NEW = Reader(
    """
    FROM payments_providercallback c WHERE c.id = ANY (%s) AND c.status = 'new'
    ORDER BY c.received_at, c.id FOR UPDATE OF c SKIP LOCKED
    """,
    c=ProviderCallback,
)
_ATTEMPTS = Reader(
    """
    FROM payments_attempt attempt JOIN payments_payment payment ON payment.id = attempt.payment_id
    WHERE attempt.id = ANY (%s)
    """,
    attempt=Attempt,
    payment=(Payment, ("id", "shop_id", "environment")),
)


@dataclass
class Bound:
    """An inbox row, the attempt its address names, and what its body says."""

    row: ProviderCallback
    attempt: Attempt
    outcome: Outcome


def due(*, now: datetime, limit: int) -> list[uuid.UUID]:
    """Return the rows that wait longest, those in another worker's hands left out."""
    with prepared.cursor() as cursor:
        cursor.execute(_DUE, [now, limit])
        return [pk for (pk,) in cursor.fetchall()]


def lock(ids: Sequence[uuid.UUID]) -> list[ProviderCallback]:
    """Lock the rows that are still new; those in another worker's hands are left out."""
    rows: list[ProviderCallback] = _NEW.all([list(ids)])
    locked_s = time.perf_counter()
    for row in rows:
        row.locked_s = locked_s
    return rows


def limit_lock_wait(milliseconds: int | None) -> None:
    """Let this transaction wait no longer than that for a lock; None: as long as it takes."""
    if milliseconds is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{int(milliseconds)}ms'")


def attempts_of(rows: Iterable[ProviderCallback]) -> dict[uuid.UUID, Attempt]:
    attempts = {}
    for attempt, payment in _ATTEMPTS.rows([[row.subject_id for row in rows]]):
        attempt.payment = payment
        attempts[attempt.pk] = attempt
    return attempts


def note_outcome(row: ProviderCallback, outcome: Outcome) -> None:
    row.result_code = outcome.result_code[:40]
    row.result_desc = outcome.result_desc[:300]
    row.checkout_request_id = outcome.checkout_request_id[:64]
    row.merchant_request_id = outcome.merchant_request_id[:64]


def settle(row: ProviderCallback, status: str, *, now: datetime) -> None:
    row.status = status
    row.settled_at = now
    row.next_try_at = None
    waited_s = (now - row.received_at).total_seconds()
    worked_s = time.perf_counter() - row.locked_s if row.locked_s is not None else 0
    row.processing_ms = max(0, round((waited_s + worked_s) * 1000))


def write(rows: Sequence[ProviderCallback]) -> None:
    """Write what became of rows, in one statement."""
    if not rows:
        return
    values = [
        (
            r.pk,
            str(r.status),
            r.shop_id,
            r.payment_id,
            r.problem,
            r.result_code,
            r.result_desc,
            r.checkout_request_id,
            r.merchant_request_id,
            r.tries,
            r.next_try_at,
            r.settled_at,
            r.processing_ms,
        )
        for r in rows
    ]
    with prepared.cursor() as cursor:
        cursor.execute(_WRITE, [list(column) for column in zip(*values, strict=True)])


def note_config_callbacks(bound: Sequence[Bound], *, now: datetime) -> None:
    """Remember on each config that a callback came; at most once a minute, it is only a sign."""
    configs = {item.attempt.config_id for item in bound}
    stale = PaymentConfig.objects.filter(pk__in=configs).exclude(
        last_callback_at__gt=now.replace(second=0, microsecond=0)
    )
    if configs:
        stale.update(last_callback_at=now)


def printable(text: str) -> str:
    """Return a text of a stranger's without what a terminal would act on."""
    return "".join(char for char in text if char.isprintable())
