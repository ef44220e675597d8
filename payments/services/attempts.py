"""What becomes of attempts: what was heard of them, and when the provider is asked next."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from payments.choices import AttemptStatus, OutcomeVerdict
from payments.models import Attempt, Evidence
from payments.providers.base import Outcome
from tenants import prepared

# When we ask (safety.md section 6): seconds after the request, until the horizon of 72 hours.
LADDER_S = (20, 45, 90, 180, 300, 900, 3_600, 21_600, 86_400, 172_800, 259_200)
MAX_ASKS = 12
_JITTER = 0.2

_WRITE = """
    UPDATE payments_attempt AS a
    SET status = v.status, submission = v.submission, checkout_request_id = v.checkout,
        merchant_request_id = v.merchant, result_code = v.code, result_desc = v.descr,
        next_ask_at = v.next_ask_at
    FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
        %s::timestamptz[])
        AS v (id, status, submission, checkout, merchant, code, descr, next_ask_at)
    WHERE a.id = v.id
"""


def next_ask(requested_at: datetime, *, now: datetime) -> datetime | None:
    """Return the next rung of the ladder after now, with jitter; None past the horizon."""
    age_s = (now - requested_at).total_seconds()
    # A rung is behind us once it could have been asked at: asked early, it would be asked twice.
    rung = next((step for step in LADDER_S if step * (1 - _JITTER) > age_s), None)
    if rung is None:
        return None
    jitter = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load, hides nothing
    earliest = now + timedelta(seconds=2)
    wait_s = min(rung * jitter, LADDER_S[-1])
    return max(requested_at + timedelta(seconds=wait_s), earliest)


def note_evidence(attempt: Attempt | None, row: Evidence, outcome: Outcome) -> None:
    """Keep on the attempt what was heard of it; a success is never overwritten."""
    if attempt is None:
        return
    attempt.is_dirty = True  # type: ignore[attr-defined]
    attempt.checkout_request_id = attempt.checkout_request_id or outcome.checkout_request_id or None
    attempt.merchant_request_id = attempt.merchant_request_id or outcome.merchant_request_id
    if attempt.status == AttemptStatus.SUCCEEDED:
        return
    if row.verdict == OutcomeVerdict.FAILED and not row.is_final:
        return
    if row.result_code:
        attempt.result_code, attempt.result_desc = row.result_code, row.result_desc
    if row.verdict == OutcomeVerdict.SUCCEEDED and _proves(row):
        attempt.status, attempt.next_ask_at = AttemptStatus.SUCCEEDED, None
    elif row.verdict == OutcomeVerdict.FAILED:
        attempt.status = AttemptStatus.FAILED


def _proves(row: Evidence) -> bool:
    """
    Tell whether a yes settles the attempt: a query's, or one with receipt and amount.

    Another payment's receipt does not: this one's money may still come, so we keep asking.
    """
    if row.is_duplicate_receipt:
        return False
    return row.source == "stk_query" or bool(row.receipt_number and row.amount is not None)


def ask_soon(attempts: Sequence[Attempt], *, now: datetime) -> None:
    """Make every attempt that can be asked about due at once."""
    for attempt in attempts:
        if attempt.checkout_request_id and attempt.status != AttemptStatus.REFUSED:
            attempt.next_ask_at = now
            attempt.is_dirty = True  # type: ignore[attr-defined]


def write(attempts: Iterable[Attempt]) -> None:
    """Write the attempts that were changed, in one statement."""
    rows = [
        (
            a.pk,
            str(a.status),
            str(a.submission),
            a.checkout_request_id,
            a.merchant_request_id,
            a.result_code,
            a.result_desc,
            a.next_ask_at,
        )
        for a in attempts
        if getattr(a, "is_dirty", False)
    ]
    if rows:
        with prepared.cursor() as cursor:
            cursor.execute(_WRITE, [list(column) for column in zip(*rows, strict=True)])
