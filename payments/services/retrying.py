"""
A person's new attempt at the same payment, at most three in all.

Only after proof that the last one cannot be paid any more (safety.md, I11): it reached nobody, it
failed for good, or the provider was asked once more and says that nobody will pay it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from audit.actors import Actor
from payments.choices import AttemptStatus, OutcomeVerdict, PaymentStatus
from payments.errors import CoolDown, NoActiveConfig, RetryNotAllowed
from payments.fields import Sealed
from payments.models import Attempt, IdempotencyKey, Payment, PaymentConfig
from payments.models.payments import MAX_ATTEMPTS
from payments.providers.base import Outcome
from payments.providers.daraja.result_codes import explain
from payments.services import (
    breakers,
    checking,
    expiry,
    guards,
    idempotency,
    initiation,
    prompting,
    routing,
    upstream,
)
from payments.services.connections import current_version
from payments.services.representation import NOBODY_IS_ASKED, is_blocked
from payments.services.transitions import Change, write_changes
from payments.states import LIVE_STATUSES

_COOLS_DOWN = frozenset({"17", "1001"})
#: The statuses in which asking again may help at all.
RETRIED = (PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.PENDING)


def retry_payment(
    *, payment: Payment, idempotency_key: IdempotencyKey | None = None, actor: Actor, now: datetime
) -> tuple[Payment, bool]:
    """
    Ask the customer again; return the payment and whether a new attempt went out.

    False means that the provider, asked first, said that it is paid already.

    :raises RetryNotAllowed: when nothing proves yet that the last attempt cannot be paid.
    :raises CoolDown: shortly after the provider refused a repeat (17, 1001).
    :raises PromptOpen: when the phone has another live prompt.
    :raises NoActiveConfig: when the payment's config is no longer in use.
    :raises BreakerOpen: when its config is left alone for a while.
    """
    last = _last_attempt(payment)
    _refuse_hopeless(payment, last)
    payment = _prove_unpaid(payment, actor=actor, now=now)
    if payment.status == PaymentStatus.COMPLETED:
        return payment, False
    _refuse_while_cooling(last, now=now)
    upstream.take_slot()
    try:
        attempt, msisdn = _store(payment, last, key=idempotency_key, actor=actor, now=now)
    except BaseException:
        upstream.free_slot()
        raise
    prompting.prompt(attempt=attempt, msisdn=msisdn.reveal())
    payment.refresh_from_db()
    return payment, True


def _last_attempt(payment: Payment) -> Attempt:
    rows = Attempt.objects.filter(payment=payment).select_related("config", "version")
    last: Attempt | None = rows.order_by("-number").first()
    if last is None:
        raise RetryNotAllowed("A payment without a prompt is not retried.")
    return last


def _refuse_hopeless(payment: Payment, last: Attempt) -> None:
    if payment.status not in RETRIED:
        raise RetryNotAllowed(f"A {payment.status} payment is not retried.")
    if last.round >= MAX_ATTEMPTS:
        raise RetryNotAllowed(f"At most {MAX_ATTEMPTS} attempts. Start a new payment.")
    if is_blocked(payment.reviews.all()):
        raise RetryNotAllowed("A review is open: the customer may have paid.")
    guards.refuse_paid_order(payment)


def _prove_unpaid(payment: Payment, *, actor: Actor, now: datetime) -> Payment:
    """
    Ask the provider first; a live or unknown prompt is not followed by another one.

    About the last attempt that may have reached the customer: a refused one after it proves
    nothing of it.
    """
    reached = payment.attempts.exclude(status=AttemptStatus.REFUSED).order_by("-number")
    asked = reached.select_related("config", "version").first()
    if asked is None or asked.status == AttemptStatus.FAILED:
        return payment
    outcome = _ask_first(asked, now=now)
    checking.apply_answer(attempt=asked, outcome=outcome, actor=actor, now=now)
    payment.refresh_from_db()
    if not (payment.status == PaymentStatus.COMPLETED or _is_over(asked, outcome)):
        raise RetryNotAllowed("The last prompt is still being processed.", retry_after=20)
    return payment


def _ask_first(asked: Attempt, *, now: datetime) -> Outcome:
    if not asked.checkout_request_id:
        raise RetryNotAllowed(
            "Nobody can tell yet whether the last prompt reached the customer.", retry_after=60
        )
    checking.take_budget(asked, now=now)
    with upstream.upstream_slot():
        outcome = checking.query(asked, now=now)
    if outcome is None:
        raise RetryNotAllowed("The provider does not answer just now.", retry_after=30)
    return outcome


def _is_over(asked: Attempt, outcome: Outcome) -> bool:
    """Tell whether nobody is asked any more; a query's no counts once evidence took it as final."""
    asked.refresh_from_db(fields=["status"])
    said_no = outcome.verdict == OutcomeVerdict.FAILED and asked.status == AttemptStatus.FAILED
    return said_no or outcome.result_code in NOBODY_IS_ASKED


