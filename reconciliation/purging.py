"""Letting go of what is past its time (retention.py), in slices: no lock lasts, no row is read twice."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from payments.choices import CallbackStatus
from payments.models import Attempt, Payment, ProviderCallback, ReceiptCheck, WebhookDelivery
from payments.services import checkout_ids, idempotency
from payments.states import LIVE_STATUSES
from payments.webhook_choices import DeliveryStatus
from reconciliation import retention
from reconciliation.choices import DataKind, RunOutcome, StatementStatus
from reconciliation.models import Run, StatementImport

SLICE = 1_000
_FIRST = uuid.UUID(int=0)
_ENDED_FILES = (StatementStatus.APPLIED, StatementStatus.REFUSED, StatementStatus.DISCARDED)


def purge_raw_bodies(*, now: datetime) -> int:
    """Take the bodies from inbox rows; digest and metadata stay. One not applied yet keeps its."""
    limit = retention.limit_of(DataKind.RAW_BODIES, now=now)
    rows = ProviderCallback.objects.filter(received_at__lt=limit).exclude(body="")
    settled = rows.exclude(status=CallbackStatus.NEW)
    return _in_slices(settled, lambda found: found.update(body=""))


def purge_statement_files(*, now: datetime) -> int:
    """Take the files from statements that came to an end; lines and totals stay."""
    limit = retention.limit_of(DataKind.STATEMENT_FILES, now=now)
    rows = StatementImport.objects.filter(status__in=_ENDED_FILES)
    ended = rows.annotate(ended_at=Coalesce("applied_at", "read_at", "uploaded_at"))
    kept = ended.filter(ended_at__lt=limit).exclude(Q(file="") & Q(read_lines=""))
    return _in_slices(kept, lambda found: found.update(file="", read_lines=""))


def purge_receipt_checks(*, now: datetime) -> int:
    """Forget what was asked at the counter."""
    limit = retention.limit_of(DataKind.RECEIPT_CHECKS, now=now)
    return _in_slices(ReceiptCheck.objects.filter(at__lt=limit), _delete)


def purge_idempotency_keys(*, now: datetime) -> int:
    """Forget the answers kept for tills that ask twice."""
    before = retention.limit_of(DataKind.IDEMPOTENCY_KEYS, now=now)
    total = 0
    while count := idempotency.purge(before=before):
        total += count
    return total


def purge_runs(*, now: datetime) -> int:
    """Forget passes of reconciliation; what they changed stands on the payments themselves."""
    limit = retention.limit_of(DataKind.RUNS, now=now)
    ended = Run.objects.filter(started_at__lt=limit).exclude(outcome=RunOutcome.RUNNING)
    return _in_slices(ended, _delete)


def purge_webhook_deliveries(*, now: datetime) -> int:
    """Forget what was pushed to shops' systems; the events are on the feed."""
    limit = retention.limit_of(DataKind.WEBHOOK_DELIVERIES, now=now)
    rows = WebhookDelivery.objects.filter(created_at__lt=limit)
    return _in_slices(rows.exclude(status=DeliveryStatus.PENDING), _delete)


def forget_phone_numbers(*, now: datetime) -> int:
    """Blank the whole numbers of payments that ended long ago; mask and index stay."""
    limit = retention.limit_of(DataKind.PHONE_NUMBERS, now=now)
    old = Payment.objects.filter(created_at__lt=limit).exclude(phone="")
    ended = old.exclude(status__in=LIVE_STATUSES)
    total, last = 0, _FIRST
    # One walk over the ids: rows that are blank already are not met again for every slice.
    while ids := list(
        ended.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:SLICE]
    ):
        total += _forget_numbers_of(ids)
        last = ids[-1]
    return total


@transaction.atomic
def _forget_numbers_of(ids: list[uuid.UUID]) -> int:
    """Blank the numbers of payments nobody works on just now; the next run takes the others."""
    rows = Payment.objects.select_for_update(of=("self",), skip_locked=True).filter(pk__in=ids)
    free = list(rows.exclude(status__in=LIVE_STATUSES).order_by("pk").values_list("pk", flat=True))
    Payment.objects.filter(pk__in=free).update(phone="")
    checkout_ids.hide(Attempt.objects.filter(payment__in=free))
    told = ProviderCallback.objects.filter(payment__in=free).exclude(checkout_request_id="")
    told.update(checkout_request_id="")
    return len(free)


def _in_slices(rows: QuerySet[Any], act: Callable[[QuerySet[Any]], int]) -> int:
    """Act on all rows, a slice at a time, each in a statement of its own; return how many."""
    total = 0
    while ids := list(rows.order_by().values_list("pk", flat=True)[:SLICE]):
        count = act(rows.model._default_manager.filter(pk__in=ids))  # noqa: SLF001 - documented
        total += count
        if not count:
            break
    return total


def _delete(rows: QuerySet[Any]) -> int:
    return int(rows.delete()[0])
