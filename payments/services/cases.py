"""A payment under lock with all that is known of it, and evidence in the form of a row."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from audit.actors import Actor
from payments import verdicts
from payments.choices import EvidenceSource, OutcomeVerdict, ReceiptChannel, ReceiptStatus
from payments.models import Attempt, Evidence, Payment, PaymentConfig, Receipt, Review
from payments.providers.base import Outcome
from payments.services.transitions import Change
from tenants.models import Branch
from tenants.prepared import Reader

# Who told of money that arrived by itself. The answer to a status question, which the ledger has
# as pulled, is told apart on the way in (arrivals.py).
SOURCE_OF_CHANNEL = {
    ReceiptChannel.C2B: EvidenceSource.C2B_CONFIRMATION,
    ReceiptChannel.PULL: EvidenceSource.PULL,
    ReceiptChannel.STATEMENT: EvidenceSource.STATEMENT,
}
# A query may end a payment only when the prompt's own life is over (requirements.md C4).
QUERY_IS_FINAL_AFTER = timedelta(seconds=90)

# Through the ORM, making these four statements took longer than answering them.
_PAYMENTS = Reader(
    """
    FROM payments_payment payment
    LEFT JOIN payments_paymentconfig config ON config.id = payment.config_id
    LEFT JOIN tenants_branch branch ON branch.id = payment.branch_id
    WHERE payment.id = ANY (%s) ORDER BY payment.id FOR UPDATE OF payment
    """,
    payment=Payment,
    config=(PaymentConfig, ("id", "branch_id", "name", "shortcode")),
    branch=(Branch, ("id", "code", "name")),
)
_ATTEMPTS = Reader(
    "FROM payments_attempt a WHERE a.payment_id = ANY (%s) ORDER BY a.number", a=Attempt
)
_EVIDENCE = Reader(
    "FROM payments_evidence e WHERE e.payment_id = ANY (%s) ORDER BY e.recorded_at, e.id",
    e=Evidence,
)
_REVIEWS = Reader("FROM payments_review r WHERE r.payment_id = ANY (%s)", r=Review)


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


def load_cases(payment_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Case]:
    """Lock payments in the order of their ids, so that two batches queue and do not deadlock."""
    ids = sorted(payment_ids)
    cases: dict[uuid.UUID, Case] = {}
    for payment, config, branch in _PAYMENTS.rows([ids]):
        payment.config, payment.branch = config, branch
        cases[payment.pk] = Case(payment)
    if len(cases) != len(ids):
        raise Payment.DoesNotExist("The payment of this evidence is not there.")
    for attempt in _ATTEMPTS.all([ids]):
        cases[attempt.payment_id].attempts.append(attempt)
    for row in _EVIDENCE.all([ids]):
        cases[row.payment_id].known.append(row)
    for review in _REVIEWS.all([ids]):
        cases[review.payment_id].reviews.append(review)
    return cases


def lock_payment(payment_id: uuid.UUID) -> Payment:
    """
    Lock one payment, with its config and branch.

    :raises Payment.DoesNotExist: when it is not there.
    """
    for payment, config, branch in _PAYMENTS.rows([[payment_id]]):
        payment.config, payment.branch = config, branch
        return payment  # type: ignore[no-any-return]
    raise Payment.DoesNotExist("The payment is not there.")


def attempts_of(payment: Payment) -> list[Attempt]:
    """List a payment's attempts in their order."""
    return _ATTEMPTS.all([[payment.pk]])


def reviews_of(payment: Payment) -> list[Review]:
    """List a payment's reviews, open or not."""
    return _REVIEWS.all([[payment.pk]])


def enter_what_is_known(case: Case, receipt: Receipt, *, actor: Actor, now: datetime) -> None:
    """
    Hear, for a receipt that becomes this payment's, what was told of it while it had no owner.

    So it does not matter which came first, the money or the word that it is this payment's.
    """
    if receipt.channel not in SOURCE_OF_CHANNEL:
        return
    outcomes = [arrival_of(receipt)]
    if receipt.status == ReceiptStatus.REVERSED:
        outcomes.append(
            Outcome(OutcomeVerdict.REVERSED, is_final=True, receipt_number=receipt.number)
        )
    for outcome in outcomes:
        source = SOURCE_OF_CHANNEL[ReceiptChannel(receipt.channel)]
        told = NewEvidence(case.payment.pk, None, source, outcome, actor, heard_at=now)
        if enter(case, told, now=now):
            # It was said before that by which the receipt was recognised.
            case.fresh.insert(0, case.fresh.pop())


def arrival_of(receipt: Receipt) -> Outcome:
    """Return what is said of a payment by money that arrived for it."""
    return Outcome(
        verdict=OutcomeVerdict.SUCCEEDED,
        is_final=True,
        receipt_number=receipt.number,
        amount=receipt.amount,
        paid_at=receipt.paid_at,
    )


def enter(case: Case, evidence: NewEvidence, *, now: datetime) -> bool:
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
        recorded_at=_after_all_known(case, now),
    )


def _after_all_known(case: Case, now: datetime) -> datetime:
    """Keep the order of storing, whatever clock a sweep that began earlier goes by."""
    stored = [row.recorded_at + timedelta(microseconds=1) for row in (*case.known, *case.fresh)]
    return max([now, *stored])


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
