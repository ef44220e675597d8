from __future__ import annotations

import json

import pytest
import requests

from payments.choices import Provider
from payments.errors import (
    CredentialsRefused,
    CredentialsRequired,
    MissingStoreNumber,
    OutcomeUnknown,
    ProviderBusy,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
    RequestRefused,
    TokenRefused,
)
from payments.providers.daraja import result_codes
from tests import payloads
from tests.payments.providers.daraja_wire import (
    HTML,
    POISON,
    PUSH,
    REQUEST,
    SPIKE,
    TOKEN,
    adapter_of,
    error,
    keeps_secrets,
)

RECORDED_ERRORS = {
    "01": CredentialsRefused,
    "03": RequestRefused,
    "05": TokenRefused,
    "07": RequestRefused,
    "09": TokenRefused,
    "11": TokenRefused,
    "13": OutcomeUnknown,
    "15": ProviderRefused,
    "17": OutcomeUnknown,
    "19": OutcomeUnknown,
    "21": ProviderRefused,
}


class TestRequestPayment:
    @pytest.mark.parametrize(("name", "body"), payloads.params("stk_push_response"))
    def test_takes_recorded_answers(self, name, body, wire, adapter):
        wire.post(PUSH, body=body)

        accepted = adapter.request_payment(REQUEST)

        assert accepted.checkout_request_id in body
        sent = wire.calls[0].request
        assert sent.headers["Authorization"] == f"Bearer {TOKEN}"
        assert sent.headers["Content-Type"] == "application/json"
        assert json.loads(sent.body)["Amount"] == 150

    def test_sends_a_till_by_its_store_number(self, wire):
        wire.post(PUSH, body=payloads.body_of("stk_push_response", "03-official-2019"))

        adapter_of(Provider.MPESA_TILL, "600123").request_payment(REQUEST)

        sent = json.loads(wire.calls[0].request.body)
        assert sent["TransactionType"] == "CustomerBuyGoodsOnline"
        assert (sent["BusinessShortCode"], sent["PartyB"]) == ("600123", "174379")

    def test_asks_for_the_store_number_of_a_till(self):
        with pytest.raises(MissingStoreNumber):
            adapter_of(Provider.MPESA_TILL).request_payment(REQUEST)

    def test_asks_for_the_passkey(self):
        with pytest.raises(CredentialsRequired, match="passkey"):
            adapter_of(passkey="").request_payment(REQUEST)

    @pytest.mark.parametrize(
        ("status", "body", "error_class", "explained_by"),
        [
            (400, error("400.002.02", "Bad Request - Invalid PhoneNumber"), RequestRefused, "400.002.02"),
            (400, error("400.002.02", "Bad Request - Invalid Amount"), RequestRefused, "400.002.02"),
            (400, error("400.002.02", "Bad Request - Invalid BusinessShortCode"), ProviderRefused, "400.002.02"),
            (400, error("400.002.02", "Bad Request - Invalid PartyB"), ProviderRefused, "400.002.02"),
            (400, error("400.003.01", "Invalid Access Token"), TokenRefused, "400.003.01"),
            (400, "", ProviderRefused, "refused"),
            (401, error("401.002.01", f"Error Occurred - Invalid Access Token - {TOKEN}"), TokenRefused, "401.002.01"),
            (401, error("401.003.01", "Error Occurred - no apiproduct match found"), TokenRefused, "401.003.01"),
            (401, "", TokenRefused, "refused"),
            (403, HTML, ProviderRefused, "refused"),
            (404, error("404.001.03", "Invalid Access Token"), TokenRefused, "404.001.03"),
            (404, error("404.001.01", "Resource not found"), ProviderRefused, "refused"),
            (404, HTML, ProviderRefused, "refused"),
            (405, error("405.001", "Method Not Allowed"), ProviderRefused, "refused"),
            (429, SPIKE, ProviderBusy, "too_many_requests"),
            (429, "", ProviderBusy, "too_many_requests"),
            (500, error("500.001.1001", "Wrong credentials"), CredentialsRefused, "wrong_credentials"),
            (500, error("500.001.1001", "[MerchantValidate] - Wrong credentials"), CredentialsRefused, "wrong_credentials"),
            (500, error("500.001.1001", "Merchant does not exist"), ProviderRefused, "unknown_merchant"),
            (500, error("500.001.1001", "Unable to lock subscriber, a transaction is already in process for the current subscriber"), RequestRefused, "1001"),
        ],
    )  # fmt: skip
    def test_knows_proven_refusals(self, status, body, error_class, explained_by, wire, adapter):
        wire.post(PUSH, body=body, status=status)

        with pytest.raises(ProviderError) as caught:
            adapter.request_payment(REQUEST)

        assert type(caught.value) is error_class
        assert not caught.value.may_have_reached_customer
        assert caught.value.http_status == status
        assert caught.value.data["result_code"] == explained_by
        assert result_codes.is_known(explained_by)
        assert keeps_secrets(caught.value)

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (500, error("500.003.02", "System is busy. Please try again in few minutes.")),
            (500, error("500.003.02", "Error Occurred: Spike Arrest Violation")),
            (500, error("500.003.03", "Quota Violation")),
            (500, error("500.001.1001", "The transaction is being processed")),
            (500, error("500.001.1001", "Internal Server Error")),
            (500, error("500.001.1001", "")),
            (500, error("500.002.1001", "Wrong credentials")),
            (500, error("", "Wrong credentials")),
            (500, SPIKE),
            (502, error("500.001.1001", "Wrong credentials")),
            (503, HTML),
            (504, ""),
            (408, ""),
            (302, ""),
            (204, ""),
            (201, '{"ResponseCode": "0", "CheckoutRequestID": "ws_CO_1"}'),
            (200, '{"ResponseCode": "1", "CheckoutRequestID": "ws_CO_1"}'),
            (200, '{"ResponseCode": "0", "CheckoutRequestID": ""}'),
            (200, '{"ResponseCode": "0"}'),
            (200, error("401.002.01", "Invalid Access Token")),
        ],
    )
    def test_leaves_everything_else_unknown(self, status, body, wire, adapter):
        wire.post(PUSH, body=body, status=status)

        with pytest.raises(OutcomeUnknown) as caught:
            adapter.request_payment(REQUEST)

        assert caught.value.may_have_reached_customer
        assert keeps_secrets(caught.value)

    @pytest.mark.parametrize("status", [200, 500])
    @pytest.mark.parametrize("body", POISON.values(), ids=POISON)
    def test_leaves_poison_unknown(self, status, body, wire, adapter):
        wire.post(PUSH, body=body, status=status)

        with pytest.raises(OutcomeUnknown):
            adapter.request_payment(REQUEST)

    @pytest.mark.parametrize(("name", "body"), payloads.params("api_error"))
    def test_classifies_recorded_errors(self, name, body, wire, adapter):
        status = int(name[3:6])
        wire.post(PUSH, body=body, status=status)

        with pytest.raises(ProviderError) as caught:
            adapter.request_payment(REQUEST)

        assert type(caught.value) is RECORDED_ERRORS[name[:2]]

    @pytest.mark.parametrize(
        "failure",
        [requests.ReadTimeout(), requests.ConnectionError("reset"), requests.exceptions.ChunkedEncodingError()],
        ids=lambda failure: type(failure).__name__,
    )  # fmt: skip
    def test_leaves_a_lost_answer_unknown(self, failure, wire, adapter):
        wire.post(PUSH, body=failure)

        with pytest.raises(OutcomeUnknown) as caught:
            adapter.request_payment(REQUEST)

        assert caught.value.may_have_reached_customer

    def test_knows_that_nothing_was_sent(self, wire, adapter):
        wire.post(PUSH, body=requests.ConnectTimeout())

        with pytest.raises(ProviderUnreachable) as caught:
            adapter.request_payment(REQUEST)

        assert caught.value.data["result_code"] == "unreachable"
        assert result_codes.is_known("unreachable")
