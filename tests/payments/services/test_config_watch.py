"""A config without callbacks, or with far less success, is degraded and stays in use."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from payments.models import Attempt, Breaker, Evidence, Payment, PaymentConfig, ProviderCallback
from payments.services import config_watch, routing
from payments.services.config_watch import (
    LEAST_LATELY,
    LEAST_PROMPTS,
    LEAST_USUALLY,
    watch_configs,
)
from reconciliation.sweeps import SWEEPS
from tests.payments.services.config_world import pay

pytestmark = pytest.mark.django_db
A_WHILE = timedelta(minutes=20)


@pytest.fixture
def good(till):
    """A till in the best of health."""
    PaymentConfig.objects.filter(pk=till.pk).update(last_test_result="success")
    return fresh(till)


def fresh(config):
    return PaymentConfig.objects.select_related("breaker").get(pk=config.pk)


def health(config):
    found = fresh(config)
    return found.health, found.health_reason


def prompt(config, at, *, submission="sent", asked=True, called=False):
    """Put an accepted prompt there, settled by asking, or called back too."""
    payment = pay(config, at)
    attempt = Attempt.objects.get(payment=payment)
    Payment.objects.filter(pk=payment.pk).update(created_at=at)
    Attempt.objects.filter(pk=attempt.pk).update(submission=submission, requested_at=at)
    if asked:
        Evidence.objects.create(
            shop=config.shop,
            environment=config.environment,
            payment=payment,
            attempt=attempt,
            source="stk_query",
            verdict="failed",
            result_code="1032",
            digest="d",
        )
    if called:
        ProviderCallback.objects.create(
            kind="stk", subject_id=attempt.pk, size=1, digest="d", received_at=at
        )
    return payment


def sold(config, at, *, paid, unpaid=0, code="9999", declined=0):
    """Put ended payments there: completed, failed by a code, and turned down by the customer."""
    codes = [""] * paid + [code] * unpaid + ["1032"] * declined
    Payment.objects.bulk_create(
        Payment(
            shop=config.shop,
            environment=config.environment,
            config=config,
            provider=config.provider,
            account_reference=f"{at:%d%H%M}{number}"[:12],
            amount=Decimal(100),
            status="failed" if number >= paid else "completed",
            result_code=each,
            created_at=at,
            expires_at=at + timedelta(minutes=5),
            completed_at=None if number >= paid else at,
        )
        for number, each in enumerate(codes)
    )


class TestCallbacksThatStayAway:
    def test_degrade_a_config_and_leave_it_in_use(self, good, now):
        for _prompt in range(LEAST_PROMPTS):
            prompt(good, now - A_WHILE)

        assert SWEEPS["watch_configs"](now=now) == 1

        assert health(good) == ("degraded", "callbacks_missing")
        breaker = Breaker.objects.get()
        assert (breaker.state, breaker.failures) == ("closed", 0)
        assert breaker.concern_data == {"prompts": LEAST_PROMPTS}
        found = routing.resolve(
            shop_id=good.shop_id, environment="sandbox", branch_id=None, now=now
        )
        assert found.chosen == good

    @pytest.mark.parametrize(
        "last",
        [
            {"called": True},
            {"asked": False},
            {"submission": "unknown"},
        ],
        ids=["one came", "nobody knows of the fifth", "the fifth was not accepted"],
    )
    def test_are_not_seen_in_too_little(self, good, now, last):
        for _prompt in range(LEAST_PROMPTS - 1):
            prompt(good, now - A_WHILE)
        prompt(good, now - A_WHILE, **last)

        assert watch_configs(now=now) == 0
        assert health(good) == ("ok", "")

    def test_are_not_seen_in_what_is_long_ago(self, good, now):
        for _prompt in range(LEAST_PROMPTS):
            prompt(good, now - timedelta(minutes=31))

        assert watch_configs(now=now) == 0

    def test_are_each_configs_own(self, good, paybill, now):
        for _prompt in range(LEAST_PROMPTS):
            prompt(good, now - A_WHILE)
        for _prompt in range(LEAST_PROMPTS):
            prompt(paybill, now - A_WHILE, called=True)

        assert watch_configs(now=now) == 1
        assert fresh(paybill).health_reason != "callbacks_missing"

    def test_are_still_missing_after_a_quiet_night(self, good, now):
        for _prompt in range(LEAST_PROMPTS):
            prompt(good, now - A_WHILE)
        watch_configs(now=now)

        assert watch_configs(now=now + timedelta(hours=9)) == 0
        assert health(good) == ("degraded", "callbacks_missing")

    @pytest.mark.parametrize("how", ["of a prompt", "of anything"])
    def test_are_forgotten_once_one_comes(self, good, now, how):
        for _prompt in range(LEAST_PROMPTS):
            prompt(good, now - A_WHILE)
        watch_configs(now=now)
        later = now + timedelta(minutes=10)
        if how == "of a prompt":
            prompt(good, later, called=True)
        else:
            PaymentConfig.objects.filter(pk=good.pk).update(last_callback_at=later)

        assert watch_configs(now=later) == 1
        assert health(good) == ("ok", "")


class TestSuccessThatDrops:
    @pytest.fixture
    def usual(self, good, now):
        """Nine of ten succeed, as a rule."""
        sold(good, now - timedelta(days=2), paid=45, unpaid=5)
        return good

    def test_degrades_a_config_with_the_numbers(self, usual, now):
        sold(usual, now - timedelta(minutes=40), paid=5, unpaid=5)

        assert watch_configs(now=now) == 1

        assert health(usual) == ("degraded", "success_dropped")
        assert Breaker.objects.get().concern_data == {
            "lately": 50,
            "usually": 90,
            "payments": 10,
        }

    def test_is_not_what_customers_turn_down(self, usual, now):
        sold(usual, now - timedelta(minutes=40), paid=9, unpaid=1, declined=90)

        assert watch_configs(now=now) == 0
        assert health(usual) == ("ok", "")

    @pytest.mark.parametrize(
        ("paid", "unpaid", "minutes"),
        [(6, 4, 40), (0, LEAST_LATELY - 1, 40), (0, 20, 5)],
        ids=["a little less", "too few to tell", "too young to tell"],
    )
    def test_is_not_seen_in(self, usual, now, paid, unpaid, minutes):
        sold(usual, now - timedelta(minutes=minutes), paid=paid, unpaid=unpaid)

        assert watch_configs(now=now) == 0

    def test_needs_something_usual(self, good, now):
        sold(good, now - timedelta(days=2), paid=LEAST_USUALLY - 1)
        sold(good, now - timedelta(minutes=40), unpaid=20, paid=0)

        assert watch_configs(now=now) == 0

    def test_is_forgotten_once_it_is_better(self, usual, now):
        sold(usual, now - timedelta(minutes=40), paid=5, unpaid=5)
        watch_configs(now=now)
        sold(usual, now - timedelta(minutes=30), paid=40)

        assert watch_configs(now=now) == 1
        assert health(usual) == ("ok", "")


class TestTheWatch:
    def test_writes_nothing_where_all_is_well(self, good, now):
        sold(good, now - timedelta(minutes=40), paid=20)

        assert watch_configs(now=now) == 0
        assert not Breaker.objects.exists()

    def test_leaves_configs_alone_that_nobody_pays_through(
        self, good, now, django_assert_num_queries
    ):
        with django_assert_num_queries(1):
            assert watch_configs(now=now) == 0

    def test_tells_what_keeps_it_from_use_first(self, good, now):
        Breaker.objects.create(
            config=good, state="open", failures=5, concern="callbacks_missing", concern_at=now
        )

        assert health(good) == ("down", "breaker_open")

    def test_finds_nothing_in_a_new_config(self, good, now):
        assert config_watch.concern_of(good, now=now).code == ""
