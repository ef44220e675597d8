"""Workers with threads and connections of their own, on rows that were really committed."""

from __future__ import annotations

import threading

from django.db import connection

from payments.services import webhook_rounds
from reconciliation.running import run_sweep
from tenants import services as tenants
from tests.committed import committed_db
from tests.payments.services.webhook_world import add, happen, receiver
from tests.payments.services.webhook_world import allow_this_machine as allow_this_machine  # noqa: PLC0414 - a fixture

__all__ = ["committed_db"]
THREE = ("payment.created", "payment.pending", "payment.completed")


class TestWorkers:
    def test_is_a_sweep(self, committed_db, now):
        shop = tenants.create_shop(name="Duka", slug="duka")
        with receiver() as there:
            _endpoint, secret = add(shop, there.url, now=now)
            happen(shop, *THREE, now=now)

            assert run_sweep("deliver_webhooks", now=now) == 3
            assert [event["seq"] for event in there.events(secret)] == [1, 2, 3]
            assert run_sweep("deliver_webhooks", now=now) == 0

    def test_two_at_once_send_once_and_in_order(self, committed_db, now):
        shop = tenants.create_shop(name="Duka", slug="duka")
        with receiver() as there:
            _endpoint, secret = add(shop, there.url, now=now)
            happen(shop, *(THREE * 4), now=now)
            start = threading.Barrier(3)

            def work():
                start.wait()
                webhook_rounds.deliver_due(now=now)
                connection.close()

            workers = [threading.Thread(target=work) for _ in range(3)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()

            assert [event["seq"] for event in there.events(secret)] == list(range(1, 13))
