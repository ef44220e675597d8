"""Money a customer sent by himself, in every form recorded, and in forms that are not."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

import pytest

from payments.errors import UnreadableBody
from payments.providers import registry
from payments.providers.daraja.arrivals import parse_c2b
from payments.providers.daraja.messages import EAT
from tests import payloads

HASH = "3f67d29e25f947f813238e94ff20d0c67854d3a7efdf83a9fbba7c852c825697"
TEST_HASH = "bbff37cea44ac0b2d964ee0dfb8d2df8513dc7ba1b36129a929fc3fbd6dd4af4"
# kind and number of the file -> receipt, amount, shortcode, reference, paid (EAT), payer, name
RECORDED = {
    ("c2b_confirmation", "01"): (
        "TDS2L38KWI", "1.00", "4009001", "4009001", "2025-04-28T18:56:18", HASH, "JABALI",
    ),
    ("c2b_confirmation", "03"): (
        "QBP6OW9CTA", "1.00", "4009003", "0700000132", "2022-02-25T01:15:23", "254700000132",
        "JABALI WAKESHO",
    ),
    ("c2b_confirmation", "05"): (
        "RAJ7PFM0SH", "1.00", "4009005", "test", "2023-01-19T12:15:44", "2547*****797", "JABALI",
    ),
    ("c2b_confirmation", "07"): (
        "NCQ61H8BK4", "2.00", "601445", "12345678", "2019-03-26T21:04:41", "254708374149",
        "John J. Doe",
    ),
    ("c2b_confirmation", "09"): (
        "RFH31QHDKL", "1.00", "600980", "174379", "2023-06-17T13:46:09", TEST_HASH, "NICHOLAS",
    ),
    ("c2b_confirmation", "11"): (
        "RKTQDM7W6S", "10.00", "600638", "invoice008", "2019-11-22T06:38:45", "25470****149",
        "John Doe",
    ),
    ("c2b_validation", "01"): (
        "NJ551HAKRP", "300.00", "600755", "BY6543211", "2019-10-05T16:13:29", "254708374149",
        "John J. Doe",
    ),
    ("c2b_validation", "03"): (
        "LHG31AA5TX", "200.00", "600610", "account", "2017-08-16T19:02:43", "254708374149",
        "John Doe",
    ),
}  # fmt: skip
FILES = [
    pytest.param(kind, name, body, id=f"{kind}/{name}")
    for kind in ("c2b_confirmation", "c2b_validation")
    for name, body in payloads.bodies(kind)
]
TILL = {
    "TransactionType": "Customer Merchant Payment",
    "TransID": "SDB7AB1C2D",
    "TransTime": "20240402170017",
    "TransAmount": "150.00",
    "BusinessShortCode": "174379",
    "BillRefNumber": "",
    "InvoiceNumber": "",
    "OrgAccountBalance": "49197.00",
    "ThirdPartyTransID": "",
    "MSISDN": "2547 ***** 126",
    "FirstName": "JABALI",
}


def parsed(**changes):
    return parse_c2b(json.dumps(TILL | changes).encode())


class TestRecordedBodies:
    @pytest.mark.parametrize(("kind", "name", "body"), FILES)
    def test_are_read(self, kind, name, body):
        receipt, amount, shortcode, reference, paid_at, payer, payer_name = RECORDED[kind, name[:2]]

        money = parse_c2b(body.encode())

        assert money.receipt_number == receipt
        assert money.amount == Decimal(amount)
        assert money.amount.as_tuple().exponent == -2
        assert (money.shortcode, money.account_reference) == (shortcode, reference)
        assert money.paid_at == datetime.fromisoformat(paid_at).replace(tzinfo=EAT)
        given = [money.msisdn, money.msisdn_hash, money.msisdn_masked]
        assert sorted(given) == ["", "", payer]
        assert money.payer_name == payer_name

    def test_are_all_expected(self):
        assert {(p.values[0], p.values[1][:2]) for p in FILES} == set(RECORDED)


class TestAmount:
    @pytest.mark.parametrize(
        ("written", "amount"),
        [
            ("1", "1.00"),
            ("1.0", "1.00"),
            ("10", "10.00"),
            ("1,000.00", "1000.00"),
            ("1,000", "1000.00"),
            ("250000.5", "250000.50"),
            ("0.50", "0.50"),
            (" 5.00 ", "5.00"),
            (10, "10.00"),
        ],
    )
    def test_is_read_exactly(self, written, amount):
        assert parsed(TransAmount=written).amount == Decimal(amount)

    @pytest.mark.parametrize(("literal", "amount"), [("5.00", "5.00"), ("0.1", "0.10")])
    def test_is_read_exactly_from_a_number(self, literal, amount):
        body = json.dumps(TILL).replace('"150.00"', literal).encode()

        assert parse_c2b(body).amount == Decimal(amount)

    @pytest.mark.parametrize(
        "written",
        [
            "-1.00", "+1.00", "0", "0.00", "1.000,00", "1,00", "1.000", "10,00.00", "1,0000.00",
            "1e2", "1E+2", "0x10", "1_000", "1 000", "KES 5", "\u0661\u0662", "\uff11", "NaN", "",
            "1.", ".5", "007", "1.005", "99999999999", None, True, [], {"a": 1},
        ],
    )  # fmt: skip
    def test_is_never_guessed(self, written):
        assert parsed(TransAmount=written).amount is None

    @pytest.mark.parametrize("literal", ["1e2", "1E+2", "-5", "0.001", "0.0000001"])
    def test_is_never_guessed_from_a_number(self, literal):
        body = json.dumps(TILL).replace('"150.00"', literal).encode()

        assert parse_c2b(body).amount is None

    def test_may_be_missing(self):
        assert parse_c2b(b'{"TransID": "SDB7AB1C2D"}').amount is None


class TestPayer:
    @pytest.mark.parametrize(
        ("written", "field", "read"),
        [
            ("254712345678", "msisdn", "254712345678"),
            (254712345678, "msisdn", "254712345678"),
            ("0712345678", "msisdn", "254712345678"),
            ("254110345678", "msisdn", "254110345678"),
            ("2547 ***** 126", "msisdn_masked", "2547*****126"),
            ("2547*****126", "msisdn_masked", "2547*****126"),
            ("25470****149", "msisdn_masked", "25470****149"),
            ("*********678", "msisdn_masked", "*********678"),
            (HASH, "msisdn_hash", HASH),
            (HASH.upper(), "msisdn_hash", HASH),
        ],
    )
    def test_is_told_in_one_form(self, written, field, read):
        money = parsed(MSISDN=written)

        told = {n: getattr(money, n) for n in ("msisdn", "msisdn_hash", "msisdn_masked")}
        assert {name: value for name, value in told.items() if value} == {field: read}

    @pytest.mark.parametrize(
        "written",
        ["", None, f"{HASH[:4]} ***** {HASH[-4:]}", f"{HASH[:30]}*****{HASH[35:]}", "N/A", [], "1"],
    )
    def test_may_be_unknown(self, written):
        money = parsed(MSISDN=written)

        assert (money.msisdn, money.msisdn_hash, money.msisdn_masked) == ("", "", "")

    @pytest.mark.parametrize(
        ("names", "read"),
        [
            ({"FirstName": None, "MiddleName": "", "LastName": None}, ""),
            ({"FirstName": "Asha", "MiddleName": None, "LastName": "Ali"}, "Asha Ali"),
            ({"FirstName": 5, "LastName": ["x"]}, "5"),
        ],
    )
    def test_may_have_no_name(self, names, read):
        assert parsed(**names).payer_name == read

    def test_is_not_printed(self):
        money = parsed(MSISDN="254712345678", FirstName="ASHA")

        assert "254712345678" not in repr(money)
        assert "ASHA" not in repr(money)


class TestTheRest:
    def test_of_a_tills_money(self):
        money = parsed()

        assert money.transaction_type == "Customer Merchant Payment"
        assert money.account_reference == ""
        assert money.organisation_balance == Decimal("49197.00")

    @pytest.mark.parametrize(
        ("literal", "reference"),
        [
            ('"0012"', "0012"),
            ('" 0012 "', "0012"),
            ("12", "12"),
            ("12.50", "12.50"),
            ("null", ""),
            ("true", ""),
            ('"\\u0000K7\\n"', "\ufffdK7"),
            ('"Mama Mboga 5"', "Mama Mboga 5"),
        ],
    )
    def test_reference_is_text(self, literal, reference):
        body = json.dumps(TILL).replace('"BillRefNumber": ""', f'"BillRefNumber": {literal}')

        assert parse_c2b(body.encode()).account_reference == reference

    @pytest.mark.parametrize("written", ["", None, "2024-13-01", "20241301000000", "2024", []])
    def test_time_nobody_can_read_is_no_time(self, written):
        assert parsed(TransTime=written).paid_at is None

    def test_invoice_number_is_not_the_reference(self):
        assert parsed(InvoiceNumber="INV-1").account_reference == ""

    def test_fields_nobody_knows_change_nothing(self):
        assert parsed(Surprise={"deep": [1]}) == parsed()

    def test_balance_may_be_missing_or_strange(self):
        assert parsed(OrgAccountBalance="").organisation_balance is None
        assert parsed(OrgAccountBalance="much").organisation_balance is None

    def test_receipt_is_in_capitals(self):
        assert parsed(TransID="sdb7ab1c2d").receipt_number == "SDB7AB1C2D"


class TestUnreadable:
    @pytest.mark.parametrize(
        "body",
        [
            b"", b"[]", b"null", b'"x"', b"{}", b'{"TransID": ""}', b'{"TransID": "a b"}',
            b'{"TransID": null}', b"\xff", b'{"TransID": "SDB7AB1C2D", "a": NaN}',
            b'{"TransID": "A1B2C3D4E5", "TransID": "A1B2C3D4E6"}', b"<xml/>", b"[" * 40,
        ],
    )  # fmt: skip
    def test_is_refused(self, body):
        with pytest.raises(UnreadableBody):
            parse_c2b(body)

    def test_is_what_no_adapter_reads(self):
        with pytest.raises(UnreadableBody):
            registry.parse_c2b("card", json.dumps(TILL).encode())

    def test_is_not_what_an_adapter_reads(self):
        money = registry.parse_c2b("mpesa_till", json.dumps(TILL).encode())

        assert money.receipt_number == "SDB7AB1C2D"
