"""Words of what we tell shops' own systems: what there is to tell, and what became of telling it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

# api.md, Events and webhooks.
EVENT_TYPES = (
    "payment.created",
    "payment.pending",
    "payment.completed",
    "payment.failed",
    "payment.expired",
    "payment.reversed",
    "payment.receipt_learnt",
    "payment.review_opened",
    "payment.review_resolved",
    "receipt.received",
    "receipt.claimed",
    "config.verified",
    "config.failed",
    "config.activated",
    "config.deactivated",
    "config.suspended",
    "config.rotated",
)
#: Sent by the test button only; it is no event of the feed and has no number.
TEST_TYPE = "webhook.test"
#: How long after each failed try the next one comes; after the last the delivery has failed.
RETRY_AFTER = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
)


class DeliveryStatus(TextChoices):
    PENDING = "pending", _("Waiting")
    DELIVERED = "delivered", _("Delivered")
    FAILED = "failed", _("Failed")


class DeliveryProblem(TextChoices):
    """Why a try did not deliver."""

    HOST_UNKNOWN = "host_unknown", _("The name of the host is not known")
    ADDRESS_REFUSED = "address_refused", _("The host is not on the public internet")
    NO_CONNECTION = "no_connection", _("No connection")
    NO_ANSWER = "no_answer", _("No whole answer in time")
    REDIRECTED = "redirected", _("Redirected, which is not followed")
    BAD_STATUS = "bad_status", _("Answered with an error")
    GONE = "gone", _("Answered that it is gone for good (410)")
    SWITCHED_OFF = "switched_off", _("The webhook was switched off")
    SECRET_UNREADABLE = "secret_unreadable", _("The secret does not open")


class DisabledReason(TextChoices):
    GONE = "gone", _("The address answered 410: gone for good")
    BY_HAND = "by_hand", _("Switched off by hand")


def problem_choices() -> list[tuple[str, Any]]:
    """Return the choices as a function: a new problem must not ask for a migration."""
    return list(DeliveryProblem.choices)
