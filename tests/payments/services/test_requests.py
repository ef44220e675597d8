"""Asking Safaricom what is answered later: once, within the budget, and never twice by itself."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from payments.callback_urls import callback_path
from payments.errors import CredentialsRequired, RateLimited
from payments.models import (
    AccountBalance,
    PaymentConfig,
    ProviderCallback,
    ProviderRequest,
    Receipt,
    Review,
)
from payments.providers.daraja.simulator.by_hand import HandPayment
from payments.services import callbacks, request_silence, requests
from tests.payloads import body_of
from tests.payments.services.request_world import WITH_INITIATOR, paid, status_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def paybill(shop, make_config) -> PaymentConfig:
    return make_config(
        shop,
        name="Paybill",
        provider="mpesa_paybill",
        shortcode="600100",
        credentials=WITH_INITIATOR,
    )


@pytest.fixture(autouse=True)
def at_once(daraja):
    daraja.engine.knobs.result_after_s = 0.0


@pytest.fixture
def ask(paybill, actor, now):
    def ask(number="TKL1234567", *, later_s=0, **more):
        more.setdefault("purpose", "check")
        when = now + timedelta(seconds=later_s)
        return requests.ask_status(
            config=paybill, receipt_number=number, actor=actor, now=when, **more
        )

    return ask


def answer_of(row):
    row.refresh_from_db()
    return row.status, row.result_code


class TestAskStatus:
    def test_commits_the_row_before_it_sends(self, ask, daraja):
        row = ask()

        assert row.status == "accepted"
        assert row.conversation_id
        assert row.originator_conversation_id
        [seen] = daraja.ledger.requests
        assert (seen.kind, seen.shortcode, seen.receipt_number) == (
            "status",
            "600100",
            "TKL1234567",
        )

    def test_needs_an_initiator(self, shop, make_config, actor, now, daraja):
        plain = make_config(shop, shortcode="600200", provider="mpesa_paybill")

        with pytest.raises(CredentialsRequired, match="No initiator is set") as raised:
            requests.ask_status(
                config=plain, receipt_number="TKL1234567", purpose="check", actor=actor, now=now
            )

        fields = [field for field, _code, _detail in raised.value.errors]
        assert fields == ["credentials.initiator_name", "credentials.initiator_password"]
        assert not requests.has_initiator(plain)
        assert not ProviderRequest.objects.exists()

    def test_asks_about_one_receipt_once_a_minute(self, ask, daraja):
        first, again, other, later = ask(), ask(later_s=59), ask("TKL7654321"), ask(later_s=61)

        assert first.pk == again.pk
        assert len({first.pk, other.pk, later.pk}) == 3
        assert len(daraja.ledger.requests) == 3

    def test_stays_within_the_apps_budget(self, ask, daraja, settings):
        settings.QUERY_BUDGET_PER_MINUTE = 1
        ask()

        with pytest.raises(RateLimited) as raised:
            ask("TKL7654321")

        assert raised.value.retry_after
        assert len(daraja.ledger.requests) == ProviderRequest.objects.count() == 1

    @pytest.mark.parametrize(
        ("fault", "status"),
        [
            ("hang", "unknown"),
            ("html", "unknown"),
            ("server_error", "unknown"),
            ("spike", "refused"),
        ],
    )
    def test_tells_refused_from_unknown(self, ask, daraja, fault, status):
        daraja.break_next("status", fault, times=3)

        row = ask()

        assert row.status == status
        assert not row.conversation_id

    def test_calls_it_refused_where_no_byte_left(self, ask, daraja):
        daraja.unplug("transactionstatus", times=2)

        assert (ask().status, len(daraja.ledger.requests)) == ("refused", 0)


class TestResults:
    def test_bring_money_nobody_told_us_of(self, ask, daraja, paybill):
        number = hand_payment(daraja, 700)
        Receipt.objects.all().delete()

        row = ask(number)
        daraja.deliver(Client())

        assert answer_of(row) == ("succeeded", "0")
        receipt = Receipt.objects.get(number=number)
        assert (receipt.amount, receipt.config) == (700, paybill)
        assert receipt.status == "unallocated"
        assert "254" not in str(row.result)

    def test_conclude_nothing_of_an_unknown_receipt(self, ask, daraja):
        row = ask("TKL0000001")
        daraja.deliver(Client())

        assert answer_of(row) == ("failed", "2032")
        assert not Receipt.objects.exists()
        assert not Review.objects.exists()

    def test_conclude_nothing_of_a_refused_operator(self, ask, daraja, paybill, now):
        receipt = paid(paybill, daraja, now=now)
        daraja.engine.initiators.lock("canary-operator")

        row = ask(receipt.number, receipt=receipt)
        daraja.deliver(Client())

        assert answer_of(row) == ("failed", "8006")
        assert status_of(receipt.payment) == "completed"

    def test_conclude_nothing_of_money_still_there(self, ask, daraja, paybill, now):
        receipt = paid(paybill, daraja, now=now)

        row = ask(receipt.number, receipt=receipt, payment=receipt.payment)
        daraja.deliver(Client())

        assert answer_of(row) == ("succeeded", "0")
        assert row.result["transaction_status"] == "Completed"
        receipt.refresh_from_db()
        assert (receipt.status, status_of(receipt.payment)) == ("credited", "completed")

    def test_take_money_back_that_went_back(self, ask, daraja, paybill, now):
        receipt = paid(paybill, daraja, now=now)
        daraja.engine.take_back(receipt.number, now=timezone.now())

        ask(receipt.number, receipt=receipt)
        daraja.deliver(Client())

        receipt.refresh_from_db()
        assert (receipt.status, status_of(receipt.payment)) == ("reversed", "reversed")
        assert receipt.reversed_at

    def test_count_once_however_often_they_come(self, ask, daraja, paybill, now):
        receipt = paid(paybill, daraja, now=now)
        daraja.engine.plan_result("status", "twice")

        ask(receipt.number, receipt=receipt)
        daraja.deliver(Client())

        statuses = ProviderCallback.objects.filter(kind="result").values_list("status", flat=True)
        assert sorted(statuses) == ["applied", "duplicate"]

    def test_count_when_they_come_after_the_time_out(self, ask, daraja, paybill, now):
        daraja.engine.plan_result("status", "timeout_then_result")
        row = ask(hand_payment(daraja, 40))

        daraja.deliver(Client())
        assert answer_of(row)[0] == "timed_out"
        with time_machine.travel(timezone.now() + timedelta(minutes=2)):
            daraja.deliver(Client())

        assert answer_of(row) == ("succeeded", "0")

    def test_are_not_undone_by_a_late_time_out(self, ask, daraja):
        row = ask("TKL0000001")
        daraja.deliver(Client())
        post(row, "t", b"{}")

        assert answer_of(row) == ("failed", "2032")

    def test_are_found_by_their_address_alone(self, ask, daraja, actor, now):
        row, other = ask(), ask("TKL7654321")
        [[_path, body], *_rest] = daraja.due_callbacks()

        # Somebody posts one request's answer to another's address.
        assert post(other, "r", body) == "quarantined"

        assert answer_of(other)[0] == "accepted"
        assert post(row, "r", body) == "applied"

    def test_are_kept_and_told_where_nobody_can_read_them(self, ask, daraja, paybill, now):
        receipt = paid(paybill, daraja, now=now)
        row = ask(receipt.number, receipt=receipt)

        assert post(row, "r", b"<html>") == "dead"

        assert Review.objects.get().code == "DEAD_CALLBACK"
        assert answer_of(row)[0] == "accepted"


class TestStrangers:
    def test_are_not_believed_in_production(self, shop, make_config, actor, now):
        config = make_config(
            shop,
            provider="mpesa_paybill",
            shortcode="600100",
            environment="production",
            credentials=WITH_INITIATOR,
        )
        version = requests.version_with_initiator(config)
        row = requests._create(version, "balance", requests.Subject(), "page", actor=actor, now=now)
        body = body_of("balance_result", "01-success-2018-sandbox").encode()

        assert post(row, "r", body, source="10.1.2.3") == "quarantined"
        assert not AccountBalance.objects.exists()

        kept = ProviderCallback.objects.get()
        callbacks.apply_again(callback=kept, actor=actor, now=now)
        assert AccountBalance.objects.count() == 5
        assert answer_of(row)[0] == "succeeded"


class TestSilence:
    def test_is_unknown_where_the_sender_died(self, ask, daraja, now):
        row = ask()
        ProviderRequest.objects.filter(pk=row.pk).update(status="created")

        assert request_silence.close_silent(now=now + timedelta(minutes=1)) == 0
        assert request_silence.close_silent(now=now + timedelta(minutes=3)) == 1
        assert request_silence.close_silent(now=now + timedelta(minutes=4)) == 0
        assert answer_of(row)[0] == "unknown"
        assert len(daraja.ledger.requests) == 1

    def test_ends_the_waiting_after_an_hour(self, ask, daraja, now):
        daraja.engine.plan_result("status", "lost")
        row = ask()

        assert request_silence.close_silent(now=now + timedelta(minutes=59)) == 0
        assert request_silence.close_silent(now=now + timedelta(minutes=61)) == 1
        assert request_silence.close_silent(now=now + timedelta(minutes=62)) == 0
        assert answer_of(row)[0] == "unknown"


def hand_payment(daraja, amount):
    payment = HandPayment("600100", Decimal(amount), "254712345678", reference="KIOSK")
    return daraja.engine.pay_by_hand(payment, now=timezone.now())


def post(row, letter, body, source="196.201.214.200"):
    path = callback_path(letter, row.pk)
    response = Client().post(path, body, content_type="application/json", REMOTE_ADDR=source)
    assert response.status_code == 200
    return ProviderCallback.objects.order_by("-received_at", "-pk").first().status
