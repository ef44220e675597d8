"""
What each decision about a doubt does with the money; review_acts.py says who may take it.

accept: the shop takes things as they are. Of an amount that differs it keeps the money, as a sale
of its own: the payment that asked for another amount stays unpaid, for no decision here turns a
wrong amount into the right one (safety.md I7). A callback of an unlisted address is applied, as if
it had come from a listed one. allocate: the receipt goes to another payment of exactly its amount.
refund: the money shall go back; while that is under way the review stays open, so that nobody
releases goods for it. ignore: closed, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import ReceiptStatus, ReviewCode
from payments.errors import InvalidInput, InvalidTransition
from payments.models import Payment, Receipt, Review
from payments.receipt_choices import UnallocatedReason
from payments.services import callbacks, receipt_acts, refunds, reviews
from tenants.models import User


class Resolution(TextChoices):
    ACCEPT = "accept", _("Accept as it is")
    ALLOCATE = "allocate", _("Give the receipt to another payment")
    REFUND = "refund", _("Give the money back")
    IGNORE = "ignore", _("Close without doing anything")


@dataclass(frozen=True)
class Decision:
    """What somebody decides; user is the person, or who made the key that asks."""

    resolution: str
    reason: str
    payment: Payment | None
    user: User | None
    actor: Actor

    @property
    def person(self) -> str:
        """Name who stands behind it, so that nobody is his own second person."""
        return str(self.user.pk) if self.user else f"{self.actor.kind}:{self.actor.id}"

    def is_same_as(self, proposal: dict[str, str]) -> bool:
        payment = str(self.payment.pk) if self.payment else ""
        return (self.resolution, payment) == (proposal["resolution"], proposal["payment"])


def receipt_of(review: Review) -> Receipt | None:
    """Find the receipt a review is about, else the one its payment is credited with."""
    if review.receipt is not None:
        return review.receipt
    if review.payment is None:
        return None
    mine = list(review.payment.receipts.all())
    named = [row for row in mine if row.number == review.subject]
    credited = [row for row in mine if row.status == ReceiptStatus.CREDITED]
    return next(iter([*named, *credited]), None)


def amount_of(review: Review) -> Decimal:
    """Return how much is at stake: the payment's amount or the receipt's, whichever is more."""
    receipt = receipt_of(review)
    amounts = [row.amount for row in (review.payment, receipt) if row is not None]
    return max((amount for amount in amounts if amount is not None), default=Decimal(0))


def possible(review: Review) -> list[Resolution]:
    """List what may be decided, as far as the rows tell."""
    receipt = receipt_of(review)
    movable = receipt is not None and receipt.status in {
        ReceiptStatus.IN_REVIEW,
        ReceiptStatus.UNALLOCATED,
    }
    found = [Resolution.ACCEPT]
    if movable or (receipt is not None and receipt.status == ReceiptStatus.CREDITED):
        found += [Resolution.ALLOCATE, Resolution.REFUND]
    return [*found, Resolution.IGNORE]


def _accept(review: Review, decision: Decision, now: datetime) -> None:
    receipt = receipt_of(review)
    if review.code == ReviewCode.UNLISTED_SOURCE and review.callback is not None:
        # Closed first, or the callback itself would pass for the listed source it lacks.
        close(review, decision, now=now)
        callbacks.apply_again(callback=review.callback, actor=decision.actor, now=now)
    elif review.code in _OF_LOOSE_MONEY and receipt is not None and _is_loose(receipt):
        _detach(receipt)
        receipt_acts.keep_as_sale(receipt=receipt, actor=decision.actor, now=now)


def _allocate(review: Review, decision: Decision, now: datetime) -> None:
    receipt, target = receipt_needed(review), decision.payment
    assert target is not None  # noqa: S101 - _check has seen to it
    actor, reason = decision.actor, decision.reason
    if receipt.payment_id == target.pk:
        refuse("payment", "It is this payment's receipt already.")
    if receipt.status == ReceiptStatus.CREDITED:
        receipt_acts.release(receipt=receipt, reason=reason, actor=actor, now=now)
    else:
        _detach(receipt)
    receipt_acts.allocate(receipt=receipt, payment=target, actor=actor, now=now, reason=reason)


def _refund(review: Review, decision: Decision, now: datetime) -> None:
    """Ask for a refund; the review of a credited receipt waits for its end, see settle_refunded."""
    receipt = receipt_needed(review)
    is_credited = receipt.status == ReceiptStatus.CREDITED
    if decision.user is None:
        raise InvalidTransition("A person asks for a refund, in the back office.")
    actor, reason = decision.actor, decision.reason
    if not is_credited:
        _detach(receipt)
        receipt_acts.mark_refund(receipt=receipt, reason=reason, actor=actor, now=now)
    receipt.refresh_from_db()
    refunds.ask_refund(receipt=receipt, reason=reason, user=decision.user, actor=actor, now=now)
    if not is_credited:
        close(review, decision, now=now)
        return
    review.resolution, review.reason = Resolution.REFUND, reason[:300]
    review.receipt = receipt
    review.save(update_fields=["resolution", "reason", "receipt"])


def _ignore(review: Review, decision: Decision, now: datetime) -> None:
    """Do nothing but close it."""


NEED_A_RECEIPT = frozenset({Resolution.ALLOCATE, Resolution.REFUND})
STEPS: dict[str, Callable[[Review, Decision, datetime], None]] = {
    Resolution.ACCEPT: _accept,
    Resolution.ALLOCATE: _allocate,
    Resolution.REFUND: _refund,
    Resolution.IGNORE: _ignore,
}
# Money that came and is nobody's: what is accepted is that the shop keeps it.
_OF_LOOSE_MONEY = frozenset({ReviewCode.AMOUNT_MISMATCH, ReviewCode.SURPLUS})


def _is_loose(receipt: Receipt) -> bool:
    return receipt.status in {ReceiptStatus.IN_REVIEW, ReceiptStatus.UNALLOCATED}


def receipt_needed(review: Review) -> Receipt:
    receipt = receipt_of(review)
    if receipt is None:
        raise InvalidTransition("This review is about no receipt.")
    return receipt


def _detach(receipt: Receipt) -> None:
    """
    Take a receipt that is in review off the payment whose evidence brought it.

    The evidence stays, and keeps that payment from completing by a word that names no amount.
    """
    row = Receipt.objects.select_for_update(of=("self",)).get(pk=receipt.pk)
    if row.status == ReceiptStatus.IN_REVIEW and row.reason != UnallocatedReason.REFUND_NEEDED:
        if row.amount is None:
            raise InvalidTransition("Nobody knows yet how much this receipt is.")
        Receipt.objects.filter(pk=row.pk).update(status=ReceiptStatus.UNALLOCATED, payment=None)
    receipt.refresh_from_db()


def close(review: Review, decision: Decision, *, now: datetime) -> None:
    before = {"resolution": "", "resolved_by": "", "proposed_by": review.proposed_by}
    reviews.close(
        review,
        resolution=decision.resolution,
        reason=decision.reason,
        by=decision.actor.label,
        now=now,
    )
    after = {
        "resolution": review.resolution,
        "resolved_by": review.resolved_by,
        "proposed_by": review.proposed_by,
    }
    recording.record(
        AuditAction.REVIEW_RESOLVED,
        review,
        shop_id=review.shop_id,
        actor=decision.actor,
        now=now,
        changes=recording.changes_between(before, after),
        reason=decision.reason,
    )


def refuse(name: str, detail: str) -> None:
    raise InvalidInput(detail, errors=[(name, "invalid", detail)])
