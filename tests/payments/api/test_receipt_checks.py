"""The check over the wire, with Safaricom behind it: told, silent, late, and asked."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
import time_machine
from django.apps import apps
from django.db import connection
from django.test import Client
from django.utils import timezone

from payments.models import Payment, ProviderRequest, Receipt, ReceiptCheck
from payments.services import callbacks
from tests.payloads import body_of
from tests.payments.services.request_world import WITH_INITIATOR
from tests.payments.services.shown_messages import till_message

pytestmark = pytest.mark.django_db
PATH = "/receipts/check"


@pytest.fixture
def paybill(shop, make_config, daraja):
    """A paybill that can ask, and whose confirmations come."""
    config = make_config(
        shop, name="Paybill", provider="mpesa_paybill", shortcode="600100",
        credentials=WITH_INITIATOR,
    )  # fmt: skip
    daraja.know_urls("600100", config.pk)
    return config


@pytest.fixture
def cashier(api, cashier_key):
    return api(cashier_key)


def confirmation(receipt_number, **more):
    document = json.loads(body_of("c2b_confirmation", _recorded()))
    return json.dumps(document | {"TransID": receipt_number, **more}).encode()


def _recorded():
    from tests.payloads import bodies  # noqa: PLC0415

    return next(
        name.removesuffix(".json")
        for name, text in bodies("c2b_confirmation")
        if isinstance(json.loads(text), dict) and "TransID" in text
    )


def without_ids(body):
    return {name: value for name, value in body.items() if name != "request_id"}


def quiet_look(till, body):
    """Return the status, the bytes and the statements, without their values, of one check."""
    statements = []

    def note(execute, sql, params, many, context):
        statements.append(re.sub(r'"s\d+_x\d+"', "a savepoint", str(sql)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        answer = till.post(PATH, body)
    return answer.status_code, answer.content, statements


def everything_kept():
    """Return how many rows each table holds; a key's last use and rates are no rows of a check."""
    return {model.__name__: model._base_manager.count() for model in apps.get_models()}


class TestAReceiptSafaricomToldUsOf:
    def test_is_genuine_until_it_is_used(self, cashier, paybill, daraja):
        number = daraja.pay_c2b("600100", 150, reference="KIOSK", client=Client())

        first = cashier.post(PATH, {"receipt_number": number, "amount": "150"})
        claim = {"receipt_number": number, "order_ref": "S-1", "amount": "150"}
        claimed = cashier.post("/receipts/claim", claim, Idempotency_Key="a")
        second = cashier.post(PATH, {"receipt_number": number})

        assert first.status_code == 200
        assert first.json()["answer"] == "genuine_unclaimed"
        assert first.json()["receipt"]["amount"] == "150.00"
        assert "retry_after" not in first.json()
        assert claimed.status_code == 201
        assert second.json()["answer"] == "already_used"
        assert second.json()["receipt"]["payment"] == claimed.json()["id"]

    def test_is_genuine_by_the_message_on_the_payers_phone(self, cashier, paybill, daraja, now):
        number = daraja.pay_c2b("600100", 150, reference="KIOSK", client=Client())
        receipt = Receipt.objects.get(number=number)

        answer = cashier.post(PATH, {"sms": till_message(receipt).replace(" ", "\r\n ", 1)})

        assert answer.json()["answer"] == "genuine_unclaimed"

    def test_differs_in_its_amount(self, cashier, paybill, daraja):
        number = daraja.pay_c2b("600100", 150, client=Client())

        answer = cashier.post(PATH, {"receipt_number": number, "amount": "1500"}).json()

        assert answer["answer"] == "amount_differs"
        assert "1,500.00" in answer["message"]["sw"]

    @pytest.mark.parametrize("asks", [True, False], ids=["may ask", "may not ask"])
    @pytest.mark.parametrize("form", ["code", "message"])
    def test_is_not_the_neighbours_to_see(
        self, api, neighbour, neighbour_key, make_config, paybill, daraja, asks, form
    ):
        """I25: byte by byte, and statement by statement, as if it had never been."""
        make_config(
            neighbour, provider="mpesa_paybill", shortcode="600200",
            credentials=WITH_INITIATOR if asks else None,
        )  # fmt: skip
        number = daraja.pay_c2b("600100", 150, client=Client())
        receipt = Receipt.objects.get(number=number)
        never = f"{number[:3]}{number[:2:-1]}"
        # The first check of a process asks more of the database: the token, the types.
        quiet_look(api(neighbour_key), {"receipt_number": f"{number[:3]}ZZZ9999"})

        theirs, nobodys = (
            quiet_look(
                api(neighbour_key),
                {"receipt_number": each}
                if form == "code"
                else {"sms": till_message(receipt, number=each)},
            )
            for each in (number, never)
        )

        assert theirs == nobodys
        told = json.loads(theirs[1])
        assert (told["answer"], told["receipt"]) == ("not_seen_yet", None)

    def test_is_not_the_neighbours_to_claim(self, api, neighbour_key, paybill, daraja):
        number = daraja.pay_c2b("600100", 150, client=Client())
        claim = {"order_ref": "S-1", "amount": "150"}

        theirs, nobodys = (
            api(neighbour_key).post(
                "/receipts/claim", {**claim, "receipt_number": each}, Idempotency_Key=each
            )
            for each in (number, f"{number[:3]}{number[:2:-1]}")
        )

        assert theirs.status_code == nobodys.status_code == 404
        assert without_ids(theirs.json()) == without_ids(nobodys.json())


