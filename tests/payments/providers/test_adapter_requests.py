from __future__ import annotations

import json

import pytest
import requests

from payments.choices import Provider
from payments.errors import (
    CredentialsRequired,
    MissingStoreNumber,
    OutcomeUnknown,
    ProviderBusy,
    ProviderRefused,
    ProviderUnreachable,
    TokenRefused,
)
from payments.providers.base import BalanceQuestion, ReversalOrder, StatusQuestion
from tests import payloads
from tests.payments.providers.daraja_wire import (
    HTML,
    POISON,
    SPIKE,
    TOKEN,
    URL,
    adapter_of,
    error,
)

INITIATOR = {"initiator_name": "canary-operator", "initiator_password": "canary-password#1"}
ANSWERS = {
    "result_url": "https://pay.example/cb/r/1/2",
    "timeout_url": "https://pay.example/cb/t/1",
}
STATUS = StatusQuestion("SFT31A0001", **ANSWERS)
REVERSAL = ReversalOrder("SFT31A0001", 150, **ANSWERS)
BALANCE = BalanceQuestion(**ANSWERS)
VERBS = {
    "ask_status": ("/mpesa/transactionstatus/v1/query", STATUS),
    "order_reversal": ("/mpesa/reversal/v1/request", REVERSAL),
    "ask_balance": ("/mpesa/accountbalance/v1/query", BALANCE),
}
QUESTIONS = ("ask_status", "ask_balance")
ACK = payloads.body_of("ack_response", "03-transaction-status-2026")


@pytest.fixture
def adapter():
    return adapter_of(**INITIATOR)


@pytest.fixture
def call(wire):
    def answered(verb, adapter, **answer):
        path, asked = VERBS[verb]
        wire.post(f"{URL}{path}", **answer)
        return getattr(adapter, verb)(asked)

    return answered


def sent(wire):
    return json.loads(wire.calls[-1].request.body)


class TestBodies:
    @pytest.mark.parametrize("verb", list(VERBS))
    def test_carry_the_initiator_the_token_and_where_to_answer(self, verb, adapter, call, wire):
        call(verb, adapter, body=ACK)

        body = sent(wire)
        assert wire.calls[-1].request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert body["Initiator"] == "canary-operator"
        assert len(body["SecurityCredential"]) == 344
        assert body["ResultURL"] == ANSWERS["result_url"]
        assert body["QueueTimeOutURL"] == ANSWERS["timeout_url"]
        assert 2 <= len(body["Remarks"]) <= 100
        assert "canary-password" not in str(body)

    def test_a_status_names_the_receipt(self, adapter, call, wire):
        call("ask_status", adapter, body=ACK)

        body = sent(wire)
        assert body["CommandID"] == "TransactionStatusQuery"
        assert (body["TransactionID"], body["PartyA"], body["IdentifierType"]) == (
            "SFT31A0001",
            "174379",
            "4",
        )

    def test_a_reversal_is_misspelt_as_safaricom_misspells_it(self, adapter, call, wire):
        call("order_reversal", adapter, body=ACK)

        body = sent(wire)
        assert body["CommandID"] == "TransactionReversal"
        assert (body["TransactionID"], body["Amount"]) == ("SFT31A0001", 150)
        assert (body["ReceiverParty"], body["RecieverIdentifierType"]) == ("174379", "11")
        assert "ReceiverIdentifierType" not in body

    def test_a_balance_names_the_shortcode(self, adapter, call, wire):
        call("ask_balance", adapter, body=ACK)

        body = sent(wire)
        assert body["CommandID"] == "AccountBalance"
        assert (body["PartyA"], body["IdentifierType"]) == ("174379", "4")

    @pytest.mark.parametrize("verb", list(VERBS))
    def test_a_till_is_known_by_its_store_number(self, verb, call, wire):
        call(verb, adapter_of(Provider.MPESA_TILL, "600996", **INITIATOR), body=ACK)

        assert "600996" in sent(wire).values()
        assert "174379" not in sent(wire).values()

    @pytest.mark.parametrize("verb", list(VERBS))
    def test_a_till_without_one_asks_nothing(self, verb):
        with pytest.raises(MissingStoreNumber):
            getattr(adapter_of(Provider.MPESA_TILL, **INITIATOR), verb)(VERBS[verb][1])

    @pytest.mark.parametrize("missing", list(INITIATOR))
    @pytest.mark.parametrize("verb", list(VERBS))
    def test_a_config_without_an_initiator_asks_nothing(self, verb, missing):
        with pytest.raises(CredentialsRequired, match=missing):
            getattr(adapter_of(**{**INITIATOR, missing: ""}), verb)(VERBS[verb][1])


