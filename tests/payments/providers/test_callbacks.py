from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.choices import OutcomeVerdict
from payments.errors import UnreadableBody
from payments.providers.daraja import result_codes
from payments.providers.daraja.callbacks import parse_callback
from tests import payloads

SUCCEEDED, FAILED, PENDING = (
    OutcomeVerdict.SUCCEEDED,
    OutcomeVerdict.FAILED,
    OutcomeVerdict.PENDING,
)
FINAL = sorted(result_codes.FINAL_FAILURE_CODES)
SOFT = ["1037", "17", "26", "20", "1031", "1036", "4999", "31337", "", "00", "0.0", "-1", "None"]


def callback(code=0, items=None, **changes):
    body = {
        "MerchantRequestID": "29115-34620561-1",
        "CheckoutRequestID": "ws_CO_191220191020363925",
        "ResultCode": code,
        "ResultDesc": "The service request is processed successfully.",
    }
    if items is not None:
        body["CallbackMetadata"] = {"Item": items}
    return json.dumps({"Body": {"stkCallback": body | changes}}).encode()


def paid(amount="1.00", receipt='"UJ6000AB1C"', extra=""):
    """A success of which amount and receipt are spelled as given."""
    return (
        '{"Body": {"stkCallback": {"ResultCode": 0, "CheckoutRequestID": "ws_CO_1",'
        ' "CallbackMetadata": {"Item": ['
        f'{{"Name": "Amount", "Value": {amount}}},'
        f' {{"Name": "MpesaReceiptNumber", "Value": {receipt}}}{extra}'
        "]}}}}"
    ).encode()


