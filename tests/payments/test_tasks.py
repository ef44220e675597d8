"""A visit is performed by a worker, and by a thread where there is none."""

from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError

from payments import tasks
from payments.choices import ConfigStatus, RunStatus
from payments.models import VerificationRun
from payments.services import verification
from tests.committed import committed_db as committed_db  # noqa: PLC0414 - a fixture
from tests.journeys.shopfloor import wait_for


@pytest.fixture
def db(committed_db):
    """Commit for real: the thread has a connection of its own."""


@pytest.fixture
def run(shop, make_config, actor, now):
    config = make_config(shop, status="draft", shortcode="555001", store_number="555002")
    return verification.start_run(config=config, actor=actor, now=now)


def is_done(run):
    return VerificationRun.objects.get(pk=run.pk).status == RunStatus.DONE


class TestRingVerification:
    def test_starts_a_thread_without_redis(self, run, daraja, settings):
        settings.REDIS_URL = ""

        tasks.ring_verification(run.pk)

        wait_for(lambda: is_done(run))
        run.config.refresh_from_db()
        assert run.config.status == ConfigStatus.VERIFIED

    def test_starts_a_thread_where_redis_is_gone(self, run, daraja, settings, monkeypatch):
        def gone(_run_id):
            raise OperationalError

        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        monkeypatch.setattr(tasks.run_verification, "delay", gone)

        tasks.ring_verification(run.pk)

        wait_for(lambda: is_done(run))

    def test_rings_a_worker_where_there_is_redis(self, run, settings, monkeypatch):
        rung = []
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        monkeypatch.setattr(tasks.run_verification, "delay", rung.append)

        tasks.ring_verification(run.pk)

        assert rung == [str(run.pk)]
        assert not is_done(run)


class TestRunVerification:
    def test_does_nothing_twice(self, run, daraja):
        tasks.run_verification(str(run.pk))
        tasks.run_verification(str(run.pk))

        assert run.logs.count() == 6
