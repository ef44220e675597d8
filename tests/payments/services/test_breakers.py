from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connections, transaction

from payments import errors
from payments.models import Attempt, Breaker, Notice, PaymentConfig
from payments.providers.base import PaymentAccepted
from payments.services import breakers, checking, rotation, verification
from payments.services.breakers import LONGEST_COOLING, PROBE_LEASE, Sign
from payments.services.tokens import TokenNotReady

pytestmark = pytest.mark.django_db
ACCEPTED = PaymentAccepted("ws_1", "m_1", "0", "Success")
FAILURE = errors.ProviderUnreachable("no route")


def fresh(config):
    return PaymentConfig.objects.select_related("breaker").get(pk=config.pk)


def note(config, answer, now, requested_at=None):
    breakers.note_answer(
        config=fresh(config), answer=answer, requested_at=requested_at or now, now=now
    )


def fail(config, now, times=None):
    for _ in range(times or settings.BREAKER_FAILURES):
        note(config, FAILURE, now)


def state(config):
    row = Breaker.objects.get(config=config)
    return row.state, row.failures


def admit(config, now):
    breakers.admit(config=fresh(config), now=now)


class TestSignOf:
    @pytest.mark.parametrize(
        ("answer", "sign"),
        [
            (ACCEPTED, Sign.WORKED),
            (errors.ProviderUnreachable(), Sign.FAILED),
            (errors.TokenRefused(), Sign.FAILED),
            (errors.CredentialsRefused(), Sign.FAILED),
            (errors.ProviderRefused(), Sign.FAILED),
            (errors.ProviderBusy(), Sign.FAILED),
            (errors.OutcomeUnknown(), Sign.FAILED),
            (errors.NoActiveConfig(), Sign.FAILED),
            (errors.CannotOpen(), Sign.FAILED),
            (errors.RequestRefused(), Sign.NEITHER),
            (TokenNotReady(), Sign.NEITHER),
        ],
    )
    def test_blames_neither_customers_nor_our_own_queue(self, answer, sign):
        assert breakers.sign_of(answer) is sign


class TestNoteAnswer:
    def test_writes_nothing_while_all_is_well(self, till, now, django_assert_num_queries):
        config = fresh(till)

        with django_assert_num_queries(1):
            breakers.note_answer(config=config, answer=ACCEPTED, requested_at=now, now=now)

        assert not Breaker.objects.exists()

    def test_opens_at_the_last_failure_in_a_row(self, till, now):
        fail(till, now, settings.BREAKER_FAILURES - 1)
        before = state(till)[0]

        fail(till, now, 1)

        assert (before, state(till)[0]) == ("closed", "open")
        notice = Notice.objects.get(config=till, closed_at=None)
        assert (notice.code, notice.data["error"]) == ("breaker_open", "ProviderUnreachable")

    def test_forgets_failures_at_a_success(self, till, now):
        fail(till, now, settings.BREAKER_FAILURES - 1)

        note(till, ACCEPTED, now)

        assert state(till) == ("closed", 0)

    def test_does_not_count_what_was_on_its_way_when_it_opened(self, till, now):
        fail(till, now)

        fail(till, now + timedelta(seconds=1))
        note(till, ACCEPTED, now + timedelta(seconds=2), requested_at=now)

        assert state(till) == ("open", settings.BREAKER_FAILURES)

    def test_listens_to_the_probe_alone(self, till, now):
        fail(till, now)
        later = now + timedelta(seconds=settings.BREAKER_COOLING_S)
        admit(till, later)

        note(till, FAILURE, later, requested_at=now)
        note(till, ACCEPTED, later, requested_at=now)
        stale = state(till)[0]
        note(till, ACCEPTED, later)

        assert stale == "half_open"
        assert state(till) == ("closed", 0)
        assert not Notice.objects.filter(closed_at=None).exists()

    def test_keeps_to_its_own_config(self, till, paybill, now):
        fail(till, now)

        assert not Breaker.objects.filter(config=paybill).exists()
        assert fresh(paybill).health != "down"


