from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.errors import UnreadableBody
from payments.providers.base import Balance
from payments.providers.daraja.messages import EAT
from payments.providers.daraja.results import parse_result
from tests import payloads
from tests.payments.providers.daraja_wire import POISON

KINDS = ("txn_status_result", "balance_result", "reversal_result", "b2c_result", "b2b_result")
RECORDED = [
    pytest.param(kind, name, id=f"{kind}-{name}")
    for kind in KINDS
    for name, _ in payloads.bodies(kind)
]
NAMES = ("JABALI", "WAKESHO", "JOHN", "Doe", "2547", "07000")


def result_of(kind, name):
    return parse_result(payloads.body_of(kind, name.removesuffix(".json")).encode())


def body(code=0, parameters=..., **more):
    result = {"ResultType": 0, "ResultCode": code, "ResultDesc": "Said.", **more}
    if parameters is not ...:
        result["ResultParameters"] = {"ResultParameter": parameters}
    return json.dumps({"Result": result}).encode()


def told(**values):
    return [{"Key": key, "Value": value} for key, value in values.items()]


def eat(*when):
    return datetime(*when, tzinfo=EAT)


class TestRecordedResults:
    @pytest.mark.parametrize(("kind", "name"), RECORDED)
    def test_are_read_and_details_name_nobody(self, kind, name):
        recorded = json.loads(payloads.body_of(kind, name.removesuffix(".json")))["Result"]

        result = result_of(kind, name)

        assert result.result_code == str(recorded["ResultCode"])
        assert result.succeeded == (recorded["ResultCode"] == 0)
        assert result.conversation_id == recorded["ConversationID"]
        assert result.originator_conversation_id == recorded["OriginatorConversationID"]
        assert not any(part in str(result.details) + repr(result) for part in NAMES)

    def test_status_of_a_completed_payment(self):
        result = result_of("txn_status_result", "01-completed-production-2024")

        assert result.receipt_number == "SFT31A0001"
        assert result.amount == Decimal("10.00")
        assert result.transaction_status == "Completed"
        assert result.paid_at == eat(2024, 6, 29, 18, 43, 2)
        assert result.debit_party == "254700000142 - JABALI WAKESHO"
        assert result.credit_party == "000000 - agg"
        assert result.details == {
            "reason_type": "Pay Bill Online",
            "debit_account_type": "MMF Account For Customer",
            "initiated_at": "2024-06-29T18:43:02+03:00",
        }

    def test_status_of_a_receipt_nobody_knows(self):
        result = result_of("txn_status_result", "03-not-found-2032-2026")

        assert (result.result_code, result.succeeded) == ("2032", False)
        assert (result.receipt_number, result.amount, result.paid_at) == (None, None, None)
        assert result.details == {}

    def test_balance_of_every_account(self):
        result = result_of("balance_result", "01-success-2018-sandbox")

        assert [account.account for account in result.balances] == [
            "Working Account",
            "Float Account",
            "Utility Account",
            "Charges Paid Account",
            "Organization Settlement Account",
        ]
        assert result.balances[2] == Balance(
            "Utility Account", Decimal("65602.00"), Decimal("65602.00")
        )
        assert result.balances[3].current == Decimal("-660.00")
        assert result.paid_at == eat(2018, 8, 28, 20, 24, 56)

    def test_balance_refused_to_a_locked_operator(self):
        result = result_of("balance_result", "03-fail-8006-locked-2026")

        assert result.balances == ()
        assert result.details == {
            "action_type": "AccountBalance",
            "error": "API Password is locked.",
        }

    def test_reversal_names_the_receipt_it_took_back_and_its_own(self):
        result = result_of("reversal_result", "01-success-official-2021")

        assert result.receipt_number == "SKC82PACB8"
        assert result.details == {"transaction_id": "SKE52PAWR9", "debit_charge": "0.00"}
        assert result.amount == Decimal("1.00")
        assert result.paid_at == eat(2021, 11, 14, 13, 27, 11)
        assert result.debit_party == "600992 - Safaricom Daraja 992"
        assert result.balances[0].current == Decimal("7722179.62")

    def test_reversal_refused_with_letters(self):
        result = result_of("reversal_result", "03-fail-r000002-2026")

        assert (result.result_code, result.succeeded) == ("R000002", False)

    def test_b2c_dates_with_dots(self):
        result = result_of("b2c_result", "03-success-production-2024-integers")

        assert result.paid_at == eat(2024, 7, 3, 14, 30, 21)
        assert result.receipt_number == "SG31FWI0VP"

    def test_failed_b2c_has_no_receipt_though_it_shows_one(self):
        assert result_of("b2c_result", "05-fail-2001-official").receipt_number is None


