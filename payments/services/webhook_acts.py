"""What people do with a webhook: try it out, and send an event once more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.errors import InvalidTransition
from payments.models import WebhookDelivery, WebhookEndpoint
from payments.services.representation import moment
from payments.services.webhook_rounds import Clock, send_delivery
from payments.services.webhook_sending import Outcome, send
from payments.webhook_choices import TEST_TYPE
from tenants.ids import new_id


def try_out(*, endpoint: WebhookEndpoint, actor: Actor, now: datetime) -> Outcome:
    """Send an event that is none of the feed, and return what came back; nothing is tried again."""
    recording.record(
        AuditAction.WEBHOOK_TESTED, endpoint, shop_id=endpoint.shop_id, actor=actor, now=now
    )
    message = _test_message(endpoint, now=now)
    return send(endpoint=endpoint, message_id=message["id"], message=message, now=now)


def resend(*, delivery: WebhookDelivery, actor: Actor, now: datetime) -> WebhookDelivery:
    """
    Send an event once more, now, and return the delivery as it is then.

    The schedule of the delivery stays as it was, unless it arrives.

    :raises InvalidTransition: where the webhook is switched off or deleted.
    """
    endpoint = delivery.endpoint
    if not endpoint.is_active or endpoint.deleted_at is not None:
        raise InvalidTransition("The webhook is switched off.")
    recording.record(
        AuditAction.WEBHOOK_RESENT,
        endpoint,
        shop_id=endpoint.shop_id,
        actor=actor,
        now=now,
        changes=[{"field": "event", "old": None, "new": str(delivery)}],
    )
    return send_delivery(delivery, is_scheduled=False, clock=Clock(now))


def _test_message(endpoint: WebhookEndpoint, *, now: datetime) -> dict[str, Any]:
    return {
        "seq": None,
        "id": str(new_id()),
        "type": TEST_TYPE,
        "environment": endpoint.environment,
        "created_at": moment(now),
        "data": {"webhook": str(endpoint.pk)},
    }
