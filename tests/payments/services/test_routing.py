from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from django.db import connection, transaction

from payments.errors import (
    AmountOutOfRange,
    DailyLimitReached,
    MonthlyLimitReached,
    NoActiveConfig,
)
from payments.models import Payment
from payments.services import configs, routing
from tests.payments.services.config_world import pay

pytestmark = pytest.mark.django_db

# Twenty past midnight in Nairobi, on the first of a month; in UTC it is still the day before.
FIRST_OF_MARCH = datetime(2026, 2, 28, 21, 20, tzinfo=UTC)


def resolve(shop, now, **more):
    return routing.resolve(shop_id=shop.pk, environment="sandbox", now=now, **more)


def why(resolution):
    return {step.config.name: step.why for step in resolution.steps}


def spend(config, amount, at, status="completed"):
    settled = {"completed_at": at} if status == "completed" else {}
    expires_at = at + timedelta(minutes=5)
    return pay(
        config, at, amount=amount, status=status, created_at=at, expires_at=expires_at, **settled
    )


class TestResolve:
    def test_asks_the_database_once(
        self, shop, till, make_config, now, django_assert_num_queries, monkeypatch
    ):
        make_config(shop, shortcode="600777", daily_limit=10, monthly_limit=10)
        asked = []

        class CountingCursor(psycopg.Cursor):
            def execute(self, query, *args, **kwargs):
                asked.append(query)
                return super().execute(query, *args, **kwargs)

        monkeypatch.setattr(routing.psycopg, "Cursor", CountingCursor)
        with django_assert_num_queries(0):
            resolution = resolve(shop, now, amount=Decimal(10))

        assert len(asked) == 1
        assert resolution.chosen == till

    def test_gives_whole_configs(self, shop, till, now):
        till.refresh_from_db()

        found = resolve(shop, now).chosen

        assert not found.get_deferred_fields()
        assert all(
            getattr(found, field.attname) == getattr(till, field.attname)
            for field in till._meta.concrete_fields
        )

    def test_takes_the_branchs_own_first_then_the_shops(self, shop, branch, till, make_config, now):
        own = make_config(shop, name="Own", branch=branch, priority=9)

        resolution = resolve(shop, now, branch_id=branch.pk)

        assert [(s.config, s.level, s.why) for s in resolution.steps] == [
            (own, "branch", "chosen"),
            (till, "shop", "lower_priority"),
        ]

    def test_never_takes_another_branchs(self, shop, branch, make_config, now):
        make_config(shop, branch=branch)

        assert resolve(shop, now).steps == []

    def test_orders_by_priority_default_and_age(self, shop, make_config, actor, now):
        names = ["Late", "Old", "Default", "First"]
        priorities = [2, 1, 1, 0]
        made = {
            name: make_config(shop, name=name, shortcode=f"60010{n}", priority=priority)
            for n, (name, priority) in enumerate(zip(names, priorities, strict=True))
        }
        configs.set_default_config(config=made["Default"], actor=actor, now=now)

        candidates = resolve(shop, now).candidates

        assert [config.name for config in candidates] == ["First", "Default", "Old", "Late"]

    def test_sees_neither_neighbour_nor_the_other_world(self, shop, neighbour, make_config, now):
        make_config(neighbour)
        make_config(shop, environment="production")

        assert resolve(shop, now).steps == []

    def test_keeps_to_the_provider_asked_for(self, shop, till, paybill, now):
        assert resolve(shop, now, provider="mpesa_paybill").candidates == [paybill]

    @pytest.mark.parametrize(
        ("state", "reason"),
        [
            ({"status": "draft"}, "not_verified"),
            ({"status": "pending"}, "not_verified"),
            ({"status": "failed"}, "not_verified"),
            ({"status": "expired"}, "not_verified"),
            ({"status": "suspended"}, "suspended"),
            ({"is_active": False}, "inactive"),
            ({"min_amount": 101}, "amount_below_minimum"),
            ({"max_amount": 99}, "amount_above_maximum"),
            ({"daily_limit": 99}, "daily_limit_reached"),
            ({"monthly_limit": 99}, "monthly_limit_reached"),
            ({"purposes": ("rent",)}, "other_purpose"),
            (
                {
                    "provider": "card",
                    "shortcode": "1",
                    "credentials": {"api_key": "k", "merchant_id": "m"},
                },
                "no_adapter",
            ),
        ],
    )
    def test_says_why_not(self, shop, make_config, now, state, reason):
        make_config(shop, name="X", **state)

        resolution = resolve(shop, now, amount=Decimal(100), purpose="sale")

        assert why(resolution) == {"X": reason}
        assert resolution.candidates == []
        assert resolution.chosen is None

    def test_prefers_the_config_of_the_purpose(self, shop, till, make_config, now):
        rent = make_config(shop, name="Rent", shortcode="600777", priority=9, purposes=("rent",))

        assert resolve(shop, now, purpose="rent").candidates == [rent, till]
        assert resolve(shop, now, purpose="sale").candidates == [till]
        assert resolve(shop, now).candidates == [till, rent]

    def test_leaves_out_what_is_deleted(self, shop, till, actor, now):
        configs.delete_config(config=till, actor=actor, now=now)

        assert resolve(shop, now).steps == []


