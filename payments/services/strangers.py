"""
C2B from an address that is not on the list: not believed, but Safaricom can be asked (safety 5.2).

The answer to a status question enters the money like any other. The review closes once somebody we
believe has told of the receipt.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from django.db.models import QuerySet

from audit.actors import Actor
from payments.choices import CallbackKind, ReviewCode
from payments.errors import PaymentsError
from payments.models import PaymentConfig, ProviderRequest, Receipt, Review
from payments.services import requests

ASKED_FOR = timedelta(hours=24)
_ACTOR = Actor.system("arrivals")


def ask_about(*, now: datetime) -> int:
    """Ask about receipts strangers told of, each once; close what is confirmed; return how many."""
    doubts = Review.objects.filter(
        code=ReviewCode.UNLISTED_SOURCE,
        payment=None,
        callback__kind=CallbackKind.C2B,
        resolved_at=None,
        opened_at__gt=now - ASKED_FOR,
    )
    return sum(_look_at(review, now=now) for review in doubts.select_related("callback"))


def _look_at(review: Review, *, now: datetime) -> bool:
    assert review.callback is not None  # noqa: S101 - the query asked for one
    number = review.callback.result_desc
    if _of(review, Receipt.objects.filter(number=number)):
        return _close(review, now=now)
    if _of(review, ProviderRequest.objects.filter(receipt_number=number)):
        return False
    config = PaymentConfig.objects.get(pk=review.callback.subject_id)
    if not requests.has_initiator(config):
        return False
    # Out of budget, or not reached: the next sweep asks.
    with suppress(PaymentsError):
        requests.ask_status(
            config=config, receipt_number=number, purpose="stranger", actor=_ACTOR, now=now
        )
        return True
    return False


def _of(review: Review, rows: QuerySet[Receipt] | QuerySet[ProviderRequest]) -> bool:
    return rows.filter(shop=review.shop_id, environment=review.environment).exists()


def _close(review: Review, *, now: datetime) -> bool:
    rows = Review.objects.filter(pk=review.pk, resolved_at=None)
    return bool(
        rows.update(
            resolved_at=now,
            resolved_by="system",
            resolution="accept",
            reason="Confirmed by a listed source.",
        )
    )