class TestAcknowledgements:
    @pytest.mark.parametrize(
        ("name", "originator"),
        [
            ("01-c2b-simulate-2018", "12362-3240472-1"),
            ("03-transaction-status-2026", "8423-4a3b-87d8-1d918a78741e243712"),
            ("05-account-balance-no-full-stop", "515-5258779-3"),
        ],
    )
    def test_are_taken_in_recorded_forms(self, name, originator, adapter, call):
        body = payloads.body_of("ack_response", name)

        accepted = call("ask_status", adapter, body=body)

        assert accepted.originator_conversation_id == originator
        assert accepted.conversation_id == json.loads(body)["ConversationID"]
        assert accepted.response_description.startswith("Accept the service request")

    @pytest.mark.parametrize("verb", list(VERBS))
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(payloads.body_of("ack_response", "07-billmanager-optin"), id="optin"),
            pytest.param('{"ResponseCode": "1", "ConversationID": "AG_1"}', id="not-zero"),
            pytest.param('{"ResponseDescription": "Accepted"}', id="no-id"),
            *[pytest.param(raw, id=name) for name, raw in POISON.items()],
        ],
    )
    def test_prove_nothing_in_any_other_form(self, verb, body, adapter, call):
        with pytest.raises(OutcomeUnknown) as caught:
            call(verb, adapter, body=body)

        assert caught.value.may_have_reached_customer == (verb == "order_reversal")


class TestRefusals:
    @pytest.mark.parametrize("verb", list(VERBS))
    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (400, error("400.002.02", "Bad Request - Invalid TransactionID"), ProviderRefused),
            (400, HTML, ProviderRefused),
            (401, error("401.002.01", "Error Occurred - Invalid Access Token - "), TokenRefused),
            (404, error("404.001.03", "Invalid Access Token"), TokenRefused),
            (429, SPIKE, ProviderBusy),
            (403, HTML, ProviderRefused),
        ],
    )
    def test_at_the_door_prove_that_nothing_was_done(self, verb, status, body, kind, adapter, call):
        with pytest.raises(kind) as caught:
            call(verb, adapter, status=status, body=body)

        assert not caught.value.may_have_reached_customer
        assert "canary" not in f"{caught.value!r} {caught.value.data}"

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (500, error("500.002.1001", "Service is currently under maintenance.")),
            (500, error("500.001.1001", "Internal Server Error")),
            (500, error("500.003.02", "System is busy. Please try again in few minutes.")),
            (503, HTML),
            (408, ""),
            (302, ""),
        ],
    )
    def test_an_order_is_never_called_refused_on_a_doubt(self, status, body, adapter, call):
        with pytest.raises(OutcomeUnknown) as caught:
            call("order_reversal", adapter, status=status, body=body)

        assert caught.value.may_have_reached_customer

    @pytest.mark.parametrize("verb", QUESTIONS)
    def test_a_busy_daraja_may_be_asked_again(self, verb, adapter, call):
        with pytest.raises(ProviderBusy):
            call(verb, adapter, status=500, body=error("500.003.02", "System is busy."))

    @pytest.mark.parametrize("verb", list(VERBS))
    @pytest.mark.parametrize(
        ("failure", "kind"),
        [
            (requests.ReadTimeout(), OutcomeUnknown),
            (requests.ConnectionError(), OutcomeUnknown),
            (requests.ConnectTimeout(), ProviderUnreachable),
        ],
    )
    def test_silence_is_unknown_once_bytes_were_sent(self, verb, failure, kind, adapter, call):
        with pytest.raises(kind) as caught:
            call(verb, adapter, body=failure)

        is_unknown = kind is OutcomeUnknown
        assert caught.value.may_have_reached_customer == (is_unknown and verb == "order_reversal")