class TestAReceiptNobodyToldUsOf:
    def test_is_found_in_the_unread_inbox(self, cashier, paybill, now):
        body = confirmation("UKK1234567", BusinessShortCode="600100", TransAmount="150.00")
        callbacks.receive(
            kind="c2b", subject_id=paybill.pk, body=body, content_type="application/json",
            source_ip="196.201.214.200", now=now,
        )  # fmt: skip

        answer = cashier.post(PATH, {"receipt_number": "UKK1234567"}).json()

        assert answer["answer"] == "genuine_unclaimed"
        assert ProviderRequest.objects.count() == 0

    def test_is_asked_of_safaricom_and_found_when_the_answer_comes(self, cashier, paybill, daraja):
        number = daraja.pay_c2b("600100", 150, reference="KIOSK")
        daraja.due_callbacks()  # lost on the way

        asked = cashier.post(PATH, {"receipt_number": number})
        daraja.deliver(Client())
        later = cashier.post(PATH, {"receipt_number": number}).json()

        assert asked.json()["answer"] == "not_seen_yet"
        assert asked.json()["why"] == "asking"
        assert asked.json()["retry_after"] > 0
        assert ProviderRequest.objects.get().purpose == "check"
        assert later["answer"] == "genuine_unclaimed"

    def test_is_asked_once_a_minute(self, cashier, paybill, daraja):
        for _ in range(3):
            cashier.post(PATH, {"receipt_number": "UKK1234567"})

        assert ProviderRequest.objects.count() == 1
        with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=True):
            cashier.post(PATH, {"receipt_number": "UKK1234567"})
        assert ProviderRequest.objects.count() == 2

    def test_is_asked_through_another_account_the_next_time(
        self, cashier, shop, paybill, make_config, daraja
    ):
        make_config(
            shop, name="Other", provider="mpesa_paybill", shortcode="600200",
            credentials={**WITH_INITIATOR, "consumer_key": "canary-other-key-abcd"},
        )  # fmt: skip
        cashier.post(PATH, {"receipt_number": "UKK1234567"})
        with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=True):
            cashier.post(PATH, {"receipt_number": "UKK1234567"})

        asked = ProviderRequest.objects.values_list("config__shortcode", flat=True)
        assert set(asked) == {"600100", "600200"}

    def test_that_safaricom_does_not_know_says_so(self, cashier, paybill, daraja):
        cashier.post(PATH, {"receipt_number": "UKK1234567"})
        daraja.deliver(Client())

        answer = cashier.post(PATH, {"receipt_number": "UKK1234567"}).json()

        assert (answer["answer"], answer["why"]) == ("not_seen_yet", "unknown_to_safaricom")

    def test_is_no_error_when_safaricom_is_away(self, cashier, paybill, daraja):
        daraja.unplug("transactionstatus")

        answer = cashier.post(PATH, {"receipt_number": "UKK1234567"})

        assert (answer.status_code, answer.json()["answer"]) == (200, "not_seen_yet")

    def test_is_not_asked_of_anybody_without_an_initiator(self, cashier, till, daraja):
        answer = cashier.post(PATH, {"receipt_number": "UKK1234567"}).json()

        assert (answer["answer"], answer["why"]) == ("not_seen_yet", None)
        assert answer["retry_after"] > 0
        assert ProviderRequest.objects.count() == 0

    def test_of_last_year_is_not_worth_the_budget(self, cashier, paybill, daraja):
        cashier.post(PATH, {"receipt_number": "SKK1234567"})

        assert ProviderRequest.objects.count() == 0

    def test_costs_no_more_than_the_budget(self, cashier, paybill, daraja, settings):
        settings.QUERY_BUDGET_PER_MINUTE = 2

        answers = [
            cashier.post(PATH, {"receipt_number": f"UKK12345{place:02d}"}) for place in range(4)
        ]

        assert {answer.status_code for answer in answers} == {200}
        assert ProviderRequest.objects.count() == 2


