"""The doctor's question to an initiator, and balances an admin asks for: answered later."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from payments.errors import CredentialsRequired
from payments.models import AccountBalance, ProviderRequest
from payments.providers.base import Balance
from payments.receipt_choices import BalanceSource
from payments.services import balances, request_silence, requests
from payments.services import verification_verdict as verdict
from tests.payments.services.doctor_world import findings, visit
from tests.payments.services.request_world import at_once as at_once  # noqa: PLC0414 - a fixture
from tests.payments.services.request_world import paybill as paybill  # noqa: PLC0414 - a fixture

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(paybill, actor, now):
    def ask():
        return visit(paybill, actor, now, stages=["balance"])

    return ask


def outcome(paybill):
    log = paybill.verifications.get(stage="balance")
    return log.result, log.response_payload["finding"], log.run.status


class TestTheStage:
    def test_waits_for_the_result(self, ask, paybill, daraja):
        done = ask()

        assert findings(done.logs) == ["balance_asked"]
        assert outcome(paybill) == ("pending", "balance_asked", "waiting")
        daraja.deliver(Client())
        assert outcome(paybill) == ("success", "balance_ok", "done")
        assert set(AccountBalance.objects.values_list("source", flat=True)) == {"asked"}

    @pytest.mark.parametrize(
        ("code", "result", "finding"),
        [
            ("2001", "failed", "balance_wrong_initiator"),
            ("8006", "failed", "balance_locked"),
            ("21", "failed", "balance_not_permitted"),
            ("26", "error", "balance_refused"),
        ],
    )
    def test_says_what_is_wrong_and_what_to_do(self, ask, paybill, daraja, code, result, finding):
        daraja.engine.plan_result("balance", code)
        ask()

        daraja.deliver(Client())

        assert outcome(paybill) == (result, finding, "done")
        assert paybill.verifications.get().next_action
        paybill.refresh_from_db()
        # It is optional: prompts need no initiator.
        assert (paybill.status, paybill.is_active) == ("verified", True)
        assert not AccountBalance.objects.exists()

    def test_times_out(self, ask, paybill, daraja):
        daraja.engine.plan_result("balance", "timeout")
        ask()

        daraja.deliver(Client())

        assert outcome(paybill) == ("timeout", "balance_late", "done")

    def test_is_given_up_after_ten_minutes_and_heard_after_that(self, ask, paybill, daraja, now):
        daraja.break_next("balance", "html")
        ask()
        assert outcome(paybill)[:2] == ("pending", "balance_asked")

        assert request_silence.close_silent(now=now + timedelta(minutes=9)) == 0
        assert request_silence.close_silent(now=now + timedelta(minutes=10)) == 1

        assert outcome(paybill) == ("timeout", "balance_late", "done")
        balances.finish_probe(
            ProviderRequest.objects.get(), balances.StageResult("balance_ok"), now=now
        )
        assert outcome(paybill)[0] == "success"

    @pytest.mark.parametrize(
        ("fault", "finding"), [("spike", "busy"), ("no_product", "balance_refused")]
    )
    def test_names_what_kept_it_from_being_asked(self, ask, paybill, daraja, fault, finding):
        daraja.break_next("balance", fault, times=3)

        assert findings(ask().logs) == [finding]
        assert ProviderRequest.objects.get().status == "refused"

    def test_waits_beside_a_prompt_for_both(self, paybill, daraja, actor, now):
        visit(paybill, actor, now, stages=["prompt", "balance"], phone_number="0712345678")
        run = paybill.runs.get()
        [prompt, *rest] = sorted(daraja.due_callbacks(), key=lambda each: "/cb/p/" not in each[0])

        Client().post(prompt[0], prompt[1], content_type="application/json")
        run.refresh_from_db()
        assert run.status == "waiting"
        for path, body in rest:
            Client().post(path, body, content_type="application/json")

        run.refresh_from_db()
        assert run.status == "done"

    def test_is_never_required(self, paybill):
        assert "balance" not in verdict.required_stages(paybill)


class TestAskedByAnAdmin:
    def test_is_kept_newest_only(self, paybill, daraja, actor, now):
        requests.ask_balance(config=paybill, purpose="page", actor=actor, now=now)
        again = now + timedelta(seconds=30)
        requests.ask_balance(config=paybill, purpose="page", actor=actor, now=again)

        daraja.deliver(Client())

        assert ProviderRequest.objects.count() == 1
        accounts = AccountBalance.objects.values_list("account", flat=True)
        assert len(accounts) == len(set(accounts)) > 1

    def test_needs_an_initiator(self, till, actor, now):
        with pytest.raises(CredentialsRequired):
            requests.ask_balance(config=till, purpose="page", actor=actor, now=now)

    def test_is_not_replaced_by_an_older_word(self, paybill, now):
        for minutes, amount in ((0, "5.00"), (-5, "3.00"), (5, "7.00")):
            told = [Balance("Utility", amount), Balance("Utility", amount)]
            at = now + timedelta(minutes=minutes)
            balances.keep(paybill, told, source=BalanceSource.C2B, now=at)

        row = AccountBalance.objects.get()
        assert (str(row.current), row.at) == ("7.00", now + timedelta(minutes=5))
