"""
Second looks at receipts: Safaricom is asked again about large payments, flagged payers, held money.

A credited receipt of a config with an initiator is asked about 15 minutes, 2 hours and 24 hours
after it was learnt, within the query budget of its Daraja app; payments need that budget more. The
answers enter through request_results.py. Without an initiator pull and statements tell.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from audit.actors import Actor
from payments.choices import ReceiptStatus, VersionStatus
from payments.errors import CredentialsRequired, PaymentsError, RateLimited
from payments.models import PaymentConfig, ProviderRequest, Receipt
from payments.receipt_choices import RefundStatus, RequestStatus
from payments.services import radar, request_words, requests

logger = logging.getLogger(__name__)

STEPS = (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=24))
# Held money has a customer at the counter: it is asked about at once, then ever more seldom.
HELD_PAUSES = (timedelta(minutes=2), timedelta(minutes=15), timedelta(hours=2), timedelta(hours=24))
_CLAIM = timedelta(minutes=2)
_OPERATOR_PAUSE = timedelta(hours=1)
_ACTOR = Actor.system("radar")
_WATCHED = "recheck"
_HELD = "held"


def look_again(*, now: datetime) -> int:
    """Watch what is new, ask about what is due, take old banners down; return how many were asked."""
    schedule(now=now)
    radar.close_old(now=now)
    return ask_due(now=now)


def schedule(*, now: datetime) -> int:
    """Give a due time to newly credited receipts that deserve a second look; return how many."""
    scheduled = 0
    for config in requests.configs_with_initiator():
        for receipt in list(_unwatched(config, now=now)[:500]):
            due = next_step(receipt, now=now)
            rows = Receipt.objects.filter(pk=receipt.pk, next_ask_at=None)
            scheduled += rows.filter(status=ReceiptStatus.CREDITED).update(next_ask_at=due)
    return scheduled


def ask_due(*, now: datetime, limit: int = 50) -> int:
    """Ask about receipts whose time has come; return how many were asked about."""
    return sum(_ask(receipt, now=now) for receipt in _claim(now=now, limit=limit))


def next_step(receipt: Receipt, *, now: datetime) -> datetime | None:
    """Return when a receipt is asked about next after now; None after the last time."""
    if receipt.status == ReceiptStatus.HELD:
        pauses = HELD_PAUSES[receipt.asked_count :]
        return now + pauses[0] if pauses else None
    times = (receipt.created_at + step for step in STEPS)
    return next((time for time in times if time > now), None)


def threshold_of(config: PaymentConfig) -> Decimal:
    """Return from which amount on a receipt gets second looks, in KES."""
    return config.recheck_above or Decimal(settings.REVERSAL_RECHECK_ABOVE)


def _unwatched(config: PaymentConfig, *, now: datetime) -> QuerySet[Receipt]:
    """Find what was credited of late, is large or a flagged payer's, and was not looked at again."""
    same_payer = Receipt.objects.filter(
        shop=OuterRef("shop"), payer_index=OuterRef("payer_index"), status=ReceiptStatus.REVERSED
    ).exclude(refunds__status=RefundStatus.DONE)
    flagged = ~Q(payer_index="") & Exists(same_payer)
    asked = ProviderRequest.objects.filter(receipt=OuterRef("pk"), purpose=_WATCHED)
    rows = Receipt.objects.filter(
        shop=config.shop_id,
        environment=config.environment,
        status=ReceiptStatus.CREDITED,
        created_at__gt=now - STEPS[-1],
        config=config,
        next_ask_at=None,
    )
    rows = rows.filter(Q(amount__gte=threshold_of(config)) | flagged)
    return rows.filter(~Exists(asked)).order_by("created_at")


def _claim(*, now: datetime, limit: int) -> list[Receipt]:
    """Take due receipts and put them out of other sweeps' hands."""
    with transaction.atomic():
        rows = Receipt.objects.select_for_update(of=("self",), skip_locked=True)
        due = rows.filter(next_ask_at__lte=now).order_by("next_ask_at")
        found = list(due.select_related("config", "payment")[:limit])
        Receipt.objects.filter(pk__in=[row.pk for row in found]).update(next_ask_at=now + _CLAIM)
    return found


def _ask(receipt: Receipt, *, now: datetime) -> bool:
    """Ask about one receipt and give it its next time, whatever came of it."""
    if receipt.config is None or receipt.status == ReceiptStatus.REVERSED:
        _put(receipt, None)
        return False
    if _is_operator_refused(receipt.config):
        # Asked on with a wrong password, Safaricom locks the operator.
        _put(receipt, now + _OPERATOR_PAUSE)
        return False
    try:
        requests.ask_status(
            config=receipt.config,
            receipt_number=receipt.number,
            receipt=receipt,
            payment=receipt.payment,
            purpose=_HELD if receipt.status == ReceiptStatus.HELD else _WATCHED,
            actor=_ACTOR,
            now=now,
        )
    except RateLimited as error:
        _put(receipt, now + timedelta(seconds=error.retry_after or 60))
        return False
    except CredentialsRequired:
        _put(receipt, None)
        return False
    except PaymentsError as error:
        logger.info("a receipt could not be asked about: %s", error.code)
        return False
    _put(receipt, next_step(receipt, now=now), asked=1)
    return True


def _is_operator_refused(config: PaymentConfig) -> bool:
    """Tell whether Safaricom's last word on the initiator in use was no."""
    answered = ProviderRequest.objects.filter(
        config=config,
        version__status=VersionStatus.CURRENT,
        status__in=[RequestStatus.SUCCEEDED, RequestStatus.FAILED],
    )
    last = answered.order_by("-answered_at").first()
    return last is not None and last.result_code in request_words.OPERATOR_CODES


def _put(receipt: Receipt, next_ask_at: datetime | None, *, asked: int = 0) -> None:
    # Unless a reversal or a person changed it meanwhile.
    rows = Receipt.objects.filter(pk=receipt.pk, status=receipt.status)
    rows.update(next_ask_at=next_ask_at, asked_count=receipt.asked_count + asked)
