from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command

from payments.providers.daraja.simulator.delivery import Courier
from payments.providers.daraja.simulator.engine import (
    OAUTH_PATH,
    PUSH_PATH,
    QUERY_PATH,
    Engine,
)
from payments.providers.daraja.simulator.faults import FAULTS
from payments.providers.daraja.simulator.handset import NoSuchPrompt, WrongInput
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.scenarios import (
    SCENARIOS,
    TEST_NUMBERS,
    UnknownScenario,
    get_scenario,
)
from payments.providers.daraja.simulator.server import SimulatorServer
from tests.daraja import FakeDaraja

PHONE = "254712345678"
PAYBILL = "174379"
SECRET = "secret"
# 20 November 2026, 16:00 in Nairobi: receipts begin with U (2026), K (November), K (20).
NOON = datetime(2026, 11, 20, 13, 0, 0, 123_000, tzinfo=UTC)
CALLBACK_URL = "https://shop.example/cb/s/abc/def"


class Caller:
    """Speaks to an engine as a client of Daraja would; clock stands still until moved."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = NOON
        self.token = ""

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def send(self, method: str, path: str, headers: dict, body: bytes = b""):
        return self.engine.handle(method, path, headers, body, self.now)

    def fetch_token(
        self, key: str = "key", secret: str = SECRET, grant: str = "client_credentials"
    ):
        basic = base64.b64encode(f"{key}:{secret}".encode()).decode()
        path = f"{OAUTH_PATH}?grant_type={grant}"
        answer = self.send("GET", path, {"Authorization": f"Basic {basic}"})
        with contextlib.suppress(ValueError, KeyError):
            self.token = json.loads(answer.body)["access_token"]
        return answer

    def post(self, path: str, content: object, **headers: str):
        if not self.token:
            self.fetch_token()
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.send("POST", path, {**sent, **headers}, body)

    def push(self, **changes: object):
        return self.post(PUSH_PATH, push_body(**changes))

    def query(self, checkout_request_id: str, **changes: object):
        body = {**signed(), "CheckoutRequestID": checkout_request_id, **changes}
        return self.post(QUERY_PATH, body)


def signed(shortcode: str = PAYBILL, passkey: str = "passkey") -> dict:
    timestamp = "20261120160000"
    password = base64.b64encode(f"{shortcode}{passkey}{timestamp}".encode()).decode()
    return {"BusinessShortCode": shortcode, "Password": password, "Timestamp": timestamp}


def push_body(*, phone: str = PHONE, shortcode: str = PAYBILL, **changes: object) -> dict:
    body = {
        **signed(shortcode),
        "TransactionType": "CustomerPayBillOnline",
        "Amount": 150,
        "PartyA": phone,
        "PartyB": shortcode,
        "PhoneNumber": phone,
        "CallBackURL": CALLBACK_URL,
        "AccountReference": "K7Q2M9",
        "TransactionDesc": "Sale",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not ...}


def read(answer) -> dict:
    return json.loads(answer.body)


def error(answer) -> tuple[int, str, str]:
    content = read(answer)
    return answer.status, content["errorCode"], content["errorMessage"]


@pytest.fixture
def caller() -> Caller:
    return Caller(Engine(default="pay", seed=7))


class TestOAuth:
    def test_gives_a_token_of_28_characters_with_its_life_as_a_string(self, caller):
        answer = caller.fetch_token()

        content = read(answer)
        assert answer.status == 200
        assert re.fullmatch(r"[A-Za-z0-9]{28}", content["access_token"])
        assert content["expires_in"] == "3599"

    def test_gives_the_life_as_a_number_when_told(self, caller):
        caller.engine.knobs.expires_in_number = True

        assert read(caller.fetch_token())["expires_in"] == 3599

    @pytest.mark.parametrize("pair", [("bad-key", "s"), ("k", "bad"), ("", "s"), ("k", "")])
    def test_refuses_bad_credentials_as_recorded(self, caller, pair):
        answer = caller.fetch_token(*pair)

        assert error(answer) == (400, "400.008.01", "Invalid Authentication passed")
        assert [row.granted for row in caller.engine.ledger.tokens] == [False]

    def test_refuses_a_registered_app_with_another_secret(self, caller):
        caller.engine.register_app("key", "right")

        assert caller.fetch_token("key", "wrong").status == 400
        assert caller.fetch_token("key", "right").status == 200

    def test_refuses_with_an_empty_body_when_told(self, caller):
        caller.engine.knobs.empty_400 = True

        answer = caller.fetch_token("bad", "bad")

        assert (answer.status, answer.body) == (400, b"")

    def test_refuses_another_grant(self, caller):
        assert error(caller.fetch_token(grant="password"))[1] == "400.008.02"

    def test_lets_a_new_token_kill_the_old_one_of_that_app_only(self, caller):
        caller.fetch_token("other-app")
        others = caller.token
        caller.fetch_token()
        old = caller.token

        caller.fetch_token()

        assert error(caller.post(PUSH_PATH, {}, Authorization=f"Bearer {old}")) == (
            404,
            "404.001.03",
            "Invalid Access Token",
        )
        assert caller.post(PUSH_PATH, {}, Authorization=f"Bearer {others}").status == 400

    def test_keeps_the_old_token_with_the_knob_off(self, caller):
        caller.engine.knobs.new_token_kills_old = False
        caller.fetch_token()
        old = caller.token

        caller.fetch_token()

        assert caller.post(PUSH_PATH, push_body(), Authorization=f"Bearer {old}").status == 200

    def test_lets_a_token_die_of_age(self, caller):
        caller.fetch_token()
        caller.wait(3599)

        assert error(caller.push())[1] == "404.001.03"

    def test_kills_one_apps_token_on_demand(self, caller):
        caller.fetch_token("key")
        caller.engine.kill_token("another")
        assert caller.push().status == 200

        caller.engine.kill_token("key")

        assert error(caller.push())[1] == "404.001.03"

    def test_writes_no_secret_down(self, caller):
        caller.fetch_token("consumer-key-1", "consumer-secret-1")
        caller.push()

        rows = json.dumps(caller.engine.rows())
        for secret in ("consumer-key-1", "consumer-secret-1", caller.token, signed()["Password"]):
            assert secret not in rows


class TestPush:
    def test_answers_as_recorded(self, caller):
        answer = caller.push()

        content = read(answer)
        text = "Success. Request accepted for processing"
        assert answer.status == 200
        assert content["ResponseCode"] == "0"
        assert content["ResponseDescription"] == content["CustomerMessage"] == text
        # Modern forms: EAT, milliseconds, the payer's last nine digits; hex groups.
        assert content["CheckoutRequestID"] == "ws_CO_20112026160000123712345678"
        assert re.fullmatch(
            r"[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\d{5,}", content["MerchantRequestID"]
        )

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("BusinessShortCode", "12"),
            ("BusinessShortCode", ...),
            ("Password", ""),
            ("Timestamp", "20261320160000"),
            ("Timestamp", "2026-11-20"),
            ("TransactionType", "PayBill"),
            ("Amount", 0),
            ("Amount", "1.5"),
            ("Amount", 1.0),
            ("Amount", True),
            ("Amount", 250_001),
            ("Amount", "٣"),
            ("PartyA", "0712345678"),
            ("PhoneNumber", "+254712345678"),
            ("PhoneNumber", "254612345678"),
            ("PartyB", "600000"),
            ("CallBackURL", "ftp://shop.example/cb"),
            ("CallBackURL", ...),
            ("AccountReference", ""),
            ("AccountReference", "thirteen-char"),
            ("TransactionDesc", "fourteen chars"),
        ],
    )
    def test_names_the_field_that_does_not_fit(self, caller, field, value):
        answer = caller.push(**{field: value})

        assert error(answer) == (400, "400.002.02", f"Bad Request - Invalid {field}")
        assert not caller.engine.ledger.pushes[-1].processed

    @pytest.mark.parametrize(
        "changes",
        [
            {"Amount": "250000"},
            {"phone": "254110000123"},
            {"PhoneNumber": int(PHONE), "PartyA": int(PHONE)},
            {"TransactionDesc": ...},
            {"CallBackURL": "http://127.0.0.1:8000/cb"},
            {"TransactionType": "CustomerBuyGoodsOnline", "PartyB": "5204321"},
        ],
    )
    def test_takes_what_daraja_takes(self, caller, changes):
        assert caller.push(**changes).status == 200

    def test_takes_a_form_for_a_wrong_shortcode(self, caller):
        answer = caller.post(PUSH_PATH, b"a=b", **{"Content-Type": "text/plain"})

        assert error(answer)[2] == "Bad Request - Invalid BusinessShortCode"

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
    def test_refuses_what_is_no_json_object(self, caller, body):
        assert error(caller.post(PUSH_PATH, body))[1] == "400.002.05"

    @pytest.mark.parametrize("passkey", ["bad-passkey", ""])
    def test_refuses_a_wrong_passkey_as_recorded(self, caller, passkey):
        answer = caller.push(**signed(passkey=passkey))

        assert error(answer) == (500, "500.001.1001", "Wrong credentials")

    def test_refuses_a_password_of_another_shortcode_or_time(self, caller):
        foreign = signed("600000")["Password"]

        assert error(caller.push(Password=foreign))[2] == "Wrong credentials"
        assert error(caller.push(Timestamp="20261120160001"))[2] == "Wrong credentials"
        assert error(caller.push(Password="not base64!"))[2] == "Wrong credentials"

    def test_holds_a_registered_shortcode_to_its_passkey(self, caller):
        caller.engine.register_passkey(PAYBILL, "the-right-one")

        assert error(caller.push())[2] == "Wrong credentials"
        assert caller.push(**signed(passkey="the-right-one")).status == 200

    def test_lets_a_foreign_till_fail_in_the_callback_not_at_once(self, caller):
        caller.engine.register_till("600000", "5204321")
        wrong = {"TransactionType": "CustomerBuyGoodsOnline", "PartyB": "5209999"}

        answer = caller.push(shortcode="600000", **wrong)
        caller.wait(2)

        assert answer.status == 200
        assert _results(caller.engine.due(caller.now)) == [2028]

    def test_refuses_a_second_prompt_while_one_is_open(self, caller):
        caller.push()

        second = caller.push()
        caller.wait(2)
        third = caller.push()

        assert error(second)[:2] == (500, "500.001.1001")
        assert error(second)[2].startswith("Unable to lock subscriber, a transaction is already")
        assert third.status == 200

    def test_lets_one_of_many_parallel_prompts_win(self, caller):
        caller.fetch_token()
        statuses = []
        threads = [
            threading.Thread(target=lambda: statuses.append(caller.push().status))
            for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(statuses) == [200] + [500] * 15

    def test_needs_a_bearer_token(self, caller):
        bare = caller.send("POST", PUSH_PATH, {"Content-Type": "application/json"}, b"{}")
        caller.fetch_token()
        schemeless = caller.post(PUSH_PATH, push_body(), Authorization=caller.token)

        assert error(bare)[1] == "404.001.04"
        assert error(schemeless)[1] == "404.001.03"

    def test_answers_wrong_method_and_wrong_path_as_daraja(self, caller):
        assert error(caller.send("GET", PUSH_PATH, {}))[:2] == (405, "405.001")
        assert error(caller.send("POST", "/mpesa/nothing", {}))[:2] == (404, "404.001.01")


class TestQuery:
    def test_says_pending_in_the_classic_form_with_the_checkout_id_as_request_id(self, caller):
        checkout_id = read(caller.push())["CheckoutRequestID"]

        answer = caller.query(checkout_id)

        assert error(answer) == (500, "500.001.1001", "The transaction is being processed")
        assert read(answer)["requestId"] == checkout_id

    def test_says_pending_as_4999_when_told(self, caller):
        caller.engine.knobs.pending_as = "4999"

        answer = caller.query(read(caller.push())["CheckoutRequestID"])

        assert answer.status == 200
        assert read(answer)["ResultCode"] == "4999"
        assert read(answer)["ResultDesc"] == "The transaction is still under processing"

    def test_says_too_early_as_400_when_told(self, caller):
        caller.engine.knobs.pending_as = "400"

        answer = caller.query(read(caller.push())["CheckoutRequestID"])

        assert error(answer)[2] == "Bad Request - Invalid CheckoutRequestID"

    @pytest.mark.parametrize(
        ("scenario", "code", "text"),
        [
            ("pay", "0", "The service request is processed successfully."),
            ("cancel", "1032", "Request Cancelled by user."),
            ("unreachable", "1037", "No response from user."),
            ("no_funds", "1", "The balance is insufficient for the transaction."),
        ],
    )
    def test_says_what_became_of_it_as_recorded(self, caller, scenario, code, text):
        caller.engine.scenarios.queue(scenario)
        pushed = read(caller.push())
        caller.wait(2)

        answer = caller.query(pushed["CheckoutRequestID"])

        assert answer.status == 200
        assert read(answer) == {
            "ResponseCode": "0",
            "ResponseDescription": "The service request has been accepted successfully",
            "MerchantRequestID": pushed["MerchantRequestID"],
            "CheckoutRequestID": pushed["CheckoutRequestID"],
            "ResultCode": code,
            "ResultDesc": text,
        }

    def test_does_not_know_foreign_ids_nor_anothers_shortcode(self, caller):
        checkout_id = read(caller.push())["CheckoutRequestID"]

        for answer in (caller.query("ws_CO_1"), caller.query(checkout_id, **signed("600000"))):
            assert error(answer) == (500, "500.001.1001", "The transaction does not Exist")

    def test_arrests_spikes_per_app_and_forgets_after_a_minute(self, caller):
        caller.engine.knobs.query_limit_per_minute = 2
        checkout_id = read(caller.push())["CheckoutRequestID"]

        statuses = [caller.query(checkout_id).status for _ in range(3)]
        fault = read(caller.query(checkout_id))["fault"]
        caller.wait(60)

        assert statuses == [500, 500, 429]
        assert "messagesPerPeriod=2" in fault["faultstring"]
        assert fault["detail"]["errorcode"] == "policies.ratelimit.SpikeArrestViolation"
        assert caller.query(checkout_id).status == 200


class TestCallbacks:
    def test_have_the_recorded_form_byte_for_byte(self, caller):
        pushed = read(caller.push())
        caller.wait(2)

        (callback,) = caller.engine.due(caller.now)

        receipt = caller.engine.ledger.money[0].receipt_number
        assert callback.url == CALLBACK_URL
        assert callback.body.decode() == (
            '{"Body":{"stkCallback":{'
            f'"MerchantRequestID":"{pushed["MerchantRequestID"]}",'
            f'"CheckoutRequestID":"{pushed["CheckoutRequestID"]}",'
            '"ResultCode":0,"ResultDesc":"The service request is processed successfully.",'
            '"CallbackMetadata":{"Item":[{"Name":"Amount","Value":150.00},'
            f'{{"Name":"MpesaReceiptNumber","Value":"{receipt}"}},{{"Name":"Balance"}},'
            '{"Name":"TransactionDate","Value":20261120160002},'
            f'{{"Name":"PhoneNumber","Value":{PHONE}}}]}}}}}}}}'
        )

    def test_of_failures_have_no_metadata(self, caller):
        caller.engine.scenarios.queue("wrong_pin")
        caller.push()
        caller.wait(2)

        (callback,) = caller.engine.due(caller.now)

        inner = json.loads(callback.body)["Body"]["stkCallback"]
        assert inner["ResultCode"] == 2001
        assert "CallbackMetadata" not in inner
        assert caller.engine.ledger.money == []

    def test_are_handed_out_once(self, caller):
        caller.push()
        caller.wait(2)

        assert len(caller.engine.due(caller.now)) == 1
        assert caller.engine.due(caller.now) == []

    def test_receipts_carry_the_nairobi_date_and_are_unique(self, caller):
        caller.now = datetime(2026, 12, 31, 21, 0, 0, tzinfo=UTC)  # 1 January 2027 in Nairobi
        for number in range(200):
            caller.push(phone=f"2547{number:08d}")
        caller.wait(2)
        caller.engine.due(caller.now)

        receipts = {row.receipt_number for row in caller.engine.ledger.money}
        assert len(receipts) == 200
        assert all(re.fullmatch(r"VA1[A-Z0-9]{7}", receipt) for receipt in receipts)

    def test_ids_stay_unique_within_one_millisecond(self, caller):
        caller.engine.knobs.answer_after_s = 0

        ids = {read(caller.push())["CheckoutRequestID"] for _ in range(5)}

        assert len(ids) == 5

    def test_are_the_same_again_with_the_same_seed(self):
        bodies = []
        for _ in range(2):
            again = Caller(Engine(default="pay", seed=3))
            again.push()
            again.wait(2)
            bodies.append(again.engine.due(again.now)[0].body)

        assert bodies[0] == bodies[1]


#: scenario: (status of the push, prompts out, money moved, callbacks' codes, query afterwards)
STORIES = {
    "pay": (200, 1, 1, [0], "0"),
    "cancel": (200, 1, 0, [1032], "1032"),
    "wrong_pin": (200, 1, 0, [2001], "2001"),
    "no_funds": (200, 1, 0, [1], "1"),
    "unreachable": (200, 1, 0, [1037], "1037"),
    "expired": (200, 1, 0, [1019], "1019"),
    "paid_silently": (200, 1, 1, [], "0"),
    "silent": (200, 1, 0, [], "4999"),
    "late": (200, 1, 1, [], "0"),
    "duplicate": (200, 1, 1, [0, 0, 0], "0"),
    "early": (200, 1, 1, [], "0"),
    "lost": (0, 1, 1, [0], "0"),
    "hang": (200, 1, 1, [0], "0"),
    "server_error": (500, 0, 0, [], ""),
    "error_but_sent": (500, 1, 1, [0], "0"),
    "html": (503, 0, 0, [], ""),
    "html_200": (200, 0, 0, [], ""),
    "html_403": (403, 0, 0, [], ""),
    "empty": (200, 0, 0, [], ""),
    "spike": (429, 0, 0, [], ""),
    "wrong_amount": (200, 1, 1, [0], "0"),
    "no_receipt": (200, 1, 1, [0], "0"),
    "no_amount": (200, 1, 1, [0], "0"),
    "drift": (200, 1, 1, ["0"], 0),
    "unknown_code": (200, 1, 0, [7777], "7777"),
    "query_lies": (200, 1, 1, [0], "1032"),
    "locked": (500, 0, 0, [], ""),
    "wrong_credentials": (500, 0, 0, [], ""),
    "no_merchant": (500, 0, 0, [], ""),
    "token_killed": (404, 0, 0, [], ""),
    "limit": (200, 1, 0, [17], "17"),
    "too_much": (200, 1, 0, [4], "4"),
    "not_sent": (200, 1, 0, [1025], "1025"),
    "not_assigned": (200, 1, 0, [2028], "2028"),
    "lost_unsent": (0, 0, 0, [], ""),
    "huge": (200, 1, 1, [0], "0"),
    "cut": (200, 1, 1, [0], "0"),
    "redirect": (302, 0, 0, [], ""),
    "busy": (500, 0, 0, [], ""),
    "handset": (200, 1, 0, [], None),
}


class TestScenarios:
    def test_are_all_told_below(self):
        assert set(STORIES) == set(SCENARIOS)

    @pytest.mark.parametrize("name", STORIES)
    def test_go_as_their_line_says(self, caller, name):
        status, prompts, money, codes, asked = STORIES[name]
        engine = caller.engine
        engine.scenarios.queue(name)

        answer = caller.push()
        caller.wait(2)

        assert (answer.status, answer.drop) == (status, name in {"lost", "lost_unsent"})
        assert _results(engine.due(caller.now)) == codes
        assert sum(row.processed for row in engine.ledger.pushes) == prompts
        assert len(engine.ledger.money) == money
        if prompts and asked is not None:
            answered = caller.query(engine.ledger.pushes[0].checkout_request_id)
            assert read(answered)["ResultCode"] == asked

    @pytest.mark.parametrize("number", TEST_NUMBERS)
    def test_are_chosen_by_test_number(self, caller, number):
        caller.push(phone=number)

        assert caller.engine.ledger.pushes[0].scenario == TEST_NUMBERS[number].name

    def test_have_one_number_each_but_the_handset(self):
        assert len(TEST_NUMBERS) == len(SCENARIOS) - 1
        assert TEST_NUMBERS["254708374149"].name == "pay"

    def test_late_callback_comes_after_its_minutes(self, caller):
        caller.engine.scenarios.queue("late", callback_after_s=120)
        caller.push()

        caller.wait(121)
        assert caller.engine.due(caller.now) == []
        caller.wait(1)
        assert _results(caller.engine.due(caller.now)) == [0]

    def test_silent_prompt_becomes_1037_after_a_minute(self, caller):
        caller.engine.scenarios.queue("silent")
        checkout_id = read(caller.push())["CheckoutRequestID"]
        caller.wait(60)

        assert read(caller.query(checkout_id))["ResultCode"] == "1037"
        assert caller.engine.due(caller.now) == []

    def test_early_callback_goes_along_with_the_answer(self, caller):
        caller.engine.scenarios.queue("early")

        answer = caller.push()

        assert _results(answer.before) == [0]

    def test_wrong_amount_differs_by_a_shilling_and_is_never_nothing(self, caller):
        caller.engine.scenarios.set_default("wrong_amount")
        caller.push(Amount=150)
        caller.push(Amount=1, phone="254712345679")
        caller.wait(2)

        bodies = [callback.body for callback in caller.engine.due(caller.now)]

        assert b'"Value":149.00' in bodies[0]
        assert b'"Value":2.00' in bodies[1]

    def test_drift_turns_numbers_and_strings_round(self, caller):
        caller.engine.scenarios.set_default("drift")
        grant = read(caller.fetch_token())
        caller.push()
        caller.wait(2)

        (callback,) = caller.engine.due(caller.now)

        inner = json.loads(callback.body)["Body"]["stkCallback"]
        values = {item["Name"]: item.get("Value") for item in inner["CallbackMetadata"]["Item"]}
        assert grant["expires_in"] == 3599
        assert inner["ResultCode"] == "0"
        assert values["Amount"] == "150"
        assert values["PhoneNumber"] == PHONE
        assert re.fullmatch(r"UKK[A-Z0-9]{7}", values["MpesaReceiptNumber"])

    def test_omitted_items_are_gone(self, caller):
        caller.engine.scenarios.queue("no_receipt")
        caller.push()
        caller.wait(2)

        assert b"MpesaReceiptNumber" not in caller.engine.due(caller.now)[0].body

    def test_killed_token_dies_once_and_a_fresh_one_works(self, caller):
        phone = get_scenario("token_killed").phone

        first = caller.push(phone=phone)
        dead = caller.push(phone=phone)
        caller.fetch_token()
        second = caller.push(phone=phone)

        assert [first.status, dead.status, second.status] == [404, 404, 200]

    def test_hang_says_so_and_still_takes_the_prompt(self, caller):
        caller.engine.scenarios.queue("hang")

        assert caller.push().delay_s == 30

    def test_next_goes_before_phone_goes_before_number_goes_before_default(self, caller):
        number = "254708374150"
        caller.engine.scenarios.set_on(number, "no_funds")
        caller.engine.scenarios.queue("server_error", msisdn=PHONE)
        caller.engine.scenarios.queue("spike", msisdn=number)

        for _ in range(2):
            caller.push(phone=number)
        caller.wait(2)
        caller.engine.scenarios.take_off(number)
        caller.push(phone=number)
        caller.push()

        names = [row.scenario for row in caller.engine.ledger.pushes]
        assert names == ["spike", "no_funds", "cancel", "server_error"]

    @pytest.mark.parametrize(
        ("name", "params"),
        [
            ("nothing", {}),
            ("pay", {"name": "x"}),
            ("pay", {"callbacks": "many"}),
            ("pay", {"callbacks": True}),
            ("pay", {"drift": 1}),
            ("pay", {"times": None}),
        ],
    )
    def test_refuse_unknown_names_and_parameters(self, name, params):
        with pytest.raises(UnknownScenario):
            get_scenario(name, params)


class TestPlannedFaults:
    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("endpoint", ["oauth", "push", "query"])
    def test_hit_the_next_call_and_no_further(self, caller, endpoint, fault):
        caller.fetch_token()
        checkout_id = read(caller.push())["CheckoutRequestID"]
        other = {"phone": "254712345679"}
        call = {
            "oauth": caller.fetch_token,
            "push": lambda: caller.push(**other),
            "query": lambda: caller.query(checkout_id),
        }[endpoint]
        good = {"oauth": [200], "push": [200, 500], "query": [500]}[endpoint]
        caller.engine.plan_fault(endpoint, fault)

        spoiled, after = call(), call()

        assert spoiled != after
        assert after.status in good
        assert after.delay_s == 0

    def test_have_to_exist(self, caller):
        with pytest.raises(KeyError):
            caller.engine.plan_fault("push", "nothing")
        with pytest.raises(KeyError):
            caller.engine.plan_fault("c2b", "html")


class TestHandset:
    @pytest.fixture
    def caller(self) -> Caller:
        return Caller(Engine(seed=7))

    @pytest.mark.parametrize(
        ("button", "pin", "code"),
        [
            ("pay", "1234", 0),
            ("pay", "0000", 2001),
            ("cancel", "", 1032),
            ("wrong-pin", "", 2001),
            ("no-funds", "", 1),
        ],
    )
    def test_buttons_settle_the_prompt(self, caller, button, pin, code):
        checkout_id = read(caller.push())["CheckoutRequestID"]

        caller.engine.press(checkout_id, button, pin=pin, now=caller.now)

        assert _results(caller.engine.due(caller.now)) == [code]
        assert caller.engine.prompts(caller.now) == []
        assert len(caller.engine.results(caller.now)) == 1

    @pytest.mark.parametrize("pin", ["", "123", "12345", "12a4", "١٢٣٤"])
    def test_needs_four_digits_to_pay(self, caller, pin):
        checkout_id = read(caller.push())["CheckoutRequestID"]

        with pytest.raises(WrongInput):
            caller.engine.press(checkout_id, "pay", pin=pin, now=caller.now)
        assert len(caller.engine.prompts(caller.now)) == 1

    def test_does_not_pay_twice(self, caller):
        checkout_id = read(caller.push())["CheckoutRequestID"]
        caller.engine.press(checkout_id, "pay", pin="1234", now=caller.now)

        with pytest.raises(NoSuchPrompt):
            caller.engine.press(checkout_id, "cancel", now=caller.now)
        assert len(caller.engine.ledger.money) == 1

    def test_ignored_prompt_leaves_the_screen_and_ends_as_1037(self, caller):
        checkout_id = read(caller.push())["CheckoutRequestID"]
        caller.engine.press(checkout_id, "ignore", now=caller.now)
        assert caller.engine.prompts(caller.now) == []
        assert caller.engine.due(caller.now) == []

        caller.wait(60)

        assert _results(caller.engine.due(caller.now)) == [1037]

    def test_shows_one_phones_prompts_only(self, caller):
        caller.push()
        caller.push(phone="254712345679")

        assert [p.form.msisdn for p in caller.engine.prompts(caller.now, msisdn=PHONE)] == [PHONE]


class TestReset:
    def test_forgets_everything_but_the_knobs(self, caller):
        caller.engine.knobs.pending_as = "4999"
        caller.engine.scenarios.set_on(PHONE, "cancel")
        caller.engine.plan_fault("push", "html")
        caller.push(phone="254712345679")

        caller.engine.reset()

        assert not any(caller.engine.rows().values())
        assert error(caller.push())[1] == "404.001.03"
        caller.fetch_token()
        assert caller.push().status == 200
        assert caller.engine.knobs.pending_as == "4999"
        assert caller.engine.ledger.pushes[-1].scenario == "pay"


class TestLatency:
    def test_is_around_its_mean_and_hangs_in_its_share(self):
        caller = Caller(Engine(default="pay", seed=5, knobs=Knobs(latency_ms=200, hang_share=0.1)))

        delays = [caller.push(phone=f"2547{n:08d}").delay_s for n in range(400)]

        usual = [delay for delay in delays if delay < 30]
        assert 20 <= len(delays) - len(usual) <= 60
        assert all(0.1 <= delay <= 0.3 for delay in usual)


class TestFakeDaraja:
    @pytest.fixture
    def daraja(self):
        with FakeDaraja(clock=lambda: NOON) as daraja:
            yield daraja

    @pytest.fixture
    def session(self, daraja):
        session = requests.Session()
        answer = session.get(
            f"{daraja.base_url}{OAUTH_PATH}?grant_type=client_credentials", auth=("key", "secret")
        )
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return session

    def push(self, daraja, session, **changes):
        return session.post(f"{daraja.base_url}{PUSH_PATH}", json=push_body(**changes), timeout=20)

    def test_pays_at_once_and_delivers_through_a_client(self, daraja, session):
        self.push(daraja, session)
        client = RecordingClient()

        daraja.deliver(client)

        assert client.paths == ["/cb/s/abc/def"]
        assert daraja.ledger.callbacks[0].status == 200
        assert daraja.prompts_sent == daraja.tokens_issued == 1
        assert daraja.due_callbacks() == []

    def test_hands_over_path_and_bytes(self, daraja, session):
        self.push(daraja, session, CallBackURL="https://shop.example/cb?x=1")

        ((path, body),) = daraja.due_callbacks()

        assert path == "/cb?x=1"
        assert json.loads(body)["Body"]["stkCallback"]["ResultCode"] == 0

    def test_raises_as_a_broken_wire_does(self, daraja, session):
        daraja.next("lost")
        daraja.next("hang")

        with pytest.raises(requests.ConnectionError):
            self.push(daraja, session)
        with pytest.raises(requests.ReadTimeout):
            self.push(daraja, session, phone="254712345679")
        assert daraja.prompts_sent == 2

    def test_calls_back_during_the_push(self, daraja, session):
        heard = []
        daraja.on_callback = lambda url, body: heard.append((url, body)) or 200
        daraja.on(PHONE, "early")

        answer = self.push(daraja, session)

        assert answer.status_code == 200
        assert heard[0][0] == CALLBACK_URL
        assert daraja.ledger.callbacks[0].status == 200

    def test_lets_a_test_press_the_buttons(self, daraja, session):
        daraja.set_default("handset")
        self.push(daraja, session)

        daraja.press(PHONE, "cancel")

        assert json.loads(daraja.due_callbacks()[0][1])["Body"]["stkCallback"]["ResultCode"] == 1032

    def test_breaks_what_it_is_told_to(self, daraja, session):
        daraja.break_next("push", "html", times=2)

        statuses = [self.push(daraja, session).status_code for _ in range(3)]

        assert statuses == [503, 503, 200]


class RecordingClient:
    """Stands for Django's test client."""

    def __init__(self) -> None:
        self.paths = []

    def post(self, path, *, data, content_type, **extra):
        assert content_type == "application/json"
        assert isinstance(data, bytes)
        self.paths.append(path)
        answer = requests.Response()
        answer.status_code, answer._content = 200, b"{}"
        return answer


