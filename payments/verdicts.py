"""
What follows from what was said of a payment. Pure: no Django, no clock, no I/O.

`decide` looks at all evidence at once, so the order of arrival cannot matter; `moves` tells which
recorded moves lead there from where the payment stands. Only the credited receipt depends on
order: of several, the one stored first (safety.md 5.9).

Ranks: money moved (a receipt and the exact amount) > a query's yes (no receipt yet) > a final no >
silence. A callback's yes that lacks receipt or amount moves nothing: the query decides.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from payments.choices import EvidenceSource as Source
from payments.choices import OutcomeVerdict as Said
from payments.choices import PaymentStatus as Status
from payments.choices import ReviewCode

_SUCCESS_CODE = "0"
# Our own refund, or a person of the shop: nobody took anything behind its back.
_OUR_OWN = frozenset({Source.REVERSAL, Source.STAFF})


@dataclass(frozen=True)
class Fact:
    """
    One piece of evidence. key names it for ever; amount is None where the source gives none.

    is_final is true for success and for a failure that may end a payment: a final code, from a
    callback, or from a query asked late enough. is_foreign: its receipt belongs to another payment.
    """

    key: str
    source: str
    verdict: str
    attempt_id: uuid.UUID | None = None
    is_final: bool = False
    amount: Decimal | None = None
    receipt_number: str = ""
    is_foreign: bool = False
    result_code: str = ""
    result_desc: str = ""


@dataclass(frozen=True)
class AskedAttempt:
    """One attempt, in the order of asking; refused means it provably reached nobody."""

    id: uuid.UUID
    is_refused: bool = False


@dataclass(frozen=True)
class Expected:
    """What the payment asked for; is_live says that goods leave the shop for it."""

    amount: Decimal
    attempts: tuple[AskedAttempt, ...] = ()
    is_live: bool = False


@dataclass(frozen=True)
class Doubt:
    """A reason for a person to look; subject tells apart two of the same kind."""

    code: str
    subject: str
    blocking: bool


@dataclass(frozen=True)
class Verdict:
    """status None means not settled; receipt_number is the credited one, or "" while unknown."""

    status: str | None = None
    deciding: Fact | None = None
    receipt_number: str = ""
    doubts: frozenset[Doubt] = field(default_factory=frozenset)
    ask_now: bool = False

    @property
    def receipt_pending(self) -> bool:
        return self.status == Status.COMPLETED and not self.receipt_number


def decide(expected: Expected, facts: Sequence[Fact]) -> Verdict:
    """Weigh the facts, given in the order they were stored."""
    said_yes = [fact for fact in facts if fact.verdict == Said.SUCCEEDED]
    own = [f for f in facts if _is_unclear_yes(f) or (f in said_yes and not f.is_foreign)]
    differing = _differing(expected, own)
    paid = _paying(expected, own)
    credited = _credited_receipt(expected, own)
    doubts = {
        *_foreign_receipts(said_yes),
        *_surplus_and_differing(expected, own, credited),
        *_conflicts(facts, said_yes),
    }
    if expected.is_live and paid:
        doubts |= _taken_back_after_release(facts, credited)
    status: str | None
    deciding: Fact | None
    if paid:
        status, deciding = _paid_or_taken_back(_takings_back(facts, credited), paid)
    else:
        deciding = _final_no(expected, facts)
        status = Status.FAILED if deciding else None
    return Verdict(
        status=status,
        deciding=deciding,
        receipt_number=credited,
        doubts=frozenset(doubts),
        ask_now=bool(own) and not paid and not differing,
    )


def moves(current: str, verdict: Verdict) -> list[str]:
    """
    List the statuses to move through, in order; empty when the payment stays.

    Completed is absorbing but for a reversal; a final failure never undoes a success, and does
    not end what is over already.
    """
    wanted = verdict.status
    if wanted is None or wanted == current or current == Status.REVERSED:
        return []
    if wanted == Status.REVERSED:
        return [Status.REVERSED] if current == Status.COMPLETED else [Status.COMPLETED, wanted]
    if current == Status.COMPLETED:
        return []
    if current == Status.CREATED and wanted == Status.FAILED:
        # The refusal overtook our own note that the provider had accepted.
        return [Status.PENDING, wanted]
    return [wanted]


def _takings_back(facts: Sequence[Fact], credited: str) -> list[Fact]:
    """Find what took the credited money back; a surplus receipt that went back is no loss."""
    said = [fact for fact in facts if fact.verdict == Said.REVERSED]
    return [f for f in said if not credited or f.receipt_number in ("", credited)]


def _paid_or_taken_back(taken_back: list[Fact], paid: list[Fact]) -> tuple[str, Fact]:
    if taken_back:
        return Status.REVERSED, taken_back[0]
    # Money that came by itself brings no code; whoever says more decides, whatever came first.
    return Status.COMPLETED, next((fact for fact in paid if fact.result_code), paid[0])


def _taken_back_after_release(facts: Sequence[Fact], credited: str) -> set[Doubt]:
    """Doubt a payment taken back by anybody but us: the goods may have left for it."""
    taken_back = _takings_back(facts, credited)
    if not taken_back or any(fact.source in _OUR_OWN for fact in taken_back):
        return set()
    return {Doubt(ReviewCode.REVERSED_AFTER_RELEASE, credited, blocking=True)}


def _differing(expected: Expected, own: Sequence[Fact]) -> list[Fact]:
    return [fact for fact in own if _differs(expected, fact)]


def _differs(expected: Expected, fact: Fact) -> bool:
    return fact.amount not in (None, expected.amount) or _is_unclear_yes(fact)


def _is_unclear_yes(fact: Fact) -> bool:
    """
    Tell whether a callback says yes in words its adapter could not read, an amount above all.

    Money may have moved, and not the amount asked: a query, which names none, must not confirm it.
    """
    is_yes = fact.source == Source.STK_CALLBACK and fact.result_code == _SUCCESS_CODE
    return is_yes and fact.verdict == Said.PENDING


def _paying(expected: Expected, own: Sequence[Fact]) -> list[Fact]:
    """Find what makes it paid: proofs, or a query's yes while no other amount was named."""
    proofs = [fact for fact in own if fact.receipt_number and fact.amount == expected.amount]
    answered = [fact for fact in own if fact.source == Source.STK_QUERY]
    return proofs or ([] if _differing(expected, own) else answered)


