from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from decimal import Decimal

import pytest

from payments.providers.daraja.simulator.by_hand import HandPayment
from payments.providers.daraja.simulator.engine import PUSH_PATH, Engine
from payments.providers.daraja.simulator.registrations import Registration
from tests.payloads import body_of
from tests.payments.providers.test_simulator import PHONE, Caller, error, push_body, read

PAYBILL, TILL, STORE = "600100", "5200101", "600996"
VALIDATION, CONFIRMATION = "https://shop.example/cb/v", "https://shop.example/cb/c"
SIMULATE = "/mpesa/c2b/v2/simulate"


@pytest.fixture
def caller():
    found = Caller(Engine(default="pay", seed=7))
    found.engine.knobs.turn(tills={TILL: STORE})
    for number in (PAYBILL, STORE):
        register(found, number)
    return found


def register(caller, number=PAYBILL, version="v2", response_type="Completed"):
    registration = Registration(version, response_type, VALIDATION, CONFIRMATION)
    caller.engine.register_urls(number, registration)


def pay(caller, business=PAYBILL, amount="150", reference="K7Q2M9", **options):
    payment = HandPayment(business, Decimal(amount), PHONE, reference, **options)
    return caller.engine.pay_by_hand(payment, now=caller.now)


def told(caller):
    return [(one.url, json.loads(one.body)) for one in caller.engine.due(caller.now)]


def answer(caller, callback, said, status=200):
    text = said if isinstance(said, str) else json.dumps(said)
    caller.engine.delivered(callback, status=status, answer=text, now=caller.now)


class TestConfirmations:
    def test_have_the_fields_and_types_of_the_recorded_ones(self, caller):
        pay(caller)
        recorded = json.loads(body_of("c2b_confirmation", "05-v2-masked-msisdn-spaces-2023"))

        [(url, body)] = told(caller)

        assert url == CONFIRMATION
        assert {key: type(value) for key, value in body.items()} == {
            key: type(value) for key, value in recorded.items()
        }
        assert body["TransTime"] == "20261120160000"
        assert (body["TransAmount"], body["BillRefNumber"]) == ("150.00", "K7Q2M9")
        assert body["TransactionType"] == "Pay Bill"

    @pytest.mark.parametrize(
        ("version", "form", "shown"),
        [
            ("v1", "", hashlib.sha256(PHONE.encode()).hexdigest()),
            ("v2", "", "2547 ***** 678"),
            ("v2", "plain", PHONE),
            ("v1", "mask_tight", "2547*****678"),
        ],
    )
    def test_show_the_payer_as_the_version_does(self, caller, version, form, shown):
        register(caller, version=version)
        pay(caller, msisdn_form=form)

        assert told(caller)[0][1]["MSISDN"] == shown

    @pytest.mark.parametrize(
        ("names", "shown"),
        [
            ("none", {}),
            ("first", {"FirstName": "ASHA"}),
            ("all", {"FirstName": "Asha", "MiddleName": "Wa", "LastName": "Otieno"}),
        ],
    )
    def test_show_as_much_of_the_name_as_is_wanted(self, caller, names, shown):
        pay(caller, names=names, name="Asha Wa Otieno")

        body = told(caller)[0][1]
        assert {key: value for key, value in body.items() if "Name" in key} == shown

    def test_add_up_what_the_business_holds(self, caller):
        pay(caller, amount="150")
        pay(caller, amount="20.50")

        assert [body["OrgAccountBalance"] for _, body in told(caller)] == ["150.00", "170.50"]

    def test_of_a_till_go_to_its_store_without_a_reference(self, caller):
        pay(caller, TILL, reference="typed all the same")

        [(_, body)] = told(caller)
        assert (body["BusinessShortCode"], body["BillRefNumber"]) == (STORE, "")
        assert body["TransactionType"] == "Customer Merchant Payment"

    @pytest.mark.parametrize(("times", "after_s"), [(0, 0), (2, 0), (1, 600)])
    def test_are_lost_doubled_or_late(self, caller, times, after_s):
        pay(caller, confirmations=times, confirm_after_s=after_s)
        early = told(caller)
        caller.wait(after_s)

        assert len(early + told(caller)) == times
        assert bool(early) == (times > 0 and not after_s)

    def test_go_nowhere_without_addresses(self, caller):
        receipt = pay(caller, "600999")

        assert told(caller) == []
        assert caller.engine.ledger.money[-1].receipt_number == receipt