def _refuse_while_cooling(last: Attempt, *, now: datetime) -> None:
    last.refresh_from_db(fields=["result_code"])
    if last.result_code not in _COOLS_DOWN:
        return
    wait_s = explain(last.result_code).retry_after or int(guards.COOL_DOWN.total_seconds())
    left = last.requested_at + timedelta(seconds=wait_s) - now
    if left > timedelta(0):
        raise CoolDown(
            "Safaricom refuses a repeat this soon.", retry_after=int(left.total_seconds()) + 1
        )


def _store(
    payment: Payment, last: Attempt, *, key: IdempotencyKey | None, actor: Actor, now: datetime
) -> tuple[Attempt, Sealed]:
    """Commit the new attempt, the move back to pending and the new expiry, or nothing."""
    try:
        with transaction.atomic():
            # The row first, as evidence does: whoever completes it locks its order after it.
            row = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
            if not row.phone:
                raise RetryNotAllowed("The phone number is no longer kept.")
            config = _usable_config(row)
            guards.lock_phone_and_order(row)
            expiry.expire_in_the_way(row, now=now)
            _refuse_changed(row, last)
            _check_limits(row, config, now=now)
            initiation.take_rate(row, now=now)
            breakers.admit(config=config, now=now)
            attempt = initiation.add_attempt(
                row, config=config, version=current_version(config), round_=last.round + 1, now=now
            )
            _reopen(row, actor=actor, now=now)
            idempotency.bind(key=key, payment=row)
            return attempt, row.phone
    except IntegrityError as error:
        raise guards.refusal_of(error) from error


def _usable_config(row: Payment) -> PaymentConfig:
    rows = PaymentConfig.objects.usable().select_related("breaker")
    config: PaymentConfig | None = rows.filter(pk=row.config_id).first()
    if config is None:
        raise NoActiveConfig("The payment's config is no longer in use. Start a new payment.")
    return config


def _refuse_changed(row: Payment, last: Attempt) -> None:
    """Look again under the lock: a second till, or the customer, may have been faster."""
    _refuse_hopeless(row, last)
    if _last_attempt(row).pk != last.pk:
        raise RetryNotAllowed("The customer was asked again meanwhile.", retry_after=20)


def _check_limits(row: Payment, config: PaymentConfig, *, now: datetime) -> None:
    """Count a payment that comes back to life; a live one is counted already."""
    if row.status in LIVE_STATUSES and row.expires_at > now:
        return
    routing.lock_limits(config)
    routing.check_limits(config, amount=row.amount, now=now)


def _reopen(row: Payment, *, actor: Actor, now: datetime) -> None:
    row.expires_at = now + timedelta(seconds=settings.PAYMENT_EXPIRY_S)
    row.result_code = row.result_desc = ""
    path = [] if row.status == PaymentStatus.PENDING else [PaymentStatus.PENDING]
    change = Change(
        payment=row,
        attempts=list(row.attempts.all()),
        reviews=list(row.reviews.all()),
        actor=actor,
        path=path,
        why="A person asked the customer again.",
    )
    write_changes([change], now=now)
