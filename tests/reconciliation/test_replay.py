"""
Processing callbacks again: a dry run leaves nothing and tells exactly what the real one does.

Every recorded body of a prompt's result and of C2B goes through: tried, looked at, applied.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection

from audit.actors import Actor, ActorKind
from audit.models import AuditEntry
from payments.choices import CallbackStatus
from payments.errors import InvalidInput
from payments.models import Attempt, Event, ProviderCallback, Receipt, Review
from payments.services import callbacks
from payments.services.money_audit import audit_money
from reconciliation import replay, replays, sweeps
from reconciliation.models import Replay
from reconciliation.replay import changes_between, snapshot
from tests import world
from tests.backoffice import ours, theirs
from tests.payloads import bodies
from tests.payments.services import arrival_world

__all__ = ["ours", "theirs"]
pytestmark = pytest.mark.django_db

MANAGER = Actor(kind=ActorKind.USER, id="1", label="manager@duka.test", role="manager", reason="x")
PLATFORM = Actor(kind=ActorKind.USER, id="2", label="r@malipo.test", role="super_admin", reason="x")
STRANGER = "203.0.113.9"
_TABLES = sorted(
    {
        model._meta.db_table
        for app in ("tenants", "audit", "payments", "reconciliation")
        for model in apps.get_app_config(app).get_models(include_auto_created=True)
    }
)


def everything():
    """Return a fingerprint of every row of every table of ours."""
    found = {}
    with connection.cursor() as cursor:
        for table in _TABLES:
            cursor.execute(
                f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t"  # noqa: S608
            )
            found[table] = cursor.fetchone()
    return found


def stored(kind, subject, body, *, now, status=CallbackStatus.DEAD, source="196.201.214.200"):
    """Put a callback into the inbox that waits for a person."""
    row_id = callbacks.receive(
        kind=kind,
        subject_id=subject,
        body=body.encode() if isinstance(body, str) else json.dumps(body).encode(),
        content_type="application/json",
        source_ip=source,
        now=now,
    )
    ProviderCallback.objects.filter(pk=row_id).update(status=status, next_try_at=None)
    return ProviderCallback.objects.get(pk=row_id)


def of_the_prompt(payment, body):
    """Let a recorded body be about this payment's prompt."""
    told = json.loads(body)
    checkout = told["Body"]["stkCallback"]["CheckoutRequestID"]
    Attempt.objects.filter(payment=payment).update(checkout_request_id=checkout)
    return payment.attempts.get()


def _cases(kind):
    return [
        pytest.param(body, amount, id=f"{name}-{amount}")
        for name, body in bodies(kind)
        for amount in ("asked", "other")
    ]


def hold_against_reality(callback, *, now, actor=MANAGER):
    """Try, see that nothing is left, apply, and see that it was as the try had said."""
    before = everything()
    said = replay.preview(callback=callback, actor=actor, now=now)
    assert everything() == before

    events = set(Event.objects.values_list("pk", flat=True))
    touched = touched_by(said, callback)
    was = snapshot(touched)
    row = replay.apply(callback=callback, actor=actor, now=now + timedelta(seconds=1))
    new = Event.objects.exclude(pk__in=events).order_by("environment", "seq")

    assert (row.status, row.problem) == (said.status, said.problem)
    assert [event.type for event in new] == said.events
    done = changes_between(was, snapshot(touched))
    assert [(c.kind, c.name, c.fields) for c in done] == [
        (c.kind, c.name, c.fields) for c in said.changes
    ]
    assert audit_money() == []
    return said


def touched_by(said, callback):
    payments = {c.name for c in said.changes if c.kind == "payment"}
    payments |= {str(c.after["payment_id"]) for c in said.changes if c.kind == "receipt"}
    payments |= {c.name.split()[0] for c in said.changes if c.kind == "evidence"}
    payments |= {str(callback.payment_id or "")}
    numbers = [c.name for c in said.changes if c.kind == "receipt"]

    class Now(replay.Touched):
        """Receipts by number: a new one has another id each time it is made."""

        @property
        def receipts(self):
            ids = Receipt.objects.filter(number__in=numbers).values_list("pk", flat=True)
            return frozenset(map(str, ids))

        @receipts.setter
        def receipts(self, _value):
            """Is looked up each time."""

    object.__setattr__(found := Now.__new__(Now), "callback_id", callback.pk)
    object.__setattr__(found, "subject_id", callback.subject_id)
    object.__setattr__(found, "payments", frozenset(payments - {"", "None"}))
    return found


