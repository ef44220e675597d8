"""Rotation beside itself, beside death, and beside the till: with real commits and processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from audit.actors import Actor
from audit.models import AuditEntry
from payments.choices import VersionStatus
from payments.errors import InvalidTransition, PaymentsError
from payments.models import AccessToken, Attempt, CredentialVersion, PaymentConfig
from payments.providers.daraja.simulator import faults
from payments.services import rotation
from reconciliation.sweeps import run_due_rotations
from tests.journeys.shopfloor import at_once, make_due, sweep
from tests.processes import database_url

ADMIN = Actor.system("mwenye")
FIRST = {"consumer_key": "canary-first-key-aaaa", "consumer_secret": "canary-first-secret"}
SECOND = {"consumer_key": "canary-second-key-bbbb", "consumer_secret": "canary-second-secret"}

# What a process that is killed at a step does: the real code, a provider in the process, SIGKILL.
DEATH = """
    import os, signal, sys
    import django
    django.setup()
    from django.conf import settings
    from django.utils import timezone
    from audit.actors import Actor
    from payments.models import PaymentConfig
    from payments.services import (
        config_trail, credentials_health, notices, rotation, verification,
    )
    from tests.daraja import FakeDaraja

    module, name = sys.argv[1].split(".")
    place, when = globals()[module], sys.argv[2]
    real = getattr(place, name)

    def step(*args, **kwargs):
        if when == "after":
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(place, name, step)
    with FakeDaraja(clock=timezone.now, base_url=settings.DARAJA_SANDBOX_URL):
        rotation.rotate_credentials(
            config=PaymentConfig.objects.get(),
            credentials={"consumer_key": "canary-first-key-aaaa"},
            reason="Yearly",
            actor=Actor.system("mwenye"),
            now=timezone.now(),
        )
"""
# Every pair of steps: staged (committed), tried, then each statement of the switch, then committed.
STEPS = [
    ("rotation._stage", "before", []),
    ("rotation._stage", "after", ["staged"]),
    ("verification.try_version", "after", ["staged"]),
    ("rotation._retire_current", "after", ["staged"]),
    ("rotation._put_in_use", "after", ["staged"]),
    ("config_trail.record", "before", []),
    ("rotation._switch", "after", ["current"]),
]


def rotate(config, credentials):
    return rotation.rotate_credentials(
        config=config, credentials=credentials, reason="Yearly", actor=ADMIN, now=timezone.now()
    )


def statuses(config):
    rows = CredentialVersion.objects.filter(config=config).order_by("number")
    return [str(row.status) for row in rows]


def is_usable(config):
    usable = PaymentConfig.objects.usable().filter(pk=config.pk).exists()
    rows = CredentialVersion.objects.filter(config=config, status=VersionStatus.CURRENT)
    return usable and rows.count() == 1


class TestTwoAdminsAtOnce:
    def test_one_wins_and_the_other_is_told(self, till, daraja):
        def attempt(credentials):
            try:
                return rotate(PaymentConfig.objects.get(pk=till.pk), credentials)
            except PaymentsError as error:
                return error

        won, lost = sorted(
            at_once([lambda: attempt(FIRST), lambda: attempt(SECOND)]),
            key=lambda outcome: isinstance(outcome, PaymentsError),
        )

        assert isinstance(won, PaymentConfig)
        assert isinstance(lost, InvalidTransition)
        assert "under way" in lost.detail
        assert statuses(till) == ["rotated", "current"]
        assert is_usable(till)

    def test_a_sweep_and_an_admin_finish_it_once(self, till, daraja):
        now = timezone.now()
        version = rotation._stage(till, FIRST, "Yearly", None, actor=ADMIN, now=now)

        def finish():
            try:
                row = CredentialVersion.objects.select_related("config").get(pk=version.pk)
                return rotation.finish_rotation(version=row, actor=ADMIN, now=now)
            except PaymentsError as error:
                return error

        outcomes = at_once([finish, finish, finish])

        assert sum(isinstance(each, PaymentConfig) for each in outcomes) == 1
        assert statuses(till) == ["rotated", "current"]
        assert AuditEntry.objects.filter(action="payment_config.rotated").count() == 1


class TestKilled:
    @pytest.mark.parametrize(("step", "when", "left"), STEPS)
    def test_between_any_two_steps_costs_nothing(self, till, daraja, step, when, left):
        code = _run_until_killed(step, when)

        assert code == -signal.SIGKILL
        assert is_usable(till)
        assert statuses(till)[1:] == left
        run_due_rotations(now=timezone.now() + timedelta(minutes=6))
        assert is_usable(till)
        assert "staged" not in statuses(till)
        done = {"payment_config.rotation_started", "payment_config.rotated"}
        found = set(AuditEntry.objects.values_list("action", flat=True))
        assert (done <= found) is (statuses(till) == ["rotated", "current"])


class TestBesideTheTill:
    def test_the_old_version_asks_about_its_own_prompt(self, cashier, till, daraja, clock):
        daraja.next("paid_silently")
        payment = cashier.sell()
        rotate(till, FIRST)
        later = cashier.sell(phone_number="0722000111", amount="90")
        clock.forward(120)
        make_due(payment)

        sweep("ask_due_attempts")

        assert cashier.look(payment)["status"] == "completed"
        numbers = {
            str(row.payment_id): row.version.number
            for row in Attempt.objects.select_related("version")
        }
        assert (numbers[payment["id"]], numbers[later["id"]]) == (1, 2)

    def test_payments_go_on_while_credentials_change(self, cashier, till, daraja):
        def sell(number):
            return lambda: cashier.sell(phone_number=f"07220001{number:02}")["status"]

        outcomes = at_once([*(sell(number) for number in range(6)), lambda: rotate(till, FIRST)])

        assert set(outcomes[:-1]) <= {"pending", "completed"}
        assert statuses(till) == ["rotated", "current"]

    def test_a_version_that_is_refused_is_rolled_back_by_the_payments(
        self, cashier, till, daraja, monkeypatch
    ):
        refuse = faults._error(400, "400.008.01", "Invalid Authentication passed")
        monkeypatch.setitem(faults.FAULTS, "refuse_key", refuse)
        rotate(till, FIRST)
        for number in range(3):
            AccessToken.objects.all().delete()
            daraja.break_next("oauth", "refuse_key")
            body = cashier.sell(phone_number=f"07220001{number:02}")
            assert body["status"] == "failed"

        assert statuses(till) == ["current", "rejected"]
        assert cashier.sell()["status"] == "pending"


def _run_until_killed(step, when):
    """Run a rotation in a process of its own, which kills itself at the step."""
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database_url(),
        "PYTHONPATH": str(settings.BASE_DIR),
    }
    command = [sys.executable, "-c", textwrap.dedent(DEATH), step, when]
    done = subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)  # noqa: S603
    return done.returncode
