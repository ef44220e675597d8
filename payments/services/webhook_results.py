"""What a try came to, written down: the delivery, how its address does, and who must hear of it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import NoticeCode
from payments.errors import NotFound
from payments.models import WebhookDelivery, WebhookEndpoint
from payments.services import webhook_endpoints
from payments.services.notices import close_shop_notices, open_notice
from payments.services.webhook_sending import Outcome
from payments.webhook_choices import (
    RETRY_AFTER,
    DeliveryProblem,
    DeliveryStatus,
    DisabledReason,
)

_SYSTEM = Actor.system("webhooks")


@transaction.atomic
def record_try(
    delivery: WebhookDelivery, outcome: Outcome, *, is_scheduled: bool, now: datetime
) -> WebhookDelivery:
    """
    Write down one try and return the delivery as it is now.

    A yes always counts. A no of a worker that came too late, because another one had tried
    meanwhile, changes nothing but the number of tries.
    """
    try:
        endpoint = webhook_endpoints.lock(delivery.endpoint)
    except NotFound:
        return delivery
    rows = WebhookDelivery.objects.select_for_update(of=("self",), no_key=True)
    row: WebhookDelivery = rows.get(pk=delivery.pk)
    is_ours = row.step == delivery.step and row.status == DeliveryStatus.PENDING
    row.attempts, row.last_tried_at = row.attempts + 1, now
    if outcome.is_delivered:
        _put_delivered(row, outcome, now=now)
        _note_success(endpoint, now=now)
    elif row.status != DeliveryStatus.DELIVERED:
        _put_problem(row, outcome)
        if is_scheduled and is_ours:
            _put_next_try(row, now=now)
        _note_failure(endpoint, row, outcome, now=now)
    row.save()
    if outcome.problem == DeliveryProblem.GONE and endpoint.is_active:
        _switch_off_gone(endpoint, row, now=now)
    row.endpoint = endpoint
    return row


def _put_delivered(row: WebhookDelivery, outcome: Outcome, *, now: datetime) -> None:
    row.status, row.next_try_at, row.delivered_at = DeliveryStatus.DELIVERED, None, now
    row.problem, row.answer = "", ""
    row.response_status, row.took_ms = outcome.status, outcome.took_ms


def _put_problem(row: WebhookDelivery, outcome: Outcome) -> None:
    row.problem, row.answer = outcome.problem, outcome.answer
    row.response_status, row.took_ms = outcome.status, outcome.took_ms


def _put_next_try(row: WebhookDelivery, *, now: datetime) -> None:
    row.step += 1
    if row.step > len(RETRY_AFTER):
        row.status, row.next_try_at = DeliveryStatus.FAILED, None
    else:
        row.next_try_at = now + RETRY_AFTER[row.step - 1]


def _note_success(endpoint: WebhookEndpoint, *, now: datetime) -> None:
    rows = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    rows.update(last_delivered_at=now, failing_since=None)
    if endpoint.failing_since is not None:
        close_shop_notices(
            shop_id=endpoint.shop_id,
            code=NoticeCode.WEBHOOK_FAILING,
            subject=str(endpoint.pk),
            now=now,
        )


def _note_failure(
    endpoint: WebhookEndpoint, row: WebhookDelivery, outcome: Outcome, *, now: datetime
) -> None:
    if not endpoint.is_active:
        return
    if endpoint.failing_since is None:
        endpoint.failing_since = now
        endpoint.save(update_fields=["failing_since"])
    if row.status == DeliveryStatus.FAILED and outcome.problem != DeliveryProblem.GONE:
        _tell(endpoint, NoticeCode.WEBHOOK_FAILING, at=endpoint.failing_since, now=now)


def _switch_off_gone(endpoint: WebhookEndpoint, row: WebhookDelivery, *, now: datetime) -> None:
    webhook_endpoints.switch_off(endpoint, DisabledReason.GONE, now=now)
    # Of this one the answer itself is the reason.
    kept = WebhookDelivery.objects.filter(pk=row.pk, status=DeliveryStatus.FAILED)
    kept.update(problem=DeliveryProblem.GONE)
    row.refresh_from_db()
    _tell(endpoint, NoticeCode.WEBHOOK_GONE, at=now, now=now)
    recording.record(
        AuditAction.WEBHOOK_DISABLED,
        endpoint,
        shop_id=endpoint.shop_id,
        actor=_SYSTEM,
        now=now,
        changes=[{"field": "is_active", "old": True, "new": False}],
    )


def _tell(endpoint: WebhookEndpoint, code: NoticeCode, *, at: datetime, now: datetime) -> None:
    open_notice(
        shop_id=endpoint.shop_id,
        config=None,
        code=code,
        subject=str(endpoint.pk),
        data={"at": at.isoformat(), "host": endpoint.host, "webhook": str(endpoint.pk)},
        now=now,
    )
