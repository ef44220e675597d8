"""A till whose calls fail: the next config takes over, and one payment looks when it is over."""

from __future__ import annotations

import itertools

import pytest

from payments.models import Attempt, Breaker, Notice, Payment, PaymentConfig
from payments.services.breakers import PROBE_LEASE
from tests.journeys.shopfloor import Till, at_once, new_key, row_of

ENOUGH = 5
COOLING_S = 30
PUSH = "stkpush/v1/processrequest"


@pytest.fixture
def second(shop, till, make_config):
    return make_config(shop, name="Second till", shortcode="600200", priority=9)


@pytest.fixture
def sell(cashier):
    """Sell to one customer after another: none is asked twice."""
    customers = itertools.count(10_000_000)

    def sell(**more):
        return cashier.sell(phone_number=f"07{next(customers)}", **more)

    return sell


@pytest.fixture
def broken(clock, till, daraja, sell):
    """The first till, after enough failures in a row."""
    for _ in range(ENOUGH):
        daraja.next("no_merchant")
        sell()
    return till


def configs_of(payment):
    rows = Attempt.objects.filter(payment=payment["id"]).order_by("number")
    return list(rows.values_list("config__name", flat=True))


def record_of(payment):
    return {
        step["name"]: (step["why"], step.get("tried"), step.get("outcome"))
        for step in row_of(payment).resolution
    }


def breaker_of(config):
    return Breaker.objects.get(config=config)


class TestTheNextConfigIsTried:
    def test_when_key_and_secret_are_refused(self, shop, make_config, cashier, daraja, second):
        bad = {"consumer_key": "bad-key", "consumer_secret": "bad-secret", "passkey": "pk"}
        PaymentConfig.objects.filter(name="Main till").update(priority=99)
        make_config(shop, name="Bad key", shortcode="600300", credentials=bad)

        told = cashier.sell()

        assert configs_of(told) == ["Bad key", "Second till"]
        assert told["status"] == "pending"
        assert daraja.prompts_sent == 1
        why, tried, outcome = record_of(told)["Bad key"]
        assert (why, tried) == ("chosen", 1)
        assert outcome

    def test_when_there_is_no_connection(self, cashier, second, daraja, till):
        daraja.unplug(PUSH)

        told = cashier.sell()

        assert configs_of(told) == ["Main till", "Second till"]
        assert daraja.prompts_sent == 1
        assert record_of(told) == {
            "Main till": ("chosen", 1, "unreachable"),
            "Second till": ("lower_priority", None, None),
        }
        assert breaker_of(till).failures == 1

    def test_not_when_the_first_hangs(self, cashier, second, daraja, till):
        daraja.next("hang")

        told = cashier.sell()

        assert configs_of(told) == ["Main till"]
        assert told["status"] == "pending"
        assert len(daraja.ledger.pushes) == 1
        assert breaker_of(till).failures == 1

    @pytest.mark.parametrize(
        ("change", "outcome"),
        [
            ({"is_active": False}, "no_active_config"),
            ({"max_amount": 100}, "amount_out_of_range"),
            ({"daily_limit": 100}, "daily_limit_reached"),
            ({"monthly_limit": 100}, "monthly_limit_reached"),
        ],
    )
    def test_not_when_it_takes_the_payment_no_more(
        self, cashier, second, daraja, monkeypatch, change, outcome
    ):
        """It was a candidate when the payment was made; it is looked at again when it is needed."""

        push = daraja.engine.handle

        def handle(method, path, *rest):
            if PUSH in path:
                PaymentConfig.objects.filter(pk=second.pk).update(**change)
            return push(method, path, *rest)

        monkeypatch.setattr(daraja.engine, "handle", handle)
        daraja.next("no_merchant")

        told = cashier.sell()

        assert told["status"] == "failed"
        assert configs_of(told) == ["Main till"]
        assert record_of(told)["Second till"] == ("lower_priority", None, outcome)


