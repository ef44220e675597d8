from __future__ import annotations

import base64
import json

import pytest
import requests

from payments.choices import OutcomeVerdict
from payments.errors import (
    CredentialsRefused,
    CredentialsRequired,
    OutcomeUnknown,
    ProviderBusy,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
    TokenRefused,
)
from tests import payloads
from tests.payments.providers.daraja_wire import (
    HTML,
    NOW,
    OAUTH,
    POISON,
    QUERY,
    SPIKE,
    TOKEN,
    adapter_of,
    error,
    keeps_secrets,
)


class TestFetchAccessToken:
    @pytest.mark.parametrize(("name", "body"), payloads.params("oauth_response"))
    def test_takes_recorded_grants(self, name, body, wire, adapter):
        wire.get(OAUTH, body=body)

        grant = adapter.fetch_access_token()

        assert grant.access_token in body
        assert grant.expires_in_s == 3599
        sent = wire.calls[0].request
        assert sent.params == {"grant_type": "client_credentials"}
        assert sent.headers["Authorization"] == "Basic " + (
            base64.b64encode(b"ck-canary:cs-canary").decode()
        )

    @pytest.mark.parametrize(
        ("name", "body"),
        [
            *payloads.params("oauth_error"),
            pytest.param("", HTML, id="html"),
            pytest.param("", error("400.008.02", "Invalid grant type passed"), id="grant"),
        ],
    )
    @pytest.mark.parametrize("status", [400, 401])
    def test_knows_refused_credentials_in_any_form(self, name, body, status, wire, adapter):
        wire.get(OAUTH, body=body, status=status)

        with pytest.raises(CredentialsRefused) as caught:
            adapter.fetch_access_token()

        assert caught.value.http_status == status
        assert not caught.value.may_have_reached_customer
        assert keeps_secrets(caught.value)

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (403, HTML),
            (404, error("404.001.01", "Resource not found")),
            (500, error("500.001.1001", "Internal Server Error")),
            (503, HTML),
            (302, ""),
            (200, HTML),
            (200, "{}"),
            (200, '{"access_token": ""}'),
            (200, '{"access_token": "a\\r\\nb: c", "expires_in": "3599"}'),
        ],
    )
    def test_reaches_no_customer_whatever_comes(self, status, body, wire, adapter):
        wire.get(OAUTH, body=body, status=status)

        with pytest.raises(OutcomeUnknown) as caught:
            adapter.fetch_access_token()

        assert not caught.value.may_have_reached_customer

    @pytest.mark.parametrize(
        ("status", "body"), [(429, SPIKE), (429, ""), (500, error("500.003.02", "busy"))]
    )
    def test_slows_down(self, status, body, wire, adapter):
        wire.get(OAUTH, body=body, status=status)

        with pytest.raises(ProviderBusy) as caught:
            adapter.fetch_access_token()

        assert caught.value.retry_after

    @pytest.mark.parametrize(
        ("failure", "error_class"),
        [
            (requests.ReadTimeout(), OutcomeUnknown),
            (requests.ConnectTimeout(), ProviderUnreachable),
        ],
    )
    def test_reaches_no_customer_without_an_answer(self, failure, error_class, wire, adapter):
        wire.get(OAUTH, body=failure)

        with pytest.raises(error_class) as caught:
            adapter.fetch_access_token()

        assert not caught.value.may_have_reached_customer

    def test_asks_for_the_missing_credential(self):
        with pytest.raises(CredentialsRequired, match="consumer_secret"):
            adapter_of(consumer_secret="").fetch_access_token()


