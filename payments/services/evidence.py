"""
The one door: whatever anybody says about a payment becomes a row of evidence and enters here.

Lock the payment, recognise repeats, enter the receipt into the ledger, decide, move: one
transaction, no network inside. It works on sets, so that the applier pays each statement once for
a whole batch of callbacks; one callback is a batch of one.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from audit.actors import Actor
from payments import verdicts
from payments.choices import EvidenceSource, OutcomeVerdict, PaymentStatus, ReviewCode
from payments.models import Attempt, Evidence, Payment, Receipt, Review
from payments.providers.base import Outcome
from payments.services import attempts as attempt_rows
from payments.services import ledger, locks, reviews
from payments.services.transitions import Change, write_changes

# A query may end a payment only when the prompt's own life is over (requirements.md C4).
QUERY_IS_FINAL_AFTER = timedelta(seconds=90)


@dataclass(frozen=True)
class NewEvidence:
    """What source said of an attempt; heard_at is when, for a query the time of asking."""

    payment_id: uuid.UUID
    attempt_id: uuid.UUID | None
    source: str
    outcome: Outcome
    actor: Actor
    heard_at: datetime
    callback_id: uuid.UUID | None = None


@dataclass(frozen=True)
class Applied:
    """is_new is false for a repeat; moved and enriched tell what followed."""

    payment: Payment
    is_new: bool
    moved: bool = False
    enriched: bool = False


@dataclass
class Case:
    """One locked payment and all that is known of it."""

    payment: Payment
    attempts: list[Attempt] = field(default_factory=list)
    known: list[Evidence] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    fresh: list[Evidence] = field(default_factory=list)
    outcomes: dict[uuid.UUID, NewEvidence] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    change: Change | None = None

    @property
    def facts(self) -> list[verdicts.Fact]:
        return [_fact(row) for row in (*self.known, *self.fresh)]

    def attempt(self, attempt_id: uuid.UUID | None) -> Attempt | None:
        return next((a for a in self.attempts if a.pk == attempt_id), None)


def apply_evidence(evidence: NewEvidence, *, now: datetime) -> Applied:
    """Apply one piece of evidence; see apply_batch."""
    return apply_batch([evidence], now=now)[0]


def apply_batch(batch: Sequence[NewEvidence], *, now: datetime) -> list[Applied]:
    """
    Apply evidence of any payments in one transaction; answer in the order given.

    :raises Payment.DoesNotExist: when a payment is not there.
    """
    with transaction.atomic():
        cases = _load({evidence.payment_id for evidence in batch})
        new = [_enter(cases[evidence.payment_id], evidence, now=now) for evidence in batch]
        touched = [case for case in cases.values() if case.fresh]
        _enter_receipts(touched, now=now)
        for case in touched:
            _settle(case, now=now)
        _write(touched, now=now)
    return [
        _answer(cases[evidence.payment_id], is_new=is_new)
        for evidence, is_new in zip(batch, new, strict=True)
    ]


def _load(payment_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Case]:
    """Lock payments in the order of their ids, so that two batches queue and do not deadlock."""
    ids = sorted(payment_ids)
    rows = Payment.objects.select_for_update(of=("self",)).filter(pk__in=ids).order_by("pk")
    cases = {row.pk: Case(row) for row in rows.select_related("config", "branch")}
    if len(cases) != len(ids):
        raise Payment.DoesNotExist("The payment of this evidence is not there.")
    for attempt in Attempt.objects.filter(payment__in=ids).order_by("number"):
        cases[attempt.payment_id].attempts.append(attempt)
    for row in Evidence.objects.filter(payment__in=ids).order_by("recorded_at", "pk"):
        cases[row.payment_id].known.append(row)
    for review in Review.objects.filter(payment__in=ids):
        cases[review.payment_id].reviews.append(review)
    return cases


def _enter(case: Case, evidence: NewEvidence, *, now: datetime) -> bool:
    """Add evidence to the case unless it is a repeat."""
    row = _evidence_row(case, evidence, now=now)
    if any(row.digest == other.digest for other in (*case.known, *case.fresh)):
        return False
    case.fresh.append(row)
    case.outcomes[row.pk] = evidence
    return True


def _evidence_row(case: Case, evidence: NewEvidence, *, now: datetime) -> Evidence:
    outcome = evidence.outcome
    is_final = outcome.is_final and _is_late_enough(case, evidence)
    return Evidence(
        shop_id=case.payment.shop_id,
        environment=case.payment.environment,
        payment=case.payment,
        attempt_id=evidence.attempt_id,
        callback_id=evidence.callback_id,
        source=evidence.source,
        verdict=outcome.verdict,
        is_final=is_final,
        result_code=outcome.result_code[:40],
        result_desc=outcome.result_desc[:300],
        amount=outcome.amount,
        receipt_number=outcome.receipt_number or "",
        paid_at=outcome.paid_at,
        digest=_digest(evidence, is_final=is_final),
        recorded_at=now,
    )


def _is_late_enough(case: Case, evidence: NewEvidence) -> bool:
    if evidence.source != EvidenceSource.STK_QUERY:
        return True
    if evidence.outcome.verdict == OutcomeVerdict.SUCCEEDED:
        return True
    attempt = case.attempt(evidence.attempt_id)
    return attempt is not None and evidence.heard_at - attempt.requested_at >= QUERY_IS_FINAL_AFTER


def _digest(evidence: NewEvidence, *, is_final: bool) -> str:
    """Name what was said, by whom, of what: the same words twice are one piece of evidence."""
    said = evidence.outcome
    amount = None if said.amount is None else said.amount.normalize()
    parts = (evidence.source, evidence.attempt_id, said.verdict, said.result_code, is_final)
    text = repr((*map(str, parts), str(amount), said.receipt_number))
    return hashlib.sha256(text.encode()).hexdigest()


def _enter_receipts(cases: Iterable[Case], *, now: datetime) -> None:
    """Receipt first, then credit: the ledger tells whose it is before anything is decided."""
    seen = [
        (case, row, receipt)
        for case in cases
        for row in case.fresh
        if (receipt := _seen_receipt(case, row))
    ]
    held = ledger.enter_receipts([receipt for _case, _row, receipt in seen], now=now)
    for case, row, receipt in seen:
        entry = held[receipt.key]
        if ledger.is_foreign(entry, case.payment):
            row.is_duplicate_receipt = True
        else:
            ledger.claim(entry, case.payment)
            case.receipts.append(entry)


def _seen_receipt(case: Case, row: Evidence) -> ledger.SeenReceipt | None:
    if row.verdict != OutcomeVerdict.SUCCEEDED or not row.receipt_number:
        return None
    attempt = case.attempt(row.attempt_id)
    return ledger.SeenReceipt(
        payment=case.payment,
        config_id=attempt.config_id if attempt else case.payment.config_id,
        number=row.receipt_number,
        amount=row.amount,
        channel=ledger.CHANNEL_OF[row.source],
        paid_at=row.paid_at,
    )


def _settle(case: Case, *, now: datetime) -> None:
    """Decide, and prepare what follows on the payment and its attempts."""
    payment = case.payment
    expected = verdicts.Expected(
        amount=payment.amount,
        attempts=tuple(
            verdicts.AskedAttempt(attempt.pk, attempt.status == "refused")
            for attempt in case.attempts
        ),
    )
    verdict = verdicts.decide(expected, case.facts)
    path = verdicts.moves(payment.status, verdict)
    last = case.fresh[-1]
    case.change = Change(
        payment=payment,
        attempts=case.attempts,
        reviews=case.reviews,
        actor=case.outcomes[last.pk].actor,
        path=path,
        evidence_id=_deciding_evidence(case, verdict),
        why=f"{last.source}: {last.result_code or last.verdict}",
    )
    enriched = _take_receipt(payment, verdict, path)
    if enriched and not path:
        case.change.events.append("payment.receipt_learnt")
    _take_result(payment, verdict, last)
    if path and path[-1] == PaymentStatus.COMPLETED:
        payment.late = payment.late or now > payment.expires_at
    for row in case.fresh:
        attempt_rows.note_evidence(case.attempt(row.attempt_id), row, case.outcomes[row.pk].outcome)
    if verdict.ask_now:
        attempt_rows.ask_soon(case.attempts, now=now)
    opened = reviews.open_doubts(case.payment, case.reviews, verdict.doubts, now=now)
    reviews.settle_unlisted(case.reviews, case.fresh, now=now)
    case.change.events.extend("payment.review_opened" for _review in opened)


def _deciding_evidence(case: Case, verdict: verdicts.Verdict) -> uuid.UUID | None:
    if verdict.deciding is None:
        return None
    rows = (*case.known, *case.fresh)
    return next(row.pk for row in rows if row.digest == verdict.deciding.key)


def _take_receipt(payment: Payment, verdict: verdicts.Verdict, path: list[str]) -> bool:
    """Keep a credited receipt on the payment; tell whether one was learnt."""
    completes = PaymentStatus.COMPLETED in {payment.status, *path}
    learnt = bool(verdict.receipt_number) and not payment.receipt_number and completes
    if learnt:
        payment.receipt_number = verdict.receipt_number
    payment.receipt_pending = completes and not payment.receipt_number
    return learnt


def _take_result(payment: Payment, verdict: verdicts.Verdict, last: Evidence) -> None:
    """Show the deciding word, or the latest one while nothing is decided."""
    if verdict.deciding is not None:
        payment.result_code = verdict.deciding.result_code
        payment.result_desc = verdict.deciding.result_desc
    elif payment.status in {PaymentStatus.CREATED, PaymentStatus.PENDING, PaymentStatus.EXPIRED}:
        payment.result_code = last.result_code
        payment.result_desc = last.result_desc


def _write(cases: Sequence[Case], *, now: datetime) -> None:
    _doubt_orders_paid_twice(cases, now=now)
    Evidence.objects.bulk_create([row for case in cases for row in case.fresh])
    ledger.credit(_credited(cases))
    attempt_rows.write([a for case in cases for a in case.attempts])
    reviews.write([review for case in cases for review in case.reviews])
    write_changes([case.change for case in cases if case.change], now=now)


def _credited(cases: Iterable[Case]) -> list[Receipt]:
    return [
        receipt
        for case in cases
        for receipt in case.receipts or _known_receipt(case)
        if receipt.number == case.payment.receipt_number
    ]


def _known_receipt(case: Case) -> list[Receipt]:
    """Find the receipt an earlier callback brought without saying how much."""
    if not case.payment.receipt_number:
        return []
    return list(case.payment.receipts.filter(number=case.payment.receipt_number))


def _doubt_orders_paid_twice(cases: Iterable[Case], *, now: datetime) -> None:
    """Of two payments completing one order, the later one is doubted: lock orders, then look."""
    completing = {
        case.payment.pk: case
        for case in cases
        if case.change and PaymentStatus.COMPLETED in case.change.path and case.payment.order_ref
    }
    if not completing:
        return
    locks.lock_orders(case.payment for case in completing.values())
    for case in completing.values():
        payment = case.payment
        others = Payment.objects.filter(
            shop_id=payment.shop_id,
            environment=payment.environment,
            order_ref=payment.order_ref,
            status=PaymentStatus.COMPLETED,
        ).exclude(pk=payment.pk)
        if others.exists():
            doubt = verdicts.Doubt(ReviewCode.ORDER_PAID_TWICE, payment.order_ref, blocking=True)
            if reviews.open_doubts(payment, case.reviews, {doubt}, now=now) and case.change:
                case.change.events.append("payment.review_opened")


def _answer(case: Case, *, is_new: bool) -> Applied:
    change = case.change
    if not is_new or change is None:
        return Applied(case.payment, is_new=is_new)
    learnt = "payment.receipt_learnt" in change.events
    return Applied(case.payment, is_new=True, moved=bool(change.path), enriched=learnt)


def _fact(row: Evidence) -> verdicts.Fact:
    return verdicts.Fact(
        key=row.digest,
        source=row.source,
        verdict=row.verdict,
        attempt_id=row.attempt_id,
        is_final=row.is_final,
        amount=row.amount,
        receipt_number=row.receipt_number,
        is_foreign=row.is_duplicate_receipt,
        result_code=row.result_code,
        result_desc=row.result_desc,
    )
