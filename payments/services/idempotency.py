"""
The till's promise that this is the same sale, kept by a unique row.

Only answers given after the payment was committed are kept. A refused request gives its key back;
a process that dies leaves a key whose lease runs out, and a payment that answers for it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from payments.errors import IdempotencyKeyReused, RequestInProgress
from payments.models import IdempotencyKey, Payment
from tenants import prepared
from tenants.models import Shop

_TAKE = """
    INSERT INTO payments_idempotencykey
        (id, shop_id, environment, key, fingerprint, running_until, created_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_LEASE = timedelta(seconds=60)


@dataclass(frozen=True)
class Replay:
    """The first answer, whole; or the payment that answers for a process that died."""

    status_code: int | None
    body: dict[str, Any] | None
    payment: Payment | None


def fingerprint(method: str, path: str, body: Any) -> str:
    """Name a request: method, path and canonical JSON."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(f"{method} {path}\n{canonical}".encode()).hexdigest()


def begin(
    *, shop: Shop, environment: str, key: str, fingerprint: str, now: datetime
) -> IdempotencyKey | Replay:
    """
    Take the key for this request, or return what the first one was answered.

    :raises IdempotencyKeyReused: when it was used with another request.
    :raises RequestInProgress: when the first one is still running.
    """
    row = IdempotencyKey(
        shop=shop,
        environment=environment,
        key=key,
        fingerprint=fingerprint,
        running_until=now + _LEASE,
        created_at=now,
    )
    if _is_first(row):
        return row
    with transaction.atomic():
        rows = IdempotencyKey.objects.select_for_update(of=("self",))
        held: IdempotencyKey | None = rows.filter(
            shop=shop, environment=environment, key=key
        ).first()
        if held is None:
            raise RequestInProgress("A request with this key is just ending.", retry_after=1)
        return _take_over(held, fingerprint=fingerprint, now=now)


def _is_first(row: IdempotencyKey) -> bool:
    """Insert the row unless the key is there; nobody has to look afterwards who came first."""
    values = [row.pk, row.shop_id, row.environment, row.key, row.fingerprint]
    with prepared.cursor() as cursor:
        cursor.execute(_TAKE, [*values, row.running_until, row.created_at])
        row._state.adding = cursor.rowcount == 0  # noqa: SLF001 - as bulk_create would leave it
    return not row._state.adding  # noqa: SLF001


def _take_over(held: IdempotencyKey, *, fingerprint: str, now: datetime) -> IdempotencyKey | Replay:
    if held.fingerprint != fingerprint:
        raise IdempotencyKeyReused("The key was used with another request.")
    if held.status_code is not None:
        return Replay(held.status_code, held.body, held.payment)
    if held.running_until and held.running_until > now:
        raise RequestInProgress("The first request with this key is running.", retry_after=2)
    if held.payment_id is not None:
        return Replay(None, None, held.payment)
    held.running_until = now + _LEASE
    held.save(update_fields=["running_until"])
    return held


def bind(*, key: IdempotencyKey | None, payment: Payment) -> None:
    """
    Bind the key to its payment, in the transaction that commits the prompt.

    :raises RequestInProgress: when our lease ran out and another process took the request over;
        then nothing of ours may be stored, or one key would prompt twice.
    """
    if key is None:
        return
    ours = IdempotencyKey.objects.filter(pk=key.pk, payment=None, running_until=key.running_until)
    if not ours.update(payment=payment):
        raise RequestInProgress("Another process took this request over.", retry_after=2)


def finish(
    *, key: IdempotencyKey, status_code: int, body: dict[str, Any], payment: Payment
) -> None:
    """Keep the answer; from now on it is what the key says."""
    IdempotencyKey.objects.filter(pk=key.pk).update(
        status_code=status_code, body=body, payment=payment, running_until=None
    )


def give_back(*, key: IdempotencyKey) -> None:
    """Free a key whose request was refused before anything was stored."""
    ours = IdempotencyKey.objects.filter(pk=key.pk, payment=None, running_until=key.running_until)
    ours.delete()


def purge(*, before: datetime, limit: int = 10_000) -> int:
    """Forget keys that were taken before a moment; return how many."""
    old = IdempotencyKey.objects.filter(created_at__lt=before).values("pk")[:limit]
    return IdempotencyKey.objects.filter(pk__in=old).delete()[0]
