"""Customers who pay by themselves: before, after and beside our prompts, twice, and to closed tills."""

from __future__ import annotations

import json
import threading
import uuid
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from django.db import OperationalError
from django.test import Client

from payments import callback_urls
from payments.api import applier
from payments.api import callbacks as callback_views
from payments.models import (
    AccountBalance,
    Evidence,
    Payment,
    PaymentConfig,
    ProviderCallback,
    ProviderRequest,
    Receipt,
    Review,
)
from payments.services import ledger
from tests.conftest import DARAJA_SECRETS
from tests.daraja import SAFARICOM_ADDRESS
from tests.journeys.shopfloor import (
    Till,
    at_once,
    moves_of,
    open_reviews,
    sweep,
    wait_for_the_inbox,
)
from tests.payments.services.arrival_world import body

ACCEPTED = {"ResultCode": 0, "ResultDesc": "Accepted"}
WELCOME = {"ResultCode": "0", "ResultDesc": "Accepted"}
STRANGER = "203.0.113.9"


@pytest.fixture
def teller(paybill, api, cashier_key, clock):
    """A till of a shop with a paybill."""
    return Till(api(cashier_key))


def address(config: PaymentConfig, kind: str) -> str:
    validation, confirmation = callback_urls.c2b_urls(config.pk)
    return urlsplit(validation if kind == "validation" else confirmation).path


def tell(config, content, *, kind="confirmation", client=None, **extra):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    extra = {"REMOTE_ADDR": SAFARICOM_ADDRESS, **extra}
    return (client or Client()).post(
        address(config, kind), data=raw, content_type="application/json", **extra
    )


def receipt_in(callback: tuple[str, bytes]) -> str:
    """Return the receipt an STK callback brings."""
    items = json.loads(callback[1])["Body"]["stkCallback"]["CallbackMetadata"]["Item"]
    return next(item["Value"] for item in items if item["Name"] == "MpesaReceiptNumber")


def post(callback: tuple[str, bytes]) -> None:
    path, raw = callback
    answer = Client().post(
        path, data=raw, content_type="application/json", REMOTE_ADDR=SAFARICOM_ADDRESS
    )
    assert answer.status_code == 200


class TestByReference:
    @pytest.mark.parametrize("steps", [("c",), ("v", "c"), ("c", "v"), ("c", "c"), ("v", "c", "c")])
    def test_pays_once_whatever_comes_with_it(self, teller, paybill, daraja, clock, steps):
        daraja.set_default("unreachable")
        asked = teller.sell()
        told = body(paybill, now=clock.now, BillRefNumber=asked["account_reference"].lower())

        for step in steps:
            kind = "validation" if step == "v" else "confirmation"
            answer = tell(paybill, told, kind=kind)
            assert answer.json() == (WELCOME if step == "v" else ACCEPTED)

        seen = teller.look(asked)
        assert (seen["paid"], seen["receipt_number"]) == (True, "TKA1234567")
        assert moves_of(asked) == ["created", "pending", "completed"]
        assert Receipt.objects.get().status == "credited"
        assert Evidence.objects.filter(source="c2b_confirmation").count() == 1

    @pytest.mark.parametrize("asks_first", [True, False])
    @pytest.mark.parametrize("options", [
        {}, {"questions": 2}, {"late_questions": 1}, {"confirmations": 2},
        {"questions": 2, "late_questions": 2, "confirmations": 2, "confirm_after_s": 0},
    ], ids=str)  # fmt: skip
    def test_told_by_safaricom_itself_is_one_credit(
        self, teller, paybill, daraja, asks_first, options
    ):
        daraja.know_urls(paybill.shortcode, paybill.pk)
        daraja.engine.knobs.turn(c2b_validates=asks_first)
        daraja.set_default("unreachable")
        asked = teller.sell()

        number = daraja.pay_c2b(
            paybill.shortcode, 150, reference=asked["account_reference"], client=Client(), **options
        )

        seen = teller.look(asked)
        assert (seen["paid"], seen["receipt_number"]) == (True, number)
        assert moves_of(asked) == ["created", "pending", "completed"]
        assert Receipt.objects.get().status == "credited"
        assert Evidence.objects.filter(source="c2b_confirmation").count() == 1

    def test_of_a_question_alone_moves_nothing(self, teller, paybill, daraja, clock):
        asked = teller.sell()
        told = body(paybill, now=clock.now, BillRefNumber=asked["account_reference"])

        tell(paybill, told, kind="validation")

        assert teller.look(asked)["status"] == "pending"
        assert not Receipt.objects.exists()
        row = ProviderCallback.objects.get()
        assert (row.status, row.result_code, row.shop_id) == ("applied", "0", paybill.shop_id)
        assert row.body.reveal_bytes() == json.dumps(told).encode()

    @pytest.mark.parametrize("c2b_first", [True, False])
    def test_beside_the_prompts_own_word_is_one_credit(
        self, teller, paybill, daraja, clock, c2b_first
    ):
        asked = teller.sell()
        [callback] = daraja.due_callbacks()
        told = body(
            paybill,
            now=clock.now,
            TransID=receipt_in(callback),
            BillRefNumber=asked["account_reference"],
        )

        for is_c2b in (c2b_first, not c2b_first):
            tell(paybill, told) if is_c2b else post(callback)

        seen = teller.look(asked)
        assert (seen["paid"], seen["reviews"]) == (True, [])
        receipt = Receipt.objects.get()
        assert (receipt.status, receipt.number) == ("credited", seen["receipt_number"])
        assert receipt.payer_initials == "J."
        assert receipt.payer_index == Payment.objects.get().phone_index
        assert moves_of(asked).count("completed") == 1
        assert seen["result"]["code"] == "0"

    def test_after_a_no_needs_nobody(self, teller, paybill, daraja, clock):
        daraja.next("cancel")
        asked = teller.sell()
        daraja.deliver(Client())
        assert teller.look(asked)["status"] == "failed"

        tell(paybill, body(paybill, now=clock.now, BillRefNumber=asked["account_reference"]))

        assert (teller.look(asked)["paid"], open_reviews(asked)) == (True, {})

    def test_of_two_at_once_pays_once(self, teller, paybill, daraja, clock):
        asked = teller.sell()
        [callback] = daraja.due_callbacks()
        told = body(
            paybill,
            now=clock.now,
            TransID=receipt_in(callback),
            BillRefNumber=asked["account_reference"],
        )

        calls = [lambda: tell(paybill, told), lambda: post(callback)] * 8
        at_once(calls)
        wait_for_the_inbox()

        assert teller.look(asked)["paid"] is True
        assert Receipt.objects.get().status == "credited"
        assert moves_of(asked).count("completed") == 1