class TestValidation:
    @pytest.fixture(autouse=True)
    def on(self, caller):
        caller.engine.knobs.turn(c2b_validates=True)

    def ask(self, caller):
        receipt = pay(caller)
        [callback] = caller.engine.due(caller.now)
        assert callback.url == VALIDATION
        return receipt, callback

    def test_asks_without_a_balance_before_any_money_moves(self, caller):
        _, callback = self.ask(caller)

        assert json.loads(callback.body)["OrgAccountBalance"] == ""
        assert caller.engine.ledger.money == []

    @pytest.mark.parametrize("code", ["0", 0, "00000000"])
    def test_accepted_is_paid_and_confirmed_under_the_same_receipt(self, caller, code):
        receipt, callback = self.ask(caller)

        answer(caller, callback, {"ResultCode": code, "ResultDesc": "Accepted"})

        assert [body["TransID"] for _, body in told(caller)] == [receipt]
        assert caller.engine.ledger.validations[0].outcome == "accepted"

    def test_refused_is_not_paid(self, caller):
        _, callback = self.ask(caller)

        answer(caller, callback, {"ResultCode": "C2B00012", "ResultDesc": "Rejected"})
        caller.wait(60)

        assert told(caller) == []
        assert caller.engine.ledger.money == []
        assert caller.engine.ledger.validations[0].result_code == "C2B00012"

    @pytest.mark.parametrize(("default", "paid"), [("Completed", True), ("Cancelled", False)])
    @pytest.mark.parametrize(
        "said", [None, ("", 200), ("<html>", 200), ("{}", 200), ('{"ResultCode": "0"}', 500)]
    )
    def test_silence_counts_as_the_response_type(self, caller, default, paid, said):
        register(caller, response_type=default)
        _, callback = self.ask(caller)

        if said:
            answer(caller, callback, *said)
        else:
            caller.wait(8)

        assert len(told(caller)) == paid
        assert caller.engine.ledger.validations[0].outcome == "silent"

    def test_may_ask_twice_and_hear_the_first_answer_alone(self, caller):
        receipt = pay(caller, questions=2)
        first, second = caller.engine.due(caller.now)

        answer(caller, first, {"ResultCode": "0"})
        answer(caller, second, {"ResultCode": "C2B00012"})

        assert first.body == second.body
        assert [body["TransID"] for _, body in told(caller)] == [receipt]
        assert len(caller.engine.ledger.validations) == 1

    @pytest.mark.parametrize("is_on", [True, False])
    def test_may_come_behind_the_confirmation_and_decides_nothing(self, caller, is_on):
        caller.engine.knobs.turn(c2b_validates=is_on)
        pay(caller, late_questions=1, confirm_after_s=5)
        if is_on:
            [asked] = caller.engine.due(caller.now)
            answer(caller, asked, {"ResultCode": "0"})
        caller.wait(5)

        confirmation, late = caller.engine.due(caller.now)
        answer(caller, late, {"ResultCode": "C2B00012"})

        assert (confirmation.kind, late.kind) == ("c2b_confirmation", "c2b_validation")
        assert json.loads(late.body)["OrgAccountBalance"] == ""
        assert len(caller.engine.ledger.money) == 1
        assert len(caller.engine.ledger.validations) == is_on

    def test_an_answer_after_eight_seconds_is_none(self, caller):
        register(caller, response_type="Cancelled")
        _, callback = self.ask(caller)

        caller.wait(8)
        answer(caller, callback, {"ResultCode": "0"})

        assert told(caller) == []
        assert len(caller.engine.ledger.validations) == 1


class TestSimulate:
    BODY = {
        "ShortCode": PAYBILL,
        "CommandID": "CustomerPayBillOnline",
        "Amount": 10,
        "Msisdn": PHONE,
        "BillRefNumber": "007",
    }

    @pytest.mark.parametrize("version", ["v1", "v2"])
    def test_answers_as_recorded_and_pays(self, caller, version):
        said = caller.post(f"/mpesa/c2b/{version}/simulate", self.BODY)

        assert read(said).keys() == {
            "OriginatorCoversationID",
            "ResponseCode",
            "ResponseDescription",
        }
        assert read(said)["ResponseCode"] == "0"
        assert told(caller)[0][1]["BillRefNumber"] == "007"

    def test_pays_a_till_without_a_reference(self, caller):
        body = {**self.BODY, "ShortCode": STORE, "CommandID": "CustomerBuyGoodsOnline"}

        assert caller.post(SIMULATE, {**body, "BillRefNumber": None}).status == 200
        assert told(caller)[0][1]["TransactionType"] == "Customer Merchant Payment"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("ShortCode", "12"),
            ("CommandID", "Pay"),
            ("Amount", 0),
            ("Msisdn", "0712345678"),
            ("BillRefNumber", "x" * 21),
        ],
    )
    def test_names_the_field_that_does_not_fit(self, caller, field, value):
        said = caller.post(SIMULATE, {**self.BODY, field: value})

        assert error(said) == (400, "400.002.02", f"Bad Request - Invalid {field}")
        assert caller.engine.ledger.money == []


class TestPromptsToldAsC2B:
    def test_carry_the_receipt_of_the_prompt(self, caller):
        caller.engine.knobs.turn(stk_sends_c2b=True)
        caller.post(PUSH_PATH, push_body(shortcode=PAYBILL))
        caller.wait(2)

        bodies = dict(told(caller))

        receipt = caller.engine.ledger.money[0].receipt_number
        assert bodies[CONFIRMATION]["TransID"] == receipt
        assert bodies[CONFIRMATION]["BillRefNumber"] == "K7Q2M9"
        assert len(bodies) == 2

    def test_are_not_told_unless_wanted(self, caller):
        caller.post(PUSH_PATH, push_body(shortcode=PAYBILL))
        caller.wait(2)

        assert CONFIRMATION not in dict(told(caller))


