"""Sweeps: who is asked, how often, and how fairly."""

from __future__ import annotations

from datetime import timedelta

import pytest

from config.schedule import BEAT_SCHEDULE, SWEEPS
from payments.models import AccessToken, Attempt, CredentialVersion, Evidence
from payments.services import attempts, checking, evidence, upstream
from reconciliation import asking, sweeps, tasks
from tests.committed import committed_db as committed_db  # noqa: PLC0414 - a fixture
from tests.journeys.shopfloor import Till, attempt_of, new_key, open_reviews

MINUTE = timedelta(minutes=1)


@pytest.fixture
def db(committed_db):
    """Commit for real: sweeps ask in threads."""


@pytest.fixture
def cashier(till, cashier_key, api):
    return Till(api(cashier_key))


@pytest.fixture
def waiting(cashier, daraja):
    """Four customers who have not answered yet."""
    daraja.set_default("handset")
    return [cashier.sell(phone_number=f"07220000{number:02}") for number in range(4)]


def all_due(at):
    Attempt.objects.update(next_ask_at=at)


class TestAskDueAttempts:
    def test_keeps_to_the_budget_of_each_app_and_asks_the_rest_later(
        self, waiting, daraja, now, settings
    ):
        settings.QUERY_BUDGET_PER_MINUTE = 2
        all_due(now)

        sweeps.ask_due_attempts(now=now)

        assert len(daraja.ledger.queries) == 2
        left = Attempt.objects.filter(asked_count=0)
        assert left.count() == 2
        assert all(now < row.next_ask_at <= now + timedelta(seconds=61) for row in left)
        sweeps.ask_due_attempts(now=now + timedelta(seconds=62))
        assert len(daraja.ledger.queries) == 4

    def test_gives_an_app_the_budget_an_operator_raised(self, waiting, daraja, now, settings):
        settings.QUERY_BUDGET_PER_MINUTE = 1
        AccessToken.objects.update(query_budget_per_minute=4)
        all_due(now)

        sweeps.ask_due_attempts(now=now)

        assert len(daraja.ledger.queries) == 4

    def test_takes_every_shops_oldest_first(
        self,
        shop,
        waiting,
        daraja,
        now,
        settings,
        monkeypatch,
        neighbour,
        make_config,
        neighbour_key,
        api,
    ):
        make_config(neighbour, shortcode="600300")
        api(neighbour_key).post(
            "/payments",
            {"amount": "1", "phone_number": "0733000001"},
            **{"Idempotency-Key": new_key()},
        )
        all_due(now)
        monkeypatch.setattr(asking, "ASK_BATCH", 2)

        first_two = asking.claim(now=now, until=now + MINUTE)

        assert {row.shop_id for row in first_two} == {neighbour.pk, shop.pk}

    def test_claims_nothing_twice(self, waiting, now):
        all_due(now)

        first = asking.claim(now=now, until=now + MINUTE)

        assert len(first) == 4
        assert asking.claim(now=now, until=now + MINUTE) == []

    def test_asks_only_fresh_ones_when_told(self, waiting, daraja, now, settings):
        settings.QUERY_BUDGET_PER_MINUTE = 0
        old = attempt_of(waiting[0])
        Attempt.objects.filter(pk=old.pk).update(requested_at=now - timedelta(minutes=6))
        all_due(now)

        sweeps.ask_fresh_attempts(now=now)

        assert len(daraja.ledger.queries) == 3

    def test_asks_with_the_credentials_the_attempt_was_made_with(
        self, waiting, till, daraja, now, settings
    ):
        """The old version was rotated out; its prompts are still asked about (I21)."""
        settings.QUERY_BUDGET_PER_MINUTE = 0
        old = CredentialVersion.objects.get(config=till)
        CredentialVersion.objects.filter(pk=old.pk).update(status="rotated")
        till.is_active = False
        till.save(update_fields=["is_active"])
        all_due(now)

        sweeps.ask_due_attempts(now=now)

        assert {query.status for query in daraja.ledger.queries} == {500}
        assert {query.error_message for query in daraja.ledger.queries} == {
            "The transaction is being processed"
        }

    def test_does_not_count_what_this_process_had_no_room_to_ask(self, waiting, now, monkeypatch):
        def full():
            raise upstream.ProviderUnavailable("full")

        monkeypatch.setattr(upstream, "take_slot", full)
        all_due(now)

        sweeps.ask_due_attempts(now=now)

        assert set(Attempt.objects.values_list("asked_count", flat=True)) == {0}
        assert not Attempt.objects.filter(next_ask_at=None).exists()

    def test_stops_after_twelve_and_tells_a_person(self, waiting, now):
        Attempt.objects.update(asked_count=attempts.MAX_ASKS - 1)
        all_due(now)

        sweeps.ask_due_attempts(now=now)

        assert set(Attempt.objects.values_list("next_ask_at", flat=True)) == {None}
        assert open_reviews(waiting[0]) == {"UNRESOLVED": False}

    def test_survives_one_that_cannot_be_asked(self, waiting, daraja, now, monkeypatch, settings):
        settings.QUERY_BUDGET_PER_MINUTE = 0
        spoiled = attempt_of(waiting[0]).pk
        real = checking.query

        def stumble(attempt, **more):
            if attempt.pk == spoiled:
                raise ValueError("nobody thought of this")
            return real(attempt, **more)

        monkeypatch.setattr(checking, "query", stumble)
        all_due(now)

        sweeps.ask_due_attempts(now=now)

        assert len(daraja.ledger.queries) == 3
        assert Attempt.objects.get(pk=spoiled).next_ask_at > now

    def test_applies_the_others_where_one_spoils_the_set(
        self, waiting, daraja, now, monkeypatch, settings
    ):
        settings.QUERY_BUDGET_PER_MINUTE = 0
        for number in range(4):
            daraja.press(f"25472200000{number}")
        spoiled = attempt_of(waiting[0]).pk
        real = evidence.apply_batch

        def stumble(batch, *, now):
            if any(each.attempt_id == spoiled for each in batch):
                raise ValueError("nobody thought of this")
            return real(batch, now=now)

        monkeypatch.setattr(checking, "apply_batch", stumble)
        monkeypatch.setattr(evidence, "apply_batch", stumble)
        all_due(now)

        sweeps.ask_due_attempts(now=now)

        told = set(Evidence.objects.values_list("attempt_id", flat=True))
        assert told == {attempt_of(sale).pk for sale in waiting[1:]}
        assert Attempt.objects.get(pk=spoiled).next_ask_at > now


