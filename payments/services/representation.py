"""
A payment as the outside sees it (api.md): one pure function for answers and events alike.

Built by hand and not by a serializer: a till polls this every three seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from payments.choices import (
    AttemptStatus,
    Environment,
    PaymentStatus,
    Submission,
)
from payments.models.payments import MAX_ATTEMPTS
from payments.msisdn import mask_checkout_request_id
from payments.providers.daraja.explanations import ResultCode
from payments.providers.daraja.status_messages import explain_payment
from payments.receipt_choices import PaymentOrigin

if TYPE_CHECKING:
    from payments.models import Attempt, Payment, Review

POLL_AFTER_S = 3
# Not final, but no prompt is left on the phone: unreachable, and refused by rule.
NOBODY_IS_ASKED = frozenset({"1037", "17"})
_CENTS = Decimal("0.01")


def is_paid(payment: Payment, reviews: Iterable[Review]) -> bool:
    """Completed, and no doubt that blocks: the one meaning of paid."""
    return payment.status == PaymentStatus.COMPLETED and not is_blocked(reviews)


def is_blocked(reviews: Iterable[Review]) -> bool:
    return any(review.blocking and review.resolved_at is None for review in reviews)


def may_be_retried(payment: Payment, attempts: list[Attempt], reviews: Iterable[Review]) -> bool:
    """Tell whether a person may ask again: no doubt open, attempts left, and nobody is asked now."""
    if not attempts or attempts[-1].round >= MAX_ATTEMPTS or is_blocked(reviews):
        return False
    if payment.status == PaymentStatus.FAILED:
        return True
    reached = [a for a in attempts if a.status != AttemptStatus.REFUSED]
    if payment.status == PaymentStatus.EXPIRED:
        # Without an id nobody can be asked first whether the last prompt was paid.
        return not reached or bool(reached[-1].checkout_request_id)
    is_gone = bool(reached) and reached[-1].result_code in NOBODY_IS_ASKED
    return payment.status == PaymentStatus.PENDING and is_gone


def explanation_of(
    payment: Payment, attempts: list[Attempt], reviews: Iterable[Review]
) -> ResultCode:
    """Return the row that says what became of the payment and who does what now."""
    return explain_payment(
        status=payment.status,
        environment=payment.environment,
        result_code=payment.result_code,
        submission=attempts[-1].submission if attempts else Submission.UNSENT,
        is_blocked=is_blocked(reviews),
        receipt_pending=payment.receipt_pending,
        is_voided=is_voided(payment),
    )


def is_voided(payment: Payment) -> bool:
    """Tell whether it was written down by hand and taken back: no money moved."""
    # What was reversed by evidence keeps the number of the money that went.
    is_reversed = payment.status == PaymentStatus.REVERSED
    return is_reversed and payment.origin == PaymentOrigin.MANUAL and not payment.receipt_number


def describe_payment(
    payment: Payment,
    *,
    attempts: list[Attempt],
    reviews: list[Review],
    shows_phone_tail: bool = False,
) -> dict[str, Any]:
    """
    Describe a payment; attempts in their order, reviews open or not.

    shows_phone_tail gives the CheckoutRequestIDs whole, whose last nine digits are the payer's.
    """
    paid = is_paid(payment, reviews)
    is_open = payment.status in {PaymentStatus.CREATED, PaymentStatus.PENDING}
    return {
        "id": str(payment.pk),
        "status": payment.status,
        "previous_status": payment.previous_status or None,
        "environment": payment.environment,
        "origin": payment.origin,
        "provider": payment.provider or None,
        "method": payment.method or None,
        "external_reference": payment.external_reference or None,
        "amount": money(payment.amount),
        "currency": payment.currency,
        "phone_number": payment.phone_masked or None,
        "order_ref": payment.order_ref or None,
        "account_reference": payment.account_reference or None,
        "description": payment.description or None,
        "purpose": payment.purpose or None,
        "branch": _branch(payment),
        "config": _config(payment),
        "paid": paid,
        "release_goods": paid and payment.environment == Environment.PRODUCTION,
        "receipt_number": payment.receipt_number or None,
        "receipt_pending": payment.receipt_pending,
        "late": payment.late,
        "reviews": [describe_review(review) for review in reviews if review.resolved_at is None],
        "result": describe_result(explanation_of(payment, attempts, reviews)),
        "attempts": [describe_attempt(a, whole=shows_phone_tail) for a in attempts],
        "can_retry": may_be_retried(payment, attempts, reviews),
        "expires_at": moment(payment.expires_at),
        "poll_after": POLL_AFTER_S if is_open else None,
        "label": payment.label or None,
        "metadata": payment.metadata,
        "created_at": moment(payment.created_at),
        "completed_at": moment(payment.completed_at),
    }


def describe_attempt(attempt: Attempt, *, whole: bool) -> dict[str, Any]:
    checkout = attempt.checkout_request_id
    if checkout and not whole:
        checkout = mask_checkout_request_id(checkout)
    return {
        "id": str(attempt.pk),
        "number": attempt.number,
        "status": attempt.status,
        "submission": attempt.submission,
        "checkout_request_id": checkout,
        "merchant_request_id": attempt.merchant_request_id or None,
        "config": str(attempt.config_id),
        "requested_at": moment(attempt.requested_at),
        "result_code": attempt.result_code or None,
        "result_desc": attempt.result_desc or None,
    }


def describe_review(review: Review) -> dict[str, Any]:
    return {
        "id": str(review.pk),
        "code": review.code,
        "blocking": review.blocking,
        "opened_at": moment(review.opened_at),
        "resolved_at": moment(review.resolved_at),
    }


def describe_result(row: ResultCode) -> dict[str, Any]:
    return {
        "code": row.code,
        "finality": row.finality,
        "fault": row.fault,
        "message": {"en": row.message.en, "sw": row.message.sw},
        "next_step": row.next_step,
        "who_acts": row.who_acts,
        "retry_after": row.retry_after,
    }


def money(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount.quantize(_CENTS))


def moment(at: Any) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _branch(payment: Payment) -> dict[str, str] | None:
    branch = payment.branch
    if branch is None:
        return None
    return {"id": str(branch.pk), "code": branch.code, "name": branch.name}


def _config(payment: Payment) -> dict[str, str] | None:
    config = payment.config
    if config is None:
        return None
    return {
        "id": str(config.pk),
        "name": config.name,
        "shortcode": config.shortcode,
        "level": config.level,
    }
