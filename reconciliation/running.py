"""Running sweeps, whoever rings: with a heartbeat, and never two of one name by one runner."""

from __future__ import annotations

import logging
from datetime import datetime

from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from reconciliation.models import SweepState
from reconciliation.sweeps import SWEEPS

logger = logging.getLogger(__name__)


def run_sweep(name: str, *, now: datetime) -> int:
    """Run one sweep and keep when it ran, what it moved and how it failed; never raises."""
    started_at = timezone.now()
    SweepState.objects.update_or_create(name=name, defaults={"started_at": started_at})
    moved, error = 0, ""
    try:
        moved = SWEEPS[name](now=now)
    except Exception as problem:
        logger.exception("a sweep failed", extra={"sweep": name})
        error = problem.__class__.__name__
    SweepState.objects.filter(name=name).update(
        finished_at=timezone.now(), moved=moved, error=error
    )
    return moved


def is_switched_off(name: str) -> bool:
    """Tell whether an operator switched the sweep off in the admin."""
    return PeriodicTask.objects.filter(name=name, enabled=False).exists()
