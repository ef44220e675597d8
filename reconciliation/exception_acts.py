"""
What people do with an item of the queue: give it to somebody, or decide about loose money.

Doubts are decided in payments/services/review_acts.py and refunds in refunds.py; here is what those
have and loose money had not: who looks at it, and a first person who proposes where the amount
takes two. Money is never ignored: it pays for something, is kept as a sale, or goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import ReceiptStatus
from payments.errors import InvalidInput, InvalidTransition
from payments.models import Payment, Receipt, Refund, Review
from payments.services import receipt_acts, receipt_splits, refunds, review_acts, two_people
from payments.services.configs import check_reason
from payments.services.receipt_giving import lock_receipt
from payments.services.receipt_splits import Part
from payments.services.representation import money
from payments.services.review_acts import SecondPersonNeeded
from reconciliation.exceptions import Row, is_open, kind_of
from reconciliation.models import Handling
from tenants.models import User
from tenants.roles import Action, may

_PROPOSAL = ("proposed_by", "proposal")


class Step(TextChoices):
    """What can become of money without an owner."""

    ALLOCATE = "allocate", _("Assign to a payment")
    KEEP = "keep", _("Keep as walk-in sale")
    SPLIT = "split", _("Split between orders")
    REFUND = "refund", _("Give the money back")


# A refund takes a second person's yes of its own (refunds.py), whatever the amount.
_TAKE_TWO = frozenset({Step.ALLOCATE, Step.KEEP, Step.SPLIT})
_SAY_WHY = frozenset({Step.SPLIT, Step.REFUND})


@dataclass(frozen=True)
class Decision:
    """What somebody decides about loose money; payment is for allocate alone, parts for split."""

    step: str
    reason: str = ""
    payment: Payment | None = None
    parts: Sequence[Part] = ()
    label: str = ""
    user: User | None = None
    actor: Actor = field(default_factory=lambda: Actor.system("exceptions"))

    def as_proposal(self, *, now: datetime) -> dict[str, Any]:
        return {
            "step": self.step,
            "payment": str(self.payment.pk) if self.payment else "",
            "parts": [[each.order_ref, money(each.amount)] for each in self.parts],
            "label": self.label,
            "reason": self.reason,
            "person": str(self.user.pk) if self.user else "",
            "at": now.isoformat(),
        }

    def is_same_as(self, proposal: dict[str, Any], *, now: datetime) -> bool:
        mine = self.as_proposal(now=now)
        return all(mine[name] == proposal.get(name) for name in ("step", "payment", "parts"))


def assign(*, row: Row, to: User | None, actor: Actor, now: datetime) -> None:
    """
    Give an item to somebody who may decide it, or to nobody.

    :raises InvalidInput: when he may not.
    :raises InvalidTransition: when there is nothing left to decide.
    """
    if isinstance(row, Review):
        review_acts.assign(review=row, to=to, actor=actor, now=now)
        return
    if to is not None and not _may_decide(to, row):
        detail = "This person decides nothing in this shop."
        raise InvalidInput(detail, errors=[("to", "invalid", detail)])
    with transaction.atomic():
        handling = _lock_handling(row)
        row.refresh_from_db()
        if not is_open(row):
            raise InvalidTransition("It is decided already.")
        before = recording.state_of(handling, ("assigned_to",))
        handling.assigned_to = to
        handling.save(update_fields=["assigned_to"])
        changes = recording.changes_between(before, recording.state_of(handling, ("assigned_to",)))
        act, shop_id = AuditAction.EXCEPTION_ASSIGNED, row.shop_id
        recording.record(act, row, shop_id=shop_id, actor=actor, now=now, changes=changes)


def decide(*, receipt: Receipt, decision: Decision, now: datetime) -> bool:
    """
    Decide about an unallocated receipt; False where it is proposed, and another must confirm it.

    :raises InvalidInput: when what is decided is incomplete or does not add up.
    :raises InvalidTransition: when the receipt, or the payment, is in no state for it.
    :raises SecondPersonNeeded: to whoever proposed it himself.
    """
    decision = replace(
        decision,
        reason=decision.reason.strip(),
        actor=replace(decision.actor, reason=decision.reason.strip()),
    )
    takes_two = decision.step in _TAKE_TWO and two_people.needed_for(receipt)
    _check(decision, takes_two=takes_two)
    with transaction.atomic():
        # The payment first, as everybody locks.
        if decision.payment is not None:
            Payment.objects.select_for_update(of=("self",)).get(pk=decision.payment.pk)
        locked = lock_receipt(receipt.pk)
        handling = _lock_handling(locked)
        if takes_two and not _is_confirmation(handling, decision, now=now):
            receipt_acts.refuse_taken(locked)
            _propose(locked, handling, decision, now=now)
            return False
        _STEPS[decision.step](locked, decision, now)
        handling.proposed_by, handling.proposal = "", {}
        handling.save(update_fields=[*_PROPOSAL])
    return True


def proposal_of(row: Row) -> tuple[str, dict[str, Any]]:
    """Return who proposed what about loose money; ("", {}) where nobody did, or it is decided."""
    if not isinstance(row, Receipt) or row.status != ReceiptStatus.UNALLOCATED:
        return "", {}
    handling = Handling.objects.filter(item_id=row.pk).first()
    return (handling.proposed_by, handling.proposal) if handling else ("", {})


def _check(decision: Decision, *, takes_two: bool) -> None:
    if decision.step not in Step.values:
        detail = "Choose assign, keep, split or refund."
        raise InvalidInput(detail, errors=[("step", "invalid", detail)])
    if takes_two or decision.step in _SAY_WHY:
        check_reason(decision.reason)
    if (decision.step == Step.ALLOCATE) != (decision.payment is not None):
        detail = "Name the payment that gets the receipt."
        raise InvalidInput(detail, errors=[("payment", "invalid", detail)])


def _may_decide(user: User, row: Receipt | Refund) -> bool:
    return user.is_active and may(user.role_in(row.shop_id), Action.RESOLVE_REVIEWS)


def _lock_handling(row: Receipt | Refund) -> Handling:
    given = {"shop_id": row.shop_id, "kind": kind_of(row)}
    handling, _is_new = Handling.objects.get_or_create(item_id=row.pk, defaults=given)
    found: Handling = Handling.objects.select_for_update(of=("self",)).get(pk=handling.pk)
    return found


def _is_confirmation(handling: Handling, decision: Decision, *, now: datetime) -> bool:
    """Tell whether this is the second person's yes to what the first one proposed."""
    proposal = handling.proposal
    if not proposal or not decision.is_same_as(proposal, now=now):
        return False
    if decision.user is None or str(decision.user.pk) == proposal["person"]:
        raise SecondPersonNeeded("You proposed it: another person must confirm it.")
    return True


