"""
Rounds of the webhooks: new events become deliveries, and what is due is sent.

An address is served by one worker at a time, which holds it by a lease in its row: so first tries
go out in the order of the feed, and a worker that dies is followed by another once its lease is
over. The receiver may then get an event twice, with the same webhook-id, never not at all. Slow
addresses wait in threads of their own, each round has an end, and whoever was served longest ago
comes first.
"""

from __future__ import annotations

import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import close_old_connections, connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from payments.errors import ProviderUnavailable
from payments.models import Event, EventCounter, WebhookDelivery, WebhookEndpoint
from payments.services.events import described
from payments.services.webhook_results import record_try
from payments.services.webhook_sending import TOTAL_S, send
from payments.webhook_choices import DeliveryStatus

logger = logging.getLogger(__name__)

THREADS = 16
EVENTS_AT_ONCE = 500
#: No new try of an address begins later than this in a round, nor a new round of all.
ROUND_S = 5.0
ROUNDS_S = 15.0
# Longer than any try may last, looking up the name included; renewed before each.
LEASE = timedelta(seconds=TOTAL_S * 6)


class Clock:
    """The time a round was told, going on as it works."""

    def __init__(self, now: datetime) -> None:
        self._now, self._began = now, time.monotonic()

    def now(self) -> datetime:
        return self._now + timedelta(seconds=self.elapsed_s)

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began


def deliver_due(*, now: datetime) -> int:
    """Send what is due, to all addresses; return how many deliveries were tried."""
    clock, tried = Clock(now), 0
    while clock.elapsed_s < ROUNDS_S and (claimed := claim(now=clock.now())):
        connection.close() if not connection.in_atomic_block else None
        with ThreadPoolExecutor(THREADS) as pool:
            count = sum(pool.map(lambda each: _serve_in_thread(each, clock), claimed))
        tried += count
        if not count:
            break
    return tried


@transaction.atomic
def claim(*, now: datetime) -> list[WebhookEndpoint]:
    """Take addresses that have something to do and are nobody's, and put a lease on them."""
    rows = _with_work(now).select_for_update(of=("self",), skip_locked=True, no_key=True)
    claimed = list(rows.order_by(F("served_at").asc(nulls_first=True), "pk")[:THREADS])
    lease = uuid.uuid4()
    for endpoint in claimed:
        endpoint.leased_by, endpoint.leased_until = lease, now + LEASE
    WebhookEndpoint.objects.filter(pk__in=[each.pk for each in claimed]).update(
        leased_by=lease, leased_until=now + LEASE, served_at=now
    )
    return claimed


def serve(endpoint: WebhookEndpoint, clock: Clock) -> int:
    """Serve a claimed address until nothing is due or its round is over; return the tries."""
    began, tried = clock.elapsed_s, 0
    try:
        take_events(endpoint, now=clock.now())
        while clock.elapsed_s - began < ROUND_S and _renew(endpoint, now=clock.now()):
            if not _try_next(endpoint, clock):
                break
            tried += 1
    except ProviderUnavailable:
        logger.info("no room for webhooks just now")
    finally:
        _release(endpoint)
    return tried


@transaction.atomic
def take_events(endpoint: WebhookEndpoint, *, now: datetime) -> None:
    """Make deliveries of the events that came since, and move the address's mark behind them."""
    rows = WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True)
    row = rows.filter(pk=endpoint.pk, is_active=True, deleted_at=None).first()
    if row is None:
        return
    feed = Event.objects.filter(shop=row.shop_id, environment=row.environment)
    new = feed.filter(seq__gt=row.last_seq).order_by("seq").only("seq", "type")[:EVENTS_AT_ONCE]
    found = list(new)
    if not found:
        return
    wanted = [event for event in found if not row.types or event.type in row.types]
    WebhookDelivery.objects.bulk_create(
        [_delivery_of(event, row, place, now=now) for place, event in enumerate(wanted)],
        ignore_conflicts=True,
    )
    WebhookEndpoint.objects.filter(pk=row.pk).update(last_seq=found[-1].seq)


def send_delivery(
    delivery: WebhookDelivery, *, is_scheduled: bool, clock: Clock
) -> WebhookDelivery:
    """Try a delivery once and write down what came of it."""
    event = delivery.event
    outcome = send(
        endpoint=delivery.endpoint,
        message_id=str(event.pk),
        message=described(event),
        now=clock.now(),
    )
    return record_try(delivery, outcome, is_scheduled=is_scheduled, now=clock.now())


def _with_work(now: datetime) -> QuerySet[WebhookEndpoint]:
    of_endpoint = WebhookDelivery.objects.filter(endpoint=OuterRef("pk"))
    due = of_endpoint.filter(status=DeliveryStatus.PENDING, next_try_at__lte=now)
    news = EventCounter.objects.filter(
        shop=OuterRef("shop"),
        environment=OuterRef("environment"),
        last_seq__gt=OuterRef("last_seq"),
    )
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    rows = WebhookEndpoint.objects.filter(free, is_active=True, deleted_at=None)
    rows = rows.filter(shop__is_active=True)
    return rows.filter(Exists(due) | Exists(news))


def _serve_in_thread(endpoint: WebhookEndpoint, clock: Clock) -> int:
    try:
        return serve(endpoint, clock)
    except Exception:
        logger.exception("serving a webhook failed", extra={"webhook": str(endpoint.pk)})
        return 0
    finally:
        close_old_connections()


def _try_next(endpoint: WebhookEndpoint, clock: Clock) -> bool:
    """Try what is due first; what is due at once goes in the order of the feed."""
    rows = WebhookDelivery.objects.filter(
        endpoint=endpoint,
        endpoint__is_active=True,
        status=DeliveryStatus.PENDING,
        next_try_at__lte=clock.now(),
    )
    due = rows.select_related("endpoint", "event").order_by("next_try_at", "seq").first()
    if due is None:
        return False
    send_delivery(due, is_scheduled=True, clock=clock)
    return True


def _delivery_of(
    event: Event, endpoint: WebhookEndpoint, place: int, *, now: datetime
) -> WebhookDelivery:
    return WebhookDelivery(
        shop_id=endpoint.shop_id,
        endpoint=endpoint,
        event=event,
        seq=event.seq,
        type=event.type,
        next_try_at=now,
        # Apart by a microsecond each: lists go by the time, and are in the order of the feed.
        created_at=now + timedelta(microseconds=place),
    )


def _renew(endpoint: WebhookEndpoint, *, now: datetime) -> bool:
    """Hold the address for another try; False where the lease was lost to somebody else."""
    ours = WebhookEndpoint.objects.filter(pk=endpoint.pk, leased_by=endpoint.leased_by)
    return bool(ours.update(leased_until=now + LEASE))


def _release(endpoint: WebhookEndpoint) -> None:
    ours = WebhookEndpoint.objects.filter(pk=endpoint.pk, leased_by=endpoint.leased_by)
    ours.update(leased_by=None, leased_until=None)