class TestQueryPayment:
    @pytest.mark.parametrize(("name", "body"), payloads.params("stk_query_response"))
    def test_classifies_recorded_answers(self, name, body, wire, adapter):
        status = 500 if "http500" in name else 200
        checkout_request_id = json.loads(body).get("CheckoutRequestID", "ws_CO_1")
        wire.post(QUERY, body=body, status=status)

        outcome = adapter.query_payment(checkout_request_id, asked_at=NOW)

        expected = {"01": "succeeded", "11": "succeeded", "03": "failed"}
        assert outcome.verdict == expected.get(name[:2], "pending")
        assert outcome.is_final == (name[:2] in expected)
        assert (outcome.amount, outcome.receipt_number) == (None, None)
        assert outcome.checkout_request_id == checkout_request_id

    def test_asks_with_the_time_it_is_given(self, wire, adapter):
        wire.post(QUERY, body="{}")

        adapter.query_payment("ws_CO_1", asked_at=NOW)

        sent = json.loads(wire.calls[0].request.body)
        assert sent["Timestamp"] == "20261006090000"
        assert base64.b64decode(sent["Password"]) == b"174379pk-canary20261006090000"
        assert sent["CheckoutRequestID"] == "ws_CO_1"

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (500, error("500.001.1001", "The transaction is being processed")),
            (500, error("500.001.1001", "The transaction does not Exist")),
            (500, error("500.001.1001", "")),
            (500, error("500.001.1001", "Unable to lock subscriber")),
            (500, error("500.001.1001", "Internal Server Error")),
            (500, '{"anything": [1, 2, 3]}'),
            (400, error("400.002.02", "Bad Request - Invalid CheckoutRequestID")),
            (200, "{}"),
            (200, '{"ResultCode": "0"}'),
            (200, '{"ResponseCode": "0", "CheckoutRequestID": "ws_CO_2", "ResultCode": "0"}'),
            (200, '{"ResponseCode": "0", "CheckoutRequestID": "ws_CO_1", "ResultCode": "31337"}'),
            (200, error("500.001.1001", "The transaction is being processed")),
        ],
    )
    def test_settles_nothing_without_a_plain_word(self, status, body, wire, adapter):
        wire.post(QUERY, body=body, status=status)

        outcome = adapter.query_payment("ws_CO_1", asked_at=NOW)

        assert outcome.verdict == OutcomeVerdict.PENDING
        assert not outcome.is_final

    @pytest.mark.parametrize(
        ("status", "body", "error_class"),
        [
            (429, SPIKE, ProviderBusy),
            (429, "", ProviderBusy),
            (500, SPIKE, ProviderBusy),
            (500, error("500.003.02", "Error Occurred: Spike Arrest Violation"), ProviderBusy),
            (500, error("500.003.03", "Quota Violation"), ProviderBusy),
            (401, error("401.002.01", f"Invalid Access Token - {TOKEN}"), TokenRefused),
            (404, error("404.001.03", "Invalid Access Token"), TokenRefused),
            (500, error("500.001.1001", "Wrong credentials"), CredentialsRefused),
            (403, HTML, ProviderRefused),
            (404, error("404.001.01", "Resource not found"), ProviderRefused),
            (400, HTML, OutcomeUnknown),
            (500, HTML, OutcomeUnknown),
            (503, '{"fault": {}}', OutcomeUnknown),
            (302, "", OutcomeUnknown),
        ],
    )
    def test_raises_what_a_sweep_must_know(self, status, body, error_class, wire, adapter):
        wire.post(QUERY, body=body, status=status)

        with pytest.raises(ProviderError) as caught:
            adapter.query_payment("ws_CO_1", asked_at=NOW)

        assert type(caught.value) is error_class
        # A question reaches no customer, whatever becomes of it.
        assert not caught.value.may_have_reached_customer
        assert keeps_secrets(caught.value)

    @pytest.mark.parametrize("body", POISON.values(), ids=POISON)
    @pytest.mark.parametrize("status", [200, 500])
    def test_settles_nothing_on_poison(self, status, body, wire, adapter):
        wire.post(QUERY, body=body, status=status)

        try:
            outcome = adapter.query_payment("ws_CO_1", asked_at=NOW)
        except OutcomeUnknown as caught:
            assert not caught.may_have_reached_customer  # noqa: PT017
        else:
            assert outcome.verdict == OutcomeVerdict.PENDING
