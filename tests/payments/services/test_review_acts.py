"""Doubts and who decides them: what each decision does with the money, alone or by two."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from audit.actors import Actor
from audit.models import AuditEntry
from payments.choices import EvidenceSource, OutcomeVerdict, ReceiptStatus, ReviewCode
from payments.errors import AmountDiffers, InvalidInput, InvalidTransition
from payments.models import Event, Receipt, Refund, Review
from payments.providers.base import Outcome
from payments.services import callbacks, review_acts
from payments.services.evidence import NewEvidence, apply_evidence
from payments.services.money_audit import audit_money
from payments.services.review_acts import SecondPersonNeeded
from payments.services.review_steps import possible
from tests import world
from tests.backoffice import ours, theirs

__all__ = ["ours", "theirs"]
pytestmark = pytest.mark.django_db
NUMBER = "TKL4ABC123"


def call_back(attempt, *, amount=150, number=NUMBER, now, source="196.201.214.200"):
    items = [
        {"Name": "Amount", "Value": amount},
        {"Name": "MpesaReceiptNumber", "Value": number},
    ]
    body = {
        "MerchantRequestID": "m",
        "CheckoutRequestID": attempt.checkout_request_id,
        "ResultCode": 0,
        "ResultDesc": "ok",
        "CallbackMetadata": {"Item": items},
    }
    row = callbacks.receive(
        kind="stk",
        subject_id=attempt.pk,
        body=json.dumps({"Body": {"stkCallback": body}}).encode(),
        content_type="application/json",
        source_ip=source,
        now=now,
    )
    callbacks.apply_rows([row], now=now)


@pytest.fixture
def asked(ours, now):
    """Ask a customer for 150; each sale is another phone."""

    def ask(sale="-2", place="here"):
        checkout = world.checkout_id_of(ours.name, f"{place}{sale}")
        return world.prompt(ours, place, checkout_id=checkout, now=now, sale=sale)

    return ask


@pytest.fixture
def mismatch(asked, now):
    """A prompt for 150 that the provider says was paid with 100."""
    call_back(asked(), amount=100, now=now)
    return Review.objects.get(code=ReviewCode.AMOUNT_MISMATCH)


@pytest.fixture
def paid_twice(ours, now):
    """Two prompts of one order, both paid; the second is in doubt."""
    first, second = ours.payments["here"], ours.payments["elsewhere"]
    return Review.objects.create(
        shop=ours.shop,
        environment=second.environment,
        payment=second,
        code=ReviewCode.ORDER_PAID_TWICE,
        subject=first.order_ref,
        blocking=True,
        opened_at=now,
    )


@pytest.fixture
def decide(ours, now):
    def decide_as(review, resolution, *, who="admin", reason="Looked at the statement", **more):
        user = ours.users[who]
        return review_acts.resolve(
            review=review,
            resolution=resolution,
            reason=reason,
            user=user,
            actor=Actor.from_user(user, None, role=user.role_in(ours.shop.pk)),
            now=now,
            **more,
        )

    return decide_as


def clean():
    return [breach for breach in audit_money() if breach.code in {"I3", "I6", "I7", "I8", "I15"}]


class TestClosing:
    def test_says_who_and_why_and_tells(self, paid_twice, decide):
        done = decide(paid_twice, "accept")

        assert (done.resolution, done.resolved_by) == ("accept", "admin@zawadi.test")
        entry = AuditEntry.objects.get(action="review.resolved")
        assert entry.reason == "Looked at the statement"
        event = Event.objects.filter(type="payment.review_resolved").get()
        assert event.data["id"] == str(paid_twice.payment_id)
        assert event.data["paid"] is True

    @pytest.mark.parametrize("resolution", ["ignore", "accept"])
    def test_of_a_blocking_doubt_lets_the_payment_count(self, paid_twice, decide, resolution):
        decide(paid_twice, resolution)

        assert not paid_twice.payment.reviews.filter(blocking=True, resolved_at=None).exists()

    def test_happens_once(self, paid_twice, decide):
        decide(paid_twice, "ignore")

        with pytest.raises(InvalidTransition):
            decide(paid_twice, "accept")

    @pytest.mark.parametrize(
        ("resolution", "reason", "field"),
        [
            ("forget", "why", "resolution"),
            ("accept", " ", "reason"),
            ("allocate", "why", "payment"),
        ],
    )
    def test_refuses_what_is_no_decision(self, paid_twice, decide, resolution, reason, field):
        with pytest.raises(InvalidInput) as refusal:
            decide(paid_twice, resolution, reason=reason)

        assert refusal.value.errors[0][0] == field
        paid_twice.refresh_from_db()
        assert paid_twice.resolved_at is None

    def test_names_no_payment_of_others(self, mismatch, decide, theirs):
        with pytest.raises(InvalidInput):
            decide(mismatch, "allocate", payment=theirs.payments["here"])


class TestAmountsThatDiffer:
    def test_accepted_become_a_sale_and_pay_nothing_else(self, mismatch, decide):
        asked_for = mismatch.payment

        decide(mismatch, "accept")

        asked_for.refresh_from_db()
        assert asked_for.status == "created"
        receipt = Receipt.objects.get(number=NUMBER)
        assert receipt.status == ReceiptStatus.CREDITED
        assert (receipt.payment.origin, receipt.payment.amount) == ("receipt", Decimal(100))
        assert clean() == []

    def test_accepted_let_no_bare_yes_complete_the_prompt(self, mismatch, decide, now):
        """A query names no amount; it must not turn the wrong amount into the right one."""
        decide(mismatch, "accept")

        attempt = mismatch.payment.attempts.get()
        yes = Outcome(OutcomeVerdict.SUCCEEDED, is_final=True, result_code="0")
        said = NewEvidence(
            payment_id=attempt.payment_id,
            attempt_id=attempt.pk,
            source=EvidenceSource.STK_QUERY,
            outcome=yes,
            actor=Actor.provider("Safaricom"),
            heard_at=now,
        )
        apply_evidence(said, now=now)

        mismatch.payment.refresh_from_db()
        assert mismatch.payment.status == "created"

    def test_go_to_a_payment_of_their_amount(self, mismatch, decide, asked, ours):
        target = asked("-3").payment
        Receipt.objects.filter(number=NUMBER).update(amount=150)  # as if it had been that much

        decide(mismatch, "allocate", payment=target)

        target.refresh_from_db()
        assert (target.status, target.receipt_number) == ("completed", NUMBER)
        assert Receipt.objects.get(number=NUMBER).payment == target

    def test_go_to_no_payment_of_another_amount(self, mismatch, decide, asked):
        target = asked("-3").payment

        with pytest.raises(AmountDiffers):
            decide(mismatch, "allocate", payment=target)
        receipt = Receipt.objects.get(number=NUMBER)
        assert (receipt.status, receipt.payment) == (ReceiptStatus.IN_REVIEW, mismatch.payment)
        mismatch.refresh_from_db()
        assert mismatch.resolved_at is None

    def test_go_back(self, mismatch, decide):
        decide(mismatch, "refund")

        refund = Refund.objects.get()
        assert (refund.status, refund.amount) == ("asked", Decimal(100))
        mismatch.refresh_from_db()
        assert mismatch.resolution == "refund"
        mismatch.payment.refresh_from_db()
        assert mismatch.payment.status == "created"

    def test_ignored_stay_where_they_are(self, mismatch, decide):
        decide(mismatch, "ignore")

        receipt = Receipt.objects.get(number=NUMBER)
        assert (receipt.status, receipt.payment) == (ReceiptStatus.IN_REVIEW, mismatch.payment)


class TestMoneyOnTop:
    def test_accepted_becomes_a_sale(self, asked, decide, now):
        attempt = asked()
        call_back(attempt, now=now)
        call_back(attempt, number="TKL4ABC124", now=now)
        surplus = Review.objects.get(payment=attempt.payment, code=ReviewCode.SURPLUS)

        decide(surplus, "accept")

        assert Receipt.objects.get(number="TKL4ABC124").payment.origin == "receipt"
        assert Receipt.objects.get(number=NUMBER).payment == attempt.payment
        assert clean() == []


class TestRefunds:
    def test_keep_the_goods_in_the_shop_until_they_end(self, paid_twice, decide, now):
        """Or "give it back" would make the payment count as paid."""
        decide(paid_twice, "refund")

        paid_twice.refresh_from_db()
        assert (paid_twice.resolution, paid_twice.resolved_at) == ("refund", None)
        assert review_acts.settle_refunded(now=now) == 0
        with pytest.raises(InvalidTransition):
            decide(paid_twice, "accept")

    def test_close_it_when_done(self, paid_twice, decide, now):
        decide(paid_twice, "refund")
        Refund.objects.update(status="done")

        assert review_acts.settle_refunded(now=now) == 1
        paid_twice.refresh_from_db()
        assert paid_twice.resolved_at == now

    @pytest.mark.parametrize("status", ["declined", "failed"])
    def test_open_it_again_when_they_come_to_nothing(self, paid_twice, decide, now, status):
        decide(paid_twice, "refund")
        Refund.objects.update(status=status)

        assert review_acts.settle_refunded(now=now) == 1
        paid_twice.refresh_from_db()
        assert (paid_twice.resolution, paid_twice.resolved_at) == ("", None)
        assert decide(paid_twice, "ignore").resolved_at == now

    def test_are_asked_by_a_person(self, paid_twice, now):
        with pytest.raises(InvalidTransition):
            review_acts.resolve(
                review=paid_twice,
                resolution="refund",
                reason="why",
                user=None,
                actor=Actor(kind="api_key", id="1", label="till"),
                now=now,
            )


class TestUnlistedSources:
    def test_accepted_are_applied(self, asked, decide, now, settings):
        attempt = asked(place="live")
        call_back(attempt, now=now, source="203.0.113.9")
        doubt = Review.objects.get(code=ReviewCode.UNLISTED_SOURCE)

        decide(doubt, "accept")

        attempt.payment.refresh_from_db()
        assert attempt.payment.status == "completed"
        doubt.refresh_from_db()
        assert doubt.resolved_by == "admin@zawadi.test"

    def test_ignored_are_not(self, asked, decide, now):
        attempt = asked(place="live")
        call_back(attempt, now=now, source="203.0.113.9")

        decide(Review.objects.get(code=ReviewCode.UNLISTED_SOURCE), "ignore")

        attempt.payment.refresh_from_db()
        assert attempt.payment.status == "created"


class TestTwoPeople:
    @pytest.fixture(autouse=True)
    def limit(self, ours):
        type(ours.shop).objects.filter(pk=ours.shop.pk).update(two_people_above=100)

    def test_decide_above_the_limit(self, paid_twice, decide):
        proposed = decide(paid_twice, "accept", who="manager")

        assert proposed.resolved_at is None
        assert proposed.proposed_by == "manager@zawadi.test"
        assert AuditEntry.objects.filter(action="review.proposed").count() == 1
        assert decide(paid_twice, "accept").resolved_by == "admin@zawadi.test"

    def test_propose_nothing_that_cannot_be(self, ours, decide, now):
        review = Review.objects.create(
            shop=ours.shop,
            environment="sandbox",
            payment=ours.payments["here"],
            code=ReviewCode.UNRESOLVED,
            opened_at=now,
        )
        Receipt.objects.filter(payment=review.payment).update(payment=None, status="unallocated")

        with pytest.raises(InvalidTransition):
            decide(review, "refund")
        review.refresh_from_db()
        assert review.proposal == {}

    def test_are_two(self, paid_twice, decide):
        decide(paid_twice, "accept")

        with pytest.raises(SecondPersonNeeded):
            decide(paid_twice, "accept")
        paid_twice.refresh_from_db()
        assert paid_twice.resolved_at is None

    def test_agree_on_the_same(self, paid_twice, decide):
        """Another decision is another proposal, and takes a second person again."""
        decide(paid_twice, "accept", who="manager")

        other = decide(paid_twice, "ignore")

        assert (other.resolved_at, other.proposed_by) == (None, "admin@zawadi.test")
        assert decide(paid_twice, "ignore", who="manager").resolution == "ignore"

    def test_are_no_keys(self, paid_twice, decide, ours, now):
        def by_key(**who):
            return review_acts.resolve(
                review=paid_twice,
                resolution="accept",
                reason="why",
                actor=Actor(kind="api_key", id="1", label="office"),
                now=now,
                **who,
            )

        assert by_key(user=ours.users["admin"]).resolved_at is None
        with pytest.raises(SecondPersonNeeded):
            decide(paid_twice, "accept")  # it was his own key that proposed it
        decide(paid_twice, "ignore", who="manager")
        decide(paid_twice, "accept", who="manager")
        with pytest.raises(SecondPersonNeeded):
            by_key(user=None)

    def test_are_two_in_the_database_too(self, paid_twice, decide, now):
        decide(paid_twice, "accept")

        with pytest.raises(IntegrityError), transaction.atomic():
            Review.objects.filter(pk=paid_twice.pk).update(
                resolved_at=now, resolved_by="admin@zawadi.test"
            )

    def test_are_not_asked_below_it(self, paid_twice, decide, ours):
        type(ours.shop).objects.filter(pk=ours.shop.pk).update(two_people_above=150)

        assert decide(paid_twice, "accept").resolution == "accept"


class TestAssigning:
    def test_is_to_who_may_resolve(self, paid_twice, ours, actor, now):
        manager = ours.users["manager"]
        review_acts.assign(review=paid_twice, to=manager, actor=actor, now=now)

        assert Review.objects.get(pk=paid_twice.pk).assigned_to == manager
        assert AuditEntry.objects.filter(action="review.assigned").count() == 1

    @pytest.mark.parametrize("who", ["cashier", "a stranger"])
    def test_is_to_nobody_else(self, paid_twice, ours, theirs, actor, now, who):
        person = ours.users["cashier"] if who == "cashier" else theirs.users["admin"]

        with pytest.raises(InvalidInput):
            review_acts.assign(review=paid_twice, to=person, actor=actor, now=now)


class TestWhatIsPossible:
    def test_without_a_receipt_is_to_close(self, ours, now):
        review = Review.objects.create(
            shop=ours.shop, environment="sandbox", code=ReviewCode.DEAD_CALLBACK, opened_at=now
        )

        assert possible(review) == ["accept", "ignore"]

    def test_with_one_is_to_move_it_too(self, paid_twice):
        assert possible(paid_twice) == ["accept", "allocate", "refund", "ignore"]
