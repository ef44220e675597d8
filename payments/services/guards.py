"""What stands between a till and a second prompt: live prompts, paid orders, the cool-down."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError
from django.db.models import Q

from payments.choices import AttemptStatus, PaymentStatus, Submission
from payments.errors import CoolDown, NoActiveConfig, OrderAlreadyPaid, OrderInProgress, PromptOpen
from payments.models import Attempt, OrderPart, Payment, PaymentConfig
from payments.services import locks
from payments.states import LIVE_STATUSES
from tenants import prepared

# Safaricom answers 17 to the same amount from the same customer within two minutes (Daraja 3.0).
COOL_DOWN = timedelta(seconds=120)
# The lock an insert would take on its config anyway; Django has no word for it.
_STILL_USABLE = """
    SELECT 1 FROM payments_paymentconfig
    WHERE id = %s AND is_active AND status = 'verified' AND deleted_at IS NULL FOR KEY SHARE
"""
# What refuse_second_prompt looks for one by one, asked at once: nearly always there is nothing.
_IN_THE_WAY = """
    SELECT EXISTS (
        SELECT FROM payments_payment p
        WHERE p.shop_id = %(shop_id)s AND p.environment = %(environment)s AND p.id <> %(id)s
          AND p.phone_index = %(phone_index)s AND p.status = ANY (%(live)s)
    ) OR EXISTS (
        SELECT FROM payments_payment p
        WHERE %(order_ref)s::text <> '' AND p.order_ref = %(order_ref)s::text
          AND p.order_ref <> '' AND p.shop_id = %(shop_id)s AND p.environment = %(environment)s
          AND p.id <> %(id)s AND (p.status = ANY (%(live)s) OR p.status = 'completed')
    ) OR EXISTS (
        SELECT FROM payments_orderpart o JOIN payments_payment p ON p.id = o.payment_id
        WHERE %(order_ref)s::text <> '' AND o.order_ref = %(order_ref)s::text
          AND o.shop_id = %(shop_id)s AND o.environment = %(environment)s
          AND p.status = 'completed'
    ) OR EXISTS (
        SELECT FROM payments_payment p JOIN payments_attempt a ON a.payment_id = p.id
        WHERE p.shop_id = %(shop_id)s AND p.environment = %(environment)s
          AND p.phone_index = %(phone_index)s AND p.amount = %(amount)s
          AND a.requested_at > %(since)s AND a.submission IN ('sent', 'unknown')
    )
"""
_ENDED = (AttemptStatus.FAILED, AttemptStatus.SUCCEEDED)


def refuse_withdrawn_config(config: PaymentConfig) -> None:
    """
    Look once more, in the payment's own transaction, and hold off whoever deletes the config.

    :raises NoActiveConfig: when it was switched off, suspended or deleted a moment ago.
    """
    with prepared.cursor() as cursor:
        cursor.execute(_STILL_USABLE, [config.pk])
        if cursor.fetchone() is None:
            raise NoActiveConfig("The payment config was just withdrawn. Try again.")


def lock_phone_and_order(payment: Payment) -> None:
    """Let tills that ask the same phone, or for the same order, queue here."""
    names = []
    if payment.phone_index:
        names.append(locks.phone_name(payment.shop_id, payment.environment, payment.phone_index))
    if payment.order_ref:
        names.append(locks.order_name(payment.shop_id, payment.environment, payment.order_ref))
    locks.lock(*names)


def refuse_second_prompt(payment: Payment, *, second_sale: bool, now: datetime) -> None:
    """
    Refuse a prompt that could charge somebody twice.

    :raises OrderAlreadyPaid: when the order has a completed payment.
    :raises OrderInProgress: when the order has a live one.
    :raises PromptOpen: when the phone has a live one.
    :raises CoolDown: when the phone was asked for the same amount within two minutes.
    """
    if not _is_something_in_the_way(payment, now=now):
        return
    refuse_paid_order(payment)
    rows = Payment.objects.filter(shop_id=payment.shop_id, environment=payment.environment)
    live = rows.filter(status__in=LIVE_STATUSES).exclude(pk=payment.pk)
    if payment.order_ref and (other := live.filter(order_ref=payment.order_ref).first()):
        raise OrderInProgress("The order has a live payment.", retry_after=_left(other, now))
    if other := live.filter(phone_index=payment.phone_index).first():
        raise PromptOpen("The phone has a live prompt.", retry_after=_left(other, now))
    _refuse_within_cool_down(payment, second_sale=second_sale, now=now)


def _is_something_in_the_way(payment: Payment, *, now: datetime) -> bool:
    parameters = {
        "shop_id": payment.shop_id,
        "environment": payment.environment,
        "id": payment.pk,
        "phone_index": payment.phone_index,
        "order_ref": payment.order_ref,
        "amount": payment.amount,
        "live": sorted(map(str, LIVE_STATUSES)),
        "since": now - COOL_DOWN,
    }
    with prepared.cursor() as cursor:
        cursor.execute(_IN_THE_WAY, parameters)
        return bool(cursor.fetchone()[0])


def refuse_paid_order(payment: Payment) -> None:
    """Raise OrderAlreadyPaid when other money paid for the order, or for several with it."""
    if not payment.order_ref:
        return
    rows = Payment.objects.filter(
        shop_id=payment.shop_id, environment=payment.environment, status=PaymentStatus.COMPLETED
    ).exclude(pk=payment.pk)
    if rows.filter(order_ref=payment.order_ref).exists():
        raise OrderAlreadyPaid("The order has a completed payment.")
    parts = OrderPart.objects.filter(
        shop_id=payment.shop_id, environment=payment.environment, order_ref=payment.order_ref
    )
    if parts.filter(payment__status=PaymentStatus.COMPLETED).exists():
        raise OrderAlreadyPaid("The order is paid by money that was split between orders.")


def _refuse_within_cool_down(payment: Payment, *, second_sale: bool, now: datetime) -> None:
    asked = Attempt.objects.filter(
        Q(submission__in=[Submission.SENT, Submission.UNKNOWN]),
        shop_id=payment.shop_id,
        payment__environment=payment.environment,
        payment__phone_index=payment.phone_index,
        payment__amount=payment.amount,
        requested_at__gt=now - COOL_DOWN,
    )
    last = asked.order_by("-requested_at").first()
    if last is None or (second_sale and last.status in _ENDED):
        return
    left = last.requested_at + COOL_DOWN - now
    raise CoolDown(
        "The phone was asked for the same amount a moment ago.",
        retry_after=max(1, int(left.total_seconds()) + 1),
    )


def _left(other: Payment, now: datetime) -> int:
    return max(1, int((other.expires_at - now).total_seconds()) + 1)


class ReferenceTaken(Exception):
    """The reference drawn names another payment of this shop."""


def refusal_of(error: IntegrityError) -> Exception:
    """Translate a violated index of live payments into what the till is told."""
    text = str(error)
    if "payment_one_live_per_phone" in text:
        return PromptOpen("The phone has a live prompt of this shop.", retry_after=30)
    if "payment_one_live_per_order" in text:
        return OrderInProgress("The order has a live payment.", retry_after=30)
    if "payment_our_reference_once" in text:
        return ReferenceTaken(text)
    return error
