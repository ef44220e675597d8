"""
Deciding a doubt: one person, or above an amount the shop sets two of them, and always a reason.

What a decision does is in review_steps.py. Whatever it is, `paid` follows by itself: completed, and
no open review that blocks.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime

from django.db import transaction

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor, ActorKind
from payments.errors import InvalidTransition
from payments.models import Payment, Refund, Review
from payments.receipt_choices import RefundStatus
from payments.services import cases, reviews
from payments.services.configs import check_reason
from payments.services.review_steps import (
    NEED_A_RECEIPT,
    STEPS,
    Decision,
    Resolution,
    amount_of,
    close,
    receipt_needed,
    refuse,
)
from tenants.models import User
from tenants.roles import Action, may

_ASSIGNED = ("assigned_to",)
_ENDED_REFUNDS = (RefundStatus.DONE, RefundStatus.DECLINED, RefundStatus.FAILED)


class SecondPersonNeeded(InvalidTransition):
    """Another person must confirm it: the amount is above what one person decides."""


def resolve(
    *,
    review: Review,
    resolution: str,
    reason: str,
    payment: Payment | None = None,
    user: User | None,
    actor: Actor,
    now: datetime,
) -> Review:
    """
    Decide a review; above the shop's amount the first person proposes and a second one confirms.

    payment is who gets the receipt, for allocate alone. The review returned is open still where
    a second person, or the end of a refund, is awaited.

    :raises InvalidInput: for what is no resolution, has no reason, or names a wrong payment.
    :raises InvalidTransition: when it is closed already, or the money is in no state for it.
    :raises SecondPersonNeeded: to whoever proposed it himself.
    """
    decision = Decision(resolution, reason.strip(), payment, user, replace(actor, reason=reason))
    _check(review, decision)
    with transaction.atomic():
        _lock_payments(review, payment)
        locked = lock_review(review.pk)
        _refuse_closed(locked)
        if resolution in NEED_A_RECEIPT:
            receipt_needed(locked)
        if _needs_two(locked) and not _is_confirmation(locked, decision):
            return _propose(locked, decision, now=now)
        STEPS[resolution](locked, decision, now)
        if locked.resolved_at is None and resolution != Resolution.REFUND:
            close(locked, decision, now=now)
    return locked


@transaction.atomic
def assign(*, review: Review, to: User | None, actor: Actor, now: datetime) -> Review:
    """
    Give a review to somebody who may resolve it, or to nobody.

    :raises InvalidInput: when he may not.
    :raises InvalidTransition: when it is closed.
    """
    if to is not None and not (
        to.is_active and may(to.role_in(review.shop_id), Action.RESOLVE_REVIEWS)
    ):
        refuse("assigned_to", "This person resolves no reviews of this shop.")
    locked = lock_review(review.pk)
    _refuse_closed(locked)
    before = recording.state_of(locked, _ASSIGNED)
    locked.assigned_to = to
    locked.save(update_fields=[*_ASSIGNED])
    act, shop_id = AuditAction.REVIEW_ASSIGNED, locked.shop_id
    recording.record_change(act, locked, shop_id=shop_id, before=before, actor=actor, now=now)
    return locked


def settle_refunded(*, now: datetime) -> int:
    """Close reviews whose refund is done, reopen those whose refund came to nothing; count both."""
    waiting = Review.objects.filter(resolution=Resolution.REFUND, resolved_at=None)
    return sum(_settle_refunded(pk, now=now) for pk in waiting.values_list("pk", flat=True))


def lock_review(review_id: uuid.UUID) -> Review:
    rows = Review.objects.select_for_update(of=("self",))
    review: Review = rows.select_related("shop", "payment", "receipt__payment").get(pk=review_id)
    return review


def _check(review: Review, decision: Decision) -> None:
    if decision.resolution not in Resolution.values:
        refuse("resolution", "Choose accept, refund, ignore or allocate.")
    check_reason(decision.reason)
    needs_payment = decision.resolution == Resolution.ALLOCATE
    if needs_payment and decision.payment is None:
        refuse("payment", "Name the payment that gets the receipt.")
    if not needs_payment and decision.payment is not None:
        refuse("payment", "A payment is named for allocate alone.")
    given = decision.payment
    if given is not None and (given.shop_id, given.environment) != (
        review.shop_id,
        review.environment,
    ):
        refuse("payment", "There is no such payment.")


def _lock_payments(review: Review, target: Payment | None) -> None:
    """Take the payments first, in one order for everybody (services/evidence.py does the same)."""
    ids = {review.payment_id, target.pk if target else None} - {None}
    for payment_id in sorted(ids, key=str):
        cases.lock_payment(payment_id)  # type: ignore[arg-type]


def _refuse_closed(review: Review) -> None:
    if review.resolved_at is not None:
        raise InvalidTransition("The review is resolved already.")
    if review.resolution == Resolution.REFUND:
        raise InvalidTransition("A refund is under way: the review closes with it.")


def _needs_two(review: Review) -> bool:
    limit = review.shop.two_people_above
    return limit is not None and amount_of(review) > limit


def _is_confirmation(review: Review, decision: Decision) -> bool:
    """
    Tell whether this is the second person's yes to what the first one proposed.

    A key is no person: it may propose, and its maker cannot confirm himself.
    """
    if not review.proposal or not decision.is_same_as(review.proposal):
        return False
    if decision.person == review.proposal["person"] or decision.actor.label == review.proposed_by:
        raise SecondPersonNeeded("You proposed it: another person must confirm it.")
    if decision.actor.kind != ActorKind.USER:
        raise SecondPersonNeeded("A person confirms it, in the back office.")
    return True


def _propose(review: Review, decision: Decision, *, now: datetime) -> Review:
    before = {"proposed_by": review.proposed_by, "proposal": _shown(review.proposal)}
    review.proposed_by = decision.actor.label[:254] or decision.person
    review.proposal = {
        "resolution": decision.resolution,
        "reason": decision.reason,
        "payment": str(decision.payment.pk) if decision.payment else "",
        "person": decision.person,
        "at": now.isoformat(),
    }
    review.save(update_fields=["proposed_by", "proposal"])
    after = {"proposed_by": review.proposed_by, "proposal": _shown(review.proposal)}
    recording.record(
        AuditAction.REVIEW_PROPOSED,
        review,
        shop_id=review.shop_id,
        actor=decision.actor,
        now=now,
        changes=recording.changes_between(before, after),
        previous_state=before,
        reason=decision.reason,
    )
    return review


def _shown(proposal: dict[str, str]) -> str:
    return " ".join(filter(None, [proposal.get("resolution"), proposal.get("payment")]))


@transaction.atomic
def _settle_refunded(review_id: uuid.UUID, *, now: datetime) -> bool:
    review = lock_review(review_id)
    newest = Refund.objects.filter(receipt=review.receipt_id).order_by("-asked_at").first()
    if review.resolved_at is not None or newest is None or newest.status not in _ENDED_REFUNDS:
        return False
    if newest.status == RefundStatus.DONE:
        reviews.close(
            review,
            resolution=Resolution.REFUND,
            reason=review.reason,
            by=newest.asked_by_label,
            now=now,
        )
        act, actor = AuditAction.REVIEW_RESOLVED, Actor.system("refunds")
        recording.record(
            act, review, shop_id=review.shop_id, actor=actor, now=now, reason=review.reason
        )
    else:
        review.resolution, review.reason = "", ""
        review.proposed_by, review.proposal = "", {}
        review.save(update_fields=["resolution", "reason", "proposed_by", "proposal"])
    return True
