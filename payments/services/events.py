from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payments.models import Event
from payments.services.representation import moment
from tenants import prepared

# One statement per batch: the row lock on each feed's counter keeps its numbers without gaps, and
# feeds are taken in order so that two batches cannot wait for each other.
_TAKE_NUMBERS = """
    INSERT INTO payments_eventcounter AS c (shop_id, environment, last_seq)
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::bigint[]) AS v (shop_id, environment, n)
    ORDER BY 1, 2
    ON CONFLICT (shop_id, environment) DO UPDATE SET last_seq = c.last_seq + excluded.last_seq
    RETURNING shop_id, environment, last_seq
"""


Feed = tuple[uuid.UUID, str]

_EVENTS = prepared.Writer(Event)


@dataclass(frozen=True)
class NewEvent:
    """What happened to what, described as it was then."""

    shop_id: uuid.UUID
    environment: str
    type: str
    data: dict[str, Any]

    @property
    def feed(self) -> Feed:
        return self.shop_id, str(self.environment)


def record_events(events: Sequence[NewEvent], *, now: datetime) -> list[Event]:
    """Record numbered events in the caller's transaction, in the order given."""
    if not events:
        return []
    next_seq = _take_numbers(Counter(event.feed for event in events))
    rows = []
    for event in events:
        rows.append(
            Event(
                shop_id=event.shop_id,
                seq=next_seq[event.feed],
                environment=event.environment,
                type=event.type,
                data=event.data,
                created_at=now,
            )
        )
        next_seq[event.feed] += 1
    _EVENTS.insert(rows)
    return rows


def described(event: Event) -> dict[str, Any]:
    """Return an event as the feed and webhooks tell it."""
    return {
        "seq": event.seq,
        "id": str(event.pk),
        "type": event.type,
        "environment": event.environment,
        "created_at": moment(event.created_at),
        "data": event.data,
    }


def _take_numbers(wanted: Counter[Feed]) -> dict[Feed, int]:
    """Return the first number each feed may use."""
    rows = [(*feed, count) for feed, count in sorted(wanted.items())]
    with prepared.cursor() as cursor:
        cursor.execute(_TAKE_NUMBERS, [list(column) for column in zip(*rows, strict=True)])
        taken = {(shop, environment): last for shop, environment, last in cursor.fetchall()}
    return {feed: last - wanted[feed] + 1 for feed, last in taken.items()}
