"""
The one door: whatever anybody says about a payment becomes a row of evidence and enters here.

Lock the payment, recognise repeats, enter the receipt into the ledger, decide, move: one
transaction, no network inside. It works on sets, so that the applier pays each statement once for
a whole batch of callbacks; one callback is a batch of one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from payments import verdicts
from payments.choices import Environment, OutcomeVerdict, PaymentStatus, ReviewCode
from payments.models import Evidence, Payment, Receipt
from payments.services import attempts as attempt_rows
from payments.services import holding, ledger, locks, matching, reviews
from payments.services.cases import (
    Case,
    NewEvidence,
    enter,
    enter_what_is_known,
    load_cases,
)
from payments.services.transitions import Change, write_changes
from tenants import prepared

__all__ = ["Applied", "NewEvidence", "apply_batch", "apply_evidence"]

_EVIDENCE = prepared.Writer(Evidence)
_Order = tuple[uuid.UUID, str, str]
_PAID_ORDERS = """
    SELECT DISTINCT p.shop_id, p.environment, p.order_ref
    FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS o (shop_id, environment, order_ref)
    JOIN payments_payment p ON p.shop_id = o.shop_id AND p.order_ref = o.order_ref
        AND p.environment = o.environment
    WHERE p.order_ref <> '' AND p.status = 'completed' AND NOT p.id = ANY (%s::uuid[])
    UNION
    SELECT o.shop_id, o.environment, o.order_ref
    FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS o (shop_id, environment, order_ref)
    JOIN payments_orderpart t ON t.shop_id = o.shop_id AND t.order_ref = o.order_ref
        AND t.environment = o.environment
    JOIN payments_payment p ON p.id = t.payment_id AND p.status = 'completed'
