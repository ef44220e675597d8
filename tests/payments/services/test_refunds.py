"""Money back takes two people, leaves once, and is believed only when somebody tells."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from audit.models import AuditEntry
from payments.errors import InvalidInput, InvalidTransition, NotFound
from payments.models import (
    Event,
    Notice,
    Payment,
    ProviderCallback,
    ProviderRequest,
    Receipt,
    Refund,
    Review,
)
from payments.receipt_choices import UnallocatedReason
from payments.services import (
    manual,
    radar,
    receipt_acts,
    rechecks,
    refund_outcomes,
    refunds,
    request_sending,
    request_silence,
    requests,
)
from payments.services.money_audit import audit_money
from tests.daraja import SAFARICOM_ADDRESS
from tests.payments.services.arrival_world import say, yes
from tests.payments.services.receipt_world import asked_payment, receipt_row
from tests.payments.services.request_world import at_once as at_once  # noqa: PLC0414 - a fixture
from tests.payments.services.request_world import paid, person, status_of
from tests.payments.services.request_world import paybill as paybill  # noqa: PLC0414 - a fixture

pytestmark = pytest.mark.django_db


@pytest.fixture
def plain(shop, make_config):
    """A paybill without an initiator."""
    return make_config(shop, name="Plain", provider="mpesa_paybill", shortcode="600200", priority=1)


@pytest.fixture
def manager(shop):
    return person(shop, "manager", "wanjiru")


@pytest.fixture
def admin(shop):
    return person(shop, "admin", "otieno")


@pytest.fixture
def receipt(paybill, daraja, now):
    return paid(paybill, daraja, now=now)


@pytest.fixture
def ask(manager, now):
    def ask(receipt, **more):
        user, actor = manager
        more = {"reason": "Wrong size", **more}
        return refunds.ask_refund(receipt=receipt, user=user, actor=actor, now=now, **more)

    return ask


@pytest.fixture
def approve(admin, now):
    def approve(refund, by=None, **more):
        user, actor = by or admin
        return refunds.approve(refund=refund, user=user, actor=actor, now=now, **more)

    return approve


@pytest.fixture
def settle(admin, now):
    def settle(refund, *, was_reversed, reason="The portal shows it."):
        user, actor = admin
        return refund_outcomes.settle_by_hand(
            refund=refund,
            was_reversed=was_reversed,
            reason=reason,
            user=user,
            actor=actor,
            now=now,
        )

    return settle


def acts():
    rows = AuditEntry.objects.filter(action__startswith="refund").order_by("seq")
    return list(rows.values_list("action", "reason"))


def state(refund):
    refund.refresh_from_db()
    refund.receipt.refresh_from_db()
    payment = refund.receipt.payment
    return refund.status, refund.receipt.status, status_of(payment) if payment else ""


class TestAsking:
    def test_is_for_the_whole_receipt_with_a_reason(self, receipt, ask):
        refund = ask(receipt)

        assert (refund.amount, refund.status, refund.payment) == (150, "asked", receipt.payment)
        assert acts() == [("refund.asked", "Wrong size")]

    def test_refuses_part_of_it_and_says_why(self, receipt, ask):
        with pytest.raises(InvalidInput, match="Only the whole amount"):
            ask(receipt, amount=Decimal(100))

        assert not Refund.objects.exists()

    @pytest.mark.parametrize("reason", ["", "   "])
    def test_refuses_to_go_without_a_reason(self, receipt, ask, reason):
        with pytest.raises(InvalidInput):
            ask(receipt, reason=reason)

    def test_happens_once_at_a_time(self, receipt, ask, admin, now):
        refund = ask(receipt)

        with pytest.raises(InvalidTransition, match="under way"):
            ask(receipt)

        user, actor = admin
        refunds.decline(refund=refund, note="It fits.", user=user, actor=actor, now=now)
        assert ask(receipt).pk != refund.pk

    @pytest.mark.parametrize(
        ("fields", "why"),
        [
            ({}, "Assign the receipt"),
            ({"status": "held", "reason": UnallocatedReason.AWAITS_RECEIPT}, "Assign the receipt"),
            ({"status": "reversed"}, "went back already"),
            ({"channel": "manual"}, "void it"),
            ({"amount": None, "reason": UnallocatedReason.REFUND_NEEDED}, "Nobody knows how much"),
        ],
    )
    def test_refuses_a_receipt_that_is_not_to_give_back(self, paybill, ask, now, fields, why):
        with pytest.raises(InvalidTransition, match=why):
            ask(receipt_row(paybill, now=now, **fields))

    @pytest.mark.parametrize("status", ["unallocated", "in_review"])
    def test_takes_a_receipt_marked_to_be_given_back(self, paybill, ask, now, status):
        reason = UnallocatedReason.REFUND_NEEDED
        loose = receipt_row(paybill, now=now, status=status, reason=reason)

        assert ask(loose).payment is None

    def test_refuses_a_receipt_that_changed_since_it_was_looked_at(self, paybill, ask, now):
        reason = UnallocatedReason.REFUND_NEEDED
        loose = receipt_row(paybill, now=now, reason=reason)
        Receipt.objects.filter(pk=loose.pk).update(status="in_review")

        with pytest.raises(InvalidTransition, match="just decided"):
            ask(loose)


class TestWhileARefundIsOpen:
    @pytest.fixture(params=["asked", "approved", "sent", "unknown"])
    def open_at(self, request):
        return request.param

    def loose(self, config, ask, now, status, **fields):
        values = {"reason": UnallocatedReason.REFUND_NEEDED, **fields}
        receipt = receipt_row(config, now=now, **values)
        Refund.objects.filter(pk=ask(receipt).pk).update(status=status)
        return receipt

    @pytest.mark.parametrize("act", ["claim", "allocate", "keep", "mark", "release", "manual"])
    def test_nobody_uses_the_receipt(self, shop, paybill, ask, actor, now, open_at, act):
        receipt = self.loose(paybill, ask, now, open_at)
        payment = asked_payment(paybill, now=now - timedelta(minutes=5))
        who = {"actor": actor, "now": now}
        place = {"shop": shop, "environment": "sandbox", "branch": None, "idempotency_key": None}
        acts = {
            "claim": lambda: receipt_acts.claim(
                receipt_number=receipt.number, order_ref="A", amount=receipt.amount, **place, **who
            ),
            "allocate": lambda: receipt_acts.allocate(receipt=receipt, payment=payment, **who),
            "keep": lambda: receipt_acts.keep_as_sale(receipt=receipt, **who),
            "mark": lambda: receipt_acts.mark_refund(receipt=receipt, reason="Twice", **who),
            "release": lambda: receipt_acts.release(receipt=receipt, reason="Error", **who),
            "manual": lambda: manual.record(
                given=manual.ManualPayment(receipt.amount, "mpesa", reference=receipt.number),
                **place,
                **who,
            ),
        }

        with pytest.raises((InvalidTransition, NotFound)):
            acts[act]()

        receipt.refresh_from_db()
        assert (receipt.status, receipt.payment_id) == ("unallocated", None)

    def test_a_held_one_is_not_assigned(self, paybill, ask, actor, now):
        receipt = self.loose(paybill, ask, now, "asked")
        Receipt.objects.filter(pk=receipt.pk).update(status="held")
        payment = asked_payment(paybill, now=now - timedelta(minutes=5))
        Payment.objects.filter(pk=payment.pk).update(receipt_pending=True)

        with pytest.raises(InvalidTransition, match="refund"):
            receipt_acts.allocate(receipt=receipt, payment=payment, actor=actor, now=now)

    def test_a_claim_is_not_undone(self, shop, paybill, ask, actor, now, open_at):
        receipt = receipt_row(paybill, now=now)
        receipt_acts.keep_as_sale(receipt=receipt, actor=actor, now=now)
        receipt.refresh_from_db()
        Refund.objects.filter(pk=ask(receipt).pk).update(status=open_at)

        with pytest.raises(InvalidTransition, match="refund"):
            receipt_acts.release(receipt=receipt, reason="Error", actor=actor, now=now)

    def test_a_refund_of_loose_money_is_not_approved_once_it_paid(
        self, paybill, ask, approve, actor, now, daraja
    ):
        receipt = self.loose(paybill, ask, now, "asked")
        payment = asked_payment(paybill, now=now - timedelta(minutes=5))
        # Its own prompt's word comes after all.
        say(payment, yes(receipt.number), now=now)

        with pytest.raises(InvalidTransition, match="just decided"):
            approve(receipt.refunds.get())

        assert not daraja.ledger.requests


class TestTwoPeople:
    def test_are_needed(self, receipt, ask, approve, manager, daraja):
        refund = ask(receipt)

        with pytest.raises(refunds.NotAnotherPerson):
            approve(refund, by=manager)

        assert state(refund)[0] == "asked"
        assert not daraja.ledger.requests

    def test_are_needed_by_the_database_too(self, receipt, ask, manager):
        refund = ask(receipt)

        with pytest.raises(IntegrityError, match="second_person"), transaction.atomic():
            Refund.objects.filter(pk=refund.pk).update(decided_by=manager[0])

    def test_one_who_says_no_says_why(self, receipt, ask, admin, approve, now, daraja):
        refund = ask(receipt)
        user, actor = admin

        with pytest.raises(InvalidInput):
            refunds.decline(refund=refund, note=" ", user=user, actor=actor, now=now)
        refunds.decline(refund=refund, note="It fits.", user=user, actor=actor, now=now)

        assert state(refund) == ("declined", "credited", "completed")
        assert refund.ended_at
        with pytest.raises(InvalidTransition, match="decided already"):
            approve(refund)
        assert not daraja.ledger.requests


class TestSending:
    def test_waits_for_the_result(self, receipt, ask, approve, daraja):
        refund = approve(ask(receipt))

        assert state(refund) == ("sent", "credited", "completed")
        [seen] = daraja.ledger.requests
        assert (seen.kind, seen.receipt_number, seen.amount) == ("reversal", receipt.number, 150)

    def test_happens_once_however_often_it_is_approved(self, receipt, ask, approve, shop, daraja):
        refund = ask(receipt)
        stale = Refund.objects.get(pk=refund.pk)
        approve(refund)

        with pytest.raises(InvalidTransition, match="decided already"):
            approve(stale, by=person(shop, "admin", "kamau"))

        assert len(daraja.ledger.requests) == ProviderRequest.objects.count() == 1

    def test_is_unknown_where_nobody_answered_and_is_not_repeated(
        self, receipt, ask, approve, daraja, now
    ):
        daraja.break_next("reversal", "hang")

        refund = approve(ask(receipt))

        assert state(refund) == ("unknown", "credited", "completed")
        for minutes in (3, 61, 62, 600):
            request_silence.close_silent(now=now + timedelta(minutes=minutes))
        assert len(daraja.ledger.requests) == 1
        review = Review.objects.get()
        assert (review.code, review.receipt, review.blocking) == ("UNRESOLVED", receipt, False)

    def test_is_unknown_where_the_process_died_on_the_way(
        self, receipt, ask, approve, daraja, now, monkeypatch
    ):
        monkeypatch.setattr(request_sending, "_note_accepted", _die)
        refund = ask(receipt)
        with pytest.raises(SystemExit):
            approve(refund)
        assert state(refund)[0] == "sent"
        assert Refund.objects.get().request.status == "created"

        request_silence.close_silent(now=now + timedelta(minutes=3))

        assert state(refund) == ("unknown", "credited", "completed")
        daraja.deliver(Client())
        assert state(refund) == ("done", "reversed", "reversed")
        assert len(daraja.ledger.returned) == 1

    def test_fails_where_nothing_left(self, receipt, ask, approve, daraja):
        daraja.unplug("reversal", times=2)

        refund = approve(ask(receipt))

        assert state(refund) == ("failed", "credited", "completed")
        assert not daraja.ledger.requests
        assert ask(receipt).status == "asked"

    def test_is_left_to_a_person_without_an_initiator(self, plain, daraja, ask, approve, now):
        receipt = paid(plain, daraja, now=now)

        refund = approve(ask(receipt))

        assert state(refund) == ("approved", "credited", "completed")
        assert not daraja.ledger.requests
        assert not refunds.can_be_sent(receipt)

    def test_is_left_to_a_person_where_there_are_cents(self, paybill, ask, approve, now):
        reason = UnallocatedReason.REFUND_NEEDED
        loose = receipt_row(paybill, now=now, amount=Decimal("10.50"), reason=reason)

        assert state(approve(ask(loose)))[0] == "approved"


class TestOutcomes:
    def test_success_reverses_the_payment_by_evidence(self, receipt, ask, approve, daraja):
        refund = approve(ask(receipt))

        daraja.deliver(Client())

        assert state(refund) == ("done", "reversed", "reversed")
        [*_earlier, told] = receipt.payment.evidence.order_by("recorded_at")
        assert (told.source, told.verdict, told.receipt_number) == (
            "reversal",
            "reversed",
            receipt.number,
        )
        types = Event.objects.order_by("seq").values_list("type", flat=True)
        assert list(types)[-1] == "payment.reversed"
        # It was us: nobody is warned of a customer.
        assert not Notice.objects.filter(code="reversed").exists()
        assert not Review.objects.exists()
        assert [action for action, _reason in acts()][-1] == "refund.settled"
        assert audit_money() == []

    def test_success_takes_a_loose_receipt_back(self, paybill, daraja, ask, approve, now):
        reason = UnallocatedReason.REFUND_NEEDED
        number = paid(paybill, daraja, now=now).number
        Receipt.objects.filter(number=number).update(
            payment=None, status="unallocated", reason=reason
        )
        refund = approve(ask(Receipt.objects.get(number=number)))

        daraja.deliver(Client())

        assert state(refund) == ("done", "reversed", "")

    @pytest.mark.parametrize(
        "code",
        ["1", "2", "11", "18", "20", "21", "2001", "2006", "2028", "8006", "R000002"],
    )
    def test_failure_changes_nothing_but_the_refund(self, receipt, ask, approve, daraja, code):
        daraja.engine.plan_result("reversal", code)
        refund = approve(ask(receipt))

        daraja.deliver(Client())

        assert state(refund) == ("failed", "credited", "completed")
        assert refund.request.result_code == code

    @pytest.mark.parametrize("code", ["17", "26", "00", "4999", "22", "R000003", "Try again"])
    def test_a_word_that_is_no_clear_no_is_unknown(self, receipt, ask, approve, daraja, now, code):
        daraja.engine.plan_result("reversal", "17")
        refund = approve(ask(receipt))

        [(path, body)] = daraja.due_callbacks()
        told = json.loads(body)
        told["Result"]["ResultCode"] = code
        body = json.dumps(told).encode()
        for _twice in range(2):
            Client().post(
                path, body, content_type="application/json", REMOTE_ADDR=SAFARICOM_ADDRESS
            )

        assert state(refund) == ("unknown", "credited", "completed")
        assert (refund.request.status, refund.request.result_code) == ("unknown", code)
        statuses = ProviderCallback.objects.order_by("received_at").values_list("status", flat=True)
        assert list(statuses)[-2:] == ["applied", "duplicate"]
        # Safaricom is asked, and a person is told where nobody says more.
        assert refund.receipt.next_ask_at
        request_silence.close_silent(now=now + timedelta(minutes=61))
        assert Review.objects.get().code == "UNRESOLVED"
        with pytest.raises(InvalidTransition):
            ask(receipt)

    def test_a_clear_word_settles_what_was_unknown(self, receipt, ask, approve, daraja):
        daraja.engine.plan_result("reversal", "17")
        refund = approve(ask(receipt))
        [(path, body)] = daraja.due_callbacks()
        later = {"R000002": ("failed", "credited", "completed"), "0": ("done",) + ("reversed",) * 2}

        for code in ("17", "R000002", "0"):
            told = json.loads(body)
            told["Result"]["ResultCode"] = code
            Client().post(
                path,
                json.dumps(told),
                content_type="application/json",
                REMOTE_ADDR=SAFARICOM_ADDRESS,
            )
            assert state(refund) == later.get(code, ("unknown", "credited", "completed"))

    def test_reversed_before_is_looked_at(self, receipt, ask, approve, daraja, paybill, actor, now):
        daraja.engine.take_back(receipt.number, now=timezone.now())
        refund = approve(ask(receipt))

        daraja.deliver(Client())

        assert state(refund) == ("unknown", "credited", "completed")
        assert refund.request.result_code == "R000001"
        assert refund.receipt.next_ask_at
        review = Review.objects.get()
        assert (review.code, review.subject, review.resolved_at) == (
            "UNRESOLVED",
            str(refund.pk),
            None,
        )

        rechecks.ask_due(now=timezone.now())
        daraja.deliver(Client())

        # It went back, and not by this refund: the shop is told who had the goods.
        assert state(refund) == ("failed", "reversed", "reversed")
        assert refund.note == "The money had gone back before."
        assert Notice.objects.get(code="reversed").subject == receipt.number
        review.refresh_from_db()
        assert review.resolved_at

    def test_time_out_is_unknown_until_a_result_comes(self, receipt, ask, approve, daraja, now):
        daraja.engine.plan_result("reversal", "timeout_done")
        refund = approve(ask(receipt))

        daraja.deliver(Client())

        assert state(refund) == ("unknown", "credited", "completed")
        assert len(daraja.ledger.requests) == 1

    def test_a_status_tells_that_ours_was_done(
        self, receipt, paybill, ask, approve, daraja, actor, now
    ):
        daraja.engine.plan_result("reversal", "lost")
        refund = approve(ask(receipt))
        requests.ask_status(
            config=paybill,
            receipt_number=receipt.number,
            receipt=receipt,
            purpose="check",
            actor=actor,
            now=now,
        )

        daraja.deliver(Client())

        assert state(refund) == ("done", "reversed", "reversed")
        assert not Notice.objects.filter(code="reversed").exists()

    def test_late_success_corrects_what_a_person_said(self, receipt, ask, approve, settle, daraja):
        daraja.break_next("reversal", "hang")
        refund = settle(approve(ask(receipt)), was_reversed=False)
        assert state(refund) == ("failed", "credited", "completed")
        request = refund.request

        refund_outcomes.note_result(
            request,
            succeeded=True,
            is_refusal=False,
            actor=radar.Actor.provider("Safaricom"),
            now=timezone.now(),
        )

        assert state(refund) == ("done", "reversed", "reversed")


class TestSettlingByHand:
    def test_reverses_the_payment_by_a_persons_word(self, plain, daraja, ask, approve, settle, now):
        receipt = paid(plain, daraja, now=now)

        refund = settle(approve(ask(receipt)), was_reversed=True)

        assert state(refund) == ("done", "reversed", "reversed")
        assert receipt.payment.evidence.get(verdict="reversed").source == "staff"
        assert acts()[-1] == ("refund.settled", "The portal shows it.")
        assert audit_money() == []

    def test_closes_the_review_of_an_unknown_one(self, receipt, ask, approve, settle, daraja, now):
        daraja.break_next("reversal", "hang")
        refund = approve(ask(receipt))
        request_silence.close_silent(now=now + timedelta(minutes=61))

        settle(refund, was_reversed=False)

        assert state(refund) == ("failed", "credited", "completed")
        assert Review.objects.get().resolved_at

    def test_is_refused_while_a_result_is_awaited(self, receipt, ask, approve, settle):
        refund = approve(ask(receipt))

        with pytest.raises(InvalidTransition):
            settle(refund, was_reversed=True)

        assert state(refund) == ("sent", "credited", "completed")

    def test_is_refused_without_a_reason_and_to_who_asked(
        self, plain, daraja, ask, approve, settle, manager, now
    ):
        refund = approve(ask(paid(plain, daraja, now=now)))
        user, actor = manager

        with pytest.raises(InvalidInput):
            settle(refund, was_reversed=True, reason="")
        with pytest.raises(InvalidTransition, match="asked"):
            refund_outcomes.settle_by_hand(
                refund=refund, was_reversed=True, reason="I saw", user=user, actor=actor, now=now
            )


def _die(*_args):
    raise SystemExit
