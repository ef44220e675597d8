from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from payments.choices import OutcomeVerdict
from payments.providers.daraja.callbacks import parse_callback
from payments.providers.daraja.messages import EAT
from tests import payloads

SUCCEEDED, FAILED, PENDING = (
    OutcomeVerdict.SUCCEEDED,
    OutcomeVerdict.FAILED,
    OutcomeVerdict.PENDING,
)
# file stem -> verdict, code, receipt, amount, paid_at (EAT)
CALLBACKS = {
    "01": (SUCCEEDED, "0", "OGM1XQGKTR", "5.00", "2020-07-22T00:39:00"),
    "03": (SUCCEEDED, "0", "QIC8V82TN0", "1.00", "2022-09-12T22:39:30"),
    "05": (SUCCEEDED, "0", "NBN52K8A1J", "1.00", "2019-02-23T14:48:07"),
    "07": (SUCCEEDED, "0", "SD25WSR9W7", "1.00", "2024-04-02T17:00:17"),
    "09": (SUCCEEDED, "0", "RG50Q1JQYE", "1.00", "2023-07-05T02:31:58"),
    "11": (SUCCEEDED, "0", "QI68HOFDTU", "1.00", "2022-09-06T17:07:32"),
    "13": (SUCCEEDED, "0", "OAT8OYEF9WS", "1.00", "2020-01-29T14:52:10"),
    "15": (SUCCEEDED, "0", "NCB9FJNAIT", "1.00", "2019-03-11T12:21:21"),
    "17": (SUCCEEDED, "0", "UJ6000AB1C", "1.00", "2026-10-06T09:52:33"),
    "19": (FAILED, "2118", None, None, None),
    "21": (PENDING, "17", None, None, None),
    "23": (FAILED, "2001", None, None, None),
    "25": (FAILED, "1", None, None, None),
    "27": (FAILED, "1019", None, None, None),
    "29": (FAILED, "1019", None, None, None),
    "31": (FAILED, "1032", None, None, None),
    "33": (FAILED, "1032", None, None, None),
    "35": (FAILED, "1032", None, None, None),
}


class TestRecordedCallbacks:
    @pytest.mark.parametrize(("name", "body"), payloads.params("stk_callback"))
    def test_are_classified(self, name, body):
        verdict, code, receipt_number, amount, paid_at = CALLBACKS[name[:2]]

        outcome = parse_callback(body.encode())

        assert (outcome.verdict, outcome.result_code) == (verdict, code)
        assert outcome.is_final == (verdict != PENDING)
        assert outcome.receipt_number == receipt_number
        assert outcome.amount == (amount and Decimal(amount))
        assert outcome.paid_at == (paid_at and datetime.fromisoformat(paid_at).replace(tzinfo=EAT))
        assert outcome.checkout_request_id in body
        assert outcome.checkout_request_id.startswith("ws_CO_")
        assert outcome.merchant_request_id in body
        assert outcome.result_desc in body
        assert outcome.shortcode is None

    def test_are_all_expected(self):
        assert {name[:2] for name, _ in payloads.bodies("stk_callback")} == set(CALLBACKS)