class TestLimits:
    def test_fills_up_to_the_last_shilling(self, shop, make_config, now):
        config = make_config(shop, daily_limit=1000)
        spend(config, 600, now)

        assert resolve(shop, now, amount=Decimal(400)).candidates == [config]
        assert resolve(shop, now, amount=Decimal("400.01")).candidates == []

    def test_counts_live_ones_and_not_dead_ones(self, shop, make_config, now):
        config = make_config(shop, daily_limit=1000)
        spend(config, 500, now, status="pending")
        spend(config, 300, now, status="created")
        for status in ("failed", "expired"):
            spend(config, 900, now, status=status)

        assert resolve(shop, now, amount=Decimal(200)).candidates == [config]
        assert resolve(shop, now, amount=Decimal(201)).candidates == []

    def test_does_not_count_a_prompt_past_its_end(self, shop, make_config, now):
        config = make_config(shop, daily_limit=1000)
        payment = spend(config, 900, now, status="pending")
        Payment.objects.filter(pk=payment.pk).update(expires_at=now)

        assert resolve(shop, now, amount=Decimal(1000)).candidates == [config]

    def test_begins_a_day_and_a_month_at_midnight_in_nairobi(self, shop, make_config):
        config = make_config(shop, daily_limit=1000, monthly_limit=1000)
        spend(config, 900, FIRST_OF_MARCH - timedelta(minutes=21))

        assert resolve(shop, FIRST_OF_MARCH, amount=Decimal(1000)).candidates == [config]

        spend(config, 900, FIRST_OF_MARCH - timedelta(minutes=19))

        assert why(resolve(shop, FIRST_OF_MARCH, amount=Decimal(1000))) == {
            "Till": "daily_limit_reached"
        }

    def test_counts_the_month_apart(self, shop, make_config):
        config = make_config(shop, daily_limit=1000, monthly_limit=1500)
        spend(config, 900, FIRST_OF_MARCH)
        tomorrow = FIRST_OF_MARCH + timedelta(days=1)

        assert resolve(shop, tomorrow, amount=Decimal(600)).candidates == [config]
        assert why(resolve(shop, tomorrow, amount=Decimal(601))) == {
            "Till": "monthly_limit_reached"
        }

    def test_counts_only_its_own(self, shop, till, make_config, now):
        config = make_config(shop, shortcode="600777", daily_limit=100)
        spend(till, 900, now)

        routing.check_limits(config, amount=Decimal(100), now=now)

    def test_raises_what_is_reached(self, shop, make_config, now):
        config = make_config(shop, daily_limit=100, monthly_limit=150)
        spend(config, 100, now)

        with pytest.raises(DailyLimitReached):
            routing.check_limits(config, amount=Decimal(1), now=now)
        config.daily_limit = None
        config.save()
        with pytest.raises(MonthlyLimitReached):
            routing.check_limits(config, amount=Decimal(51), now=now)

    @pytest.mark.django_db(transaction=True)
    def test_lets_no_two_tills_have_the_last_of_it(self, shop, make_config, now):
        config = make_config(shop, daily_limit=250)
        barrier = threading.Barrier(6)

        def sell(_till):
            try:
                barrier.wait(10)
                with transaction.atomic():
                    routing.lock_limits(config)
                    routing.check_limits(config, amount=Decimal(100), now=now)
                    spend(config, 100, now)
            except DailyLimitReached:
                return 0
            else:
                return 1
            finally:
                connection.close()

        with ThreadPoolExecutor(6) as pool:
            sold = sum(pool.map(sell, range(6)))

        assert sold == 2


class TestRaiseIfEmpty:
    def test_is_silent_where_a_config_is_found(self, shop, till, now):
        resolve(shop, now).raise_if_empty()

    def test_says_that_nothing_is_there(self, shop, now):
        with pytest.raises(NoActiveConfig) as caught:
            resolve(shop, now).raise_if_empty()

        assert caught.value.data == {"resolution": []}

    def test_names_the_limits_of_all(self, shop, make_config, now):
        make_config(shop, min_amount=10, max_amount=20)
        make_config(shop, shortcode="600777", min_amount=100)

        with pytest.raises(AmountOutOfRange) as caught:
            resolve(shop, now, amount=Decimal(50)).raise_if_empty()

        assert caught.value.errors[0][2] == "Give 10.00 to 250000.00."
        assert [step["why"] for step in caught.value.data["resolution"]] == [
            "amount_above_maximum",
            "amount_below_minimum",
        ]

    def test_tells_the_nearest_miss(self, shop, make_config, now):
        make_config(shop, max_amount=20)
        make_config(shop, shortcode="600777", monthly_limit=10)
        nearest = make_config(shop, shortcode="600778", daily_limit=10)

        with pytest.raises(DailyLimitReached):
            resolve(shop, now, amount=Decimal(50)).raise_if_empty()
        nearest.daily_limit = None
        nearest.is_active = False
        nearest.save()
        with pytest.raises(MonthlyLimitReached):
            resolve(shop, now, amount=Decimal(50)).raise_if_empty()
