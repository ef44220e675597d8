"""The invariants about receipts (safety.md section 2), each held against what customers really paid."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

from audit.actions import AuditAction
from audit.models import AuditEntry
from payments import verdicts
from payments.choices import PaymentStatus, ReceiptChannel, ReceiptStatus
from payments.models import Evidence, Payment, Receipt, Review, Transition
from payments.receipt_choices import PaymentOrigin, UnallocatedReason
from payments.services.cases import Case, load_cases
from payments.services.receipt_rows import visible_receipts
from payments.services.representation import describe_payment
from payments.states import LIVE_STATUSES
from tests.journeys.two_shops import TwoShops, numbers_of

_BY_HAND_BACK = (AuditAction.MANUAL_VOIDED, AuditAction.PAYMENT_REVERSED)
_ORDERS_TRIED = 120


def one_receipt_one_credit_i3(world: TwoShops) -> None:
    """
    I3: one receipt, one credit, across shops and channels, per environment.

    A payment has at most one credited receipt; a second one opens a review. What a person typed
    counts in his own shop alone.
    """
    credited = Receipt.objects.filter(status=ReceiptStatus.CREDITED)
    told = credited.exclude(channel=ReceiptChannel.MANUAL)
    _once(told.values_list("environment", "family", "number"))
    _once(credited.values_list("shop", "environment", "number"))
    _once(credited.values_list("payment"))
    for receipt in Receipt.objects.exclude(payment=None).select_related("payment"):
        assert receipt.payment is not None
        if receipt.payment.receipt_number not in ("", receipt.number):
            codes = set(receipt.payment.reviews.values_list("code", flat=True))
            assert codes & {"SURPLUS", "AMOUNT_MISMATCH"}, f"{receipt.number} is beside another"


def completed_is_absorbing_i4(world: TwoShops) -> None:
    """I4: completed is absorbing, except to reversed by evidence of it or an explicit audited act."""
    for move in Transition.objects.filter(from_status=PaymentStatus.COMPLETED):
        assert move.to_status == PaymentStatus.REVERSED
        acts = AuditEntry.objects.filter(object_id=str(move.payment_id), action__in=_BY_HAND_BACK)
        said = Evidence.objects.filter(payment=move.payment_id, verdict="reversed")
        assert said.exists() or acts.exists(), f"{move.payment_id}: reversed by nobody"


def nothing_told_is_dropped_i5(world: TwoShops, told: Iterable[str]) -> None:
    """I5: success evidence ends as a credit, a review, or an unallocated receipt of the right shop."""
    paid = world.paid()
    rows = Receipt.objects.exclude(channel=ReceiptChannel.MANUAL)
    for number in told:
        shop = world.shop_of(paid[number])
        receipt = rows.filter(number=number, environment=world.environment).first()
        if receipt is None:
            # Somebody had written the number down by hand.
            assert Review.objects.filter(shop=shop, code="DUPLICATE_RECEIPT", subject=number)
            continue
        assert receipt.shop_id == shop.pk
        if receipt.status == ReceiptStatus.HELD:
            _waits_for_a_payment(receipt)
        if receipt.status == ReceiptStatus.IN_REVIEW:
            _a_person_was_told(receipt)


def no_phantom_i6(world: TwoShops) -> None:
    """
    I6: completed means success evidence of one of its attempts, or a receipt of its own account.

    And that somebody really paid it, to a number it was asked for through.
    """
    paid = world.paid()
    by_prompt = {row.checkout_request_id for row in paid.values()}
    for payment in _completed():
        attempts = list(payment.attempts.select_related("config"))
        asked = {payment.config, *(attempt.config for attempt in attempts)} - {None}
        if payment.receipt_number:
            numbers = set().union(*(numbers_of(config) for config in asked))
            assert paid[payment.receipt_number].shortcode in numbers
            assert payment.receipts.filter(number=payment.receipt_number).exists()
        else:
            assert by_prompt & {attempt.checkout_request_id for attempt in attempts}


def amounts_are_exact_i7(world: TwoShops) -> None:
    """I7: the amount paid is exactly the one expected, otherwise review AMOUNT_MISMATCH."""
    paid = world.paid()
    for payment in _completed().exclude(receipt_number=""):
        is_exact = paid[payment.receipt_number].amount == payment.amount
        assert is_exact or payment.reviews.filter(code="AMOUNT_MISMATCH").exists()
    for receipt in Receipt.objects.exclude(channel=ReceiptChannel.MANUAL).exclude(amount=None):
        assert receipt.amount == paid[receipt.number].amount


def every_row_is_its_shops_i8(world: TwoShops) -> None:
    """
    I8: every row's shop equals its parent's shop; the audit of the money asks all of them in SQL.

    Here: money is in the shop it was paid to, and the other one sees nothing of it.
    """
    paid = world.paid()
    for desk in world.desks:
        shown = visible_receipts(
            shop_id=desk.shop.pk, environment=world.environment, branch_id=None
        )
        for receipt in shown.exclude(channel=ReceiptChannel.MANUAL):
            assert world.shop_of(paid[receipt.number]) == desk.shop


def failure_never_outranks_success_i12(world: TwoShops) -> None:
    """I12: a payment with a whole and exact yes of its own is completed, or it was reversed."""
    yes = Evidence.objects.filter(verdict="succeeded", is_duplicate_receipt=False)
    for row in yes.exclude(receipt_number="").select_related("payment"):
        if row.amount == row.payment.amount:
            assert row.payment.status in {PaymentStatus.COMPLETED, PaymentStatus.REVERSED}


def order_does_not_matter_i13(world: TwoShops) -> None:
    """I13: any order of a payment's evidence gives what was made of it (of one receipt: 5.9)."""
    asked = Payment.objects.exclude(origin=PaymentOrigin.MANUAL)
    for case in load_cases(set(asked.values_list("pk", flat=True))).values():
        verdict = verdicts.decide(_expected(case), case.facts)
        payment = case.payment
        if verdict.status is not None:
            assert payment.status == verdict.status
            assert payment.receipt_number in ("", verdict.receipt_number)
        if len({fact.receipt_number for fact in case.facts} - {""}) > 1:
            continue
        orders = itertools.islice(itertools.permutations(case.facts), _ORDERS_TRIED)
        told = {_told(verdicts.decide(_expected(case), order)) for order in orders}
        assert told == {_told(verdict)}


