"""Worker, beat and Redis are gone: payments are taken, callbacks applied, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from config.schedule import SWEEPS
from payments.api import applier
from payments.models import ProviderCallback
from payments.services import callbacks
from reconciliation import sweeps
from reconciliation.models import SweepState
from reconciliation.running import run_sweep
from tests.journeys.shopfloor import at_once, open_reviews, row_of
from tests.processes import database_url

ROOT = Path(__file__).resolve().parents[2]


class TestWithoutAWorker:
    def test_one_sweep_does_everything_that_is_due(
        self, cashier, daraja, web, clock, monkeypatch, settings
    ):
        settings.REDIS_URL = ""
        settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
        monkeypatch.setattr(applier, "ring", lambda: None)
        monkeypatch.setattr(callbacks, "apply_now", lambda *_a, **_k: False)
        stored = cashier.sell(phone_number="0722000001")
        daraja.deliver(web)
        daraja.next("paid_silently")
        silent = cashier.sell(phone_number="0722000002")
        daraja.next("silent")
        nobody = cashier.sell(phone_number="0722000003")
        clock.forward(301)

        call_command("sweep", "--once")

        assert cashier.look(stored)["paid"] is True
        assert cashier.look(silent)["paid"] is True
        assert cashier.look(nobody)["status"] == "expired"
        assert {state.name for state in SweepState.objects.filter(error="")} == {
            sweep.name for sweep in SWEEPS
        }

    def test_a_payment_is_taken_and_paid(self, cashier, daraja, web, settings):
        settings.REDIS_URL = ""

        asked = cashier.sell()
        daraja.deliver(web)

        assert cashier.look(asked)["paid"] is True

    @pytest.mark.parametrize("redis_url", ["", "redis://127.0.0.1:1/0"])
    def test_the_command_runs_alone(self, cashier, daraja, web, monkeypatch, redis_url):
        """In a process of its own, as cron would start it."""
        monkeypatch.setattr(applier, "ring", lambda: None)
        monkeypatch.setattr(callbacks, "apply_now", lambda *_a, **_k: False)
        asked = cashier.sell()
        daraja.deliver(web)
        assert ProviderCallback.objects.get().status == "new"
        environment = os.environ | {
            "REDIS_URL": redis_url,
            "DATABASE_URL": database_url(),
        }

        done = subprocess.run(
            [sys.executable, "manage.py", "sweep", "--once"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        assert "reprocess_callbacks: 1" in done.stdout
        assert cashier.look(asked)["paid"] is True


class TestTheClockOfASweep:
    def test_may_be_set_under_debug(self, cashier, daraja, settings):
        settings.DEBUG = True
        daraja.next("silent")
        asked = cashier.sell()
        later = timezone.now() + timedelta(hours=73)

        call_command("sweep", "--once", "--now", later.isoformat())

        assert row_of(asked).status == "expired"
        assert open_reviews(asked) == {"UNRESOLVED": False}

    def test_and_nowhere_else(self, settings, db):
        settings.DEBUG = False

        with pytest.raises(CommandError, match="DEBUG"):
            call_command("sweep", "--once", "--now", "2026-01-01T00:00:00Z")

    @pytest.mark.parametrize("given", ["yesterday", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z"])
    def test_must_be_a_time_with_a_zone(self, settings, db, given):
        settings.DEBUG = True

        with pytest.raises(CommandError, match="RFC 3339"):
            call_command("sweep", "--once", "--now", given)


class TestTwoSweepsAtOnce:
    def test_ask_and_expire_once(self, cashier, daraja, clock, settings):
        settings.QUERY_BUDGET_PER_MINUTE = 0
        sales = []
        for number in range(6):
            daraja.next("paid_silently" if number % 2 else "silent")
            sales.append(cashier.sell(phone_number=f"07220000{number:02}"))
        clock.forward(301)
        now = clock.now

        at_once([lambda: sweeps.ask_due_attempts(now=now)] * 4)
        at_once([lambda: sweeps.expire_overdue(now=now)] * 4)

        assert len(daraja.ledger.queries) == 6
        statuses = [row_of(sale).status for sale in sales]
        assert statuses == ["expired", "completed"] * 3


class TestASweepThatFails:
    def test_says_so_and_spares_the_others(self, db, monkeypatch):
        def stumble(*, now):
            raise ValueError("nobody thought of this")

        monkeypatch.setitem(sweeps.SWEEPS, "expire_overdue", stumble)

        assert run_sweep("expire_overdue", now=timezone.now()) == 0

        assert SweepState.objects.get().error == "ValueError"
