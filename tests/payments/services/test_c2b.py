"""Inbox rows of C2B: what is believed, what is put aside, and what is answered."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError

from payments.models import (
    AccountBalance,
    AccountRule,
    PaymentConfig,
    ProviderCallback,
    Receipt,
    Review,
)
from payments.services import arrivals, c2b_questions, callbacks
from payments.services.money_audit import audit_money
from tests.payments.services.arrival_world import ACTOR, RECEIPT, ask, body, confirm

STRANGER = "203.0.113.9"


@pytest.fixture(autouse=True)
def audited(db):
    yield
    assert audit_money() == []


@pytest.fixture
def live(shop, make_config):
    return make_config(shop, provider="mpesa_paybill", shortcode="600100", environment="production")


def row_of(row_id):
    return ProviderCallback.objects.get(pk=row_id)


class TestConfirmation:
    def test_is_applied(self, paybill, now):
        payment = ask(paybill, now=now)
        told = body(paybill, now=now, BillRefNumber=payment.account_reference)

        row = row_of(confirm(paybill, told, now=now))

        assert (row.status, row.shop_id, row.payment_id) == ("applied", paybill.shop_id, payment.pk)
        payment.refresh_from_db()
        assert payment.status == "completed"
        assert PaymentConfig.objects.get(pk=paybill.pk).last_callback_at is not None

    def test_twice_is_a_duplicate(self, paybill, now):
        told = body(paybill, now=now)

        rows = [row_of(confirm(paybill, told, now=now)) for _ in range(2)]

        assert [row.status for row in rows] == ["applied", "duplicate"]
        assert Receipt.objects.count() == 1

    @pytest.mark.parametrize("kind", ["Reversal", "Pay Bill Reversed"])
    def test_of_money_going_back_is_no_money(self, paybill, now, kind):
        row = row_of(confirm(paybill, body(paybill, now=now, TransactionType=kind), now=now))

        assert (row.status, row.problem) == ("quarantined", "It tells of a reversal.")
        assert not Receipt.objects.exists()
        assert Review.objects.get().callback_id == row.pk

    def test_of_a_till_may_name_its_store_number(self, till, now):
        row = row_of(confirm(till, body(till, now=now, BusinessShortCode="600996"), now=now))

        assert row.status == "applied"

    @pytest.mark.parametrize("shortcode", ["999999", "", None])
    def test_for_another_number_is_put_aside(self, paybill, now, shortcode):
        row = row_of(confirm(paybill, body(paybill, now=now, BusinessShortCode=shortcode), now=now))

        assert row.status == "quarantined"
        review = Review.objects.get()
        assert (review.code, review.payment, review.callback) == ("DEAD_CALLBACK", None, row)
        assert not Receipt.objects.exists()

    @pytest.mark.parametrize("amount", ["-1.00", "1.000,00", "1e3", "", "\u0661"])
    def test_with_an_amount_nobody_can_read_is_put_aside(self, paybill, now, amount):
        row = row_of(confirm(paybill, body(paybill, now=now, TransAmount=amount), now=now))

        assert (row.status, row.problem) == ("quarantined", "The amount cannot be read.")
        assert Review.objects.get().code == "DEAD_CALLBACK"
        assert not Receipt.objects.exists()

    @pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b"[]", b'{"TransID": ""}'])
    def test_nobody_can_read_is_buried_with_a_review(self, paybill, now, raw):
        assert row_of(confirm(paybill, raw, now=now)).status == "dead"
        assert Review.objects.get().code == "DEAD_CALLBACK"

    def test_for_no_config_is_buried(self, paybill, now):
        paybill.pk = paybill.shop_id

        assert row_of(confirm(paybill, body(paybill, now=now), now=now)).status == "dead"

    def test_of_another_shops_receipt_is_put_aside(self, paybill, now, neighbour, make_config):
        theirs = make_config(neighbour, provider="mpesa_paybill", shortcode="600200")
        confirm(theirs, body(theirs, now=now), now=now)

        row = row_of(confirm(paybill, body(paybill, now=now), now=now))

        assert row.status == "quarantined"
        assert Receipt.objects.get().shop_id == neighbour.pk
        review = Review.objects.get()
        assert (review.code, review.shop_id) == ("DUPLICATE_RECEIPT", paybill.shop_id)

    @pytest.mark.parametrize("status", ["suspended", "expired", "failed", "draft"])
    def test_is_taken_whatever_the_configs_status(self, paybill, now, status):
        PaymentConfig.objects.update(status=status, is_active=False)

        assert row_of(confirm(paybill, body(paybill, now=now), now=now)).status == "applied"

    def test_is_taken_for_a_deleted_config(self, paybill, now):
        PaymentConfig.objects.update(deleted_at=now, is_active=False)

        assert row_of(confirm(paybill, body(paybill, now=now), now=now)).status == "applied"

    def test_that_fails_eight_times_calls_a_person(self, paybill, now, monkeypatch):
        def stumble(*_args, **_kwargs):
            raise ValueError("nobody thought of this")

        monkeypatch.setattr(arrivals, "enter", stumble)
        row_id = callbacks.receive(
            kind="c2b", subject_id=paybill.pk, body=json.dumps(body(paybill, now=now)).encode(),
            content_type="", source_ip=None, now=now,
        )  # fmt: skip
        for round_ in range(callbacks.MAX_TRIES):
            callbacks.apply_waiting(now=now + timedelta(hours=round_))

        assert row_of(row_id).status == "dead"
        assert Review.objects.get().callback_id == row_id

        monkeypatch.undo()
        callbacks.apply_again(callback=row_of(row_id), actor=ACTOR, now=now)
        assert Receipt.objects.get().number == RECEIPT
        assert Review.objects.get().resolved_at == now


class TestAStranger:
    def test_is_not_believed_in_production(self, live, now):
        row = row_of(confirm(live, body(live, now=now), now=now, source_ip=STRANGER))

        assert (row.status, Receipt.objects.count()) == ("quarantined", 0)
        review = Review.objects.get()
        assert (review.code, review.payment, review.callback) == ("UNLISTED_SOURCE", None, row)

    def test_is_believed_in_the_sandbox(self, paybill, now):
        row = row_of(confirm(paybill, body(paybill, now=now), now=now, source_ip=STRANGER))

        assert row.status == "applied"

    def test_is_believed_when_a_person_vouches(self, live, now):
        payment = ask(live, now=now)
        told = body(live, now=now, BillRefNumber=payment.account_reference)
        row_id = confirm(live, told, now=now, source_ip=STRANGER)

        row = callbacks.apply_again(callback=row_of(row_id), actor=ACTOR, now=now)

        assert (row.status, row.payment_id) == ("applied", payment.pk)
        payment.refresh_from_db()
        assert payment.status == "completed"
        assert Review.objects.get().resolved_at == now

    def test_does_not_stand_in_the_way_of_the_true_word(self, live, now):
        confirm(live, body(live, now=now), now=now, source_ip=STRANGER)

        assert row_of(confirm(live, body(live, now=now), now=now)).status == "applied"


class TestBalance:
    def test_is_kept_apart_and_newest_only(self, paybill, now):
        for minutes, balance in ((5, "500.00"), (9, "900.00"), (7, "700.00")):
            at = now + timedelta(minutes=minutes)
            told = body(paybill, now=at, TransID=f"TKA000000{minutes}", OrgAccountBalance=balance)
            confirm(paybill, told, now=now)

        kept = AccountBalance.objects.get()
        assert (kept.current, kept.source, kept.shop_id) == (
            Decimal("900.00"), "c2b", paybill.shop_id,
        )  # fmt: skip
        assert "900.00" not in str(list(Receipt.objects.values()))

    def test_may_be_missing(self, paybill, now):
        confirm(paybill, body(paybill, now=now, OrgAccountBalance=""), now=now)

        assert not AccountBalance.objects.exists()

    def test_of_a_stranger_is_not_kept(self, live, now):
        confirm(live, body(live, now=now), now=now, source_ip=STRANGER)

        assert not AccountBalance.objects.exists()


class TestQuestion:
    @pytest.fixture
    def ask_about(self, paybill, now):
        def judge(**changes):
            raw = json.dumps(body(paybill, now=now, **changes)).encode()
            return str(c2b_questions.judge(config_id=paybill.pk, body=raw).answer)

        return judge

    def test_is_answered_yes(self, ask_about):
        assert ask_about() == "0"
        assert ask_about(BillRefNumber="ANYTHING") == "0"

    @pytest.mark.parametrize(
        ("amount", "answer"),
        [("9.99", "C2B00013"), ("10", "0"), ("500.00", "0"), ("500.01", "C2B00013"), ("x", "0")],
    )
    def test_about_an_amount(self, ask_about, amount, answer):
        PaymentConfig.objects.update(min_amount=10, max_amount=500)

        assert ask_about(TransAmount=amount) == answer

    def test_about_another_number(self, ask_about):
        assert ask_about(BusinessShortCode="999999") == "C2B00015"

    def test_about_a_closed_config(self, ask_about, now):
        PaymentConfig.objects.update(status="suspended", is_active=False)
        assert ask_about() == "C2B00016"
        PaymentConfig.objects.update(status="draft", deleted_at=now)
        assert ask_about() == "C2B00016"

    @pytest.mark.parametrize("status", ["draft", "expired", "failed", "pending"])
    def test_about_a_config_that_is_only_not_in_use(self, ask_about, status):
        PaymentConfig.objects.update(status=status, is_active=False)

        assert ask_about() == "0"

    def test_about_an_unknown_account(self, ask_about, paybill, now, neighbour, make_config):
        PaymentConfig.objects.update(refuses_unknown_accounts=True)
        theirs = make_config(neighbour, provider="mpesa_paybill", shortcode="600200")
        foreign = ask(theirs, now=now)
        payment = ask(paybill, now=now)
        AccountRule.objects.create(
            shop=paybill.shop, config=paybill, kind="exact", pattern="RENT", label="Rent"
        )
        AccountRule.objects.create(
            shop=paybill.shop, config=paybill, kind="prefix", pattern="VIP", label="VIP"
        )

        for known in (payment.account_reference, payment.account_reference.lower(), "rent", "vip9"):
            assert ask_about(BillRefNumber=known) == "0"
        for unknown in ("", "RENTS", "VI", foreign.account_reference, "NOBODYS"):
            assert ask_about(BillRefNumber=unknown) == "C2B00012"

    def test_about_an_account_that_is_paid(self, ask_about, paybill, now):
        PaymentConfig.objects.update(refuses_unknown_accounts=True)
        payment = ask(paybill, now=now)
        confirm(paybill, body(paybill, now=now, BillRefNumber=payment.account_reference), now=now)

        assert ask_about(BillRefNumber=payment.account_reference) == "C2B00012"

    def test_about_everything_else_where_a_rule_takes_it(self, ask_about, paybill):
        PaymentConfig.objects.update(refuses_unknown_accounts=True)
        AccountRule.objects.create(
            shop=paybill.shop, config=paybill, kind="default", label="Walk-in"
        )

        assert ask_about(BillRefNumber="NOBODYS") == "0"

    @pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b"[]", b"<x/>"])
    def test_nobody_can_read_is_answered_yes(self, paybill, raw):
        assert c2b_questions.judge(config_id=paybill.pk, body=raw).answer == "0"

    def test_is_one_statement(self, paybill, now, django_assert_num_queries):
        with django_assert_num_queries(1):
            c2b_questions.judge(
                config_id=paybill.pk, body=json.dumps(body(paybill, now=now)).encode()
            )

    def test_left_open_is_settled_without_evidence(self, paybill, now):
        payment = ask(paybill, now=now)
        told = body(paybill, now=now, BillRefNumber=payment.account_reference)

        row = row_of(confirm(paybill, told, now=now, kind="c2b_ask"))

        assert (row.status, row.shop_id) == ("applied", paybill.shop_id)
        payment.refresh_from_db()
        assert payment.status == "pending"
        assert not Receipt.objects.exists()

    def test_left_open_waits_for_the_database(self, paybill, now, monkeypatch):
        def fail(**_kwargs):
            raise DatabaseError("gone")

        row_id = callbacks.receive(
            kind="c2b_ask", subject_id=paybill.pk, body=b"{}", content_type="", source_ip=None,
            now=now,
        )  # fmt: skip
        monkeypatch.setattr(c2b_questions, "judge", fail)
        callbacks.apply_waiting(now=now)

        assert row_of(row_id).status == "new"