def a_receipt_is_used_once(world: TwoShops) -> None:
    """One receipt pays for one payment of the shop, and stands on one claim that was not undone."""
    live = Payment.objects.filter(status=PaymentStatus.COMPLETED).exclude(receipt_number="")
    _once(live.values_list("shop", "environment", "receipt_number"))
    acts = Counter(AuditEntry.objects.values_list("object_id", "action"))
    for receipt in Receipt.objects.exclude(channel=ReceiptChannel.MANUAL):
        claimed = acts[str(receipt.pk), AuditAction.RECEIPT_CLAIMED]
        assert claimed <= acts[str(receipt.pk), AuditAction.RECEIPT_RELEASED] + 1


def reversed_is_never_paid(world: TwoShops) -> None:
    """Money that went back pays for nothing; and nothing is said to be back that is not."""
    for receipt in Receipt.objects.filter(status=ReceiptStatus.REVERSED).select_related("payment"):
        payment = receipt.payment
        if receipt.channel != ReceiptChannel.MANUAL:
            assert receipt.number in world.returned()
        if payment and payment.receipt_number == receipt.number:
            assert payment.status == PaymentStatus.REVERSED
    for payment in Payment.objects.all():
        reviews = list(payment.reviews.all())
        said = describe_payment(payment, attempts=list(payment.attempts.all()), reviews=reviews)
        blocked = any(row.blocking and row.resolved_at is None for row in reviews)
        is_paid = payment.status == PaymentStatus.COMPLETED and not blocked
        assert said["paid"] == is_paid
        assert said["release_goods"] == (is_paid and world.environment == "production")


EACH_STEP = (
    one_receipt_one_credit_i3,
    completed_is_absorbing_i4,
    no_phantom_i6,
    amounts_are_exact_i7,
    every_row_is_its_shops_i8,
    failure_never_outranks_success_i12,
    order_does_not_matter_i13,
    a_receipt_is_used_once,
    reversed_is_never_paid,
)


def _completed():
    rows = Payment.objects.filter(status=PaymentStatus.COMPLETED).select_related("config")
    return rows.exclude(origin=PaymentOrigin.MANUAL)


def _once(rows: Iterable[tuple[object, ...]]) -> None:
    twice = [row for row, count in Counter(rows).items() if count > 1]
    assert not twice, f"more than once: {twice}"


def _waits_for_a_payment(receipt: Receipt) -> None:
    rows = Payment.objects.filter(shop=receipt.shop_id, amount=receipt.amount)
    waiting = [p for p in rows if p.status in LIVE_STATUSES or p.receipt_pending]
    assert waiting, f"{receipt.number} is held, and nothing is left to wait for"


def _a_person_was_told(receipt: Receipt) -> None:
    if receipt.reason == UnallocatedReason.REFUND_NEEDED:
        return
    reviews = Review.objects.filter(shop=receipt.shop_id)
    about = reviews.filter(receipt=receipt) | reviews.filter(subject=receipt.number)
    assert about.exists(), f"{receipt.number} is in review, and nobody was told"


def _expected(case: Case) -> verdicts.Expected:
    attempts = tuple(verdicts.AskedAttempt(a.pk, a.status == "refused") for a in case.attempts)
    return verdicts.Expected(
        case.payment.amount, attempts, case.payment.environment == "production"
    )


def _told(verdict: verdicts.Verdict) -> tuple[object, ...]:
    return (verdict.status, verdict.receipt_number, verdict.doubts)
