"""Wrong amounts, missing halves, and receipts that are somebody else's."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from payments.models import Evidence, Receipt
from payments.services import expiry
from tests.journeys.shopfloor import (
    attempt_of,
    moves_of,
    open_reviews,
    row_of,
    sweep,
    sweep_all,
)


class TestTheAmountIsWrong:
    def test_so_it_waits_for_a_person(self, cashier, daraja, web):
        daraja.next("wrong_amount")

        asked = cashier.sell()
        daraja.deliver(web)
        told = cashier.look(asked)

        assert (told["status"], told["paid"], told["can_retry"]) == ("pending", False, False)
        assert open_reviews(asked) == {"AMOUNT_MISMATCH": True}
        assert told["result"]["next_step"] == "ask_support"
        receipt = Receipt.objects.get()
        assert (receipt.status, receipt.amount) == ("in_review", Decimal(149))

    def test_and_a_querys_yes_moves_nothing(self, cashier, daraja, web, clock):
        daraja.next("wrong_amount")
        asked = cashier.sell()
        daraja.deliver(web)

        _ask_all_the_same(asked, clock)

        assert Evidence.objects.filter(source="stk_query", verdict="succeeded").exists()
        assert cashier.look(asked)["status"] == "pending"
        clock.forward(400)
        sweep_all()
        assert cashier.look(asked)["status"] == "expired"
        assert cashier.retry(asked).status_code == 409

    def test_after_a_querys_yes_it_is_completed_but_not_paid(self, cashier, daraja, web, clock):
        daraja.next("wrong_amount", callback_after_s=60)
        asked = cashier.sell()
        clock.forward(30)
        sweep_all()
        assert cashier.look(asked)["status"] == "completed"

        clock.forward(31)
        daraja.deliver(web)

        told = cashier.look(asked)
        assert (told["status"], told["paid"]) == ("completed", False)
        assert open_reviews(asked) == {"AMOUNT_MISMATCH": True}
        assert told["receipt_number"] is None

    @pytest.mark.parametrize("amount", ["150.01", "150.005", "149.999999", "-150", "1500", "15"])
    def test_by_however_little(self, cashier, daraja, web, amount):
        asked = cashier.sell()
        [(path, body)] = daraja.due_callbacks()

        web.post(path, _with_amount(body, Decimal(amount)), content_type="application/json")

        assert cashier.look(asked)["status"] == "pending"
        assert open_reviews(asked) == {"AMOUNT_MISMATCH": True}

    @pytest.mark.parametrize("amount", ["150", "150.0", "150.00", "1.5E+2"])
    def test_but_not_by_the_way_it_is_written(self, cashier, daraja, web, amount):
        asked = cashier.sell()
        [(path, body)] = daraja.due_callbacks()

        web.post(path, _with_amount(body, Decimal(amount)), content_type="application/json")

        assert cashier.look(asked)["paid"] is True


class TestHalfIsMissing:
    def test_the_receipt_so_the_query_decides(self, cashier, daraja, web, clock):
        daraja.next("no_receipt")
        asked = cashier.sell()
        daraja.deliver(web)
        told = cashier.look(asked)
        assert (told["status"], told["paid"]) == ("pending", False)
        assert told["result"]["code"] == "0"
        assert told["result"]["next_step"] == "wait"

        # Asked at once, not at the next rung.
        assert sweep("ask_fresh_attempts") == 1

        paid = cashier.look(asked)
        assert (paid["paid"], paid["receipt_pending"]) == (True, True)

    def test_the_amount_so_the_query_decides_and_the_receipt_is_kept(self, cashier, daraja, web):
        daraja.next("no_amount")
        asked = cashier.sell()
        daraja.deliver(web)
        assert cashier.look(asked)["status"] == "pending"

        assert sweep("ask_fresh_attempts") == 1

        paid = cashier.look(asked)
        assert (paid["paid"], paid["receipt_pending"]) == (True, False)
        assert paid["receipt_number"] == daraja.ledger.money[0].receipt_number
        assert Receipt.objects.get().status == "credited"

    def test_the_types_so_what(self, cashier, daraja, web):
        daraja.next("drift")
        asked = cashier.sell()

        daraja.deliver(web)

        assert cashier.look(asked)["paid"] is True

    def test_an_amount_that_cannot_be_read_is_not_no_amount(self, cashier, daraja, web, clock):
        asked = cashier.sell()
        [(path, body)] = daraja.due_callbacks()

        web.post(path, _with_item(body, "Amount", "KES 150"), content_type="application/json")
        _ask_all_the_same(asked, clock)

        # The query says yes, but to which amount?
        assert cashier.look(asked)["status"] == "pending"
        assert open_reviews(asked) == {"AMOUNT_MISMATCH": True}


class TestOneReceiptForTwo:
    def test_is_credited_once_and_doubted_once(self, cashier, daraja, web):
        first = cashier.sell(order_ref="A")
        [(path, body)] = daraja.due_callbacks()
        web.post(path, body, content_type="application/json")
        second = cashier.sell(order_ref="B", phone_number="0722000001")
        [(path, other)] = daraja.due_callbacks()
        forged = _with_receipt(other, row_of(first).receipt_number)

        web.post(path, forged, content_type="application/json")

        told = cashier.look(second)
        assert (told["status"], told["paid"], told["receipt_number"]) == ("pending", False, None)
        assert open_reviews(second) == {"DUPLICATE_RECEIPT": True}
        assert open_reviews(first) == {}
        assert Receipt.objects.get().payment_id == row_of(first).pk

    def test_and_we_still_look_for_the_seconds_own_money(self, cashier, daraja, web):
        first = cashier.sell(order_ref="A")
        daraja.deliver(web)
        second = cashier.sell(order_ref="B", phone_number="0722000001")
        [(path, other)] = daraja.due_callbacks()
        forged = _with_receipt(other, row_of(first).receipt_number)
        web.post(path, forged, content_type="application/json")
        assert attempt_of(second).next_ask_at is not None

        web.post(path, other, content_type="application/json")

        told = cashier.look(second)
        assert (told["status"], told["paid"]) == ("completed", False)
        assert told["receipt_number"] == daraja.ledger.money[1].receipt_number

    def test_two_receipts_for_one_payment_are_surplus(self, cashier, daraja, web):
        asked = cashier.sell()
        [(path, body)] = daraja.due_callbacks()
        web.post(path, body, content_type="application/json")

        web.post(path, _with_receipt(body, "TJX1234567"), content_type="application/json")

        told = cashier.look(asked)
        assert told["paid"] is True
        assert told["receipt_number"] == daraja.ledger.money[0].receipt_number
        assert open_reviews(asked) == {"SURPLUS": False}
        statuses = dict(Receipt.objects.values_list("number", "status"))
        assert statuses[told["receipt_number"]] == "credited"
        assert statuses["TJX1234567"] == "in_review"

    def test_nor_does_a_later_one_displace_what_a_query_completed(self, cashier, daraja, web):
        daraja.next("no_amount")
        asked = cashier.sell()
        [(path, body)] = daraja.due_callbacks()
        web.post(path, body, content_type="application/json")
        sweep("ask_fresh_attempts")

        other = _with_receipt(body, "TJX1234567")
        web.post(path, _with_amount(other, Decimal(150)), content_type="application/json")

        told = cashier.look(asked)
        assert told["receipt_number"] == daraja.ledger.money[0].receipt_number
        assert open_reviews(asked) == {"SURPLUS": False}


class TestAnOrderIsPaidTwice:
    def test_the_later_payment_is_doubted(self, cashier, daraja, web, clock):
        daraja.next("late")
        first = cashier.sell(order_ref="ORDER-1")
        clock.forward(301)
        expiry.expire_overdue(now=clock.now)
        second = cashier.sell(order_ref="ORDER-1")
        daraja.deliver(web)
        assert cashier.look(second)["paid"] is True

        clock.forward(300)
        daraja.deliver(web)

        told = cashier.look(first)
        assert (told["status"], told["paid"], told["late"]) == ("completed", False, True)
        assert open_reviews(first) == {"ORDER_PAID_TWICE": True}
        assert open_reviews(second) == {}
        assert moves_of(first) == ["created", "pending", "expired", "completed"]

    def test_and_a_paid_order_is_not_asked_for_again(self, cashier, daraja, web):
        cashier.sell(order_ref="ORDER-1")
        daraja.deliver(web)

        refused = cashier.ask(order_ref="ORDER-1", phone_number="0722000001")

        assert refused.status_code == 409
        assert refused.json()["code"] == "order_already_paid"
        assert daraja.prompts_sent == 1


def _ask_all_the_same(payment, clock):
    """Ask about an attempt nobody would ask about any more."""
    attempt = attempt_of(payment)
    attempt.status, attempt.next_ask_at = "submitted", clock.now
    attempt.save()
    sweep("ask_due_attempts")


def _with_item(body: bytes, name: str, value: object) -> bytes:
    document = json.loads(body)
    items = document["Body"]["stkCallback"]["CallbackMetadata"]["Item"]
    items[:] = [item for item in items if item["Name"] != name] + [{"Name": name, "Value": value}]
    return json.dumps(document).encode()


def _with_amount(body: bytes, amount: Decimal) -> bytes:
    # As a JSON number with exactly these digits, which no float would keep.
    return _with_item(body, "Amount", "@@").replace(b'"@@"', str(amount).encode())


def _with_receipt(body: bytes, number: str) -> bytes:
    return _with_item(body, "MpesaReceiptNumber", number)