class TestHttpFace:
    """Over real sockets: what only a server can get wrong."""

    @pytest.fixture
    def server(self):
        server = SimulatorServer("127.0.0.1", 0, Engine(seed=7))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
        server.server_close()

    @pytest.fixture
    def session(self, server):
        with requests.Session() as session:
            session.trust_env = False
            yield session

    @pytest.fixture
    def url(self, server):
        return f"http://127.0.0.1:{server.server_port}"

    @pytest.fixture
    def pushed(self, session, url):
        token = session.get(
            f"{url}{OAUTH_PATH}?grant_type=client_credentials", auth=("key", "secret")
        ).json()["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        return lambda **changes: session.post(
            f"{url}{PUSH_PATH}", json=push_body(**changes), timeout=1
        )

    def test_pushes_shows_and_pays(self, session, url, pushed):
        session.post(f"{url}/simulator/knobs", json={"names": {PAYBILL: "Mama Njeri"}})
        checkout_id = pushed().json()["CheckoutRequestID"]

        (prompt,) = session.get(f"{url}/simulator/prompts?phone={PHONE}").json()["prompts"]
        press = f"{url}/simulator/prompts/{checkout_id}"
        refused = session.post(f"{press}/pay", json={"pin": "12"})
        paid = session.post(f"{press}/pay", json={"pin": "1234"})
        again = session.post(f"{press}/pay", json={"pin": "1234"})

        assert prompt["business"] == "Mama Njeri"
        assert prompt["amount"] == 150
        assert [refused.status_code, paid.status_code, again.status_code] == [400, 200, 404]
        ledger = session.get(f"{url}/simulator/ledger?checkout_request_id={checkout_id}").json()
        assert [row["amount"] for row in ledger["money"]] == [150]
        assert ledger["tokens"] == []

    def test_posts_callbacks_and_writes_the_answer_down(self, server, session, url, pushed):
        server.face.courier.start()
        # The simulator itself is the receiver: it answers 404, which is an answer too.
        checkout_id = pushed(CallBackURL=f"{url}/nowhere").json()["CheckoutRequestID"]
        session.post(f"{url}/simulator/prompts/{checkout_id}/cancel")

        status = _wait_for(lambda: server.face.engine.ledger.callbacks[0].status)

        server.face.courier.stop()
        assert status == 404

    def test_drops_the_connection_and_hangs_without_blocking_others(self, session, url, pushed):
        for scenario in ("lost", "hang"):
            session.post(f"{url}/simulator/scenario", json={"next": True, "scenario": scenario})

        with pytest.raises(requests.ConnectionError):
            pushed()
        with pytest.raises(requests.ReadTimeout):
            pushed(phone="254712345679")

        assert session.get(f"{url}/simulator/ledger", timeout=1).ok

    def test_keeps_connections_open(self, session, url):
        answer = session.get(f"{url}/simulator/ledger")

        assert answer.headers["Content-Length"] == str(len(answer.content))
        assert answer.headers.get("Connection") != "close"

    def test_takes_choices_from_outside_and_says_what_does_not_fit(self, session, url, pushed):
        choose = f"{url}/simulator/scenario"
        good = [
            {"default": True, "scenario": "pay"},
            {"phone": PHONE, "scenario": "cancel", "params": {"callbacks": 2}},
            {"phone": PHONE, "scenario": None},
            {"next": PHONE, "scenario": "html"},
        ]
        bad = [{"scenario": "nothing"}, {"next": True, "scenario": "pay", "params": {"x": 1}}, []]

        assert [session.post(choose, json=said).status_code for said in good] == [200] * 4
        assert [session.post(choose, json=said).status_code for said in bad[:2]] == [400] * 2
        assert session.post(choose, data=b"{").status_code == 400
        assert session.post(f"{url}/simulator/fault", json={"endpoint": "x"}).status_code == 400
        assert session.post(f"{url}/simulator/knobs", json={"x": 1}).status_code == 400
        assert session.get(f"{url}/simulator/reset").status_code == 405
        assert pushed().status_code == 503
        assert session.post(f"{url}/simulator/reset").status_code == 200

    def test_serves_the_page_under_a_strict_policy(self, session, url):
        page = session.get(url)

        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page.text)
        files = re.findall(r'(?:href|src)="(/simulator/[^"]+)"', page.text)
        assert len(files) == 3
        for path in files:
            assert session.get(f"{url}{path}").status_code == 200
        assert session.get(f"{url}/simulator/static/views.py").status_code == 404
        assert session.get(f"{url}/simulator/nothing").status_code == 404

    def test_answers_unknown_paths_as_daraja(self, session, url):
        assert session.post(f"{url}/mpesa/nothing").json()["errorCode"] == "404.001.01"


