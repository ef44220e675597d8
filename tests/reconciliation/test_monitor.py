"""The callback monitor: what comes in just now, to whom it is shown, and in how few statements."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.models import AuditEntry
from payments.choices import CallbackStatus
from payments.models import ProviderCallback
from payments.services import callbacks
from reconciliation import monitor
from tests import world
from tests.backoffice import browse, ours, root, support, theirs

__all__ = ["browse", "ours", "root", "support", "theirs"]
pytestmark = pytest.mark.django_db
PAGE = "/admin/monitor/"
MINUTE = timedelta(minutes=1)


def put(corner, *, at, status="applied", times=1, **more):
    rows = [
        ProviderCallback(
            kind="stk",
            subject_id=corner.payments["here"].pk,
            shop=corner.shop,
            payment=corner.payments["here"],
            status=status,
            digest="0" * 64,
            size=300,
            source_ip="196.201.214.200",
            received_at=at,
            **more,
        )
        for _time in range(times)
    ]
    return ProviderCallback.objects.bulk_create(rows)


class TestLooking:
    def test_counts_by_status_kind_and_minute(self, ours, now):
        ProviderCallback.objects.all().delete()
        put(ours, at=now, times=3)
        put(ours, at=now - 2 * MINUTE, status="quarantined", times=2)
        put(ours, at=now - 16 * MINUTE, times=9)

        seen = monitor.look(ours.users["admin"], window=15 * MINUTE, now=now)

        assert {line.value: (line.total, line.most) for line in seen.statuses} == {
            "applied": (3, 3),
            "quarantined": (2, 2),
        }
        assert [(line.value, line.total) for line in seen.kinds] == [("stk", 5)]
        assert [(row.total, row.by_status) for row in seen.minutes] == [(3, [3, 0]), (2, [0, 2])]
        assert seen.total == len(seen.calls) == 5

    def test_counts_the_newest_only_where_very_many_come(self, ours, now, monkeypatch):
        monkeypatch.setattr(monitor, "MOST_COUNTED", 4)
        monkeypatch.setattr(monitor, "MOST_LISTED", 2)
        put(ours, at=now, times=6)

        seen = monitor.look(ours.users["admin"], window=15 * MINUTE, now=now)

        assert (seen.total, seen.is_cut, len(seen.calls)) == (4, True, 2)

    def test_takes_a_handful_of_statements_however_many_came(
        self, ours, now, django_assert_max_num_queries
    ):
        put(ours, at=now, times=40)
        user = ours.users["admin"]

        with django_assert_max_num_queries(6):
            monitor.look(user, window=60 * MINUTE, now=now)


class TestThePage:
    def test_shows_calls_with_what_was_done(self, ours, browse):
        callback = ours.callbacks["here"]
        ProviderCallback.objects.update(processing_ms=4321)

        shown = browse(ours.users["manager"]).get(PAGE).text

        for text in (str(callback.pk), str(ours.payments["here"].pk), "4,321", "Listed"):
            assert text in shown

    def test_has_an_empty_state(self, ours, browse):
        ProviderCallback.objects.update(payment=None)
        ProviderCallback.objects.all().update(received_at="2020-01-01T00:00:00Z")

        shown = browse(ours.users["admin"]).get(PAGE).text

        assert "While payments are taken, that is a bad sign." in shown

    def test_gives_its_live_part_alone(self, ours, browse):
        part = browse(ours.users["admin"]).get(PAGE, {"minutes": "60", "live": "1"})

        assert "no-store" in part["Cache-Control"]
        assert "<html" not in part.text
        assert str(ours.callbacks["here"].pk) in part.text

    @pytest.mark.parametrize(
        ("who", "status"),
        [("admin", 200), ("manager", 200), ("branch_admin", 200), ("cashier", 403)],
    )
    def test_follows_the_matrix(self, ours, browse, who, status):
        assert browse(ours.users[who]).get(PAGE).status_code == status

    def test_takes_no_post(self, ours, browse):
        assert browse(ours.users["admin"]).post(PAGE).status_code == 405

    def test_shows_nobody_elses_calls(self, ours, theirs, browse):
        shown = browse(theirs.users["admin"]).get(PAGE).text

        assert str(theirs.callbacks["here"].pk) in shown
        assert not {mark for mark in ours.marks() if mark in shown}

    def test_keeps_to_the_branch(self, ours, browse):
        shown = browse(ours.users["branch_admin"]).get(PAGE).text

        assert str(ours.callbacks["here"].pk) in shown
        assert str(ours.callbacks["elsewhere"].pk) not in shown

    def test_shows_a_row_of_no_shop_to_the_platform_alone(self, ours, root, browse, now):
        row_id = callbacks.receive(
            kind="stk",
            subject_id=ours.shop.pk,
            body=b"{}",
            content_type="",
            source_ip="10.9.9.9",
            now=now,
        )

        assert str(row_id) in browse(root).get(PAGE).text
        assert str(row_id) not in browse(ours.users["admin"]).get(PAGE).text

    def test_lets_support_look_only_where_it_was_let_in_and_tells_the_shop(
        self, ours, theirs, support, browse, now
    ):
        world.let_support_in(ours, now=now - MINUTE)

        shown = browse(support).get(PAGE)

        assert str(ours.callbacks["here"].pk) in shown.text
        assert str(theirs.callbacks["here"].pk) not in shown.text
        assert "data-live" not in shown.text
        told = AuditEntry.objects.filter(action="support_access.read")
        assert set(told.values_list("shop", flat=True)) == {ours.shop.pk}


class TestApplyingAgain:
    @pytest.fixture
    def dead(self, ours):
        rows = ProviderCallback.objects.filter(pk=ours.callbacks["here"].pk)
        rows.update(status=CallbackStatus.DEAD, problem="broken")
        return ours.callbacks["here"]

    def link(self, row, method="apply_again"):
        return f"/admin/payments/providercallback/{row.pk}/do/{method}/"

    def test_is_offered_to_the_shop(self, ours, browse, dead):
        client = browse(ours.users["manager"])

        assert self.link(dead) in client.get(PAGE).text
        assert client.get(self.link(dead)).status_code == 200

    def test_is_offered_to_whoever_runs_the_platform(self, root, browse, dead):
        assert self.link(dead, "apply_dead") in browse(root).get(PAGE).text

    def test_is_not_offered_without_a_body(self, ours, browse, dead):
        ProviderCallback.objects.update(body="")

        assert self.link(dead) not in browse(ours.users["manager"]).get(PAGE).text
