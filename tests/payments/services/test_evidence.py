"""The one door, without HTTP: repeats, fences between payments, and history that replays."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest

from payments.choices import AttemptStatus, OutcomeVerdict, Submission
from payments.models import Attempt, CredentialVersion, Event, Evidence, Payment, Receipt
from payments.providers.base import Outcome
from payments.services.evidence import NewEvidence, apply_batch, apply_evidence
from payments.services.initiation import NewPayment, new_payment
from payments.services.transitions import Change, move_payment, record_creation

YES = Outcome(
    OutcomeVerdict.SUCCEEDED,
    result_code="0",
    is_final=True,
    checkout_request_id="ws_CO_1",
    receipt_number="TAA1111111",
    amount=Decimal("150.00"),
)
NO = Outcome(OutcomeVerdict.FAILED, result_code="1032", is_final=True)
QUERY_YES = Outcome(OutcomeVerdict.SUCCEEDED, result_code="0", is_final=True)


@pytest.fixture
def make_payment(till, actor, now):
    def make(shop, *, config=till, msisdn="254712345678", **more):
        asked = NewPayment(amount=150, msisdn=msisdn, **more)
        payment = new_payment(
            shop=shop,
            environment=config.environment,
            branch=None,
            config=config,
            asked=asked,
            actor=actor,
            now=now,
        )
        payment.save(force_insert=True)
        record_creation(Change(payment, [], [], actor), now=now)
        attempt = Attempt.objects.create(
            shop=shop,
            payment=payment,
            config=config,
            version=CredentialVersion.objects.get(config=config),
            number=1,
            status=AttemptStatus.SUBMITTED,
            submission=Submission.SENT,
            requested_at=now,
        )
        move_payment(Change(payment, [attempt], [], actor, path=["pending"]), now=now)
        return payment

    return make


@pytest.fixture
def payment(shop, make_payment):
    return make_payment(shop)


@pytest.fixture
def say(actor, now):
    def new(payment, outcome, *, source="stk_callback", at=now):
        return NewEvidence(
            payment.pk, payment.attempts.get().pk, source, outcome, actor, heard_at=at
        )

    return new


class TestApplyEvidence:
    def test_completes_and_tells_what_followed(self, payment, say, now):
        applied = apply_evidence(say(payment, YES), now=now)

        assert (applied.is_new, applied.moved) == (True, True)
        assert Payment.objects.get().status == "completed"
        assert Attempt.objects.get().checkout_request_id == "ws_CO_1"

    def test_knows_a_repeat(self, payment, say, now):
        apply_evidence(say(payment, YES), now=now)

        again = apply_evidence(say(payment, YES), now=now)

        assert (again.is_new, again.moved) == (False, False)
        assert Evidence.objects.count() == 1

    def test_knows_a_repeat_however_the_amount_is_written(self, payment, say, now):
        apply_evidence(say(payment, YES), now=now)
        same = Outcome(**{**vars(YES), "amount": Decimal("1.5E+2")})

        assert apply_evidence(say(payment, same), now=now).is_new is False

    def test_knows_a_repeat_within_one_batch(self, payment, say, now):
        answers = apply_batch([say(payment, YES)] * 3, now=now)

        assert [a.is_new for a in answers] == [True, False, False]

    def test_learns_the_receipt_later(self, payment, say, now):
        apply_evidence(say(payment, QUERY_YES, source="stk_query"), now=now)
        before = Payment.objects.get()

        applied = apply_evidence(say(payment, YES), now=now)

        after = Payment.objects.get()
        assert (before.receipt_pending, after.receipt_pending) == (True, False)
        assert (applied.moved, applied.enriched) == (False, True)
        assert Event.objects.filter(type="payment.receipt_learnt").count() == 1

    def test_takes_a_querys_no_seriously_after_ninety_seconds_only(self, payment, say, now):
        early, late = now + timedelta(seconds=89), now + timedelta(seconds=90)

        apply_evidence(say(payment, NO, source="stk_query", at=early), now=early)
        assert Payment.objects.get().status == "pending"
        apply_evidence(say(payment, NO, source="stk_query", at=late), now=late)

        assert Payment.objects.get().status == "failed"
        assert Evidence.objects.count() == 2

    def test_keeps_the_order_of_storing_whatever_the_clock_says(self, payment, say, now):
        apply_evidence(say(payment, YES), now=now)
        other = Outcome(**{**vars(YES), "receipt_number": "TBB2222222"})

        apply_evidence(say(payment, other), now=now - timedelta(hours=1))

        first, second = Evidence.objects.order_by("recorded_at")
        assert (first.receipt_number, second.receipt_number) == ("TAA1111111", "TBB2222222")
        assert Payment.objects.get().receipt_number == "TAA1111111"

    def test_history_replays_to_the_row_i15(self, payment, say, now):
        apply_evidence(say(payment, NO), now=now)
        apply_evidence(say(payment, YES), now=now)

        status = ""
        for number, row in enumerate(payment.transitions.order_by("number"), start=1):
            assert (row.number, row.from_status) == (number, status)
            status = row.to_status
        row = Payment.objects.get()
        assert (status, number) == (row.status, row.version)

    def test_of_nobody_is_an_error(self, payment, say, now):
        new = say(payment, YES)
        stray = NewEvidence(uuid.uuid4(), new.attempt_id, "stk_callback", YES, new.actor, now)

        with pytest.raises(Payment.DoesNotExist):
            apply_batch([new, stray], now=now)
        assert Payment.objects.get().status == "pending"

    def test_of_one_receipt_in_two_shops_credits_one_i8(
        self, payment, neighbour, make_config, make_payment, say, now
    ):
        foreign = make_payment(neighbour, config=make_config(neighbour, shortcode="600300"))

        apply_batch([say(payment, YES), say(foreign, YES)], now=now)

        statuses = sorted(Payment.objects.values_list("status", flat=True))
        assert statuses == ["completed", "pending"]
        assert Receipt.objects.count() == 1
        assert foreign.reviews.exists() != payment.reviews.exists()

    def test_of_one_receipt_in_two_environments_credits_both_i17(
        self, payment, shop, make_config, make_payment, say, now
    ):
        live = make_payment(shop, config=make_config(shop, environment="production"))

        apply_batch([say(payment, YES), say(live, YES)], now=now)

        assert set(Payment.objects.values_list("status", flat=True)) == {"completed"}
        assert Receipt.objects.count() == 2