class TestCommand:
    def test_refuses_to_run_where_debug_is_off(self, settings):
        settings.DEBUG = False

        with pytest.raises(CommandError, match="DEBUG"):
            call_command("simulator", "--port", "0")


class TestCourier:
    def test_writes_down_that_nobody_answered(self, caller):
        caller.push(CallBackURL="http://127.0.0.1:9/cb")
        caller.wait(2)
        (callback,) = caller.engine.due(caller.now)

        Courier(caller.engine, lambda: caller.now).deliver(callback)

        assert caller.engine.ledger.callbacks[0].status == 0


class TestRecordings:
    """The forms made here are those that were recorded."""

    DATA = Path(__file__).resolve().parents[2] / "data"

    @pytest.mark.parametrize(
        ("scenario", "kind"), [("pay", "stk_callback"), ("cancel", "stk_callback")]
    )
    def test_have_the_same_keys_and_types(self, caller, scenario, kind):
        files = sorted(self.DATA.glob(f"**/{kind}/*.json"))
        assert files, "no recordings found"
        caller.engine.scenarios.queue(scenario)
        caller.push()
        caller.wait(2)

        made = _shape(json.loads(caller.engine.due(caller.now)[0].body))

        assert made in [_shape(json.loads(file.read_text())["body"]) for file in files]


def _results(callbacks) -> list:
    return [json.loads(cb.body)["Body"]["stkCallback"]["ResultCode"] for cb in callbacks]


def _shape(value):
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shape(inner) for inner in value]
    return type(value).__name__


def _wait_for(tell, seconds: float = 5):
    waiting = threading.Event()
    for _ in range(int(seconds / 0.02)):
        try:
            found = tell()
        except IndexError:
            found = None
        if found is not None:
            return found
        waiting.wait(0.02)
    raise AssertionError("it did not happen")
