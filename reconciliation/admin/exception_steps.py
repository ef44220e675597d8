"""What can be done with an item of the queue, as buttons, and what each press does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.choices import ReceiptStatus, ReviewCode
from payments.models import Payment, Receipt, Refund, Review
from payments.services import review_acts, two_people
from payments.services.receipt_splits import Part
from payments.services.review_steps import Resolution, amount_of, possible, receipt_of
from reconciliation import exception_acts
from reconciliation.admin.exception_forms import AllocateForm, DecideForm, KeepForm, SplitForm
from reconciliation.exception_acts import Decision, Step
from reconciliation.exceptions import Row, is_open
from tenants.roles import Action, may

if TYPE_CHECKING:
    from datetime import datetime

    from audit.actors import Actor
    from tenants.models import User

CONFIRM = "confirm"


@dataclass(frozen=True)
class Choice:
    """One decision: its address, button, what it does in a sentence, and its form."""

    method: str
    label: Any
    text: Any
    form: type[DecideForm] = DecideForm
    danger: bool = False
    why: bool = True


_ACCEPT = Choice(
    Resolution.ACCEPT,
    gettext_lazy("Accept as it is"),
    gettext_lazy("The shop takes things as they are, and the doubt is over."),
)
_KEEP_DOUBTED = Choice(
    Resolution.ACCEPT,
    gettext_lazy("Keep the money as a sale"),
    gettext_lazy("What came becomes a sale of its own; what was asked for stays unpaid."),
)
_BELIEVE = Choice(
    Resolution.ACCEPT,
    gettext_lazy("Believe the callback"),
    gettext_lazy("You vouch for where it came from: it is applied as if it had come from there."),
)
_OF_A_REVIEW = {
    Resolution.ACCEPT: _ACCEPT,
    Resolution.ALLOCATE: Choice(
        Resolution.ALLOCATE,
        gettext_lazy("Give the receipt to another payment"),
        gettext_lazy("Only to one of exactly the same amount that lacks its money."),
        AllocateForm,
    ),
    Resolution.REFUND: Choice(
        Resolution.REFUND,
        gettext_lazy("Give the money back"),
        gettext_lazy("Opens a refund, which another person approves. Nothing is sent before."),
        danger=True,
    ),
    Resolution.IGNORE: Choice(
        Resolution.IGNORE,
        gettext_lazy("Ignore"),
        gettext_lazy("The doubt is closed and nothing else happens."),
    ),
}
_OF_MONEY = {
    Step.ALLOCATE: Choice(
        Step.ALLOCATE,
        gettext_lazy("Assign to a payment"),
        gettext_lazy("Only to one of exactly the same amount that lacks its money."),
        AllocateForm,
        why=False,
    ),
    Step.KEEP: Choice(
        Step.KEEP,
        gettext_lazy("Keep as walk-in sale"),
        gettext_lazy("Nobody asked for the money: it becomes a sale of its own."),
        KeepForm,
        why=False,
    ),
    Step.SPLIT: Choice(
        Step.SPLIT,
        gettext_lazy("Split between orders"),
        gettext_lazy(
            "One payment for several orders: it stays one sale, and each order counts as paid."
        ),
        SplitForm,
    ),
    Step.REFUND: Choice(
        Step.REFUND,
        gettext_lazy("Give the money back"),
        gettext_lazy("Opens a refund, which another person approves. Nothing is sent before."),
        danger=True,
    ),
}
_CONFIRM = Choice(
    CONFIRM,
    gettext_lazy("Confirm"),
    gettext_lazy("You are the second person: it is done as it was proposed."),
)
# Of these, accepting keeps money that is nobody's.
_OF_LOOSE_MONEY = frozenset({ReviewCode.AMOUNT_MISMATCH, ReviewCode.SURPLUS})
_LOOSE = frozenset({ReceiptStatus.UNALLOCATED, ReceiptStatus.IN_REVIEW})


def choices_for(row: Row, user: User) -> list[Choice]:
    """List what this person may decide about an item as it is now, likeliest first."""
    if not is_open(row) or not may(user.role_in(row.shop_id), Action.RESOLVE_REVIEWS):
        return []
    if isinstance(row, Refund):
        return []
    if isinstance(row, Review):
        return [*_confirming(row.proposal, user), *_of_review(row)]
    if row.status != ReceiptStatus.UNALLOCATED:
        return [_OF_MONEY[Step.REFUND]]
    _who, proposal = exception_acts.proposal_of(row)
    return [*_confirming(proposal, user), *_OF_MONEY.values()]


def takes_two(row: Row) -> bool:
    """Tell whether one person alone decides nothing here."""
    if isinstance(row, Receipt):
        return two_people.needed_for(row)
    limit = row.shop.two_people_above
    return isinstance(row, Review) and limit is not None and amount_of(row) > limit


def press(
    row: Row,
    choice: Choice,
    given: dict[str, Any],
    *,
    user: User,
    actor: Actor,
    now: datetime,
) -> str:
    """Do what was decided, and say what came of it; a service's refusal passes through."""
    who = {"user": user, "actor": actor}
    if isinstance(row, Review):
        return _resolve(row, choice, given, **who, now=now)
    assert isinstance(row, Receipt)  # noqa: S101 - a refund has no choices
    decision = _PRESSES.get(choice.method, _decided)(row, choice, given, **who)
    is_done = exception_acts.decide(receipt=row, decision=decision, now=now)
    if not is_done:
        return _("Proposed. Another person must confirm it.")
    if decision.step == Step.REFUND:
        return _("The refund waits for another person's yes.")
    return _("Done.")