class TestABreaker:
    def test_opens_after_enough_failures_and_says_so(self, broken, second, sell, cashier, daraja):
        pushes = len(daraja.ledger.pushes)

        told = sell()

        assert breaker_of(broken).state == "open"
        assert configs_of(told) == ["Second till"]
        assert len(daraja.ledger.pushes) == pushes + 1
        assert record_of(told)["Main till"] == ("breaker_open", None, None)
        assert Notice.objects.get(config=broken, closed_at=None).code == "breaker_open"

    def test_never_opens_for_customers(self, till, sell, daraja, web):
        for scenario in ["cancel", "wrong_pin", "no_funds", "unreachable", "locked"] * 2:
            daraja.next(scenario)
            sell()
            daraja.deliver(web)

        assert not Breaker.objects.exclude(state="closed", failures=0).exists()

    def test_counts_only_failures_in_a_row(self, till, sell, daraja):
        for _ in range(3):
            for _ in range(ENOUGH - 1):
                daraja.next("no_merchant")
                sell()
            sell()

        assert breaker_of(till).state == "closed"
        assert breaker_of(till).failures == 0

    def test_leaves_nothing_behind_when_all_are_open(self, broken, cashier, daraja):
        pushes, payments = len(daraja.ledger.pushes), Payment.objects.count()
        key = new_key()

        refused = cashier.ask(key=key, phone_number="0712000001")

        assert (refused.status_code, refused.json()["code"]) == (503, "provider_unavailable")
        assert 0 < int(refused["Retry-After"]) <= COOLING_S
        assert (len(daraja.ledger.pushes), Payment.objects.count()) == (pushes, payments)

    def test_and_the_key_is_good_for_later(self, broken, cashier, daraja, clock):
        key = new_key()
        cashier.ask(key=key, phone_number="0712000001")
        clock.forward(COOLING_S)

        later = cashier.ask(key=key, phone_number="0712000001")

        assert later.status_code == 201
        assert "Idempotent-Replayed" not in later

    def test_refuses_a_persons_retry_too(self, broken, cashier, daraja, sell, clock):
        failed = Payment.objects.filter(status="failed").earliest("created_at")

        answer = cashier.retry({"id": str(failed.pk)})

        assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
        assert failed.attempts.count() == 1

    def test_is_named_by_the_api(self, broken, second, api, admin_key):
        body = api(admin_key).get("/payments/active-config").json()
        shown = api(admin_key).get(f"/payments/configs/{broken.pk}").json()

        assert {step["name"]: step["why"] for step in body["resolution"]} == {
            "Main till": "breaker_open",
            "Second till": "chosen",
        }
        assert (shown["health"], shown["health_reason"]) == ("down", "breaker_open")


class TestTheProbe:
    def test_closes_the_breaker_when_it_gets_through(self, broken, second, sell, clock):
        clock.forward(COOLING_S)

        told = sell()

        assert configs_of(told) == ["Main till"]
        assert breaker_of(broken).state == "closed"
        assert not Notice.objects.filter(config=broken, closed_at=None).exists()
        assert configs_of(sell()) == ["Main till"]

    def test_opens_it_for_longer_when_it_fails(self, broken, second, sell, daraja, clock):
        clock.forward(COOLING_S)
        daraja.next("no_merchant")

        told = sell()

        assert configs_of(told) == ["Main till", "Second till"]
        assert told["status"] == "pending"
        assert breaker_of(broken).state == "open"
        clock.forward(2 * COOLING_S - 1)
        assert configs_of(sell()) == ["Second till"]
        clock.forward(1)
        assert configs_of(sell()) == ["Main till"]

    def test_is_one_of_many_payments_at_once(self, broken, second, cashier, daraja, clock):
        clock.forward(COOLING_S)
        daraja.next("hang")
        phones = [f"07220000{n:02}" for n in range(12)]

        answers = at_once([lambda phone=phone: cashier.ask(phone_number=phone) for phone in phones])

        assert {answer.status_code for answer in answers} == {201}
        tried = [configs_of(answer.json()) for answer in answers]
        assert sorted(tried) == [["Main till"]] + [["Second till"]] * 11

    def test_is_taken_over_when_its_process_died(self, broken, second, sell, daraja, clock):
        clock.forward(COOLING_S)
        Breaker.objects.update(state="half_open", probe_at=clock.now)
        assert configs_of(sell()) == ["Second till"]

        clock.forward(PROBE_LEASE.total_seconds())

        assert configs_of(sell()) == ["Main till"]
        assert breaker_of(broken).state == "closed"

    def test_that_says_nothing_lets_the_next_one_try(self, broken, second, sell, daraja, clock):
        clock.forward(COOLING_S)
        daraja.next("locked")

        told = sell()

        assert configs_of(told) == ["Main till"]
        assert breaker_of(broken).state == "half_open"
        assert configs_of(sell()) == ["Main till"]
        assert breaker_of(broken).state == "closed"

    def test_is_not_spent_on_a_payment_that_is_refused(self, cashier, till, sell, daraja, clock):
        """The phone has a live prompt: the claim is rolled back with everything else."""
        cashier.sell(phone_number="0712000001")
        for _ in range(ENOUGH):
            daraja.next("no_merchant")
            sell()
        clock.forward(COOLING_S)

        refused = cashier.ask(phone_number="0712000001")

        assert refused.json()["code"] == "prompt_open"
        assert breaker_of(till).state == "open"
        assert configs_of(sell()) == ["Main till"]