"""
_UNDECIDED = frozenset({PaymentStatus.CREATED, PaymentStatus.PENDING, PaymentStatus.EXPIRED})


@dataclass(frozen=True)
class Applied:
    """is_new is false for a repeat; moved and enriched tell what followed."""

    payment: Payment
    is_new: bool
    moved: bool = False
    enriched: bool = False


def apply_evidence(evidence: NewEvidence, *, now: datetime) -> Applied:
    """Apply one piece of evidence; see apply_batch."""
    return apply_batch([evidence], now=now)[0]


def apply_batch(batch: Sequence[NewEvidence], *, now: datetime) -> list[Applied]:
    """
    Apply evidence of any payments in one transaction; answer in the order given.

    :raises Payment.DoesNotExist: when a payment is not there.
    """
    with transaction.atomic():
        cases = load_cases({evidence.payment_id for evidence in batch})
        new = [enter(cases[evidence.payment_id], evidence, now=now) for evidence in batch]
        touched = [case for case in cases.values() if case.fresh]
        _enter_receipts(touched, now=now)
        for case in touched:
            _settle(case, now=now)
        _write(touched, now=now)
    return [
        _answer(cases[evidence.payment_id], is_new=is_new)
        for evidence, is_new in zip(batch, new, strict=True)
    ]


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
        if ledger.is_foreign(entry, case.payment) or _is_of_other_account(entry, case):
            row.is_duplicate_receipt = True
            continue
        if entry.payment_id is None:
            enter_what_is_known(case, entry, actor=case.outcomes[row.pk].actor, now=now)
        ledger.claim(entry, receipt)
        case.receipts.append(entry)


def _is_of_other_account(receipt: Receipt, case: Case) -> bool:
    """Tell whether money without an owner came to an account the payment was not asked for through."""
    asked = {case.payment.config_id, *(attempt.config_id for attempt in case.attempts)}
    if receipt.payment_id is not None or receipt.config_id in {None, *asked}:
        return False
    return asked.isdisjoint(matching.siblings_of(receipt))


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
        attempt_id=row.attempt_id,
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
        is_live=payment.environment == Environment.PRODUCTION,
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
    _take_result(case, verdict, last, ends_as=path[-1] if path else payment.status)
    if path and path[-1] == PaymentStatus.COMPLETED:
        payment.late = payment.late or now > payment.expires_at
    for row in case.fresh:
        attempt_rows.note_evidence(case.attempt(row.attempt_id), row, case.outcomes[row.pk].outcome)
    if verdict.ask_now:
        attempt_rows.ask_soon(case.attempts, now=now)
    opened = reviews.open_doubts(case.payment, case.reviews, verdict.doubts, now=now)
    closed = reviews.settle_unlisted(case.reviews, case.fresh, now=now)
    case.change.events.extend("payment.review_opened" for _review in opened)
    case.change.events.extend("payment.review_resolved" for _review in closed)


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


def _take_result(case: Case, verdict: verdicts.Verdict, last: Evidence, *, ends_as: str) -> None:
    """Show the deciding word, or the latest one of the latest attempt while nothing is decided."""
    payment, deciding = case.payment, verdict.deciding
    if deciding is not None and verdict.status == ends_as:
        payment.result_code, payment.result_desc = deciding.result_code, deciding.result_desc
    elif ends_as in _UNDECIDED and _is_worth_showing(case, last):
        payment.result_code, payment.result_desc = last.result_code, last.result_desc


def _is_worth_showing(case: Case, row: Evidence) -> bool:
    """Tell whether a word that decides nothing says something true of the prompt that is out."""
    is_too_early_a_no = row.verdict == OutcomeVerdict.FAILED and not row.is_final
    # Money that came by itself says nothing of the prompt, unless it decides.
    is_of_the_latest = row.attempt_id == (case.attempts[-1].pk if case.attempts else None)
    return bool(row.result_code) and is_of_the_latest and not is_too_early_a_no


def _write(cases: Sequence[Case], *, now: datetime) -> None:
    moved = [case.payment for case in cases if case.change and case.change.path]
    holding.hold_for_all([payment for payment in moved if payment.receipt_pending], now=now)
    _doubt_orders_paid_twice(cases, now=now)
    _EVIDENCE.insert([row for case in cases for row in case.fresh])
    ledger.credit(_credited(cases))
    attempt_rows.write([a for case in cases for a in case.attempts])
    reviews.write([review for case in cases for review in case.reviews])
    write_changes([case.change for case in cases if case.change], now=now)


def _credited(cases: Iterable[Case]) -> list[Receipt]:
    return [
        receipt
        for case in cases
        for receipt in _receipts_of(case)
        if receipt.number == case.payment.receipt_number
    ]


def _receipts_of(case: Case) -> list[Receipt]:
    """List what came now or, where the credited one is not among it, what came earlier."""
    number = case.payment.receipt_number
    if not number or any(receipt.number == number for receipt in case.receipts):
        return case.receipts
    return list(case.payment.receipts.filter(number=number))


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
    paid = _paid_orders([case.payment for case in completing.values()])
    for case in completing.values():
        payment = case.payment
        if (order := _order_of(payment)) in paid:
            doubt = verdicts.Doubt(ReviewCode.ORDER_PAID_TWICE, payment.order_ref, blocking=True)
            if reviews.open_doubts(payment, case.reviews, {doubt}, now=now) and case.change:
                case.change.events.append("payment.review_opened")
        # Within one batch too, only the first one is above doubt.
        paid.add(order)


def _paid_orders(completing: Sequence[Payment]) -> set[_Order]:
    """Return the orders that completed payments of others have, in one statement for all."""
    columns = [list(each) for each in zip(*map(_order_of, completing), strict=True)]
    with prepared.cursor() as cursor:
        cursor.execute(_PAID_ORDERS, [*columns, [p.pk for p in completing], *columns])
        return set(cursor.fetchall())


def _order_of(payment: Payment) -> _Order:
    return (payment.shop_id, str(payment.environment), payment.order_ref)


def _answer(case: Case, *, is_new: bool) -> Applied:
    change = case.change
    if not is_new or change is None:
        return Applied(case.payment, is_new=is_new)
    learnt = "payment.receipt_learnt" in change.events
    return Applied(case.payment, is_new=True, moved=bool(change.path), enriched=learnt)
