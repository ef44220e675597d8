"""What waits or does not work, counted by shop over the whole platform."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count

from payments.choices import ConfigHealth
from payments.models import Payment, PaymentConfig, Review
from payments.states import LIVE_STATUSES

# Open for longer than this, nobody is at the counter any more.
STUCK = timedelta(minutes=15)


def open_reviews(environment: str) -> Counter[Any]:
    """Count the doubts nobody decided yet, by shop."""
    rows = Review.objects.filter(resolved_at=None, environment=environment).order_by()
    return Counter(dict(rows.values_list("shop").annotate(count=Count("pk"))))


def stuck_payments(environment: str, *, now: datetime) -> Counter[Any]:
    """Count the payments that have been open for too long, by shop."""
    rows = Payment.objects.filter(
        status__in=sorted(LIVE_STATUSES), environment=environment, created_at__lt=now - STUCK
    )
    return Counter(dict(rows.order_by().values_list("shop").annotate(count=Count("pk"))))


def tills_in_trouble(environment: str) -> tuple[Counter[Any], Counter[Any]]:
    """Count the configs in use that are down and that are degraded, by shop."""
    down: Counter[Any] = Counter()
    degraded: Counter[Any] = Counter()
    rows = PaymentConfig.objects.not_deleted().filter(environment=environment, is_active=True)
    for config in rows.select_related("breaker"):
        down[config.shop_id] += config.health == ConfigHealth.DOWN
        degraded[config.shop_id] += config.health == ConfigHealth.DEGRADED
    return down, degraded
