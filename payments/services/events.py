from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from payments.models import Event

# One statement per batch: the row lock on each shop's counter keeps its numbers without gaps, and
# shops are taken in order so that two batches cannot wait for each other.
_TAKE_NUMBERS = """
    INSERT INTO payments_eventcounter AS c (shop_id, last_seq)
    SELECT * FROM unnest(%s::uuid[], %s::bigint[]) AS v (shop_id, n) ORDER BY 1
    ON CONFLICT (shop_id) DO UPDATE SET last_seq = c.last_seq + excluded.last_seq
    RETURNING shop_id, last_seq
"""


@dataclass(frozen=True)
class NewEvent:
    """What happened to what, described as it was then."""

    shop_id: uuid.UUID
    environment: str
    type: str
    data: dict[str, Any]


def record_events(events: Sequence[NewEvent], *, now: datetime) -> list[Event]:
    """Record numbered events in the caller's transaction, in the order given."""
    if not events:
        return []
    next_seq = _take_numbers(Counter(event.shop_id for event in events))
    rows = []
    for event in events:
        rows.append(
            Event(
                shop_id=event.shop_id,
                seq=next_seq[event.shop_id],
                environment=event.environment,
                type=event.type,
                data=event.data,
                created_at=now,
            )
        )
        next_seq[event.shop_id] += 1
    return Event.objects.bulk_create(rows)


def _take_numbers(wanted: Counter[uuid.UUID]) -> dict[uuid.UUID, int]:
    shops = sorted(wanted)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_NUMBERS, [shops, [wanted[shop] for shop in shops]])
        return {shop: last - wanted[shop] + 1 for shop, last in cursor.fetchall()}
