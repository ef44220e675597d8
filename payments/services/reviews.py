"""Doubts beside a payment's status: opened by verdicts, closed by people or a second source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from audit.actors import Actor
from payments.choices import EvidenceSource, OutcomeVerdict, ReviewCode
from payments.models import (
    Attempt,
    Evidence,
    Payment,
    PaymentConfig,
    ProviderCallback,
    Receipt,
    Review,
)
from payments.services.events import NewEvent, record_events
from payments.services.representation import describe_payment
from payments.verdicts import Doubt


def open_doubts(
    payment: Payment, known: list[Review], doubts: Iterable[Doubt], *, now: datetime
) -> list[Review]:
    """
    Add reviews for doubts that have none yet, and stop blocking where a second source came.

    A doubt that a person resolved is not opened again by the same evidence.
    """
    by_subject = {(review.code, review.subject): review for review in known}
    opened = []
    for doubt in sorted(doubts, key=lambda d: (d.code, d.subject)):
        review = by_subject.get((doubt.code, doubt.subject))
        if review is None:
            review = _new_review(payment, doubt, now=now)
            known.append(review)
            opened.append(review)
        elif review.blocking != doubt.blocking and review.resolved_at is None:
            review.blocking = doubt.blocking
            review.is_dirty = True  # type: ignore[attr-defined]
    return opened


def settle_unlisted(
    known: Iterable[Review], fresh: Sequence[Evidence], *, now: datetime
) -> list[Review]:
    """
    Close UNLISTED_SOURCE once a listed source says the same, or yes: the doubt was who spoke.

    Return the reviews that were closed.
    """
    closed = []
    for review in known:
        is_open = review.code == ReviewCode.UNLISTED_SOURCE and review.resolved_at is None
        if is_open and any(_confirms(row, review) for row in fresh):
            review.resolved_at = now
            review.resolved_by = "system"
            review.resolution = "accept"
            review.reason = "Confirmed by a listed source."
            review.is_dirty = True  # type: ignore[attr-defined]
            closed.append(review)
    return closed


def _confirms(row: Evidence, review: Review) -> bool:
    """Tell whether evidence says what the unlisted sender said, or that the money came."""
    if row.verdict == OutcomeVerdict.SUCCEEDED:
        return row.source == EvidenceSource.STK_QUERY or bool(row.receipt_number)
    said = review.callback.result_code if review.callback else ""
    return row.verdict == OutcomeVerdict.FAILED and row.is_final and row.result_code == said


def write(known: Iterable[Review]) -> None:
    """Insert new reviews and update changed ones."""
    dirty = [review for review in known if getattr(review, "is_dirty", False)]
    new = [review for review in dirty if review._state.adding]  # noqa: SLF001 - Django's own flag
    changed = [review for review in dirty if not review._state.adding]  # noqa: SLF001
    if new:
        Review.objects.bulk_create(new, ignore_conflicts=True)
    if changed:
        fields = ["blocking", "resolved_at", "resolved_by", "resolution", "reason"]
        Review.objects.bulk_update(changed, fields)


def _new_review(payment: Payment, doubt: Doubt, *, now: datetime) -> Review:
    review = Review(
        shop_id=payment.shop_id,
        environment=payment.environment,
        payment=payment,
        code=doubt.code,
        subject=doubt.subject[:64],
        blocking=doubt.blocking,
        opened_at=now,
    )
    review.is_dirty = True  # type: ignore[attr-defined]
    return review


def open_for_callback(
    row: ProviderCallback, attempt: Attempt, code: str, *, now: datetime
) -> Review:
    """Open a review about an inbox row, once, and tell those who listen."""
    return _open_once(
        {"payment_id": attempt.payment_id},
        code=code,
        subject=str(row.pk),
        shop_id=attempt.shop_id,
        environment=attempt.payment.environment,
        callback=row,
        blocking=code == ReviewCode.UNLISTED_SOURCE,
        now=now,
    )


def open_unresolved(attempt: Attempt, *, now: datetime) -> Review:
    """Open a review about an attempt nobody could tell anything of, once."""
    return _open_once(
        {"payment_id": attempt.payment_id},
        code=ReviewCode.UNRESOLVED,
        subject=str(attempt.pk),
        shop_id=attempt.shop_id,
        environment=attempt.payment.environment,
        blocking=False,
        now=now,
    )


def open_unlisted(payment: Payment, *, now: datetime) -> Review:
    """Open a review about a payment without a receipt that Safaricom's books lack, once."""
    return _open_once(
        {"payment": payment},
        code=ReviewCode.NOT_AT_SAFARICOM,
        subject=str(payment.pk),
        shop_id=payment.shop_id,
        environment=payment.environment,
        # Only a query said that it was paid.
        blocking=True,
        now=now,
    )


def open_about(
    receipt: Receipt,
    code: str,
    *,
    subject: str,
    blocking: bool = False,
    callback: ProviderCallback | None = None,
    now: datetime,
) -> Review:
    """Open a review about a receipt and the payment that has it, once."""
    return _open_once(
        {"payment": receipt.payment},
        code=code,
        subject=subject,
        shop_id=receipt.shop_id,
        environment=receipt.environment,
        receipt=receipt,
        callback=callback,
        blocking=blocking,
        now=now,
    )


def open_about_row(
    row: ProviderCallback,
    config: PaymentConfig,
    code: str,
    *,
    payment: Payment | None = None,
    now: datetime,
) -> Review:
    """Open a review about an inbox row of a config's, and the payment it is about if any, once."""
    return _open_once(
        {"payment": payment},
        code=code,
        subject=str(row.pk),
        shop_id=config.shop_id,
        environment=config.environment,
        callback=row,
        blocking=False,
        now=now,
    )


def close_about(code: str, *, subject: str, actor: Actor, reason: str, now: datetime) -> None:
    """Close the reviews of this subject that are open, because the question was answered."""
    for review in Review.objects.select_for_update().filter(
        code=code, subject=subject, resolved_at=None
    ):
        close(review, resolution="accept", reason=reason, by=actor.label, now=now)


def close(review: Review, *, resolution: str, reason: str, by: str, now: datetime) -> None:
    """Close an open review in the caller's transaction, and tell those who listen."""
    review.resolved_at, review.resolved_by = now, by[:254]
    review.resolution, review.reason = resolution, reason[:300]
    review.save(update_fields=["resolved_at", "resolved_by", "resolution", "reason"])
    _announce(review, "payment.review_resolved", now=now)


def _open_once(
    owner: dict[str, Any], *, code: str, subject: str, now: datetime, **about: Any
) -> Review:
    """Open a review unless it is there, and tell those who listen; owner is payment or payment_id."""
    review, is_new = Review.objects.get_or_create(
        **owner, code=code, subject=subject, defaults={**about, "opened_at": now}
    )
    if is_new:
        _announce(review, now=now)
    return review


def _announce(review: Review, event_type: str = "payment.review_opened", *, now: datetime) -> None:
    if review.payment_id is None:
        return
    payment = Payment.objects.select_related("config", "branch").get(pk=review.payment_id)
    data = describe_payment(
        payment, attempts=list(payment.attempts.all()), reviews=list(payment.reviews.all())
    )
    event = NewEvent(payment.shop_id, payment.environment, event_type, data)
    record_events([event], now=now)
