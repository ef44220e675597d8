"""Banks' notices: the forms on their own pages, and what is left out of them."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from payments.errors import UnreadableBody
from payments.providers.bank.messages import parse_notice
from payments.references import new_reference
from tests import payloads

EAT = ZoneInfo("Africa/Nairobi")
EQUITY = json.loads(payloads.body_of("bank_ipn", "01-equity-jenga-ipn"))
KCB = json.loads(payloads.body_of("bank_ipn", "03-kcb-buni-ipn"))
COOP = {
    "AcctNo": "01100012345600",
    "Amount": "22459.0",
    "BookedBalance": "1.0",
    "Currency": "KES",
    "EventType": "CREDIT",
    "Narration": "INV-0042~JABALI WAKESHO",
    "PaymentRef": "P1",
    "TransactionDate": "2023-11-06+03:00",
    "TransactionId": "S55558888",
}


def read(document, **changed):
    return parse_notice(json.dumps({**document, **changed}).encode())


class TestForms:
    @pytest.mark.parametrize(("name", "body"), payloads.params("bank_ipn"))
    def test_every_recorded_body_is_money(self, name, body):
        money = parse_notice(body.encode())

        assert money.amount > 0
        assert money.account_reference == "INV-0042"

    def test_equity(self):
        money = read(EQUITY)

        assert (money.receipt_number, money.amount) == ("SCB0000001", Decimal("1500.00"))
        assert (money.shortcode, money.msisdn) == ("0000000000000", "254700000144")
        assert money.paid_at == datetime(2024, 3, 11, 14, 2, 11, tzinfo=EAT)
        assert (money.payer_name, money.transaction_type) == ("JABALI WAKESHO", "MPESA")

    def test_kcb(self):
        money = read(KCB)

        assert (money.receipt_number, money.amount) == ("FT00026252", Decimal("100.00"))
        assert (money.shortcode, money.msisdn) == ("0000000000", "254700000146")
        assert money.paid_at == datetime(2023, 4, 11, 10, 30, 25, tzinfo=EAT)

    @pytest.mark.parametrize(
        "told",
        [
            {"Narration": "S123~{}~JABALI WAKESHO"},
            {"Narration": "JABALI WAKESHO~0110012345678#{}"},
            {"Narration": "X", "CustMemoLine2": "PAY {} "},
            {"Narration": "{}~X", "CustMemoLine1": "{}"},
        ],
        ids=["part", "behind the account", "memo", "twice"],
    )
    def test_coop_may_hold_a_reference_of_ours(self, told):
        ours = new_reference()
        changed = {name: text.format(ours.lower()) for name, text in told.items()}

        assert read(COOP, **changed).account_reference == ours

    def test_coop_with_two_of_ours_names_none(self):
        narration = f"{new_reference()}~{new_reference()}"

        assert read(COOP, Narration=narration).account_reference == ""

    def test_coop_names_no_reference_and_no_payer(self):
        money = read(COOP)

        assert (money.receipt_number, money.amount) == ("S55558888", Decimal("22459.00"))
        assert (money.shortcode, money.account_reference) == ("01100012345600", "")
        assert (money.msisdn, money.payer_name, money.paid_at) == ("", "", None)


class TestNoMoney:
    @pytest.mark.parametrize("word", ["DEBIT", "debit", "D"])
    def test_what_went_out_is_none(self, word):
        assert read(COOP, EventType=word) is None

    def test_what_failed_is_none(self):
        failed = {**EQUITY["transaction"], "status": "FAILED"}

        assert read(EQUITY, transaction=failed) is None


class TestUnreadable:
    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"null", b"{}", b"<html>", b'{"AcctNo": 1}', b"\xff\xfe"],
        ids=["nothing", "list", "null", "object", "page", "half", "bytes"],
    )
    def test_what_is_of_no_form(self, body):
        with pytest.raises(UnreadableBody):
            parse_notice(body)

    @pytest.mark.parametrize(
        ("document", "changed"),
        [
            (COOP, {"EventType": "SWEEP"}),
            (COOP, {"EventType": None}),
            (COOP, {"Currency": "USD"}),
            (COOP, {"TransactionId": ""}),
            (COOP, {"TransactionId": "two words"}),
            (KCB, {"currency": "UGX"}),
            (EQUITY, {"bank": {}}),
            (EQUITY, {"transaction": {"reference": "SCB0000001", "status": "PENDING"}}),
            (EQUITY, {"transaction": []}),
        ],
        ids=[
            "sweep",
            "no-event",
            "dollars",
            "no-id",
            "words",
            "uganda",
            "no-bank",
            "pending",
            "list",
        ],
    )
    def test_what_does_not_say_plainly_that_money_came_in(self, document, changed):
        with pytest.raises(UnreadableBody):
            read(document, **changed)

    @pytest.mark.parametrize("amount", ["1.5e3", "-100", "0", "", None, True, "1,50", "1.005", []])
    def test_an_amount_that_is_none_is_not_guessed(self, amount):
        assert read(KCB, transactionAmount=amount).amount is None
