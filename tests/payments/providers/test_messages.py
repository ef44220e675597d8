from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from payments.choices import OutcomeVerdict, Provider
from payments.providers.base import AccountDetails, PaymentRequest
from payments.providers.daraja import messages
from payments.providers.daraja.messages import ErrorBody
from tests import payloads

SUCCEEDED, FAILED, PENDING = (
    OutcomeVerdict.SUCCEEDED,
    OutcomeVerdict.FAILED,
    OutcomeVerdict.PENDING,
)
QUERY_ANSWERS = {
    "01": (SUCCEEDED, "0"),
    "03": (FAILED, "1"),
    "05": (PENDING, "4999"),
    "09": (PENDING, "1037"),
    "11": (SUCCEEDED, "0"),
}


class TestRecordedQueryAnswers:
    @pytest.mark.parametrize(
        ("name", "body"),
        [param for param in payloads.params("stk_query_response") if "http500" not in param.id],
    )
    def test_are_classified(self, name, body):
        document = messages.read_object(body.encode())

        outcome = messages.read_query_answer(document, document["CheckoutRequestID"])

        assert (outcome.verdict, outcome.result_code) == QUERY_ANSWERS[name[:2]]
        assert (outcome.amount, outcome.receipt_number) == (None, None)

    @pytest.mark.parametrize(
        "changes",
        [
            {"CheckoutRequestID": "ws_CO_of_another"},
            {"CheckoutRequestID": None},
            {"CheckoutRequestID": ["ws_CO_1"]},
            {"ResponseCode": "1"},
            {"ResponseCode": None},
            {"ResultCode": None},
            {"ResultCode": False},
            {"ResultCode": ["0"]},
            {"ResultCode": "0\x00"},
            {"ResultCode": "\uff10"},
            {"ResultCode": "0" * 100},
        ],
        ids=ascii,
    )
    @pytest.mark.parametrize("code", ["0", "1032"])
    def test_settle_nothing_when_they_are_not_plain(self, code, changes):
        answer = {"ResponseCode": "0", "CheckoutRequestID": "ws_CO_1", "ResultCode": code}

        outcome = messages.read_query_answer(answer | changes, "ws_CO_1")

        assert outcome.verdict == PENDING
        assert not outcome.is_final


class TestBodies:
    AT = datetime(2026, 10, 6, 22, 30, 5, tzinfo=UTC)
    REQUEST = PaymentRequest(
        amount=150,
        msisdn="254712345678",
        account_reference="K7Q2M9",
        description="Sale",
        callback_url="https://pay.example/cb/s/1/2",
        requested_at=AT,
    )

    def test_asks_for_a_paybill(self):
        account = AccountDetails(
            Provider.MPESA_PAYBILL, "sandbox", "174379", secrets={"passkey": "pass"}
        )

        assert messages.push_body(account, self.REQUEST) == {
            "BusinessShortCode": "174379",
            "Password": base64.b64encode(b"174379pass20261007013005").decode(),
            "Timestamp": "20261007013005",
            "TransactionType": "CustomerPayBillOnline",
            "Amount": 150,
            "PartyA": "254712345678",
            "PartyB": "174379",
            "PhoneNumber": "254712345678",
            "CallBackURL": "https://pay.example/cb/s/1/2",
            "AccountReference": "K7Q2M9",
            "TransactionDesc": "Sale",
        }

    def test_signs_a_till_by_its_store_number(self):
        account = AccountDetails(
            Provider.MPESA_TILL, "sandbox", "5123456", "600123", secrets={"passkey": "pass"}
        )

        body = messages.push_body(account, self.REQUEST)
        query = messages.query_body(account, "ws_CO_1", self.AT)

        assert body["TransactionType"] == "CustomerBuyGoodsOnline"
        assert (body["BusinessShortCode"], body["PartyB"]) == ("600123", "5123456")
        assert body["Password"] == base64.b64encode(b"600123pass20261007013005").decode()
        assert query == {
            "BusinessShortCode": "600123",
            "Password": body["Password"],
            "Timestamp": "20261007013005",
            "CheckoutRequestID": "ws_CO_1",
        }


class TestReadAccepted:
    @pytest.mark.parametrize(("name", "body"), payloads.params("stk_push_response"))
    def test_takes_recorded_answers(self, name, body):
        accepted = messages.read_accepted(messages.read_object(body.encode()))

        assert accepted.checkout_request_id in body
        assert accepted.merchant_request_id in body
        assert accepted.response_code == "0"

    @pytest.mark.parametrize(
        "changes",
        [
            {"ResponseCode": "1"},
            {"ResponseCode": None},
            {"ResponseCode": False},
            {"ResponseCode": ""},
            {"CheckoutRequestID": ""},
            {"CheckoutRequestID": None},
            {"CheckoutRequestID": {}},
            {"CheckoutRequestID": "x" * 65},
        ],
        ids=ascii,
    )
    def test_takes_nothing_less_plain(self, changes):
        answer = {"ResponseCode": "0", "CheckoutRequestID": "ws_CO_1", "MerchantRequestID": "1"}

        assert messages.read_accepted(answer)
        assert messages.read_accepted(answer | changes) is None


class TestReadToken:
    @pytest.mark.parametrize(("name", "body"), payloads.params("oauth_response"))
    def test_takes_recorded_answers(self, name, body):
        grant = messages.read_token(messages.read_object(body.encode()))

        assert len(grant.access_token) == 28
        assert grant.expires_in_s == 3599
        assert grant.access_token not in repr(grant)

    @pytest.mark.parametrize(
        ("expires_in", "life_s"),
        [("60", 60), (60, 60), (None, 3599), ("soon", 3599), (0, 3599), (-5, 3599), (True, 3599)],
    )
    def test_reads_the_life_or_takes_the_documented_one(self, expires_in, life_s):
        grant = messages.read_token({"access_token": "t", "expires_in": expires_in})

        assert grant.expires_in_s == life_s

    @pytest.mark.parametrize("token", [None, "", 5, [], "a b", "a\r\nX-Evil: 1", "é", "a" * 4097])
    def test_takes_no_token_unfit_for_a_header(self, token):
        assert messages.read_token({"access_token": token}) is None


class TestReadError:
    @pytest.mark.parametrize(
        ("document", "error"),
        [
            (
                {"errorCode": "500.001.1001", "errorMessage": " Wrong  Credentials "},
                ErrorBody("500.001.1001", "wrong credentials"),
            ),
            (
                {
                    "fault": {
                        "faultstring": "Spike arrest violation.",
                        "detail": {"errorcode": "policies.ratelimit.SpikeArrestViolation"},
                    }
                },
                ErrorBody("policies.ratelimit.SpikeArrestViolation", "spike arrest violation."),
            ),
            ({"fault": []}, ErrorBody()),
            ({"fault": {"detail": "x"}}, ErrorBody()),
            ({"errorCode": {"a": 1}, "errorMessage": [1]}, ErrorBody()),
            ({"errorCode": "<script>"}, ErrorBody()),
            ({}, ErrorBody()),
        ],
    )
    def test_reads_every_shape(self, document, error):
        assert messages.read_error(document) == error

    @pytest.mark.parametrize(("name", "body"), payloads.params("api_error"))
    def test_reads_recorded_errors(self, name, body):
        error = messages.read_error(messages.read_object(body.encode()))

        assert error.error_code in body
        assert bool(error.error_code) == ("ratiba" not in name)
