"""A shift's numbers: by proof, to the cent those of stats, signed once, adjusted beside."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Q

from audit.actions import AuditAction
from audit.models import AuditEntry
from payments.choices import PaymentStatus, ReviewCode
from payments.models import Payment, Receipt, Review, Transition
from payments.services import stats, stats_periods
from reconciliation.models import Shift
from reconciliation.shift_totals import Proof, Totals, digest_of, taken_of, totals_of
from reconciliation.shifts import (
    Scope,
    ShiftRefused,
    adjustments_of,
    changes_of,
    close_shift,
    difference_of,
    preview,
)

pytestmark = pytest.mark.django_db
KINDS = {
    Proof.PROVEN: {"status": "completed"},
    Proof.PROVISIONAL: {"status": "completed", "receipt_pending": True},
    Proof.CLAIMED: {"status": "completed", "origin": "receipt"},
    Proof.MANUAL: {"status": "completed", "origin": "manual", "method": "cash"},
    Proof.UNKNOWN: {"status": "expired"},
    Proof.REVERSED: {"status": "reversed"},
    Proof.FAILED: {"status": "failed"},
}


@pytest.fixture
def noon(now):
    return stats.midnight(stats.day_of(now)) + timedelta(hours=12)


@pytest.fixture
def till_at(shop, branch, make_config):
    return make_config(shop, name="West till", shortcode="174380", branch=branch)


@pytest.fixture
def sell(shop, till, noon):
    def one(amount="100.00", **fields):
        values = {"status": "completed", "config": till, "created_at": noon, **fields}
        if values["status"] in {"completed", "reversed"}:
            values.setdefault("completed_at", noon)
        return Payment.objects.create(
            shop=shop, environment="sandbox", amount=Decimal(amount),
            expires_at=noon + timedelta(minutes=2), **values,
        )  # fmt: skip

    return one


@pytest.fixture
def scope(shop, noon):
    return Scope(shop, "sandbox", noon - timedelta(hours=12), noon + timedelta(hours=1))


@pytest.fixture
def evening(noon):
    return noon + timedelta(hours=9)


@pytest.fixture
def sign(scope, actor, evening):
    def one(scope=scope, reported=None, seen=None, now=evening):
        found = seen if seen is not None else digest_of(totals_of(scope.payments()).as_data())
        return close_shift(
            scope=scope, reported=reported, note="", seen=found, actor=actor, now=now
        )

    return one


def counts(totals):
    return {proof: cell.count for proof, cell in totals.whole.items() if cell.count}


class TestTotals:
    @pytest.mark.parametrize("proof", list(KINDS), ids=lambda proof: proof.value)
    def test_tell_how_well_each_payment_is_proven(self, scope, sell, proof):
        sell(**KINDS[proof])

        assert counts(totals_of(scope.payments())) == {proof: 1}

    @pytest.mark.parametrize("status", ["created", "pending"])
    def test_take_what_is_open_for_unknown(self, scope, sell, status):
        sell(status=status)

        totals = totals_of(scope.payments())

        assert counts(totals) == {Proof.UNKNOWN: 1}
        assert totals.taken.amount == 0

    @pytest.mark.parametrize("origin", ["prompt", "receipt"])
    def test_put_what_is_held_by_a_review_apart(self, shop, scope, sell, origin, noon):
        payment = sell(origin=origin)
        review = Review.objects.create(
            shop=shop, environment="sandbox", payment=payment, blocking=True,
            code=ReviewCode.AMOUNT_MISMATCH, opened_at=noon,
        )  # fmt: skip
        before = counts(totals_of(scope.payments()))
        review.resolved_at = noon
        review.save()

        assert before == {Proof.DOUBTED: 1}
        assert counts(totals_of(scope.payments())) == {_settled(origin): 1}

    def test_agree_with_stats_to_the_cent(self, shop, scope, sell, noon):
        for number, fields in enumerate(KINDS.values()):
            sell(f"{number + 1}00.{number}7", **fields)
        doubted = sell("33.33")
        Review.objects.create(
            shop=shop, environment="sandbox", payment=doubted, blocking=True,
            code=ReviewCode.AMOUNT_MISMATCH, opened_at=noon,
        )  # fmt: skip

        totals = totals_of(scope.payments())

        everything = Q(shop=shop)
        numbers = stats.numbers_of(everything, environment="sandbox", now=noon)
        tally = stats_periods.tally_of(everything, since=scope.since, until=scope.until)
        assert totals.taken == numbers.today == tally.taken
        assert totals.taken.amount > 0
        assert totals.whole[Proof.MANUAL] == numbers.by_hand_today
        assert totals.whole[Proof.FAILED].count == numbers.failed_today == tally.failed
        assert totals.whole[Proof.UNKNOWN].count == tally.expired + tally.open

    def test_are_split_without_losing_a_cent(self, scope, sell, branch, till_at):
        sell("10.01", created_by="grace@x.test")
        sell("20.02", created_by="grace@x.test", config=till_at, branch=branch)
        sell("30.03", created_by="till 7", branch=branch, **KINDS[Proof.MANUAL])

        totals = totals_of(scope.payments())

        for name, split in totals.by.items():
            assert sum((taken_of(c).amount for c in split.values()), Decimal(0)) == Decimal(
                "60.06"
            ), name
        assert taken_of(totals.by["cashier"]["grace@x.test"]).amount == Decimal("30.03")
        assert taken_of(totals.by["branch"]["Westlands"]).amount == Decimal("50.05")
        assert totals.manual == {"cash": stats.Total(Decimal("30.03"), 1)}

    def test_keep_to_the_scope(self, scope, sell, branch, till_at, neighbour, noon):
        mine = sell("5", created_by="grace@x.test", branch=branch, config=till_at)
        sell("7")
        sell("9", created_at=scope.until)
        sell("11", created_at=scope.since - timedelta(microseconds=1))

        def taken(**only):
            return totals_of(replace(scope, **only).payments()).taken.amount

        assert taken() == 12
        assert taken(branch=branch) == taken(config=till_at) == mine.amount
        assert taken(cashier="grace@x.test") == mine.amount
        assert taken(shop=neighbour) == taken(environment="production") == 0

    def test_read_back_as_they_were_written(self, scope, sell):
        sell("10.01", created_by="grace@x.test")
        sell("3", **KINDS[Proof.MANUAL])
        data = totals_of(scope.payments()).as_data()

        assert Totals.from_data(data).as_data() == data
        assert Totals.from_data({}).taken == stats.Total()

    def test_are_one_query(self, scope, sell, django_assert_num_queries):
        for _each in range(3):
            sell()

        with django_assert_num_queries(1):
            totals_of(scope.payments())


def _settled(origin):
    return Proof.CLAIMED if origin == "receipt" else Proof.PROVEN


class TestSigning:
    def test_freezes_the_numbers_and_is_told(self, scope, sell, sign, actor):
        sell("99.50")

        shift = sign(reported=Decimal(100))

        assert Totals.from_data(shift.totals).taken.amount == Decimal("99.50")
        assert difference_of(shift) == Decimal("0.50")
        assert shift.signed_by == actor.label
        entry = AuditEntry.objects.get(action=AuditAction.SHIFT_CLOSED)
        assert entry.object_id == str(shift.pk)

    def test_signs_what_was_seen_and_nothing_else(self, scope, sell, sign, evening):
        seen = digest_of(preview(scope, now=evening).as_data())
        sell()

        with pytest.raises(ShiftRefused, match="changed"):
            sign(seen=seen)
        assert Shift.objects.count() == 0

    @pytest.mark.parametrize(
        ("since", "until", "why"),
        [(1, 1, "before it begins"), (2, 1, "before it begins"), (0, 60, "not over"),
         (-24 * 32, 1, "31 days")],
    )  # fmt: skip
    def test_refuses_a_bad_period(self, scope, sign, noon, since, until, why):
        bad = replace(
            scope, since=noon + timedelta(hours=since), until=noon + timedelta(hours=until)
        )

        with pytest.raises(ShiftRefused, match=why):
            sign(bad)

    def test_refuses_a_second_of_the_same_scope(self, scope, sign):
        sign()
        later = replace(scope, since=scope.until - timedelta(seconds=1),
                        until=scope.until + timedelta(hours=1))  # fmt: skip

        for again in (scope, later):
            with pytest.raises(ShiftRefused, match="covers part"):
                sign(again)
        assert Shift.objects.count() == 1

    def test_lets_shifts_follow_each_other_and_other_scopes(self, scope, sign, branch, till):
        sign()

        sign(replace(scope, since=scope.until, until=scope.until + timedelta(hours=1)))
        sign(replace(scope, branch=branch))
        sign(replace(scope, config=till))
        sign(replace(scope, cashier="grace@x.test"))
        assert Shift.objects.count() == 5


class TestSigningAtOnce:
    @pytest.mark.django_db(transaction=True)
    def test_signs_one(self, scope, sign):
        def attempt(_number):
            try:
                return bool(sign())
            except ShiftRefused:
                return False
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            signed = list(pool.map(attempt, range(4)))

        assert signed.count(True) == 1
        assert Shift.objects.count() == 1


class TestAdjustments:
    def test_are_none_while_nothing_changes(self, sell, sign):
        sell()

        shift = sign()

        assert adjustments_of(shift) == []
        assert changes_of(shift) == []

    def test_tell_a_reversal_with_the_payment_and_why(self, shop, sell, sign, evening):
        payment = sell("80.00")
        shift = sign()
        Payment.objects.filter(pk=payment.pk).update(status="reversed")
        Transition.objects.create(
            shop=shop, payment=payment, number=1, from_status=PaymentStatus.COMPLETED,
            to_status=PaymentStatus.REVERSED, why="the customer took it back",
            actor_kind="provider", actor_label="Safaricom", at=evening + timedelta(hours=1),
        )  # fmt: skip

        told = {row.proof: (row.amount, row.count) for row in adjustments_of(shift)}

        assert told == {Proof.PROVEN: (Decimal(-80), -1), Proof.REVERSED: (Decimal(80), 1)}
        (change,) = changes_of(shift)
        assert change.payment == payment
        assert "the customer took it back" in change.what
        shift.refresh_from_db()
        assert Totals.from_data(shift.totals).taken.amount == 80

    def test_tell_a_receipt_that_came_later(self, shop, till, sell, sign, evening):
        payment = sell(receipt_pending=True)
        shift = sign()
        Payment.objects.filter(pk=payment.pk).update(receipt_pending=False)
        Receipt.objects.create(
            shop=shop, environment="sandbox", family="mpesa", number="TKL1AB2CD3",
            status="credited", channel="pull", payment=payment, amount=payment.amount,
            config=till, created_at=evening + timedelta(minutes=5),
        )  # fmt: skip

        assert {row.proof for row in adjustments_of(shift)} == {Proof.PROVEN, Proof.PROVISIONAL}
        assert ["TKL1AB2CD3" in change.what for change in changes_of(shift)] == [True]

    def test_tell_a_doubt_that_came_later(self, shop, sell, sign, evening):
        payment = sell()
        shift = sign()
        Review.objects.create(
            shop=shop, environment="sandbox", payment=payment, blocking=True,
            code=ReviewCode.DUPLICATE_RECEIPT, opened_at=evening + timedelta(minutes=5),
        )  # fmt: skip

        assert {row.proof for row in adjustments_of(shift)} == {Proof.PROVEN, Proof.DOUBTED}
        assert len(changes_of(shift)) == 1

    def test_tell_nothing_of_payments_outside(self, shop, sell, sign, scope, evening):
        outside = sell(created_at=scope.until + timedelta(minutes=1))
        shift = sign()
        Transition.objects.create(
            shop=shop, payment=outside, number=1, from_status="completed", to_status="reversed",
            actor_kind="provider", at=evening + timedelta(hours=1),
        )  # fmt: skip

        assert changes_of(shift) == []