class TestSchedule:
    def test_names_every_sweep_and_every_task(self):
        names = {sweep.name for sweep in SWEEPS}

        assert names <= set(sweeps.SWEEPS)
        assert all(hasattr(tasks, name) for name in names)
        assert {entry["task"].rsplit(".", 1)[1] for entry in BEAT_SCHEDULE.values()} == names

    def test_believes_before_it_asks_and_asks_before_it_gives_up(self):
        order = [sweep.name for sweep in SWEEPS]

        assert order.index("reprocess_callbacks") < order.index("ask_due_attempts")
        assert order.index("ask_due_attempts") < order.index("expire_overdue")

    def test_runs_as_often_as_promised(self):
        every_s = {sweep.name: sweep.every_s for sweep in SWEEPS}

        assert every_s["ask_fresh_attempts"] <= 20
        assert every_s["ask_due_attempts"] <= 120
        assert every_s["expire_overdue"] <= 300

    def test_rings_the_sweep_of_its_name(self, db, monkeypatch):
        rung = []

        def ring(name, *, now):
            rung.append(name)

        monkeypatch.setattr(tasks, "run_sweep", ring)

        for sweep in SWEEPS:
            getattr(tasks, sweep.name)()

        assert rung == [sweep.name for sweep in SWEEPS]