class TestTheStory:
    def story_of(self, till, told):
        entries = till.timeline(told)
        return [(each["summary"], each["data"]) for each in entries if each["kind"] == "routing"]

    def test_tells_what_was_tried_and_why_it_moved_on(
        self, cashier, second, daraja, api, admin_key
    ):
        daraja.next("wrong_credentials")

        told = cashier.sell()

        story = self.story_of(Till(api(admin_key)), told)
        assert [summary for summary, _data in story] == [
            "Chose Main till",
            "Moved on from Main till to Second till",
        ]
        first, second_step = story[0][1]["resolution"]
        assert (first["outcome"], first["tried"], second_step["why"]) == (
            "wrong_credentials",
            1,
            "lower_priority",
        )
        assert story[1][1]["why"] == "wrong_credentials"

    def test_tells_a_cashier_not_what_else_was_there(self, cashier, second, daraja):
        daraja.next("wrong_credentials")

        story = self.story_of(cashier, cashier.sell())

        assert [summary for summary, _data in story] == [
            "Chose Main till",
            "Moved on from Main till to Second till",
        ]
        assert [data for _summary, data in story if "resolution" in data] == []

    def test_of_a_refusal_is_told_to_who_may_see_configs(self, till, api, admin_key, cashier_key):
        PaymentConfig.objects.update(is_active=False)

        to_admin = Till(api(admin_key)).ask().json()
        to_cashier = Till(api(cashier_key)).ask().json()

        assert to_admin["code"] == to_cashier["code"] == "no_active_config"
        assert "resolution" in to_admin
        assert "resolution" not in to_cashier


class TestTwoBrokenTills:
    def test_tried_in_opposite_directions_do_not_wait_for_each_other(
        self, shop, make_config, api, issue_key, daraja, clock
    ):
        """Each payment moves on to the config that the other has just found broken."""
        one = make_config(shop, name="One", shortcode="600201", priority=1)
        two = make_config(shop, name="Two", shortcode="600202", priority=2)
        Breaker.objects.bulk_create(
            Breaker(config=config, state="open", failures=ENOUGH, opened_at=clock.now)
            for config in (one, two)
        )
        clock.forward(COOLING_S)
        daraja.set_default("no_merchant")
        till = Till(api(issue_key(shop, "cashier")))
        phones = [f"07330000{n:02}" for n in range(8)]

        answers = at_once([lambda phone=phone: till.ask(phone_number=phone) for phone in phones])

        assert {answer.status_code for answer in answers} <= {201, 503}
        assert not Payment.objects.exclude(status="failed").exists()
        assert {breaker_of(one).state, breaker_of(two).state} == {"open"}