class TestPull:
    REGISTER, QUERY = "/pulltransactions/v1/register", "/pulltransactions/v1/query"
    WHO = {
        "ShortCode": PAYBILL,
        "RequestType": "Pull",
        "NominatedNumber": "0712345678",
        "CallBackURL": "https://shop.example/pull",
    }

    def query(self, caller, *, begin=-3600, end=60, offset="0", **more):
        local = (caller.now + timedelta(hours=3)).replace(tzinfo=None)
        dates = {
            name: f"{local + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}"
            for name, seconds in (("StartDate", begin), ("EndDate", end))
        }
        body = {"ShortCode": PAYBILL, **dates, "OffSetValue": offset, **more}
        return caller.post(self.QUERY, body)

    def rows(self, said):
        [rows] = read(said)["Response"]
        return rows

    def test_registers_once(self, caller):
        said = [read(caller.post(self.REGISTER, self.WHO)) for _ in range(2)]

        assert [one["ResponseStatus"] for one in said] == ["1000", "1001"]

    def test_answers_a_second_registration_as_in_2020_when_told(self, caller):
        caller.engine.knobs.turn(pull_spaced=True)
        caller.post(self.REGISTER, self.WHO)

        said = read(caller.post(self.REGISTER, self.WHO))

        recorded = json.loads(body_of("pull_response", "03-register-spaced-keys"))
        assert said.keys() == recorded.keys()
        assert said["Response Status"] == recorded["Response Status"]

    def test_lists_in_a_list_every_payment_told_or_not(self, caller):
        caller.post(self.REGISTER, self.WHO)
        first = pay(caller, confirmations=0)
        caller.wait(1)
        second = pay(caller, "600100", "20.50", "two")

        rows = self.rows(self.query(caller))

        recorded = json.loads(body_of("pull_response", "01-query-nested-list"))["Response"][0][0]
        assert [row["transactionId"] for row in rows] == [first, second]
        assert rows[1]["amount"] == "20.50"
        assert rows[0]["trxDate"] == "2026-11-20T16:00:00Z"
        assert {key: type(value) for key, value in rows[0].items()} == {
            key: type(value) for key, value in recorded.items()
        }

    def test_goes_on_from_a_row_offset(self, caller):
        caller.post(self.REGISTER, self.WHO)
        receipts = [pay(caller) for _ in range(103)]

        first, rest = self.query(caller), self.query(caller, offset="100")

        assert [row["transactionId"] for row in self.rows(first)] == receipts[:100]
        assert [row["transactionId"] for row in self.rows(rest)] == receipts[100:]

    def test_is_asked_with_get_too(self, caller):
        caller.post(self.REGISTER, self.WHO)
        receipt = pay(caller)
        when = "StartDate=2026-11-20+15%3A00%3A00&EndDate=2026-11-20+17%3A00%3A00"
        path = f"{self.QUERY}?ShortCode={PAYBILL}&{when}&OffSetValue=0"

        said = caller.send("GET", path, {"Authorization": f"Bearer {caller.token}"})

        assert [row["transactionId"] for row in self.rows(said)] == [receipt]

    @pytest.mark.parametrize(
        ("knob", "shape"),
        [("1001", None), ("list", [[]]), ("text", "[[]]")],
    )
    def test_says_none_in_every_recorded_form(self, caller, knob, shape):
        caller.engine.knobs.turn(pull_empty=knob)
        caller.post(self.REGISTER, self.WHO)

        said = read(self.query(caller))

        assert said.get("Response") == shape
        assert said["ResponseCode"] == ("1001" if shape is None else "1000")

    def test_tells_an_unregistered_shortcode_nothing(self, caller):
        pay(caller)

        assert read(self.query(caller))["ResponseCode"] == "1001"

    @pytest.mark.parametrize(
        "window", [{"begin": -48 * 3600 - 1, "end": 0}, {"begin": 0, "end": -1}]
    )
    def test_refuses_more_than_48_hours_and_a_window_backwards(self, caller, window):
        caller.post(self.REGISTER, self.WHO)

        assert error(self.query(caller, **window))[2] == "Bad Request - Invalid EndDate"

    def test_shows_a_payment_taken_back_as_a_negative_row(self, caller):
        caller.post(self.REGISTER, self.WHO)
        receipt = pay(caller)
        reversal = caller.engine.take_back(receipt, now=caller.now)

        paid, returned = self.rows(self.query(caller))

        assert (paid["transactionId"], paid["amount"]) == (receipt, "150.00")
        assert (returned["transactionId"], returned["amount"]) == (reversal, "-150.00")
        assert returned["billreference"] == receipt