class TestQuestions:
    @pytest.mark.parametrize(
        "error",
        [
            errors.ProviderUnreachable(),
            errors.OutcomeUnknown("HTTP 503", http_status=503),
            errors.OutcomeUnknown("Read timed out."),
        ],
        ids=["no way there", "5xx", "silence"],
    )
    def test_that_nobody_answers_open_it(self, till, now, error):
        for _time in range(settings.BREAKER_FAILURES):
            breakers.note_unanswered(config=till, error=error, now=now)

        assert state(till) == ("open", settings.BREAKER_FAILURES)
        assert Notice.objects.get(closed_at=None).code == "breaker_open"

    @pytest.mark.parametrize(
        "error",
        [
            errors.OutcomeUnknown("HTTP 400", http_status=400),
            errors.ProviderBusy(),
            errors.ProviderRefused(),
            errors.CredentialsRefused(),
            TokenNotReady(),
        ],
        ids=["asked too early", "busy", "refused", "credentials", "our own queue"],
    )
    def test_that_are_answered_say_nothing(self, till, now, error):
        breakers.note_unanswered(config=till, error=error, now=now)

        assert not Breaker.objects.exists()

    def test_count_together_with_prompts(self, till, now):
        fail(till, now, settings.BREAKER_FAILURES - 1)

        breakers.note_unanswered(config=till, error=FAILURE, now=now)

        assert state(till)[0] == "open"

    def test_hours_apart_are_no_row(self, till, now):
        for hour in range(settings.BREAKER_FAILURES + 1):
            later = now + timedelta(hours=hour)
            breakers.note_unanswered(config=till, error=FAILURE, now=later)

        assert state(till) == ("closed", 1)

    def test_say_nothing_of_the_probe(self, till, now):
        fail(till, now)
        later = now + timedelta(seconds=settings.BREAKER_COOLING_S)
        admit(till, later)

        breakers.note_unanswered(config=till, error=FAILURE, now=later)

        assert state(till) == ("half_open", settings.BREAKER_FAILURES)

    @pytest.mark.parametrize("fault", ["html", "dropped", "no way there"])
    def test_of_the_sweep_are_counted(self, till, daraja, api, cashier_key, now, fault):
        sale = {"amount": "20", "phone_number": "0712345678"}
        daraja.set_default("handset")
        api(cashier_key).post("/payments", sale, **{"Idempotency-Key": "one"})
        attempt = Attempt.objects.select_related("config", "version").get()
        if fault == "no way there":
            daraja.unplug("query")
        else:
            daraja.break_next("query", fault)

        checking.query(attempt, now=now)

        assert state(till) == ("closed", 1)

    def test_that_say_being_processed_are_answers(self, till, daraja, api, cashier_key, now):
        daraja.set_default("handset")
        sale = {"amount": "20", "phone_number": "0712345678"}
        api(cashier_key).post("/payments", sale, **{"Idempotency-Key": "one"})
        attempt = Attempt.objects.select_related("config", "version").get()

        assert checking.query(attempt, now=now) is not None
        assert not Breaker.objects.exists()


class TestAdmit:
    def test_lets_everybody_through_a_closed_one(self, till, now, django_assert_num_queries):
        config = fresh(till)

        with django_assert_num_queries(0):
            breakers.admit(config=config, now=now)

    def test_lets_nobody_through_an_open_one(self, till, now):
        fail(till, now)

        with pytest.raises(errors.BreakerOpen) as caught:
            admit(till, now + timedelta(seconds=settings.BREAKER_COOLING_S - 1))

        assert (caught.value.status, caught.value.retry_after) == (503, 1)

    def test_lets_one_through_when_its_time_has_come(self, till, now):
        fail(till, now)
        later = now + timedelta(seconds=settings.BREAKER_COOLING_S)
        seen = fresh(till)

        admit(till, later)

        with pytest.raises(errors.BreakerOpen):
            admit(till, later)
        with pytest.raises(errors.BreakerOpen):
            # It read the row before the other one claimed it.
            breakers.admit(config=seen, now=later)

    def test_takes_over_from_a_probe_nobody_heard_of_again(self, till, now):
        fail(till, now)
        later = now + timedelta(seconds=settings.BREAKER_COOLING_S)
        admit(till, later)

        admit(till, later + PROBE_LEASE)

        assert Breaker.objects.get().probe_at == later + PROBE_LEASE


