"""Processing callbacks again in the back office: tried, planned, followed; never by whom it is not."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from payments.choices import CallbackStatus
from payments.models import ProviderCallback
from payments.services import callbacks
from reconciliation import replays
from reconciliation.models import Replay
from tests import world
from tests.backoffice import browse, ours, root, support, theirs
from tests.payments.services import arrival_world

__all__ = ["browse", "ours", "root", "support", "theirs"]
pytestmark = pytest.mark.django_db
PLAN = "/admin/reconciliation/replay/plan/"
INBOX = "/admin/payments/providercallback/"


@pytest.fixture
def dead(ours):
    """Let all callbacks of our shop wait for a person."""
    ProviderCallback.objects.filter(shop=ours.shop).update(status=CallbackStatus.DEAD)
    return ours.callbacks


@pytest.fixture
def manager(ours, browse):
    return browse(ours.users["manager"])


def try_of(callback):
    return reverse("admin:reconciliation_replay_try", args=[callback.pk])


def seen_in(answer):
    return answer.context["form"]["seen"].value()


class TestATry:
    def test_shows_what_would_change_and_changes_nothing(self, ours, manager, now):
        config = ours.configs["here"]
        payment = arrival_world.ask(config, now=now)
        items = [
            {"Name": "Amount", "Value": 150},
            {"Name": "MpesaReceiptNumber", "Value": "TKL4ABC123"},
        ]
        attempt = payment.attempts.get()
        told = {
            "MerchantRequestID": "m",
            "CheckoutRequestID": attempt.checkout_request_id,
            "ResultCode": 0,
            "ResultDesc": "ok",
            "CallbackMetadata": {"Item": items},
        }
        pk = callbacks.receive(
            kind="stk",
            subject_id=attempt.pk,
            body=json.dumps({"Body": {"stkCallback": told}}).encode(),
            content_type="application/json",
            source_ip="196.201.214.200",
            now=now,
        )
        ProviderCallback.objects.filter(pk=pk).update(
            status="dead", shop=ours.shop, payment=payment, next_try_at=None
        )
        before = world.money_now()

        text = manager.get(try_of(ProviderCallback.objects.get(pk=pk))).text

        assert world.money_now() == before
        assert "The callback would be: Applied." in text
        assert "payment.completed" in text
        assert "TKL4ABC123" in text
        assert "nothing has changed yet" in text

    def test_is_offered_where_it_can_be_done(self, ours, dead, manager, support, browse, now):
        world.let_support_in(ours, now=now)
        page = reverse("admin:payments_providercallback_change", args=[dead["here"].pk])

        assert try_of(dead["here"]) in manager.get(page).text
        assert try_of(dead["here"]) not in browse(support).get(page).text
        ProviderCallback.objects.filter(pk=dead["here"].pk).update(status="applied")
        assert try_of(dead["here"]) not in manager.get(page).text
        assert manager.get(try_of(dead["here"])).status_code == 302

    def test_is_not_for_everybody(self, ours, theirs, dead, browse, support, root, now):
        world.let_support_in(ours, now=now)
        url = try_of(dead["here"])

        assert browse(theirs.users["admin"]).get(url).status_code == 404
        assert browse(ours.users["cashier"]).get(url).status_code == 404
        assert browse(support).get(url).status_code == 403
        assert browse(root).get(url).status_code == 200
        ProviderCallback.objects.filter(pk=dead["here"].pk).update(status="quarantined")
        assert browse(root).get(url).status_code == 302
        assert browse(ours.users["branch_admin"]).get(url).status_code == 200
        assert browse(ours.users["branch_admin"]).get(try_of(dead["elsewhere"])).status_code == 404


class TestAPlan:
    def test_counts_tells_and_starts(self, ours, dead, manager, now):
        shown = manager.get(PLAN, {"status__exact": "dead"})
        assert "STK result: 3" in shown.text
        assert "Duplicate" in shown.text

        lacking = manager.post(f"{PLAN}?status__exact=dead", {"seen": seen_in(shown)})
        assert lacking.status_code == 200
        assert not Replay.objects.exists()
        given = {"seen": seen_in(shown), "reason": "Parser mended"}
        done = manager.post(f"{PLAN}?status__exact=dead", given, follow=True)

        row = Replay.objects.get()
        assert (row.shop, len(row.callback_ids), row.reason) == (ours.shop, 3, "Parser mended")
        assert "0 / 3" in done.text
        assert "data-live" in done.text
        replays.run(now=now)
        finished = manager.get(reverse("admin:reconciliation_replay_change", args=[row.pk])).text
        assert "3 / 3" in finished
        assert "All were applied." in finished
        assert "data-live" not in finished

    def test_starts_nothing_that_was_not_seen(self, ours, dead, manager):
        shown = manager.get(PLAN)
        ProviderCallback.objects.filter(pk=dead["here"].pk).update(status="applied")

        given = {"seen": seen_in(shown), "reason": "x"}
        answer = manager.post(PLAN, given)

        assert "The inbox changed meanwhile: look again." in answer.text
        assert not Replay.objects.exists()
        assert manager.post(PLAN, {**given, "seen": seen_in(answer)}).status_code == 302

    def test_is_empty_where_nothing_waits(self, ours, manager):
        assert "Nothing among them waits to be processed again." in manager.get(PLAN).text

    def test_is_made_from_what_is_ticked_in_the_inbox(self, ours, dead, manager):
        ticked = {
            "action": "process_again",
            "_selected_action": [dead["here"].pk, dead["live"].pk],
        }
        one = manager.post(INBOX, ticked, follow=True)
        every = manager.post(f"{INBOX}?status__exact=dead", {**ticked, "select_across": "1"})

        assert len(one.context["plan"].ids) == 2
        assert every["Location"] == f"{PLAN}?status__exact=dead"

    def test_keeps_to_what_one_may_act_on(self, ours, theirs, dead, browse, support, root, now):
        ProviderCallback.objects.filter(shop=theirs.shop).update(status="quarantined")
        world.let_support_in(ours, now=now)
        ids = ",".join(str(row.pk) for row in [*dead.values(), *theirs.callbacks.values()])

        def planned(user):
            return set(browse(user).get(PLAN, {"ids": ids}).context["plan"].ids)

        assert planned(ours.users["admin"]) == {row.pk for row in dead.values()}
        assert planned(ours.users["branch_admin"]) == {dead["here"].pk}
        assert planned(root) == {row.pk for row in dead.values()}
        for nobody in (support, ours.users["cashier"]):
            assert browse(nobody).get(PLAN, {"ids": ids}).status_code == 403
            assert browse(nobody).post(PLAN, {"seen": "x", "reason": "x"}).status_code == 403

    def test_takes_any_address(self, ours, dead, manager):
        for query in ({"kind__exact": "x"}, {"received_at__gte": "2026-99-99"}, {"status": "x"}):
            assert manager.get(PLAN, query).status_code == 200
        assert manager.get(PLAN, {"ids": "x"}).status_code == 404

    def test_of_several_shops_is_one_at_a_time(self, ours, theirs, dead, root, browse):
        ProviderCallback.objects.filter(shop=theirs.shop).update(status="dead")
        client = browse(root)
        shown = client.get(PLAN)

        client.post(PLAN, {"seen": seen_in(shown), "reason": "Parser mended"})

        assert Replay.objects.get().shop is None
        assert browse(ours.users["admin"]).get("/admin/reconciliation/replay/").status_code == 200


class TestProgress:
    def test_names_what_was_not_applied(self, ours, dead, manager, now, monkeypatch):
        def breaks(**_given):
            raise RuntimeError

        row = Replay.objects.create(
            shop=ours.shop, callback_ids=[str(dead["here"].pk)], reason="x", asked_by="a@b.test",
            actor={"kind": "user", "role": "manager"},
        )  # fmt: skip
        monkeypatch.setattr("reconciliation.replay.apply", breaks)
        replays.run(now=now)

        text = manager.get(reverse("admin:reconciliation_replay_change", args=[row.pk])).text

        assert "RuntimeError while applying." in text
        assert "STK result" in text

    def test_is_no_neighbours(self, ours, theirs, manager):
        row = Replay.objects.create(shop=theirs.shop, callback_ids=[], reason="x", asked_by="a")

        assert (
            manager.get(reverse("admin:reconciliation_replay_change", args=[row.pk])).status_code
            == 404
        )
        assert manager.get("/admin/reconciliation/replay/").status_code == 200