def _credited_receipt(expected: Expected, own: Sequence[Fact]) -> str:
    """Name the receipt that could be credited first; what came later never takes its place."""
    for stored in range(1, len(own) + 1):
        if receipt_number := _creditable(expected, own[:stored]):
            return receipt_number
    return ""


def _creditable(expected: Expected, own: Sequence[Fact]) -> str:
    """Take the first proof's receipt, or the one a callback without an amount brought."""
    paid = _paying(expected, own)
    hinted = [f for f in own if paid and f.amount is None and not _is_unclear_yes(f)]
    return next((fact.receipt_number for fact in (*paid, *hinted) if fact.receipt_number), "")


def _final_no(expected: Expected, facts: Sequence[Fact]) -> Fact | None:
    """Find the final no to the latest attempt that may have reached the customer."""
    asked = [attempt.id for attempt in expected.attempts if not attempt.is_refused]
    if not asked:
        return None
    said_no = [fact for fact in facts if fact.attempt_id == asked[-1] and _is_final_no(fact)]
    # A callback knows better than a query; among equals the key decides, not the order.
    return min(said_no, key=lambda fact: (fact.source, fact.key), default=None)


def _is_final_no(fact: Fact) -> bool:
    return fact.verdict == Said.FAILED and fact.is_final


def _foreign_receipts(said_yes: list[Fact]) -> set[Doubt]:
    return {
        Doubt(ReviewCode.DUPLICATE_RECEIPT, fact.receipt_number, blocking=True)
        for fact in said_yes
        if fact.is_foreign
    }


def _surplus_and_differing(expected: Expected, own: list[Fact], credited: str) -> set[Doubt]:
    """Doubt every receipt beside the credited one as surplus, and amounts that differ."""
    surplus: set[str] = set()
    mismatches: set[str] = set()
    receipts_so_far: set[str] = set()
    for fact in own:
        is_other = bool(credited) and fact.receipt_number not in ("", credited, *mismatches)
        # Another amount under another receipt is money on top, once ours is credited.
        if is_other and (credited in receipts_so_far or not _differs(expected, fact)):
            surplus.add(fact.receipt_number)
        elif _differs(expected, fact):
            mismatches.add(fact.receipt_number or fact.key)
        receipts_so_far.add(fact.receipt_number)
    return {
        *(Doubt(ReviewCode.SURPLUS, number, blocking=False) for number in surplus),
        *(Doubt(ReviewCode.AMOUNT_MISMATCH, about, blocking=True) for about in mismatches),
    }


def _conflicts(facts: Sequence[Fact], said_yes: list[Fact]) -> set[Doubt]:
    """
    Doubt attempts that got a final no and a yes, whichever came first.

    A query's no counts only against a yes that proves nothing by itself: queries were seen lying
    about paid prompts (daraja.md 2.2), and a proof does not care.
    """
    doubts = set()
    for no in (fact for fact in facts if _is_final_no(fact)):
        yes = [fact for fact in said_yes if fact.attempt_id == no.attempt_id]
        proven = any(f.source == Source.STK_QUERY or _is_whole(f) for f in yes)
        if yes and (no.source == Source.STK_CALLBACK or not proven):
            second_source = len({fact.source for fact in yes} | _arrived(said_yes)) > 1
            subject = str(no.attempt_id)
            doubts.add(Doubt(ReviewCode.CONFLICT, subject, blocking=not second_source))
    return doubts


def _arrived(said_yes: Sequence[Fact]) -> set[str]:
    """Name the sources that saw this payment's money come, though of no attempt in particular."""
    arrived = [fact for fact in said_yes if fact.attempt_id is None and not fact.is_foreign]
    return {fact.source for fact in arrived if _is_whole(fact)}


def _is_whole(fact: Fact) -> bool:
    return bool(fact.receipt_number) and fact.amount is not None