def _propose(receipt: Receipt, handling: Handling, decision: Decision, *, now: datetime) -> None:
    before = {"proposal": handling.proposal.get("step", "")}
    handling.proposed_by = decision.actor.label[:254]
    handling.proposal = decision.as_proposal(now=now)
    handling.save(update_fields=[*_PROPOSAL])
    after = {"proposal": decision.step, "payment": handling.proposal["payment"]}
    recording.record(
        AuditAction.EXCEPTION_PROPOSED,
        receipt,
        shop_id=receipt.shop_id,
        actor=decision.actor,
        now=now,
        changes=recording.changes_between(before, after),
        previous_state=before,
        reason=decision.reason,
    )


def _allocate(receipt: Receipt, decision: Decision, now: datetime) -> None:
    assert decision.payment is not None  # noqa: S101 - _check has seen to it
    receipt_acts.allocate(
        receipt=receipt,
        payment=decision.payment,
        actor=decision.actor,
        now=now,
        reason=decision.reason,
    )


def _keep(receipt: Receipt, decision: Decision, now: datetime) -> None:
    actor, label = decision.actor, decision.label
    receipt_acts.keep_as_sale(receipt=receipt, label=label, actor=actor, now=now)


def _split(receipt: Receipt, decision: Decision, now: datetime) -> None:
    parts, reason, actor = decision.parts, decision.reason, decision.actor
    receipt_splits.split(receipt=receipt, parts=parts, reason=reason, actor=actor, now=now)


def _refund(receipt: Receipt, decision: Decision, now: datetime) -> None:
    """Mark the money, unless it is marked, and ask a second person to give it back."""
    if decision.user is None:
        raise InvalidTransition("A person asks for a refund, in the back office.")
    reason, actor = decision.reason, decision.actor
    if receipt.status == ReceiptStatus.UNALLOCATED:
        receipt_acts.mark_refund(receipt=receipt, reason=reason, actor=actor, now=now)
        receipt.refresh_from_db()
    refunds.ask_refund(receipt=receipt, reason=reason, user=decision.user, actor=actor, now=now)


_STEPS: dict[str, Callable[[Receipt, Decision, datetime], None]] = {
    Step.ALLOCATE: _allocate,
    Step.KEEP: _keep,
    Step.SPLIT: _split,
    Step.REFUND: _refund,
}
