"""Each single thing that can be wrong is named by the doctor, that one and no other."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
import requests
import responses
from django.conf import settings
from django.test import Client
from django.utils import timezone

from audit.models import AuditEntry
from payments.choices import ConfigStatus, RunStatus, VerificationResult
from payments.errors import InvalidInput, InvalidPhoneNumber, InvalidTransition
from payments.models import (
    Payment,
    PaymentConfig,
    ProviderCallback,
    ShortcodeClaim,
    VerificationLog,
    VerificationRun,
)
from payments.services import configs, proof_asking, verification
from payments.services.findings import FINDINGS
from payments.services.verification_stages import STAGES
from tests.conftest import DARAJA_SECRETS
from tests.daraja import FakeDaraja
from tests.payments.services.doctor_world import (
    BASICS,
    LIVE_NUMBER,
    PHONE,
    findings,
    prompt_of,
    visit,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def live_daraja():
    with FakeDaraja(clock=timezone.now, base_url=settings.DARAJA_PRODUCTION_URL) as fake:
        yield fake


@pytest.fixture
def till(shop, make_config):
    return make_config(shop, status="draft", shortcode="555001", store_number="555002")


@pytest.fixture
def live_till(shop, make_config):
    return make_config(
        shop,
        status="draft",
        environment="production",
        shortcode=LIVE_NUMBER,
        store_number="600778",
    )


def secrets(**changed):
    return {**DARAJA_SECRETS, **changed}


def wrong_secret(name):
    def spoil(case):
        case.config = case.make(credentials=secrets(**{name: "bad-one"}))

    return spoil


def address(url):
    def spoil(case):
        case.settings.PUBLIC_BASE_URL = url

    return spoil


def at_home(answer):
    def spoil(case):
        case.daraja.at_home = answer

    return spoil


def till_number_twice(case):
    PaymentConfig.objects.filter(pk=case.config.pk).update(store_number=case.config.shortcode)
    case.config.refresh_from_db()


def unknown_store_number(case):
    case.daraja.break_next("query", "no_merchant")


def no_product(case):
    case.daraja.break_next("query", "no_product", times=2)


def killed_token(case):
    case.daraja.break_next("query", "dead_token", times=2)


def somebody_elses_urls(case):
    case.config.c2b_registration = {"held_by": "somebody_else", "version": "v2"}
    case.config.save()


def our_old_host(case):
    case.config.c2b_registration = {
        "held_by": "us",
        "confirmation_url": "https://old.example/cb/c/0/…/c",
    }
    case.config.save()


# What is wrong, the stage that names it, what it finds, and what becomes of a draft.
CASES = [
    ("consumer key", wrong_secret("consumer_key"), "oauth", "wrong_key", "failed"),
    ("consumer secret", wrong_secret("consumer_secret"), "oauth", "wrong_key", "failed"),
    ("passkey", wrong_secret("passkey"), "passkey", "wrong_passkey", "failed"),
    ("till number twice", till_number_twice, "fields", "missing_store_number", "failed"),
    ("store number", unknown_store_number, "passkey", "unknown_merchant", "failed"),
    ("product", no_product, "passkey", "no_product", "failed"),
    ("token war", killed_token, "passkey", "token_refused", "pending"),
    ("http", address("http://pay.test"), "base_url", "base_url_not_https", "failed"),
    ("word", address("https://mpesa.pay.test"), "base_url", "base_url_forbidden_word", "failed"),
    ("private", address("https://10.0.0.5"), "base_url", "base_url_not_public", "failed"),
    ("name", address("https://malipo.local"), "base_url", "base_url_not_public", "failed"),
    (
        "nobody at home",
        at_home(requests.ConnectTimeout("no")),
        "callback",
        "callback_unreachable",
        "pending",
    ),
    ("slow", at_home(requests.ReadTimeout("no")), "callback", "callback_late", "pending"),
    (
        "redirect",
        at_home((301, {"Location": "https://www.pay.test/"}, b"")),
        "callback",
        "callback_redirected",
        "failed",
    ),
    ("firewall", at_home((403, {}, b"<html>no</html>")), "callback", "callback_blocked", "failed"),
    ("stranger", at_home((200, {}, b'{"answer": "x"}')), "callback", "callback_blocked", "failed"),
    ("restart", at_home((502, {}, b"")), "callback", "callback_unreachable", "pending"),
    ("urls", somebody_elses_urls, "urls", "urls_elsewhere", "verified"),
    ("old host", our_old_host, "urls", "urls_moved", "verified"),
]


class Case:
    """One config with one thing wrong."""

    def __init__(self, config, make, daraja, settings):
        self.config, self.make, self.daraja, self.settings = config, make, daraja, settings


@pytest.fixture
def case(till, shop, make_config, daraja, settings):
    def make(**more):
        return make_config(
            shop, status="draft", shortcode="555003", store_number="555004", name="Bad", **more
        )

    return Case(till, make, daraja, settings)


class TestDoctor:
    def test_finds_nothing_wrong_with_a_good_one(self, till, daraja, actor, now):
        run = visit(till, actor, now)

        assert [log.stage for log in run.logs] == BASICS
        assert {log.result for log in run.logs} == {"success"}
        assert run.config.status == ConfigStatus.VERIFIED
        assert daraja.prompts_sent == 0

    @pytest.mark.parametrize(
        ("spoil", "stage", "finding", "status"),
        [row[1:] for row in CASES],
        ids=[c[0] for c in CASES],
    )
    def test_names_exactly_what_is_wrong(self, case, actor, now, spoil, stage, finding, status):
        spoil(case)

        run = visit(case.config, actor, now)

        last = run.logs[-1]
        assert (last.stage, last.response_payload["finding"]) == (stage, finding)
        assert {log.result for log in run.logs[:-1]} <= {"success"}
        assert [log.stage for log in run.logs] == BASICS[: BASICS.index(stage) + 1]
        assert run.config.status == status
        assert last.response_message == FINDINGS[finding].message
        assert last.next_action
        # What holds nothing back says nothing of the config's health either.
        assert run.config.last_test_error == ("" if status == "verified" else last.response_message)

    def test_goes_on_to_the_proof_past_addresses_of_somebody_else(
        self, live_till, live_daraja, actor, now
    ):
        live_till.c2b_registration = {"held_by": "somebody_else", "version": "v2"}
        live_till.save()

        run = visit(live_till, actor, now, phone_number=PHONE)
        live_daraja.deliver(Client())

        live_till.refresh_from_db()
        assert findings(run.logs)[-2:] == ["urls_elsewhere", "prompt_sent"]
        assert live_till.status == ConfigStatus.VERIFIED

    def test_does_not_mind_its_own_machine_while_developing(
        self, till, daraja, actor, now, settings
    ):
        settings.DEBUG, settings.PUBLIC_BASE_URL = True, "http://localhost:8000"

        assert visit(till, actor, now).config.status == ConfigStatus.VERIFIED

    def test_minds_tunnels_in_production_only(
        self, till, live_till, actor, now, settings, live_daraja
    ):
        settings.PUBLIC_BASE_URL = "https://abc.ngrok-free.app"

        live = visit(live_till, actor, now, stages=["base_url"])
        sandbox = visit(till, actor, now, stages=["base_url"])

        assert findings(live.logs + sandbox.logs) == ["base_url_tunnel", "base_url_ok"]

    def test_knows_the_sandboxs_number_in_production(
        self, shop, make_config, live_daraja, actor, now
    ):
        config = make_config(shop, status="draft", environment="production", shortcode="174379")

        run = visit(config, actor, now, phone_number=PHONE)

        assert findings(run.logs) == ["sandbox_shortcode"]

    def test_says_that_credentials_are_the_sandboxs(self, live_till, live_daraja, actor, now):
        sandbox = FakeDaraja(clock=timezone.now, base_url=settings.DARAJA_SANDBOX_URL)
        everything = re.compile(re.escape(settings.DARAJA_SANDBOX_URL) + "/.*")
        live_daraja._mock.add_callback(responses.GET, everything, sandbox._answer)
        live_daraja.engine.register_app(DARAJA_SECRETS["consumer_key"], "another-secret")

        run = visit(live_till, actor, now, phone_number=PHONE)

        assert findings(run.logs)[-1] == "other_environment"
        assert run.config.status == ConfigStatus.FAILED

    def test_says_that_credentials_are_productions_where_it_knows_them(
        self, till, live_till, daraja, actor, now
    ):
        daraja.engine.register_app(DARAJA_SECRETS["consumer_key"], "another-secret")

        assert findings(visit(till, actor, now).logs)[-1] == "other_environment"

    def test_writes_no_secret_token_or_number(self, live_till, live_daraja, actor, now, caplog):
        with caplog.at_level("DEBUG"):
            visit(live_till, actor, now, phone_number=PHONE)
            live_daraja.deliver(Client())

        rows = [*VerificationLog.objects.values(), *VerificationRun.objects.values()]
        rows += AuditEntry.objects.values()
        for row in rows:
            row.pop("checkout_request_id", None)
        written = json.dumps(rows, default=str) + caplog.text
        canaries = (*DARAJA_SECRETS.values(), "254712345678", "0712345678")
        assert not any(canary in written for canary in canaries)

    def test_has_words_for_every_finding_and_stage(self):
        named = {name for stage in STAGES.values() for _kind, name in stage.said}

        assert named <= FINDINGS.keys()
        assert all(len(each.message) <= 300 for each in FINDINGS.values())
        assert all(len(each.next_action) <= 300 for each in FINDINGS.values())

    def test_survives_a_stage_that_breaks(self, till, daraja, actor, now, monkeypatch, caplog):
        def boom(**_):
            raise RuntimeError("boom")

        monkeypatch.setattr("payments.services.loopback.call_ourselves", boom)

        run = visit(till, actor, now)

        assert findings(run.logs)[-1] == "broken"
        assert run.config.status == ConfigStatus.PENDING
        assert VerificationRun.objects.get().status == RunStatus.DONE


class TestProof:
    def test_asks_for_the_phone_in_production(self, live_till, live_daraja, actor, now):
        run = visit(live_till, actor, now)

        assert findings(run.logs)[-1] == "phone_required"
        assert run.config.status == ConfigStatus.PENDING
        assert live_daraja.prompts_sent == 0

    def test_proves_control_with_one_shilling(self, live_till, live_daraja, actor, now):
        run = visit(live_till, actor, now, phone_number=PHONE)
        waiting = prompt_of(live_till)
        before = (run.config.status, waiting.result, VerificationRun.objects.get().status)

        live_daraja.deliver(Client())

        live_till.refresh_from_db()
        log = prompt_of(live_till)
        push = live_daraja.ledger.pushes[0]
        assert before == ("pending", "pending", "waiting")
        assert (push.amount, push.party_b, push.msisdn) == (1, LIVE_NUMBER, "254712345678")
        assert (log.result, log.response_payload["finding"]) == ("success", "proven")
        assert live_till.status == ConfigStatus.VERIFIED
        assert live_till.proven_at is not None
        assert live_till.verified_by == actor.label
        assert not live_till.is_active
        assert ShortcodeClaim.objects.get().shop == live_till.shop
        assert VerificationRun.objects.get().status == RunStatus.DONE
        assert not VerificationRun.objects.get().msisdn
        assert not Payment.objects.exists()
        assert ProviderCallback.objects.get().status == "applied"

    def test_completes_what_a_run_without_phone_left(self, live_till, live_daraja, actor, now):
        visit(live_till, actor, now)

        visit(live_till, actor, now, stages=["prompt"], phone_number=PHONE)
        live_daraja.deliver(Client())

        live_till.refresh_from_db()
        assert live_till.status == ConfigStatus.VERIFIED

    def test_is_not_asked_for_twice(self, live_till, live_daraja, actor, now):
        visit(live_till, actor, now, phone_number=PHONE)
        live_daraja.deliver(Client())
        live_till.refresh_from_db()

        run = visit(live_till, actor, now)

        assert [log.stage for log in run.logs] == BASICS

    def test_takes_the_callback_that_overtakes_the_answer(self, live_till, live_daraja, actor, now):
        live_daraja.deliver_early_through(Client())
        live_daraja.next("pay", before_response=True)

        run = visit(live_till, actor, now, phone_number=PHONE)

        assert run.logs[-1].result == VerificationResult.SUCCESS
        assert run.config.status == ConfigStatus.VERIFIED
        assert VerificationRun.objects.get().status == RunStatus.DONE

    def test_names_the_store_number_of_another_till(self, live_till, live_daraja, actor, now):
        live_daraja.engine.register_till("600778", "600999")
        visit(live_till, actor, now, phone_number=PHONE)

        live_daraja.deliver(Client())

        live_till.refresh_from_db()
        assert prompt_of(live_till).response_payload["finding"] == "wrong_till"
        assert live_till.status == ConfigStatus.FAILED

    def test_blames_nobody_when_the_owner_cancels(self, live_till, live_daraja, actor, now):
        live_daraja.next("cancel")
        visit(live_till, actor, now, phone_number=PHONE)

        live_daraja.deliver(Client())

        live_till.refresh_from_db()
        assert prompt_of(live_till).response_payload["finding"] == "prompt_declined"
        assert live_till.status == ConfigStatus.PENDING
        assert live_till.proven_at is None

    def test_does_not_take_another_amount_for_it(self, live_till, live_daraja, actor, now):
        live_daraja.next("wrong_amount")
        visit(live_till, actor, now, phone_number=PHONE)

        live_daraja.deliver(Client())

        live_till.refresh_from_db()
        assert prompt_of(live_till).response_payload["finding"] == "wrong_amount"
        assert live_till.proven_at is None

    def test_does_not_believe_an_unlisted_address(self, live_till, live_daraja, actor, now):
        visit(live_till, actor, now, phone_number=PHONE)

        live_daraja.deliver(Client(), REMOTE_ADDR="203.0.113.9")

        live_till.refresh_from_db()
        assert ProviderCallback.objects.get().status == "quarantined"
        assert live_till.proven_at is None

    def test_asks_where_no_callback_comes(self, live_till, live_daraja, actor, now):
        visit(live_till, actor, now, phone_number=PHONE)
        live_daraja.due_callbacks()  # lost

        early = proof_asking.ask_waiting(now=now + timedelta(seconds=20))
        settled = proof_asking.ask_waiting(now=now + timedelta(seconds=45))

        live_till.refresh_from_db()
        assert (early, settled) == (0, 1)
        assert live_till.status == ConfigStatus.VERIFIED

    def test_leaves_the_query_budget_to_payments(self, live_till, live_daraja, actor, now):
        live_daraja.set_default("handset")
        visit(live_till, actor, now, phone_number=PHONE)
        asked = len(live_daraja.ledger.queries)

        for seconds in range(0, 600, 15):
            proof_asking.ask_waiting(now=now + timedelta(seconds=seconds))

        assert 5 <= len(live_daraja.ledger.queries) - asked <= 10

    def test_ends_as_a_timeout_where_nobody_tells(self, live_till, live_daraja, actor, now):
        live_daraja.set_default("handset")
        visit(live_till, actor, now, phone_number=PHONE)

        proof_asking.ask_waiting(now=now + timedelta(minutes=11))

        live_till.refresh_from_db()
        assert prompt_of(live_till).result == VerificationResult.TIMEOUT
        assert (live_till.status, live_till.last_test_result) == ("pending", "timeout")

    def test_sends_one_prompt_at_a_time(self, live_till, live_daraja, actor, now):
        visit(live_till, actor, now, phone_number=PHONE)

        again = visit(live_till, actor, now, stages=["prompt"], phone_number=PHONE)

        assert findings(again.logs) == ["prompt_open"]
        assert live_daraja.prompts_sent == 1

    def test_is_for_nothing_once_the_account_changes(self, live_till, live_daraja, actor, now):
        live_till.proven_at = now
        live_till.save()
        configs.update_config(
            config=live_till, changes={"store_number": "600123"}, actor=actor, now=now
        )

        live_till.refresh_from_db()
        assert live_till.proven_at is None


class TestRuns:
    @pytest.mark.parametrize("stages", [[], ["horoscope"], ["prompt"]])
    def test_want_stages_and_what_they_need(self, till, actor, now, stages):
        with pytest.raises(InvalidInput):
            visit(till, actor, now, stages=stages)

        assert not VerificationRun.objects.exists()

    def test_want_a_kenyan_phone(self, till, actor, now):
        with pytest.raises(InvalidPhoneNumber):
            visit(till, actor, now, phone_number="12")

    def test_are_one_at_a_time(self, till, actor, now):
        verification.start_run(config=till, actor=actor, now=now)
        till.refresh_from_db()

        with pytest.raises(InvalidTransition, match="right now"):
            visit(till, actor, now)

    def test_are_taken_once(self, till, actor, now):
        run = verification.start_run(config=till, actor=actor, now=now)

        taken = [verification.take_run(run_id=run.pk, now=now) for _ in range(2)]

        assert [each is not None for each in taken] == [True, False]

    def test_are_performed_by_the_sweep_where_nobody_did(self, till, daraja, actor, now):
        verification.start_run(config=till, actor=actor, now=now)

        early = verification.perform_waiting(now=now)
        late = verification.perform_waiting(now=now + timedelta(seconds=16))

        till.refresh_from_db()
        assert (early, late) == (0, 1)
        assert till.status == ConfigStatus.VERIFIED
        assert till.verified_by == actor.label

    def test_make_way_once_their_worker_is_dead(self, till, daraja, actor, now):
        run = verification.start_run(config=till, taken=True, actor=actor, now=now)
        till.refresh_from_db()

        again = visit(till, actor, now + timedelta(minutes=5))

        run.refresh_from_db()
        assert run.status == RunStatus.DONE
        assert again.config.status == ConfigStatus.VERIFIED

    def test_are_ended_by_the_sweep_once_their_worker_is_dead(self, live_till, actor, now):
        run = verification.start_run(
            config=live_till, phone_number=PHONE, taken=True, actor=actor, now=now
        )

        ended = verification.perform_waiting(now=now + timedelta(minutes=5))

        run.refresh_from_db()
        assert (ended, run.status) == (1, RunStatus.DONE)
        assert not run.msisdn

    def test_hold_no_other_up_when_they_break(self, till, daraja, actor, now, caplog):
        run = verification.start_run(config=till, actor=actor, now=now)
        configs.delete_config(config=till, actor=actor, now=now)

        done = verification.perform_waiting(now=now + timedelta(seconds=16))
        later = verification.perform_waiting(now=now + timedelta(minutes=5))

        run.refresh_from_db()
        assert (done, later, run.status) == (0, 1, RunStatus.DONE)

    def test_switch_on_in_the_sandbox_where_asked_to(self, till, daraja, actor, now):
        PaymentConfig.objects.filter(pk=till.pk).update(auto_activate=True)
        till.refresh_from_db()

        assert visit(till, actor, now).config.is_active

    def test_never_switch_on_in_production(self, live_till, live_daraja, actor, now):
        PaymentConfig.objects.filter(pk=live_till.pk).update(auto_activate=True)
        live_till.refresh_from_db()

        visit(live_till, actor, now, phone_number=PHONE)
        live_daraja.deliver(Client())

        live_till.refresh_from_db()
        assert (live_till.status, live_till.is_active) == ("verified", False)

    def test_leave_their_mark_on_the_trail(self, till, daraja, actor, now):
        visit(till, actor, now)

        actions = AuditEntry.objects.filter(shop=till.shop).values_list("action", flat=True)
        assert "payment_config.verified" in actions

    def test_say_honestly_that_balances_need_an_initiator(self, till, actor, now):
        run = visit(till, actor, now, stages=["balance"])

        till.refresh_from_db()
        assert findings(run.logs) == ["balance_without_initiator"]
        assert (till.status, till.last_test_result) == ("draft", "")