class TestWithoutReference:
    @pytest.mark.parametrize("c2b_first", [True, False])
    def test_to_a_till_with_a_prompt_out_waits_for_it(
        self, cashier, till, daraja, clock, c2b_first
    ):
        asked = cashier.sell()
        [callback] = daraja.due_callbacks()
        told = body(till, now=clock.now, TransID=receipt_in(callback))

        if c2b_first:
            tell(till, told)
            assert Receipt.objects.get().status == "held"
            assert cashier.look(asked)["status"] == "pending"
            post(callback)
        else:
            post(callback)
            tell(till, told)

        assert cashier.look(asked)["paid"] is True
        assert Receipt.objects.get().status == "credited"

    def test_is_let_go_when_the_prompt_is_over(self, cashier, till, daraja, clock):
        daraja.set_default("unreachable")
        asked = cashier.sell()
        tell(till, body(till, now=clock.now))

        sweep("settle_held_receipts")
        assert Receipt.objects.get().status == "held"
        clock.forward(400)
        sweep("expire_overdue")
        assert sweep("settle_held_receipts") == 1

        receipt = Receipt.objects.get()
        assert (receipt.status, receipt.reason) == ("unallocated", "no_reference")
        assert cashier.look(asked)["status"] == "expired"

    def test_of_one_receipt_told_for_two_payments_at_once_pays_one(
        self, cashier, till, daraja, clock, monkeypatch
    ):
        """Both prompts' words name a receipt that had no owner: one of them gets it."""
        meet = threading.Barrier(2)
        real = ledger.enter_receipts

        def read_together(*args, **kwargs):
            found = real(*args, **kwargs)
            # Whoever has the row's lock waits here in vain for the other, and goes on alone.
            with suppress(threading.BrokenBarrierError):
                meet.wait(0.5)
            return found

        cashier.sell(phone_number="0722000001")
        cashier.sell(phone_number="0722000002")
        one, other = daraja.due_callbacks()
        forged = other[1].replace(receipt_in(other).encode(), receipt_in(one).encode())
        tell(till, body(till, now=clock.now, TransID=receipt_in(one), MSISDN=""))
        assert Receipt.objects.get().status == "held"

        monkeypatch.setattr(ledger, "enter_receipts", read_together)
        at_once([lambda: post(one), lambda: post((other[0], forged))])
        wait_for_the_inbox()

        assert Payment.objects.filter(status="completed").count() == 1
        assert Review.objects.get().code == "DUPLICATE_RECEIPT"
        receipt = Receipt.objects.get()
        assert (receipt.status, receipt.payment.status) == ("credited", "completed")


