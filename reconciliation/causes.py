"""
What went wrong with a payment or a receipt: one sentence, the doubts, and what to do now.

The sentence is the one the till shows (status explained, code decoded); beside it stands what of
the account, the callbacks and the reviews explains why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from payments.choices import (
    CallbackStatus,
    ConfigStatus,
    Environment,
    HealthReason,
    NextStep,
    PaymentStatus,
    ReceiptStatus,
    Submission,
)
from payments.models import Payment, PaymentConfig, ProviderCallback, Receipt, Review
from payments.services.representation import explanation_of, is_blocked
from payments.states import LIVE_STATUSES

_HELD_BACK = (CallbackStatus.QUARANTINED, CallbackStatus.DEAD)


@dataclass(frozen=True)
class Cause:
    """Why it is as it is; reviews and callbacks are the rows a person goes on to."""

    sentence: str
    next_step: str = ""
    who: str = ""
    code: str = ""
    is_bad: bool = False
    doubts: list[str] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    callbacks: list[ProviderCallback] = field(default_factory=list)


def of_payment(payment: Payment) -> Cause:
    """Explain a payment in a fixed number of queries."""
    attempts = list(payment.attempts.select_related("config"))
    reviews = list(payment.reviews.filter(resolved_at=None))
    callbacks = list(payment.callbacks.filter(status__in=_HELD_BACK).defer("body")[:5])
    told = explanation_of(payment, attempts, reviews)
    return Cause(
        sentence=_in_language(told.message),
        next_step="" if told.next_step == NextStep.NONE else str(told.next_step.label),
        who=str(told.who_acts.label),
        code=told.code or "",
        is_bad=is_blocked(reviews) or payment.status in _BAD,
        doubts=[
            *_of_reviews(reviews),
            *_of_callbacks(callbacks),
            *_of_prompt(payment, attempts),
            *_of_config(payment.config),
        ],
        reviews=reviews,
        callbacks=callbacks,
    )


def of_receipt(receipt: Receipt) -> Cause:
    """Explain money that belongs to no payment the person sees."""
    reviews = list(
        Review.objects.filter(Q(receipt=receipt) | _of_its_payment(receipt), resolved_at=None)
    )
    sentence, step = _said_of(receipt)
    return Cause(
        sentence=sentence,
        next_step=step,
        is_bad=receipt.status == ReceiptStatus.REVERSED,
        doubts=[*_of_reviews(reviews), *_of_config(receipt.config)],
        reviews=reviews,
    )


_BAD = frozenset({PaymentStatus.FAILED, PaymentStatus.REVERSED})


def _of_its_payment(receipt: Receipt) -> Q:
    return Q(payment=receipt.payment_id) if receipt.payment_id else Q(pk__in=[])


def _said_of(receipt: Receipt) -> tuple[str, str]:
    """Return what became of a receipt, and what to do about it."""
    why = {"why": receipt.get_reason_display() or _("nobody said for what")}
    words: dict[str, tuple[str, str]] = {
        ReceiptStatus.UNALLOCATED: (
            _("The money reached the shop and belongs to no payment yet: %(why)s.") % why,
            _("Say whose it is, or use it for a sale."),
        ),
        ReceiptStatus.HELD: (
            _("The money reached the shop and is held: a paid prompt still waits for its receipt."),
            _("Wait: Safaricom is being asked which payment it belongs to."),
        ),
        ReceiptStatus.IN_REVIEW: (
            _("The money reached the shop, but it does not fit what was asked for."),
            _("A manager decides the review."),
        ),
        ReceiptStatus.CREDITED: (
            _("The money reached the shop and was used for a payment already."),
            _("Do not use it a second time."),
        ),
        ReceiptStatus.REVERSED: (
            _("The money went back to the customer."),
            _("Do not release the goods."),
        ),
    }
    return words[receipt.status]


def _of_reviews(reviews: list[Review]) -> Iterator[str]:
    for review in reviews:
        why = {"why": review.get_code_display()}
        if review.blocking:
            yield _("A review holds the goods: %(why)s.") % why
        else:
            yield _("A review is open: %(why)s.") % why


def _of_callbacks(callbacks: list[ProviderCallback]) -> Iterator[str]:
    for row in callbacks:
        named = {"problem": row.problem or row.get_status_display()}
        yield _("A callback came and was not believed: %(problem)s.") % named


def _of_prompt(payment: Payment, attempts: list[Any]) -> Iterator[str]:
    if payment.environment == Environment.SANDBOX and payment.status != PaymentStatus.COMPLETED:
        yield _("It is a test payment: no money moved.")
    if payment.receipt_pending:
        yield _("It is paid; its receipt number has not come yet.")
    if attempts and attempts[-1].submission == Submission.UNKNOWN:
        yield _("Safaricom did not say clearly whether it took the request.")
    if payment.status in LIVE_STATUSES and attempts and not _was_called(payment):
        yield _("No callback has come yet.")
    if attempts and (at := attempts[-1].next_ask_at):
        when = {"when": date_format(localtime(at), "H:i:s")}
        yield _("Safaricom is asked again at %(when)s.") % when


def _was_called(payment: Payment) -> bool:
    return bool(payment.callbacks.exists())


def _of_config(config: PaymentConfig | None) -> Iterator[str]:
    """Tell what is the matter with the account it went through."""
    if config is None:
        return
    named = {"config": config.name}
    if config.status != ConfigStatus.VERIFIED:
        named["status"] = config.get_status_display()
        yield _("%(config)s is not in use now: %(status)s.") % named
    elif not config.is_active:
        yield _("%(config)s is switched off.") % named
    elif config.health_reason:
        yield f"{config.name}: {HealthReason(config.health_reason).label}"
    for notice in config.notices.filter(closed_at=None)[:5]:
        yield f"{config.name}: {notice.get_code_display()}."


def _in_language(message: Any) -> str:
    return str(message.sw if (get_language() or "").startswith("sw") else message.en)
