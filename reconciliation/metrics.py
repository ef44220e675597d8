"""
Numbers for a monitoring system, in Prometheus' text form.

All of them are read from the database when asked for: each process would answer alike, and none
has anything to lose when it ends. They tell of the whole installation, never of a shop, a number
or a receipt. What has happened is told of the last five minutes, what waits as it is now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, FloatField, Min, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from audit.actors import client_ip
from payments.choices import CallbackStatus, Environment, ReceiptStatus
from payments.models import Attempt, Breaker, Notice, Payment, ProviderCallback, Receipt, Review
from payments.services import sources
from payments.services.stats_health import Percentile
from payments.services.tallies import DAYS, counted
from payments.states import FINAL_STATUSES
from reconciliation.models import SweepState

RECENT = timedelta(minutes=5)
_QUANTILES = (0.5, 0.95)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scrape from one of METRICS_ALLOWED_NETWORKS, 403 to everybody else."""
    if not _is_allowed(request):
        return HttpResponse("This address may not read metrics.\n", "text/plain", status=403)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Ours())
    body = generate_latest(registry)
    return HttpResponse(body, CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


class _Ours(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = timezone.now()
        yield from _payments(now)
        yield from _inbox(now)
        yield from _daraja(now)
        yield from _waiting(now)
        yield from _sweeps()


def _is_allowed(request: HttpRequest) -> bool:
    # Behind a proxy nobody named in TRUSTED_PROXIES, the world comes from the proxy's address.
    is_unknown_proxy = "HTTP_X_FORWARDED_FOR" in request.META and not settings.TRUSTED_PROXIES
    allowed = sources.is_within(client_ip(request), settings.METRICS_ALLOWED_NETWORKS)
    return allowed and not is_unknown_proxy


def _payments(now: datetime) -> Iterator[GaugeMetricFamily]:
    rows = counted(Q(), "environment", "status", since=DAYS.begin(now), unit=DAYS)
    yield _gauge(
        "payments_today",
        "Payments asked for since midnight in Nairobi, as they stand.",
        ("environment", "status"),
        (((row["environment"], row["status"]), row["count"]) for row in rows),
    )
    is_open = ~Q(status__in=FINAL_STATUSES)
    waiting = Payment.objects.filter(is_open).order_by().values("environment")
    found = list(waiting.annotate(count=Count("pk"), oldest=Min("created_at")))
    yield _gauge(
        "payments_pending",
        "Payments nobody knows the end of yet.",
        ("environment",),
        (((row["environment"],), row["count"]) for row in found),
    )
    yield _gauge(
        "payments_pending_oldest_seconds",
        "Age of the oldest of them.",
        ("environment",),
        (((row["environment"],), (now - row["oldest"]).total_seconds()) for row in found),
    )


def _inbox(now: datetime) -> Iterator[GaugeMetricFamily]:
    rows = ProviderCallback.objects.order_by()
    fresh = rows.filter(received_at__gte=now - RECENT).values("kind", "status")
    yield _gauge(
        "callbacks_recent",
        "Callbacks of the last five minutes.",
        ("kind", "status"),
        (((row["kind"], row["status"]), row["n"]) for row in fresh.annotate(n=Count("pk"))),
    )
    stored = rows.filter(status=CallbackStatus.NEW).aggregate(n=Count("pk"), at=Min("received_at"))
    yield _plain("callbacks_unapplied", "Callbacks stored and not applied yet.", stored["n"])
    age = (now - stored["at"]).total_seconds() if stored["at"] else 0
    yield _plain("callbacks_unapplied_oldest_seconds", "Age of the oldest of them.", age)
    yield _quantiles(
        "callback_processing_seconds",
        "From its arrival to its end, callbacks of the last five minutes.",
        rows.filter(received_at__gte=now - RECENT),
        "processing_ms",
    )


def _daraja(now: datetime) -> Iterator[GaugeMetricFamily]:
    # Named, both, because the index of the newest begins with it.
    fresh = Payment.objects.filter(environment__in=Environment, created_at__gte=now - RECENT)
    asked = Attempt.objects.filter(payment__in=fresh.order_by().values("pk")).order_by()
    counts = asked.values("submission").annotate(n=Count("pk"))
    yield _gauge(
        "stk_push_requests_recent",
        "Prompts of payments asked for in the last five minutes, by what Safaricom said.",
        ("submission",),
        (((row["submission"],), row["n"]) for row in counts),
    )
    yield _quantiles(
        "daraja_request_duration_seconds",
        "How long Safaricom took to answer them.",
        asked,
        "answer_ms",
    )


def _waiting(now: datetime) -> Iterator[GaugeMetricFamily]:
    due = Attempt.objects.filter(next_ask_at__lte=now)
    yield _plain("attempts_due", "Prompts whose outcome is due to be asked for.", due.count())
    loose = Receipt.objects.filter(status=ReceiptStatus.UNALLOCATED)
    yield _plain("receipts_unallocated", "Money that belongs to no payment yet.", loose.count())
    reviews = Review.objects.filter(resolved_at=None).order_by()
    yield _by_code("reviews_open", "What a person must decide.", reviews)
    notices = Notice.objects.filter(closed_at=None).order_by()
    yield _by_code("notices_open", "Warnings shops are shown.", notices)
    tripped = Breaker.objects.order_by().values("state").annotate(n=Count("pk"))
    yield _gauge(
        "breakers",
        "Payment configs by the state of their breaker.",
        ("state",),
        (((row["state"],), row["n"]) for row in tripped),
    )


def _sweeps() -> Iterator[GaugeMetricFamily]:
    states = list(SweepState.objects.exclude(finished_at=None).order_by("name"))
    yield _gauge(
        "sweep_finished_timestamp_seconds",
        "When each sweep last ended.",
        ("sweep",),
        (((state.name,), state.finished_at.timestamp()) for state in states if state.finished_at),
    )
    yield _gauge(
        "sweep_failed",
        "1 where a sweep's last run broke off.",
        ("sweep",),
        (((state.name,), 1 if state.error else 0) for state in states),
    )


def _gauge(
    name: str, says: str, labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"malipo_{name}", says, labels=labels)
    sums: Counter[tuple[str, ...]] = Counter()
    for values, number in rows:
        sums[values] += number  # type: ignore[assignment]  # seconds, too
    for values, number in sorted(sums.items()):
        family.add_metric(values, number)
    return family


def _plain(name: str, says: str, number: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"malipo_{name}", says, value=number)


def _by_code(name: str, says: str, rows: QuerySet[Any, Any]) -> GaugeMetricFamily:
    counts = rows.values("code").annotate(n=Count("pk"))
    return _gauge(name, says, ("code",), (((row["code"],), row["n"]) for row in counts))


def _quantiles(name: str, says: str, rows: QuerySet[Any], column: str) -> GaugeMetricFamily:
    """Read quantiles of a column of milliseconds; none where there is no row."""
    shares = {f"q{share}".replace(".", "_"): share for share in _QUANTILES}
    found = rows.aggregate(
        **{
            alias: Percentile(column, share=share, output_field=FloatField())
            for alias, share in shares.items()
        }
    )
    return _gauge(
        name,
        says,
        ("quantile",),
        (
            ((str(share),), found[alias] / 1000)
            for alias, share in shares.items()
            if found[alias] is not None
        ),
    )