class TestADryRun:
    @pytest.mark.parametrize(("body", "amount"), _cases("stk_callback"))
    @pytest.mark.parametrize("actor", [MANAGER, PLATFORM], ids=["shop", "platform"])
    def test_says_what_a_result_of_a_prompt_does(self, till, now, body, amount, actor):
        items = json.loads(body)["Body"]["stkCallback"].get("CallbackMetadata", {}).get("Item", [])
        told = next((item.get("Value") for item in items if item["Name"] == "Amount"), 150)
        asked = int(float(told)) if amount == "asked" else int(float(told)) + 7
        payment = arrival_world.ask(till, now=now, amount=asked, order_ref="O-1")
        attempt = of_the_prompt(payment, body)
        callback = stored("stk", attempt.pk, body, now=now)

        said = hold_against_reality(callback, now=now, actor=actor)

        assert said.changes
        again = replay.apply(callback=callback, actor=actor, now=now)
        count = Event.objects.count()
        replay.apply(callback=callback, actor=actor, now=now)
        assert again.status == said.status
        assert Event.objects.count() == count

    @pytest.mark.parametrize(("body", "amount"), _cases("c2b_confirmation"))
    def test_says_what_money_that_arrives_does(self, shop, make_config, now, body, amount):
        told = json.loads(body)
        config = make_config(
            shop, provider="mpesa_paybill", shortcode=str(told["BusinessShortCode"])
        )
        paid = int(float(told["TransAmount"]))
        payment = arrival_world.ask(config, now=now, amount=paid + (amount == "other"))
        payment.account_reference = told.get("BillRefNumber") or payment.account_reference
        payment.save(update_fields=["account_reference"])
        callback = stored("c2b", config.pk, body, now=now)

        said = hold_against_reality(callback, now=now)

        assert "receipt.received" in said.events
        assert said.changes_money

    def test_counts_as_many_events_as_are_written(self, till, now):
        payment = arrival_world.ask(till, now=now, amount=5)
        name, body = bodies("stk_callback")[0]
        callback = stored("stk", of_the_prompt(payment, body).pk, body, now=now)

        said = hold_against_reality(callback, now=now)

        assert name
        assert said.events == ["payment.completed"]
        assert {c.kind for c in said.changes} == {"payment", "receipt", "evidence"}
        paid = next(c for c in said.changes if c.kind == "payment")
        assert ("status", "pending", "completed") in paid.fields

    def test_of_a_strangers_word_is_the_shops_alone(self, shop, make_config, now):
        config = make_config(shop, environment="production")
        payment = arrival_world.ask(config, now=now, amount=5)
        body = bodies("stk_callback")[0][1]
        attempt = of_the_prompt(payment, body)
        callback = stored("stk", attempt.pk, body, now=now, source=STRANGER)

        by_platform = replay.preview(callback=callback, actor=PLATFORM, now=now)
        by_shop = replay.preview(callback=callback, actor=MANAGER, now=now)

        assert (by_platform.status, by_platform.changes_money) == ("quarantined", False)
        assert (by_shop.status, by_shop.changes_money) == ("applied", True)
        assert hold_against_reality(callback, now=now, actor=PLATFORM).status == "quarantined"
        payment.refresh_from_db()
        assert payment.status == "pending"
        assert Review.objects.get().code == "UNLISTED_SOURCE"

    def test_of_what_is_settled_or_has_no_body_does_nothing(self, ours, now):
        callback = ours.callbacks["here"]
        assert replay.preview(callback=callback, actor=MANAGER, now=now).changes == []
        ProviderCallback.objects.filter(pk=callback.pk).update(body="", status="dead")
        said = replay.preview(callback=callback, actor=MANAGER, now=now)
        assert (said.status, said.changes) == ("dead", [])

    @pytest.mark.parametrize("body", ["", "{", "[" * 9000, "null", '{"Body": 1}', "\x00"])
    def test_of_what_nobody_can_read_says_so(self, till, now, body):
        payment = arrival_world.ask(till, now=now)
        callback = stored("stk", payment.attempts.get().pk, body or " ", now=now)

        said = hold_against_reality(callback, now=now)

        assert said.status == "dead"
        assert said.problem.startswith("Unreadable")

    @pytest.mark.parametrize(
        "kind", ["stk", "proof", "c2b", "c2b_ask", "bank", "result", "timeout"]
    )
    def test_of_nobodys_row_says_so(self, ours, now, kind):
        callback = stored(kind, ours.shop.pk, "{}", now=now)

        said = hold_against_reality(callback, now=now)

        assert said.changes == []
        assert said.events == []

    def test_looks_at_several_and_survives_what_breaks(self, ours, now, monkeypatch):
        rows = list(ours.callbacks.values())[:2]
        ProviderCallback.objects.update(status="dead")
        real = replay.apply

        def breaks(*, callback, **more):
            if callback == rows[0]:
                raise RuntimeError
            return real(callback=callback, **more)

        monkeypatch.setattr(replay, "apply", breaks)
        before = everything()
        (_row, first), (_other, second) = replay.preview_some(rows, actor=MANAGER, now=now)

        assert first is None
        assert second.status == "duplicate"
        assert everything() == before


@pytest.fixture
def dead(ours):
    ProviderCallback.objects.filter(shop=ours.shop).update(status="dead")
    return [ours.callbacks[place].pk for place in world.PLACES]


def ask(ids, shop, now, actor=MANAGER, reason="Parser mended"):
    return replays.ask(ids=ids, shop_id=shop.pk, reason=reason, actor=actor, now=now)


