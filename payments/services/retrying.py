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
from payments.errors import CoolDown, RetryNotAllowed
from payments.fields import Sealed
from payments.models import Attempt, Payment, PaymentConfig
from payments.models.payments import MAX_ATTEMPTS
from payments.providers.daraja.result_codes import explain
from payments.services import checking, expiry, guards, initiation, prompting, upstream
from payments.services.connections import current_version
from payments.services.evidence import NewEvidence, apply_evidence
from payments.services.representation import is_blocked
from payments.services.transitions import Change, write_changes

# Unreachable (1037): the prompt is gone from the phone, though the code is not final.
_UNREACHABLE = "1037"
_COOLS_DOWN = frozenset({"17", "1001"})
_RETRIED = (PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.PENDING)


def retry_payment(*, payment: Payment, actor: Actor, now: datetime) -> tuple[Payment, bool]:
    """
    Ask the customer again; return the payment and whether a new attempt went out.

    False means that the provider, asked first, said that it is paid already.

    :raises RetryNotAllowed: when nothing proves yet that the last attempt cannot be paid.
    :raises CoolDown: shortly after the provider refused a repeat (17, 1001).
    :raises PromptOpen: when the phone has another live prompt.
    """
    last = _last_attempt(payment)
    _refuse_hopeless(payment, last)
    if last.status not in {AttemptStatus.FAILED, AttemptStatus.REFUSED}:
        payment = _prove_unpaid(payment, last, actor=actor, now=now)
        if payment.status == PaymentStatus.COMPLETED:
            return payment, False
    _refuse_while_cooling(last, now=now)
    upstream.take_slot()
    try:
        attempt, msisdn = _store(payment, actor=actor, now=now)
    except BaseException:
        upstream.free_slot()
        raise
    prompting.prompt(attempt=attempt, msisdn=msisdn.reveal())
    payment.refresh_from_db()
    return payment, True


def _last_attempt(payment: Payment) -> Attempt:
    last: Attempt | None = (
        payment.attempts.select_related("config", "version").order_by("-number").first()
    )
    if last is None:
        raise RetryNotAllowed("A payment without a prompt is not retried.")
    return last


def _refuse_hopeless(payment: Payment, last: Attempt) -> None:
    if payment.status not in _RETRIED:
        raise RetryNotAllowed(f"A {payment.status} payment is not retried.")
    if last.round >= MAX_ATTEMPTS:
        raise RetryNotAllowed(f"At most {MAX_ATTEMPTS} attempts. Start a new payment.")
    if is_blocked(payment.reviews.all()):
        raise RetryNotAllowed("A review is open: the customer may have paid.")
    guards.refuse_paid_order(payment)


def _prove_unpaid(payment: Payment, last: Attempt, *, actor: Actor, now: datetime) -> Payment:
    """Ask the provider first; a live or unknown prompt is not followed by another one."""
    if not last.checkout_request_id:
        raise RetryNotAllowed(
            "Nobody can tell yet whether the last prompt reached the customer.", retry_after=60
        )
    checking.take_budget(last, now=now)
    with upstream.upstream_slot():
        outcome = checking.query(last, now=now)
    if outcome is None:
        raise RetryNotAllowed("The provider does not answer just now.", retry_after=30)
    apply_evidence(
        NewEvidence(payment.pk, last.pk, "stk_query", outcome, actor, heard_at=now), now=now
    )
    payment.refresh_from_db()
    said_no = outcome.verdict == OutcomeVerdict.FAILED and outcome.is_final
    settled = payment.status == PaymentStatus.COMPLETED
    if not (settled or said_no or outcome.result_code == _UNREACHABLE):
        raise RetryNotAllowed("The last prompt is still being processed.", retry_after=20)
    return payment


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


def _store(payment: Payment, *, actor: Actor, now: datetime) -> tuple[Attempt, Sealed]:
    """Commit the new attempt, the move back to pending and the new expiry, or nothing."""
    config = PaymentConfig.objects.get(pk=payment.config_id)
    version = current_version(config)
    try:
        with transaction.atomic():
            guards.lock_phone_and_order(payment)
            expiry.expire_in_the_way(payment, now=now)
            row = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
            last = _last_attempt(row)
            if row.status not in _RETRIED or last.number != _last_attempt(payment).number:
                raise RetryNotAllowed("The payment was changed meanwhile.")
            initiation.take_rate(row, now=now)
            attempt = initiation.add_attempt(
                row, config=config, version=version, round_=last.round + 1, now=now
            )
            _reopen(row, actor=actor, now=now)
            return attempt, row.phone
    except IntegrityError as error:
        raise initiation.refusal_of(error) from error


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
