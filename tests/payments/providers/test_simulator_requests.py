"""Status, reversal and balance: the real adapter against the simulated Daraja, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from payments.errors import OutcomeUnknown, ProviderRefused
from payments.providers.base import AccountDetails, BalanceQuestion, ReversalOrder, StatusQuestion
from payments.providers.daraja.adapter import DarajaAdapter
from payments.providers.daraja.simulator.later import RULES
from tests import payloads
from tests.daraja import FakeDaraja

URL = "https://daraja.wire"
NOON = datetime(2026, 11, 20, 13, tzinfo=UTC)
RESULT, TIMEOUT = "/cb/r/1", "/cb/t/1"
ANSWERS = {"result_url": f"https://pay.test{RESULT}", "timeout_url": f"https://pay.test{TIMEOUT}"}
PAYBILL, TILL, STORE = "600100", "5200101", "600996"
RECORDED = {
    "status": ("txn_status_result", "01-completed-production-2024"),
    "reversal": ("reversal_result", "01-success-official-2021"),
    "balance": ("balance_result", "01-success-2018-sandbox"),
}


class Desk:
    """A shop's adapter with an initiator, and the clock of its Daraja."""

    def __init__(self):
        self.now = NOON
        self.fake = FakeDaraja(clock=lambda: self.now, base_url=URL, tills={TILL: STORE})

    def adapter(self, initiator="operator", shortcode=PAYBILL, **account):
        secrets = {
            "consumer_key": "key",
            "consumer_secret": "secret",
            "initiator_name": initiator,
            "initiator_password": "Right#1",
        }
        details = {"provider": "mpesa_paybill", **account}
        who = AccountDetails(environment="sandbox", shortcode=shortcode, secrets=secrets, **details)
        how = {"base_url": URL, "connect_timeout_s": 1.0, "total_timeout_s": 2.0}
        token = DarajaAdapter(who, **how).fetch_access_token().access_token
        return DarajaAdapter(who, access_token=token, **how)

    def status(self, receipt, **who):
        return self.adapter(**who).ask_status(StatusQuestion(receipt, **ANSWERS))

    def reverse(self, receipt, amount=150, **who):
        return self.adapter(**who).order_reversal(ReversalOrder(receipt, amount, **ANSWERS))

    def balance(self, **who):
        return self.adapter(**who).ask_balance(BalanceQuestion(**ANSWERS))

    def ask(self, kind, receipt):
        if kind == "balance":
            return self.balance()
        return self.status(receipt) if kind == "status" else self.reverse(receipt)

    def results(self):
        """Take what came by now, as (path, result)."""
        due = self.fake.due_callbacks()
        return [(path, DarajaAdapter.parse_result(body)) for path, body in due]

    def result(self):
        [(path, result)] = self.results()
        assert path == RESULT
        return result


@pytest.fixture
def desk():
    found = Desk()
    with found.fake:
        yield found


@pytest.fixture
def receipt(desk):
    return desk.fake.pay_c2b(PAYBILL, 150, reference="K7Q2M9", name="Asha Otieno")


class TestForms:
    @pytest.mark.parametrize("kind", list(RECORDED))
    def test_are_those_of_the_recorded_results(self, kind, desk, receipt):
        desk.ask(kind, receipt)

        [(_, body)] = desk.fake.due_callbacks()

        made, recorded = json.loads(body)["Result"], json.loads(payloads.body_of(*RECORDED[kind]))
        assert made.keys() == recorded["Result"].keys()
        assert _parameters(made) == _parameters(recorded["Result"])

    @pytest.mark.parametrize("kind", list(RECORDED))
    @pytest.mark.parametrize(
        ("plan", "amount_told"), [("usual", True), ("text", True), ("bare", False)]
    )
    def test_are_read_whatever_the_form(self, kind, plan, amount_told, desk, receipt):
        desk.fake.next_result(kind, plan)
        accepted = desk.ask(kind, receipt)

        result = desk.result()

        assert result.succeeded
        assert result.conversation_id == accepted.conversation_id
        assert result.originator_conversation_id == accepted.originator_conversation_id
        told = bool(result.balances) if kind == "balance" else result.amount == Decimal(150)
        assert told == amount_told

    def test_a_single_parameter_comes_without_an_array(self, desk, receipt):
        desk.fake.next_result("status", "object")
        desk.status(receipt)

        [(_, body)] = desk.fake.due_callbacks()

        assert isinstance(json.loads(body)["Result"]["ResultParameters"]["ResultParameter"], dict)