class TestAPlan:
    def test_counts_what_waits(self, ours, theirs, dead, now):
        ProviderCallback.objects.filter(pk=dead[0]).update(
            status="quarantined", received_at=now - timedelta(days=2)
        )
        ProviderCallback.objects.filter(pk=dead[1]).update(body="")

        found = replay.plan(ProviderCallback.objects.all())

        assert found.ids == [dead[0], dead[2]]
        assert found.by_status == {"quarantined": 1, "dead": 1}
        assert found.by_kind == {"stk": 2}
        assert (found.oldest, found.left_out, found.steps) == (now - timedelta(days=2), 0, 1)

    def test_of_nothing_is_empty(self, ours):
        found = replay.plan(ProviderCallback.objects.all())

        assert (found.ids, found.oldest, found.steps) == ([], None, 0)

    def test_takes_a_bounded_number(self, ours, dead, monkeypatch):
        monkeypatch.setattr(replay, "MOST_ROWS", 2)

        found = replay.plan(ProviderCallback.objects.all())

        assert (len(found.ids), found.left_out) == (2, 1)

    @pytest.mark.parametrize(("reason", "ids"), [(" ", 1), ("x", 0)])
    def test_needs_a_reason_and_rows(self, ours, dead, now, reason, ids):
        with pytest.raises(InvalidInput):
            ask(dead[:ids], ours.shop, now, reason=reason)

        assert not Replay.objects.exists()


class TestAReplay:
    def test_does_each_row_once_and_tells(self, ours, dead, now):
        planned = ask(dead, ours.shop, now)

        assert sweeps.SWEEPS["run_replays"](now=now) == 3
        assert sweeps.SWEEPS["run_replays"](now=now) == 0

        planned.refresh_from_db()
        assert (planned.done, planned.applied, planned.problems) == (3, 3, [])
        assert planned.finished_at == now
        assert set(ProviderCallback.objects.values_list("status", flat=True)) == {"duplicate"}
        entry = AuditEntry.objects.get(action="callback.replayed")
        assert (entry.shop, entry.reason) == (ours.shop, "Parser mended")
        assert AuditEntry.objects.filter(action="callback.applied_again").count() == 3
        assert world.settled(ours)

    def test_twice_is_as_once(self, ours, dead, now):
        ask(dead, ours.shop, now)
        ask(dead, ours.shop, now)
        replays.run(now=now)
        before = world.money_now()
        replays.run(now=now)

        assert world.money_now() == before
        first, second = Replay.objects.order_by("pk")
        assert {len(first.problems), len(second.problems)} == {0, 3}
        assert AuditEntry.objects.filter(action="callback.applied_again").count() == 3

    def test_goes_on_where_somebody_was_killed(self, ours, dead, now, monkeypatch):
        """The row that was under way is undone with its mark, and done by the next."""
        planned = ask(dead, ours.shop, now)
        real, calls = replay.apply, []

        def killed(**given):
            calls.append(given["callback"].pk)
            if len(calls) == 2:
                real(**given)
                raise KeyboardInterrupt
            return real(**given)

        monkeypatch.setattr(replay, "apply", killed)
        with pytest.raises(KeyboardInterrupt):
            replays.run(now=now)
        planned.refresh_from_db()
        assert (planned.done, planned.finished_at) == (1, None)
        statuses = ProviderCallback.objects.values_list("status", flat=True)
        assert sorted(statuses) == ["dead", "dead", "duplicate"]

        replays.run(now=now)

        planned.refresh_from_db()
        assert (planned.done, planned.applied) == (3, 3)
        assert calls == [dead[0], dead[1], dead[1], dead[2]]

    def test_takes_small_steps(self, ours, dead, now, monkeypatch):
        monkeypatch.setattr(replay, "STEP", 2)
        planned = ask(dead, ours.shop, now)

        assert (replays.run(now=now), replays.run(now=now), replays.run(now=now)) == (2, 1, 0)
        planned.refresh_from_db()
        assert planned.done == 3

    def test_notes_what_breaks_and_goes_on(self, ours, dead, now, monkeypatch):
        planned = ask(dead, ours.shop, now)
        real = replay.apply

        def breaks(*, callback, **more):
            if callback.pk == dead[1]:
                raise RuntimeError
            return real(callback=callback, **more)

        monkeypatch.setattr(replay, "apply", breaks)
        replays.run(now=now)

        planned.refresh_from_db()
        assert (planned.done, planned.applied) == (3, 2)
        assert planned.problems == [
            {"callback": str(dead[1]), "problem": "RuntimeError while applying."}
        ]

    def test_of_the_platform_moves_no_strangers_word(self, ours, dead, now):
        """Not even one that was put aside after the plan was made."""
        planned = ask(dead, ours.shop, now, actor=PLATFORM)
        ProviderCallback.objects.filter(pk=dead[0]).update(status="quarantined")

        replays.run(now=now)

        planned.refresh_from_db()
        assert (planned.done, planned.applied) == (3, 2)
        assert ProviderCallback.objects.get(pk=dead[0]).status == "quarantined"
