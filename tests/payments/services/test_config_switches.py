from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from payments.choices import ConfigStatus
from payments.errors import (
    ConfigInUse,
    InvalidInput,
    InvalidTransition,
    NotFound,
    NotVerified,
)
from payments.models import PaymentConfig
from payments.services import configs
from tests.payments.services.config_world import pay

pytestmark = pytest.mark.django_db


class TestDeleteConfig:
    def test_takes_it_away_and_keeps_the_row(self, till, actor, now):
        configs.set_default_config(config=till, actor=actor, now=now)

        configs.delete_config(config=till, actor=actor, now=now)

        till.refresh_from_db()
        assert till.deleted_at == now
        assert not till.is_active
        assert not till.is_default
        with pytest.raises(NotFound):
            configs.activate_config(config=till, actor=actor, now=now)

    def test_waits_for_live_payments(self, till, actor, now):
        pay(till, now, status="pending")

        with pytest.raises(ConfigInUse):
            configs.delete_config(config=till, actor=actor, now=now)

    def test_waits_for_attempts_still_to_be_asked_about(self, till, actor, now):
        payment = pay(till, now, status="expired")
        payment.attempts.update(next_ask_at=now + timedelta(hours=1))

        with pytest.raises(ConfigInUse):
            configs.delete_config(config=till, actor=actor, now=now)

    def test_does_not_wait_for_what_is_settled(self, till, actor, now):
        pay(till, now, status="failed")

        configs.delete_config(config=till, actor=actor, now=now)

        assert not PaymentConfig.objects.not_deleted().exists()


class TestActivateConfig:
    @pytest.mark.parametrize("status", ["draft", "pending", "failed", "suspended", "expired"])
    def test_takes_only_a_verified_one(self, shop, make_config, actor, now, status):
        config = make_config(shop, status=status)

        with pytest.raises(NotVerified):
            configs.activate_config(config=config, actor=actor, now=now)

    def test_switches_on_and_off(self, shop, make_config, actor, now):
        config = make_config(shop, is_active=False)

        assert configs.activate_config(config=config, actor=actor, now=now).is_active
        assert not configs.deactivate_config(config=config, actor=actor, now=now).is_active
        config.refresh_from_db()
        assert not config.is_active
        assert config.status == ConfigStatus.VERIFIED


class TestSetDefaultConfig:
    def test_swaps(self, shop, till, make_config, actor, now):
        other = make_config(shop, shortcode="600777")
        configs.set_default_config(config=till, actor=actor, now=now)

        configs.set_default_config(config=other, actor=actor, now=now)

        till.refresh_from_db()
        other.refresh_from_db()
        assert (till.is_default, other.is_default) == (False, True)

    def test_leaves_other_groups_alone(self, till, paybill, branch, make_config, actor, now):
        of_branch = make_config(till.shop, branch=branch)
        for config in (paybill, of_branch, till):
            configs.set_default_config(config=config, actor=actor, now=now)

        assert PaymentConfig.objects.filter(is_default=True).count() == 3

    @pytest.mark.django_db(transaction=True)
    def test_leaves_one_default_when_many_swap_at_once(self, shop, make_config, actor, now):
        group = [make_config(shop, shortcode=f"60010{digit}") for digit in range(4)]
        barrier = threading.Barrier(4)

        def swap(config):
            try:
                barrier.wait(10)
                configs.set_default_config(config=config, actor=actor, now=now)
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(swap, group))

        assert PaymentConfig.objects.filter(is_default=True).count() == 1


class TestSuspendConfig:
    def test_switches_off_and_says_why(self, till, actor, now):
        configs.suspend_config(config=till, reason="Stolen phone", actor=actor, now=now)

        till.refresh_from_db()
        assert till.status == ConfigStatus.SUSPENDED
        assert not till.is_active
        assert till.suspended_reason == "Stolen phone"

    def test_wants_a_reason(self, till, actor, now):
        with pytest.raises(InvalidInput):
            configs.suspend_config(config=till, reason=" ", actor=actor, now=now)

    def test_takes_only_a_verified_one(self, shop, make_config, actor, now):
        config = make_config(shop, status="draft")

        with pytest.raises(InvalidTransition) as caught:
            configs.suspend_config(config=config, reason="x", actor=actor, now=now)

        assert caught.value.data == {"current": "draft", "allowed": ["pending"]}


class TestMoveConfig:
    def test_lets_one_of_two_win(self, till, now):
        first = PaymentConfig.objects.get(pk=till.pk)
        second = PaymentConfig.objects.get(pk=till.pk)

        configs.move_config(config=first, to=ConfigStatus.SUSPENDED, now=now)
        with pytest.raises(InvalidTransition) as caught:
            configs.move_config(config=second, to=ConfigStatus.EXPIRED, now=now)

        assert caught.value.data["current"] == "suspended"
        till.refresh_from_db()
        assert till.status == ConfigStatus.SUSPENDED