class TestStatus:
    def test_tells_who_paid_what_to_whom(self, desk, receipt):
        desk.status(receipt)

        result = desk.result()

        assert (result.receipt_number, result.amount) == (receipt, Decimal("150.00"))
        assert result.transaction_status == "Completed"
        assert result.paid_at == NOON
        assert result.debit_party == "254712345678 - Asha Otieno"
        assert result.credit_party.startswith(f"{PAYBILL} - ")

    def test_knows_a_prompts_receipt_too(self, desk):
        desk.fake.engine.knobs.turn(tills={})
        receipt = desk.fake.pay_c2b(PAYBILL, 1)
        desk.status(receipt.lower())

        assert desk.result().receipt_number == receipt

    @pytest.mark.parametrize("shortcode", ["600999", PAYBILL])
    def test_of_another_business_or_nobody_is_2032(self, shortcode, desk, receipt):
        desk.status(receipt if shortcode != PAYBILL else "UKK0000001", shortcode=shortcode)

        assert desk.result().result_code == "2032"

    def test_tells_that_a_payment_was_taken_back(self, desk, receipt):
        desk.fake.reverse(receipt)
        desk.status(receipt)

        assert desk.result().transaction_status == "Reversed"

    def test_of_a_till_is_asked_through_its_store(self, desk):
        receipt = desk.fake.pay_c2b(TILL, 80)
        desk.status(receipt, provider="mpesa_till", shortcode=TILL, store_number=STORE)

        assert desk.result().amount == Decimal("80.00")


class TestReversal:
    def test_moves_the_money_and_names_both_receipts(self, desk, receipt):
        desk.reverse(receipt)

        result = desk.result()

        [returned] = desk.fake.ledger.returned
        assert (returned.amount, returned.by) == (150, "api")
        assert (result.receipt_number, result.amount) == (receipt, Decimal("150.00"))
        assert result.details["transaction_id"] == returned.reversal_receipt
        assert result.balances[0].current == Decimal("0.00")

    def test_a_second_time_is_refused_and_moves_nothing(self, desk, receipt):
        desk.reverse(receipt)
        desk.reverse(receipt)

        assert [result.result_code for _, result in desk.results()] == ["0", "R000001"]
        assert len(desk.fake.ledger.returned) == 1

    @pytest.mark.parametrize(("amount", "code"), [(151, "R000002"), (100, "0")])
    def test_of_a_part_is_done_and_of_more_refused(self, amount, code, desk, receipt):
        desk.reverse(receipt, amount)

        assert desk.result().result_code == code

    def test_of_no_payment_is_refused(self, desk):
        desk.reverse("UKK0000001")

        assert desk.result().result_code == "R000002"

    def test_needs_the_money(self, desk, receipt):
        other = desk.fake.pay_c2b(PAYBILL, 100)
        desk.fake.engine.transactions._holds[PAYBILL] = Decimal(120)
        desk.reverse(other, 100)
        desk.reverse(receipt)

        assert [result.result_code for _, result in desk.results()] == ["0", "1"]

    @pytest.mark.parametrize(
        ("plan", "carried_out", "told"),
        [
            ("timeout", False, [TIMEOUT]),
            ("timeout_done", True, [TIMEOUT]),
            ("lost", True, []),
            ("lost_undone", False, []),
            ("twice", True, [RESULT, RESULT]),
            ("21", False, [RESULT]),
        ],
    )
    def test_may_be_done_whatever_is_told(self, plan, carried_out, told, desk, receipt):
        desk.fake.next_result("reversal", plan)

        desk.reverse(receipt)

        assert [path for path, _ in desk.results()] == told
        assert bool(desk.fake.ledger.returned) == carried_out

    @pytest.mark.parametrize("fault", ["hang", "cut", "huge", "dropped", "server_error", "html"])
    def test_is_unknown_when_the_answer_is_lost(self, fault, desk, receipt):
        desk.fake.break_next("reversal", fault)

        with pytest.raises(OutcomeUnknown):
            desk.reverse(receipt)

        assert bool(desk.fake.ledger.returned) == (fault in {"hang", "cut", "huge"})