class TestForms:
    @pytest.mark.parametrize(
        "parameters",
        [
            pytest.param({"Key": "ReceiptNo", "Value": "SFT31A0001"}, id="object"),
            pytest.param([{"Key": "ReceiptNo", "Value": "SFT31A0001"}], id="array"),
            pytest.param([{"Key": "Receipt No ", "Value": "SFT31A0001"}], id="spaced"),
            pytest.param(
                [None, 7, {"Key": "ReceiptNo"}, {"Key": "ReceiptNo", "Value": "sft31a0001"}],
                id="among-rubbish",
            ),
        ],
    )
    def test_parameters_in_any_form(self, parameters):
        assert parse_result(body(0, parameters)).receipt_number == "SFT31A0001"

    @pytest.mark.parametrize("parameters", [None, "", [], {}, "text", 5, [[]]])
    def test_no_parameters_say_nothing(self, parameters):
        result = parse_result(body(0, parameters))

        assert result.succeeded
        assert (result.receipt_number, result.amount, result.balances) == (None, None, ())

    @pytest.mark.parametrize("code", [0, "0", "0 "])
    def test_zero_is_zero_as_a_number_and_as_text(self, code):
        assert parse_result(body(code)).succeeded

    @pytest.mark.parametrize(
        "code", ["R000001", "R000002", "TP40153", "SFC_IC0003", 2032, "00", -1]
    )
    def test_other_codes_stay_what_they_are(self, code):
        result = parse_result(body(code))

        assert (result.result_code, result.succeeded) == (str(code), False)

    @pytest.mark.parametrize(
        ("written", "amount"),
        [
            (10, "10.00"),
            ("10", "10.00"),
            (10.5, "10.50"),
            ("1,600.00", "1600.00"),
            ("{Amount={CurrencyCode=KES, MinimumAmount=618683, BasicAmount=6186.83}}", "6186.83"),
            ("-5.00", "-5.00"),
            ("1,60", None),
            ("ten", None),
            (True, None),
            ([10], None),
            ("1.005", None),
            (10**11, None),
            ("{BasicAmount=.}", None),
        ],
    )
    def test_amounts(self, written, amount):
        result = parse_result(body(0, told(Amount=written)))

        assert result.amount == (amount and Decimal(amount))

    def test_two_amounts_are_none(self):
        parameters = [*told(Amount=10), *told(Amount=11)]

        assert parse_result(body(0, parameters)).amount is None

    @pytest.mark.parametrize(
        ("written", "when"),
        [
            (20231108101530, (2023, 11, 8, 10, 15, 30)),
            ("20231108101530", (2023, 11, 8, 10, 15, 30)),
            ("08.11.2023 10:15:30", (2023, 11, 8, 10, 15, 30)),
            ("2023-11-08 10:15:30", (2023, 11, 8, 10, 15, 30)),
            (20231308101530, None),
            (2023110810153, None),
            ("yesterday", None),
            (0, None),
            (True, None),
        ],
    )
    def test_moments(self, written, when):
        result = parse_result(body(0, told(FinalisedTime=written)))

        assert result.paid_at == (when and eat(*when))

    @pytest.mark.parametrize(
        ("written", "charge"),
        [
            ("Fee For B2C Payment|KES|22.40", "22.40"),
            ("Fee A|KES|22.40&Fee B|KES|1", "23.40"),
            ("Fee For B2C Payment|KES|?", None),
            (7, "7.00"),
            ("free", None),
        ],
    )
    def test_charges(self, written, charge):
        result = parse_result(body(0, told(DebitPartyCharges=written)))

        assert result.details.get("debit_charge") == charge

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("A|KES|1.00", [("A", "1.00", None)]),
            ("A|KES|1.00|2.00&B|KES|3,000.00|x", [("A", "1.00", "2.00"), ("B", "3000.00", None)]),
            ("A|USD|1.00|1.00&B|KES|2.00", [("B", "2.00", None)]),
            ("A|KES|&|KES|1.00&A&&", []),
            ({"a": 1}, []),
            (
                "Working Account|KES|346568.83|6186.83|340382.00|0.00",
                [("Working Account", "346568.83", "6186.83")],
            ),
        ],
    )
    def test_balances(self, written, read):
        result = parse_result(body(0, told(AccountBalance=written)))

        assert result.balances == tuple(
            Balance(name, Decimal(current), available and Decimal(available))
            for name, current, available in read
        )

    def test_the_second_of_two_debit_parties_was_paid(self):
        parameters = [
            {"Key": "DebitPartyName", "Value": "254700000142 - A B"},
            {"Key": "DebitPartyName", "Value": "600100 - Shop"},
        ]

        result = parse_result(body(0, parameters))

        assert (result.debit_party, result.credit_party) == (
            "254700000142 - A B",
            "600100 - Shop",
        )

    def test_details_leave_out_what_could_be_a_phone(self):
        parameters = told(ErrorMsg="No such party 254712345678", ActionType="Reversal")

        assert parse_result(body(1, parameters)).details == {"action_type": "Reversal"}

    def test_old_spelling_of_the_originator(self):
        result = parse_result(body(0, OriginatorCoversationID="12362-3240472-1"))

        assert result.originator_conversation_id == "12362-3240472-1"

    def test_empty_ids_are_none(self):
        result = parse_result(body(0, ConversationID="", OriginatorConversationID=""))

        assert (result.conversation_id, result.originator_conversation_id) == ("", "")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Key", "Value", "ResultParameter", "ResultCode", "Amount", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KEYS = ["Amount", "ReceiptNo", "FinalisedTime", "AccountBalance", "DebitPartyCharges", "ErrorMsg"]