class TestParseCallback:
    @pytest.mark.parametrize("code", FINAL)
    def test_fails_on_the_closed_list_alone(self, code):
        for spelled in {code, int(code) if code.isdigit() else code}:
            outcome = parse_callback(callback(spelled))

            assert (outcome.verdict, outcome.is_final) == (FAILED, True)
            assert outcome.result_code == code

    @pytest.mark.parametrize("code", [*SOFT, None, True, False, [], {}, 0.5, "1" * 31], ids=ascii)
    def test_leaves_every_other_code_unsettled(self, code):
        outcome = parse_callback(callback(code))

        assert (outcome.verdict, outcome.is_final) == (PENDING, False)

    @pytest.mark.parametrize("code", [0, "0", " 0 "])
    def test_takes_success_as_number_or_text(self, code):
        assert parse_callback(callback(code)).verdict == SUCCEEDED

    @pytest.mark.parametrize(
        ("spelling", "amount"),
        [
            ("1", "1.00"),
            ("1.00", "1.00"),
            ('"1.00"', "1.00"),
            ('"1"', "1.00"),
            ("5.000", "5.00"),
            ("1.5E+2", "150.00"),
            ("0", "0.00"),
            ("-5", "-5.00"),
            ("150.01", "150.01"),
            ("0.1", "0.10"),
            ("250000", "250000.00"),
        ],
    )
    def test_reads_the_amount_exactly(self, spelling, amount):
        outcome = parse_callback(paid(spelling))

        assert outcome.verdict == SUCCEEDED
        assert str(outcome.amount) == amount

    @pytest.mark.parametrize(
        "spelling",
        [
            '"1,600.00"',
            '"KES 5"',
            '"1_0"',
            '"\u0661\u0660"',
            '"\uff15"',
            '"1e2"',
            '"NaN"',
            "true",
            "[5]",
            '{"amount": 5}',
            "5.001",
            "1E+20",
            "1E-20",
            "10000000000",
        ],
        ids=ascii,
    )
    def test_believes_no_success_with_an_amount_it_cannot_read(self, spelling):
        outcome = parse_callback(paid(spelling))

        assert (outcome.verdict, outcome.is_final) == (PENDING, False)
        assert outcome.amount is None
        assert outcome.receipt_number == "UJ6000AB1C"

    @pytest.mark.parametrize(
        "items",
        [
            None,
            [],
            {},
            "text",
            [None, 5, "x", []],
            [{"Name": "Amount"}],
            [{"Name": "Amount", "Value": None}],
            [{"Name": "Amount", "Value": ""}],
            [{"Name": 7, "Value": 7}],
            [{"Name": ["Amount"], "Value": 7}],
            [{"Value": 7}],
        ],
        ids=ascii,
    )
    def test_takes_a_success_that_says_no_amount(self, items):
        outcome = parse_callback(callback(0, items))

        assert outcome.verdict == SUCCEEDED
        assert (outcome.amount, outcome.receipt_number, outcome.paid_at) == (None, None, None)

    @pytest.mark.parametrize(
        ("receipt", "read"),
        [
            ('"uj6000ab1c"', "UJ6000AB1C"),
            ('" UJ6000AB1C "', "UJ6000AB1C"),
            ("1234567890", "1234567890"),
            ('""', None),
            ("null", None),
            ('"N/A"', None),
            ('"UJ6000AB1C\\u0000"', None),
            ('"UJ6000AB1\uff23"', None),
            ('["UJ6000AB1C"]', None),
            ("true", None),
            (f'"{"A" * 33}"', None),
        ],
        ids=ascii,
    )
    def test_takes_a_receipt_number_or_none(self, receipt, read):
        outcome = parse_callback(paid("1.00", receipt))

        assert outcome.verdict == SUCCEEDED
        assert outcome.receipt_number == read

    def test_believes_no_success_that_contradicts_itself(self):
        two_amounts = ', {"Name": "Amount", "Value": 2}'
        two_receipts = ', {"Name": "MpesaReceiptNumber", "Value": "UJ6000AB1D"}'

        assert parse_callback(paid(extra=two_amounts)).verdict == PENDING
        assert parse_callback(paid(extra=two_receipts)).verdict == PENDING

    def test_takes_a_repeated_item_once(self):
        outcome = parse_callback(paid("1", extra=', {"Name": "Amount", "Value": 1.00}'))

        assert (outcome.verdict, outcome.amount) == (SUCCEEDED, Decimal("1.00"))

    def test_believes_no_failure_that_carries_a_receipt(self):
        items = [{"Name": "MpesaReceiptNumber", "Value": "UJ6000AB1C"}]

        assert parse_callback(callback(1032, items)).verdict == PENDING

    @pytest.mark.parametrize("value", ['"20261006095233"', "20261006095233", '" 20261006095233 "'])
    def test_reads_the_time_as_east_african(self, value):
        outcome = parse_callback(paid(extra=f', {{"Name": "TransactionDate", "Value": {value}}}'))

        assert outcome.paid_at == datetime(2026, 10, 6, 6, 52, 33, tzinfo=UTC)

    @pytest.mark.parametrize(
        "value", ["0", '"yesterday"', "20261306095233", "99999999999999", "2026100609523", "[]"]
    )
    def test_does_without_a_time_it_cannot_read(self, value):
        outcome = parse_callback(paid(extra=f', {{"Name": "TransactionDate", "Value": {value}}}'))

        assert (outcome.verdict, outcome.paid_at) == (SUCCEEDED, None)

    def test_cleans_what_the_database_would_refuse(self):
        outcome = parse_callback(callback(ResultDesc="a\x00b\x1bc" + "d" * 5000))

        assert outcome.result_desc.startswith("a\ufffdb\ufffdc")
        assert len(outcome.result_desc) == 255

    def test_does_without_ids(self):
        outcome = parse_callback(b'{"Body": {"stkCallback": {"ResultCode": 1032}}}')

        assert (outcome.verdict, outcome.checkout_request_id) == (FAILED, "")

    @pytest.mark.parametrize("value", ["", " ", [], {}, True, "x" * 65], ids=ascii)
    def test_refuses_an_id_that_would_pass_for_a_missing_one(self, value):
        with pytest.raises(UnreadableBody):
            parse_callback(callback(CheckoutRequestID=value))

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b"0",
            b'"text"',
            b"{}",
            b'{"Body": null}',
            b'{"Body": []}',
            b'{"Body": {"stkCallback": []}}',
            b'{"Body": {"stkCallback": "0"}}',
            b'{"body": {"stkcallback": {"ResultCode": 0}}}',
            b"<html>504</html>",
            b"\xff\xfe\x00",
            b"\x00",
            b"Body=1&ResultCode=0",
            callback(0)[:-3],
            b"[" * 60_000,
            b'{"Body":' * 8_000,
            callback(0).replace(b": 0,", b": NaN,"),
            callback(0).replace(b": 0,", b": " + b"0" * 5000 + b","),
            callback(0).replace(b": 0,", b": " + b"9" * 5000 + b","),
            callback(0).replace(b'"ResultCode"', b'"ResultCode": 1032, "ResultCode"'),
            callback(0).ljust(65_537),
            callback(ResultDesc="\ud800"),
            callback(0).decode().encode("utf-16"),
        ],
        ids=lambda body: ascii(body[:40]),
    )
    def test_raises_unreadable_body_on_poison(self, body):
        with pytest.raises(UnreadableBody):
            parse_callback(body)

    def test_reads_what_only_looks_like_poison(self):
        assert parse_callback(b"\xef\xbb\xbf" + callback(0)).verdict == SUCCEEDED
        assert parse_callback(callback(0).ljust(65_536)).verdict == SUCCEEDED

    @pytest.mark.parametrize(
        ("name", "body"),
        [
            param
            for kind in ("stk_query_response", "stk_push_response", "api_error", "oauth_error")
            for param in payloads.params(kind)
        ],
    )
    def test_refuses_bodies_of_another_kind(self, name, body):
        with pytest.raises(UnreadableBody):
            parse_callback(body.encode())

    @given(
        st.recursive(
            st.sampled_from([None, True, 0, 1, "0", "1032", 0.5, "Amount", "", "\x00"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["ResultCode", "CallbackMetadata", "Item", "Name", "Value"]),
                    inner,
                )
            ),
            max_leaves=10,
        )
    )
    def test_raises_nothing_else_whatever_the_shape(self, shape):
        with suppress(UnreadableBody):
            parse_callback(json.dumps({"Body": {"stkCallback": shape}}).encode())