class TestBalance:
    def test_is_what_came_and_stayed(self, desk, receipt):
        desk.fake.pay_c2b(PAYBILL, "20.50")
        desk.fake.reverse(receipt)
        desk.balance()

        held = {one.account: one.current for one in desk.result().balances}

        assert held["Utility Account"] == Decimal("20.50")
        assert len(held) == 5

    def test_of_a_till_lies_in_the_merchant_account(self, desk):
        desk.fake.pay_c2b(TILL, 80)
        desk.balance(provider="mpesa_till", shortcode=TILL, store_number=STORE)

        held = {one.account: one.current for one in desk.result().balances}
        assert held["Merchant Account"] == Decimal("80.00")


class TestInitiators:
    def codes(self, desk, *initiators):
        for initiator in initiators:
            desk.balance(initiator=initiator)
        return [result.result_code for _, result in desk.results()]

    def test_wrong_ones_are_acknowledged_and_told_later(self, desk):
        assert self.codes(desk, "bad-operator") == ["2001"]

    def test_are_locked_after_three_wrong_credentials(self, desk):
        assert self.codes(desk, *["bad-operator"] * 4) == ["2001", "2001", "2001", "8006"]

        desk.fake.engine.initiators.unlock("bad-operator")
        assert self.codes(desk, "bad-operator") == ["2001"]

    def test_a_right_one_clears_the_count(self, desk):
        desk.fake.engine.register_initiator("operator")
        wrong = ["stranger", "stranger", "operator", "stranger"]

        assert self.codes(desk, *wrong) == ["2001", "2001", "0", "2001"]

    def test_a_locked_one_moves_nothing(self, desk, receipt):
        desk.fake.engine.initiators.lock("operator")
        desk.reverse(receipt)

        assert desk.result().result_code == "8006"
        assert desk.fake.ledger.returned == []

    def test_are_seen_without_their_credentials(self, desk, receipt):
        desk.status(receipt)

        [seen] = desk.fake.ledger.requests
        assert (seen.kind, seen.initiator, seen.receipt_number) == ("status", "operator", receipt)
        assert len(max(str(seen).split(), key=len)) < 100


class TestDesk:
    def test_a_result_may_take_its_time(self, desk, receipt):
        desk.fake.engine.knobs.turn(result_after_s=85)
        desk.fake.next_result("status", "late")
        desk.status(receipt)
        desk.status(receipt)

        desk.now += timedelta(seconds=85)
        first = desk.results()
        desk.now += timedelta(seconds=600)

        assert (len(first), len(desk.results())) == (1, 1)

    @pytest.mark.parametrize("kind", list(RULES))
    def test_a_planned_fault_meets_its_own_api(self, kind, desk, receipt):
        desk.fake.break_next(kind, "spike")

        with pytest.raises(ProviderRefused):
            desk.ask(kind, receipt)

    @pytest.mark.parametrize("plan", ["nothing like it", "0", ""])
    def test_knows_its_plans(self, plan, desk):
        with pytest.raises(KeyError):
            desk.fake.next_result("status", plan)

    def test_forgets_all_of_it(self, desk, receipt):
        desk.fake.next_result("status", "21")
        desk.fake.engine.reset()

        desk.status(receipt)

        assert desk.result().result_code == "2032"


def _parameters(result):
    """Return each parameter's type, "" for one without a Value; any number is a number."""
    items = result["ResultParameters"]["ResultParameter"]
    return {item["Key"]: _kind(item.get("Value")) for item in items}


def _kind(value):
    if value is None:
        return ""
    return "text" if isinstance(value, str) else "number"