def page_of_refund(refund: Refund) -> str:
    return reverse("admin:payments_refund_change", args=[refund.pk])


def _confirming(proposal: dict[str, Any], user: User) -> list[Choice]:
    is_anothers = bool(proposal) and proposal.get("person") != str(user.pk)
    return [_CONFIRM] if is_anothers else []


def _of_review(review: Review) -> list[Choice]:
    found = [_OF_A_REVIEW[each] for each in possible(review)]
    receipt = receipt_of(review)
    is_loose = receipt is not None and receipt.status in _LOOSE
    if review.code in _OF_LOOSE_MONEY and is_loose:
        found[0] = _KEEP_DOUBTED
    elif review.code == ReviewCode.UNLISTED_SOURCE and review.callback is not None:
        found[0] = _BELIEVE
    return found


def _resolve(
    review: Review,
    choice: Choice,
    given: dict[str, Any],
    *,
    user: User,
    actor: Actor,
    now: datetime,
) -> str:
    resolution, payment = choice.method, given.get("payment")
    if choice.method == CONFIRM:
        resolution = review.proposal.get("resolution", "")
        payment = _payment_of(review.proposal)
    done = review_acts.resolve(
        review=review,
        resolution=resolution,
        reason=given["reason"],
        payment=payment,
        user=user,
        actor=actor,
        now=now,
    )
    if done.resolved_at is not None:
        return _("The review is resolved.")
    if done.resolution == Resolution.REFUND:
        return _("A refund is asked for; the review closes when the money is back.")
    return _("Proposed. Another person must confirm it.")


def _decided(
    receipt: Receipt, choice: Choice, given: dict[str, Any], *, user: User, actor: Actor
) -> Decision:
    del receipt
    return Decision(
        step=choice.method,
        reason=given["reason"],
        payment=given.get("payment"),
        parts=given.get("parts", ()),
        label=given.get("label", ""),
        user=user,
        actor=actor,
    )


def _confirmed(
    receipt: Receipt, choice: Choice, given: dict[str, Any], *, user: User, actor: Actor
) -> Decision:
    """Say again what another proposed."""
    del choice
    _who, proposal = exception_acts.proposal_of(receipt)
    return Decision(
        step=proposal.get("step", ""),
        reason=given["reason"],
        payment=_payment_of(proposal),
        parts=tuple(Part(order, Decimal(text)) for order, text in proposal.get("parts", [])),
        label=proposal.get("label", ""),
        user=user,
        actor=actor,
    )


_PRESSES: dict[str, Callable[..., Decision]] = {CONFIRM: _confirmed}


def _payment_of(proposal: dict[str, Any]) -> Payment | None:
    found: Payment | None = Payment.objects.filter(pk=proposal.get("payment") or None).first()
    return found
