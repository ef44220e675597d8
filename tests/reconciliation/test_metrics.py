"""What monitoring reads, and who may read it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from payments.choices import CallbackStatus
from payments.models import Attempt, ProviderCallback
from reconciliation.models import SweepState
from tests import world

pytestmark = pytest.mark.django_db
HOST = {"Host": "10.0.0.7:8000"}


@pytest.fixture
def corner(now):
    """One of everything: three payments settled by callback, one of them live; money waiting."""
    return world.furnish(name="Duka", number=411, now=now)


@pytest.fixture
def scrape(client):
    """Read the page as Prometheus would: name and label values to the number."""

    def read():
        answer = client.get("/metrics", headers=HOST)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        families = text_string_to_metric_families(answer.content.decode())
        return {
            (sample.name.removeprefix("malipo_"), *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }

    return read


class TestNumbers:
    def test_of_an_empty_house_are_noughts(self, scrape, db):
        found = scrape()

        assert found["attempts_due",] == found["callbacks_unapplied",] == 0
        assert not [name for name, *_labels in found if name == "payments_today"]

    def test_tell_what_was_paid_and_what_waits(self, corner, scrape, now):
        world.prompt(corner, "here", checkout_id="ws_CO_1", now=now, sale="2")
        Attempt.objects.filter(checkout_request_id="ws_CO_1").update(
            next_ask_at=now - timedelta(seconds=5)
        )

        found = scrape()

        places = len(world.PLACES)
        done = [v for k, v in found.items() if k[0] == "payments_today" and k[2] == "completed"]
        assert sum(done) == places
        assert found["payments_pending", "sandbox"] == found["attempts_due",] == 1
        assert 0 <= found["payments_pending_oldest_seconds", "sandbox"] < 600
        assert found["receipts_unallocated",] == found["reviews_open", "SURPLUS"] == places

    def test_tell_of_callbacks(self, corner, scrape, now):
        late = corner.callbacks["here"]
        ProviderCallback.objects.filter(pk=late.pk).update(
            status=CallbackStatus.NEW, received_at=now - timedelta(seconds=90)
        )
        ProviderCallback.objects.update(processing_ms=40)

        found = scrape()

        assert found["callbacks_unapplied",] == found["callbacks_recent", "stk", "new"] == 1
        assert 90 <= found["callbacks_unapplied_oldest_seconds",] < 600
        assert found["callback_processing_seconds", "0.95"] == 0.04

    def test_tell_how_fast_safaricom_answers(self, corner, scrape):
        Attempt.objects.update(answer_ms=1_500)

        found = scrape()

        assert found["stk_push_requests_recent", "sent"] == len(world.PLACES)
        assert found["daraja_request_duration_seconds", "0.5"] == 1.5

    def test_tell_which_sweep_broke(self, scrape, now):
        SweepState.objects.create(name="expire_overdue", finished_at=now, error="DatabaseError")
        SweepState.objects.create(name="purge_runs", finished_at=now)

        found = scrape()

        assert found["sweep_failed", "expire_overdue"] == 1
        assert found["sweep_failed", "purge_runs"] == 0
        assert found["sweep_finished_timestamp_seconds", "purge_runs"] == now.timestamp()

    def test_name_no_shop_number_or_receipt(self, corner, client):
        shown = client.get("/metrics", headers=HOST).content.decode()

        assert [text for text in sorted(corner.marks()) if text in shown] == []
        assert "2547*" not in shown

    def test_cost_the_same_however_many_shops(self, corner, client, now, django_assert_num_queries):
        client.get("/metrics", headers=HOST)
        world.furnish(name="Jirani", number=422, now=now)

        with django_assert_num_queries(13):
            client.get("/metrics", headers=HOST)


class TestWhoMayRead:
    @pytest.mark.parametrize("address", ["203.0.113.9", "10.0.0.8", "not-an-address", ""])
    def test_not_who_is_not_listed(self, client, db, address):
        answer = client.get("/metrics", headers=HOST, REMOTE_ADDR=address)

        assert (answer.status_code, b"malipo_" in answer.content) == (403, False)

    def test_who_is_listed(self, client, db, settings):
        settings.METRICS_ALLOWED_NETWORKS = ["203.0.113.0/24"]

        assert client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 200
        assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 403

    def test_nobody_through_a_proxy_that_is_not_named(self, client, db):
        answer = client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"})

        assert answer.status_code == 403

    def test_who_comes_through_a_named_proxy_by_the_address_it_tells(self, client, db, settings):
        settings.TRUSTED_PROXIES = ["127.0.0.1/32"]

        inside = client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.2"})
        outside = client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"})

        assert (inside.status_code, outside.status_code) == (200, 403)

    def test_nobody_by_writing(self, client, db):
        assert client.post("/metrics").status_code == 405