PARAMETERS = st.lists(
    st.fixed_dictionaries({"Key": st.sampled_from(KEYS), "Value": ANYTHING}), max_size=5
)


class TestGarbage:
    @given(code=ANYTHING, parameters=PARAMETERS | ANYTHING, conversation=ANYTHING)
    @settings(deadline=None)
    def test_of_any_kind_is_read_or_refused(self, code, parameters, conversation):
        try:
            result = parse_result(body(code, parameters, ConversationID=conversation))
        except UnreadableBody:
            return

        assert 0 < len(result.result_code) <= 32
        assert result.succeeded == (result.result_code == "0")
        assert len(result.conversation_id) <= 64
        assert result.amount is None or abs(result.amount) < 10**10
        assert all(isinstance(value, str) for value in result.details.values())

    @pytest.mark.parametrize("raw", list(POISON.values()), ids=list(POISON))
    def test_is_no_result(self, raw):
        with pytest.raises(UnreadableBody):
            parse_result(raw)

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(b'{"Result": []}', id="list"),
            pytest.param(b'{"Result": {}}', id="empty"),
            pytest.param(body(None), id="null-code"),
            pytest.param(body([0]), id="list-code"),
            pytest.param(body(False), id="false-is-no-zero"),
            pytest.param(body(0, ConversationID="x" * 65), id="long-id"),
            pytest.param(body(0, ConversationID=["x"]), id="list-id"),
        ],
    )
    def test_without_a_code_or_with_an_impossible_id_is_no_result(self, raw):
        with pytest.raises(UnreadableBody):
            parse_result(raw)