class TestAdmitAtOnce:
    @pytest.mark.django_db(transaction=True)
    def test_lets_one_of_ten_through(self, till, now):
        fail(till, now)
        later = now + timedelta(seconds=settings.BREAKER_COOLING_S)
        gate = threading.Barrier(10)

        def try_it(_number):
            try:
                with transaction.atomic():
                    config = fresh(till)
                    gate.wait(20)
                    breakers.admit(config=config, now=later)
            except errors.BreakerOpen:
                return False
            else:
                return True
            finally:
                connections.close_all()

        with ThreadPoolExecutor(10) as pool:
            let_through = list(pool.map(try_it, range(10)))

        assert sum(let_through) == 1
        assert state(till)[0] == "half_open"

    @pytest.mark.django_db(transaction=True)
    def test_counts_failures_that_come_at_once(self, till, now):
        gate = threading.Barrier(4)

        def fail_once(_number):
            try:
                gate.wait(20)
                note(till, FAILURE, now)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(fail_once, range(4)))

        assert state(till) == ("closed", 4)


class TestCooling:
    def test_doubles_with_every_failed_probe_up_to_a_limit(self):
        base, enough = settings.BREAKER_COOLING_S, settings.BREAKER_FAILURES

        times = [breakers.cooling_of(enough + n).total_seconds() for n in range(4)]

        assert times == [base, 2 * base, 4 * base, 8 * base]
        assert breakers.cooling_of(1_000) == LONGEST_COOLING


class TestReset:
    def test_closes_it_and_its_notice(self, till, now):
        fail(till, now)

        breakers.reset_breaker(config=till, now=now)

        assert state(till) == ("closed", 0)
        assert not Notice.objects.filter(closed_at=None).exists()

    def test_comes_with_a_flawless_visit_of_the_doctor(self, till, daraja, actor, now):
        fail(till, now)

        verification.verify_config(config=till, actor=actor, now=now)

        assert state(till) == ("closed", 0)
        assert not Notice.objects.filter(closed_at=None).exists()
        assert fresh(till).health == "ok"

    def test_does_not_come_with_a_flawed_or_partial_one(self, till, daraja, actor, now):
        fail(till, now)

        verification.verify_config(config=till, stages=["oauth"], actor=actor, now=now)
        daraja.break_next("oauth", "server_error", times=3)
        verification.verify_config(config=till, actor=actor, now=now)

        assert state(till)[0] == "open"
        assert Notice.objects.filter(closed_at=None, code="breaker_open").exists()

    def test_comes_with_new_credentials(self, till, daraja, actor, now):
        fail(till, now)

        rotation.rotate_credentials(
            config=till,
            credentials={"consumer_secret": "brand-new-secret"},
            reason="Refused",
            actor=actor,
            now=now,
        )

        assert state(till) == ("closed", 0)


class TestHealth:
    @pytest.mark.parametrize(
        ("row", "health"),
        [
            (None, "ok"),
            ({"state": "closed"}, "ok"),
            ({"state": "closed", "failures": 1}, "degraded"),
            ({"state": "half_open", "failures": 5}, "degraded"),
            ({"state": "open", "failures": 5}, "down"),
        ],
    )
    def test_follows_the_breaker(self, till, row, health):
        PaymentConfig.objects.update(last_test_result="success")
        if row is not None:
            Breaker.objects.create(config=till, **row)

        assert fresh(till).health == health