class TestClosedTills:
    def test_still_take_what_was_paid(self, teller, paybill, clock):
        PaymentConfig.objects.update(status="suspended", is_active=False)

        assert tell(paybill, body(paybill, now=clock.now)).json() == ACCEPTED

        assert Receipt.objects.get().status == "unallocated"

    def test_turn_customers_away_before_they_pay(self, teller, paybill, clock):
        PaymentConfig.objects.update(status="suspended", is_active=False)

        answer = tell(paybill, body(paybill, now=clock.now), kind="validation")

        assert answer.json() == {"ResultCode": "C2B00016", "ResultDesc": "Rejected"}
        assert ProviderCallback.objects.get().result_code == "C2B00016"


class TestQuestions:
    @pytest.mark.parametrize("raw", [b"", b"{}", b"\xff\xfe", b"[" * 90, b"not json"])
    def test_nobody_can_read_are_answered_yes_and_kept(self, teller, paybill, raw):
        assert tell(paybill, raw, kind="validation").json() == WELCOME
        assert ProviderCallback.objects.get().size == len(raw)

    def test_about_a_config_that_never_was_are_answered_yes(self, teller, paybill):
        paybill.pk = uuid.uuid4()

        assert tell(paybill, b"{}", kind="validation").json() == WELCOME

    def test_are_answered_yes_when_nothing_can_be_looked_up(
        self, teller, paybill, clock, monkeypatch
    ):
        def fail(**_kwargs):
            raise OperationalError("gone")

        monkeypatch.setattr(callback_views.c2b_questions, "judge", fail)
        assert tell(paybill, body(paybill, now=clock.now), kind="validation").json() == WELCOME
        assert ProviderCallback.objects.get().status == "new"

        monkeypatch.undo()
        sweep("reprocess_callbacks")
        assert ProviderCallback.objects.get().status == "applied"

    def test_that_cannot_be_kept_are_not_answered(self, teller, paybill, clock, monkeypatch):
        def fail(**_kwargs):
            raise OperationalError("no space left")

        monkeypatch.setattr(callback_views.callbacks, "receive", fail)

        assert tell(paybill, b"{}", kind="validation").status_code == 503

    def test_about_an_unknown_account_are_refused_where_the_shop_wants_it(
        self, teller, paybill, daraja, clock
    ):
        PaymentConfig.objects.update(refuses_unknown_accounts=True)
        asked = teller.sell()
        known = body(paybill, now=clock.now, BillRefNumber=asked["account_reference"])

        refusal = tell(paybill, body(paybill, now=clock.now), kind="validation").json()

        assert refusal == {"ResultCode": "C2B00012", "ResultDesc": "Rejected"}
        assert tell(paybill, known, kind="validation").json() == WELCOME

    def test_need_the_right_address(self, teller, paybill):
        wrong = f"{address(paybill, 'validation')[:-34]}{'0' * 32}/v"

        assert Client().post(wrong, data=b"{}", content_type="application/json").status_code == 404


class TestStrangers:
    @pytest.fixture
    def live(self, shop, make_config, clock):
        secrets = DARAJA_SECRETS | {
            "initiator_name": "op",
            "initiator_password": "canary-initiator",
        }
        return make_config(
            shop,
            provider="mpesa_paybill",
            shortcode="600100",
            environment="production",
            credentials=secrets,
        )

    def test_are_kept_and_asked_about(self, live, live_daraja, clock):
        answer = tell(live, body(live, now=clock.now), REMOTE_ADDR=STRANGER)

        assert answer.json() == ACCEPTED
        assert not Receipt.objects.exists()
        assert not AccountBalance.objects.exists()
        assert sweep("ask_about_strangers") == 1
        asked = ProviderRequest.objects.get()
        assert (asked.receipt_number, asked.purpose) == ("TKA1234567", "stranger")
        clock.forward(61)
        assert sweep("ask_about_strangers") == 0

    def test_are_believed_once_the_true_word_comes(self, live, clock):
        tell(live, body(live, now=clock.now), REMOTE_ADDR=STRANGER)
        tell(live, body(live, now=clock.now))

        assert sweep("ask_about_strangers") == 1
        assert Review.objects.get().resolved_at is not None


class TestCrashes:
    def test_while_applying_lose_nothing(self, teller, paybill, clock, monkeypatch):
        monkeypatch.setattr(callback_views.callbacks, "apply_now", lambda *_a, **_k: False)
        monkeypatch.setattr(applier, "ring", lambda: None)
        tell(paybill, body(paybill, now=clock.now))
        assert not Receipt.objects.exists()

        monkeypatch.undo()
        sweep("reprocess_callbacks")

        assert Receipt.objects.get().status == "unallocated"