class TestTheInput:
    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            pytest.param({}, "receipt_number", "one_of", id="nothing"),
            pytest.param({"sms": "x", "receipt_number": "y"}, "receipt_number", "one_of", id="both"),
            pytest.param({"sms": "UKO5V187SF Confirmed. " * 500}, "sms", "too_long", id="10 kB"),
            pytest.param({"sms": "UKO5V187SF \u0007ok"}, "sms", "control", id="bell"),
            pytest.param({"sms": "\u202eUKO5V187SF ok"}, "sms", "turned", id="right to left"),
            pytest.param({"sms": "\u200fUKO5V187SF ok"}, "sms", "turned", id="right to left mark"),
            pytest.param({"sms": "Nimelipa, niamini tu"}, "sms", "no_code", id="no code"),
            pytest.param({"sms": 5}, "sms", "not_text", id="number"),
            pytest.param({"receipt_number": "\x00"}, "receipt_number", "null_characters_not_allowed", id="NUL"),
            pytest.param({"receipt_number": "U" * 33}, "receipt_number", "max_length", id="long"),
            pytest.param({"receipt_number": "UKK1234567", "amount": 1.5}, "amount", "invalid", id="float"),
            pytest.param({"receipt_number": "UKK1234567", "phone_last3": "12"}, "phone_last3", "invalid_text", id="two digits"),
            pytest.param({"receipt_number": "UKK1234567", "x": 1}, "x", "unknown_field", id="unknown"),
        ],
    )  # fmt: skip
    def test_that_cannot_be_read_is_an_error_and_leaves_nothing(
        self, cashier, till, body, field, code
    ):
        answer = cashier.post(PATH, body)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        error = answer.json()["errors"][0]
        assert error["field"] == field
        assert error["code"] in {code, "invalid_text"}
        assert ReceiptCheck.objects.count() == 0

    @pytest.mark.parametrize(
        "text",
        ["\u202e{}", "{}\x07", "{}" + " x" * 5_000, "{}\ud800"],
        ids=["turned", "control", "10 kB", "half a surrogate"],
    )
    def test_that_cannot_be_read_is_written_nowhere(self, cashier, till, caplog, text):
        marked = "JABALIMARK0712345987"
        cashier.post(PATH, {"receipt_number": "UKK1234567"})
        before = everything_kept()

        with caplog.at_level("DEBUG"):
            answer = cashier.post(PATH, {"sms": text.format(f"UKO5V187SF Confirmed. {marked}")})

        assert answer.status_code == 400
        assert marked not in answer.content.decode()
        assert everything_kept() == before
        assert marked not in str([vars(record) for record in caplog.records])

    def test_says_in_both_languages_what_could_not_be_read(self, cashier, till):
        answer = cashier.post(PATH, {"sms": "\u202eUKO5V187SF Confirmed"}).json()

        assert "cannot be read" in answer["message"]["en"]
        assert "haisomeki" in answer["message"]["sw"]

    @pytest.mark.parametrize("odd", ["\uff35KO5V187SF paid", "UKO5V187SF Confi\u0433med"])
    def test_that_looks_like_something_else_looks_fake(self, cashier, till, odd):
        answer = cashier.post(PATH, {"sms": odd}).json()

        assert (answer["answer"], answer["why"]) == ("looks_fake", "edited_text")

    def test_moves_no_money(self, cashier, paybill, daraja):
        number = daraja.pay_c2b("600100", 150, client=Client())
        before = list(Receipt.objects.values())

        cashier.post(PATH, {"receipt_number": number})

        assert list(Receipt.objects.values()) == before
        assert Payment.objects.count() == 0


class TestABranchsTill:
    def test_is_told_of_its_own_and_writes_where_it_stands(
        self, api, branch_cashier_key, branch, paybill, daraja
    ):
        number = daraja.pay_c2b("600100", 150, client=Client())

        answer = api(branch_cashier_key).post(PATH, {"receipt_number": number}).json()

        assert answer["answer"] == "genuine_unclaimed"
        assert ReceiptCheck.objects.get().branch == branch
        assert ReceiptCheck.objects.get().asked_by == "duka cashier"

    def test_forged_callback_makes_nothing_genuine(self, cashier, paybill):
        forged = f"/cb/c/{paybill.pk.hex}/{'0' * 32}/c"
        Client().post(forged, confirmation("UKK1234567"), content_type="application/json")

        answer = cashier.post(PATH, {"receipt_number": "UKK1234567"})

        assert answer.json()["answer"] == "not_seen_yet"
