"""
The next config after a refusal: only while no prompt can have reached the customer.

A refusal that concerns the customer or the request ends the payment: another till would hear the
same, or worse, prompt the customer twice. What else is proven to have sent nothing moves on, to
the next candidate that still holds when looked at again: in use, in range, within its limits, and
its breaker lets this payment through. Everything happens in the transaction that records the
refusal, so no process can die between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from payments.choices import AttemptStatus, Submission
from payments.errors import AmountOutOfRange, NoActiveConfig, PaymentsError, RequestRefused
from payments.models import Attempt, Payment, PaymentConfig
from payments.services import attempts as attempt_rows
from payments.services import breakers, guards, routing
from payments.services.connections import current_version
from payments.services.decisions import written
from payments.states import LIVE_STATUSES


def next_attempt(
    *,
    payment: Payment,
    refused: Attempt,
    answer: PaymentsError,
    others: Sequence[PaymentConfig],
    now: datetime,
) -> Attempt | None:
    """
    Add the attempt at the next config that takes the payment; None where the refusal stands.

    The caller holds the payment's row. What was tried, and why it moved on, is written down.
    """
    tried = {"tried": refused.number, "outcome": refused.result_code or answer.code}
    payment.resolution = written(payment.resolution, refused.config_id, **tried)
    found = _take_next(payment, others, now=now) if may_move_on(payment, answer) else None
    attempt = None if found is None else _add(payment, refused, found, now=now)
    Payment.objects.filter(pk=payment.pk).update(
        config=payment.config, provider=payment.provider, resolution=payment.resolution
    )
    return attempt


def may_move_on(payment: Payment, answer: PaymentsError) -> bool:
    """Tell whether another config may be tried after this refusal."""
    return payment.status in LIVE_STATUSES and not isinstance(answer, RequestRefused)


def _take_next(
    payment: Payment, others: Sequence[PaymentConfig], *, now: datetime
) -> PaymentConfig | None:
    for other in others:
        try:
            return _taken(payment, other, now=now)
        except PaymentsError as error:
            passed_over = {"tried": None, "outcome": error.code}
            payment.resolution = written(payment.resolution, other.pk, **passed_over)
    return None


def _taken(payment: Payment, other: PaymentConfig, *, now: datetime) -> PaymentConfig:
    """
    Read the config again and hold it for this payment.

    :raises PaymentsError: when it does not take the payment any more.
    """
    guards.refuse_withdrawn_config(other)
    rows = PaymentConfig.objects.usable().select_related("breaker")
    config: PaymentConfig | None = rows.filter(pk=other.pk).first()
    if config is None:
        raise NoActiveConfig("The payment config was just withdrawn.")
    if not config.min_amount <= payment.amount <= config.max_amount:
        raise AmountOutOfRange
    current_version(config)
    routing.lock_limits(config)
    routing.check_limits(config, amount=payment.amount, now=now)
    breakers.admit(config=config, now=now)
    return config


def _add(payment: Payment, refused: Attempt, config: PaymentConfig, *, now: datetime) -> Attempt:
    """Add the attempt; the payment now belongs to this config."""
    payment.config, payment.provider = config, config.provider
    return Attempt.objects.create(
        shop_id=payment.shop_id,
        payment=payment,
        config=config,
        version=current_version(config),
        number=refused.number + 1,
        round=refused.round,
        status=AttemptStatus.CREATED,
        submission=Submission.UNKNOWN,
        requested_at=now,
        next_ask_at=attempt_rows.next_ask(now, now=now),
    )
