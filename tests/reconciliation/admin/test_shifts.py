"""Preparing, signing, reading and exporting a shift in the back office."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import Q
from django.urls import reverse

from audit.actions import AuditAction
from audit.models import AuditEntry
from payments.models import Payment, PaymentConfig
from payments.services import stats
from reconciliation.models import Shift
from reconciliation.shift_totals import Totals
from tests import world

pytestmark = pytest.mark.django_db
CLOSE = "/admin/reconciliation/shift/close/"
SANDBOX = {"environment": "sandbox"}


def prepared(client, **asked):
    return client.get(CLOSE, {**SANDBOX, **asked})


def sign(client, answer, **given):
    """Press the button of a prepared page."""
    found = answer.context["found"]
    return client.post(f"{CLOSE}?{found.query}", {"seen": found.digest, **given})


def written(moment):
    return moment.astimezone(stats.NAIROBI).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.fixture
def manager(ours, browse):
    return browse(ours.users["manager"])


@pytest.fixture(autouse=True)
def earlier_today(ours, now):
    """Take the payments a while ago: a shift ends now, and what is now is not yet in it."""
    begins = stats.midnight(stats.day_of(now))
    Payment.objects.update(created_at=begins + (now - begins) / 2)


class TestPreparing:
    def test_begins_at_midnight_of_nairobi_and_ends_now(self, manager, now):
        scope = prepared(manager).context["found"].scope

        assert scope.since == stats.midnight(stats.day_of(now))
        assert timedelta(0) <= scope.until - now.replace(microsecond=0) < timedelta(minutes=5)

    def test_shows_what_stats_shows(self, ours, manager, now):
        taken = prepared(manager).context["taken"]

        rows = Q(shop=ours.shop)
        assert taken == stats.numbers_of(rows, environment="sandbox", now=now).today
        assert taken.amount == 300

    @pytest.mark.parametrize(
        ("post", "taken"),
        [("admin", 300), ("manager", 300), ("cashier", 300), ("branch_cashier", 150),
         ("branch_admin", 150)],
    )  # fmt: skip
    def test_keeps_to_the_branches_of_the_person(self, ours, browse, post, taken):
        assert prepared(browse(ours.users[post])).context["taken"].amount == taken

    def test_shows_a_bound_person_no_other_branch(self, ours, browse):
        client = browse(ours.users["branch_cashier"])

        page = prepared(client)

        assert f"{ours.name} elsewhere" not in page.content.decode()
        other = {"branch": ours.branches["elsewhere"].pk}
        assert prepared(client, **other).status_code == 404
        answer = prepared(client, config=ours.configs["elsewhere"].pk)
        assert answer.context["taken"] is None

    def test_keeps_a_cashier_to_today(self, ours, browse, now):
        yesterday = {"since": written(now - timedelta(days=1))}

        assert prepared(browse(ours.users["cashier"]), **yesterday).status_code == 403
        assert prepared(browse(ours.users["manager"]), **yesterday).status_code == 200

    @pytest.mark.parametrize(
        "bad",
        [{"since": "yesterday"}, {"until": "2026-13-01T00:00"}, {"config": "x"},
         {"since": "0001-01-01T00:00"}, {"until": "9999-12-31T23:59:59"}, {"cashier": "x" * 300}],
        ids=lambda bad: next(iter(bad)) + str(len(str(bad))),
    )  # fmt: skip
    def test_takes_bad_input_for_what_it_is(self, manager, bad):
        answer = prepared(manager, **bad)

        assert answer.status_code == 200
        assert answer.context["problem"]
        assert answer.context["taken"] is None

    def test_narrows_to_one_cashier_and_config(self, ours, manager):
        Payment.objects.filter(pk=ours.payments["here"].pk).update(created_by="grace@x.test")

        assert prepared(manager, cashier="grace@x.test").context["taken"].count == 1
        assert prepared(manager, config=ours.configs["here"].pk).context["taken"].count == 1
        assert prepared(manager, config=ours.configs["live"].pk).context["taken"] is None

    def test_asks_the_platform_for_a_shop(self, ours, root, browse):
        client = browse(root)
        world.furnish(
            name="Third", number=63, now=stats.midnight(stats.day_of(ours.shop.created_at))
        )

        assert "shops" in client.get(CLOSE).context
        assert prepared(client, shop=ours.shop.pk).context["taken"].amount == 300

    def test_hides_people_from_support_and_tells_the_read(self, ours, support, browse, now):
        Payment.objects.filter(shop=ours.shop).update(created_by="grace@x.test")
        world.let_support_in(ours, now=now)

        text = prepared(browse(support), shop=ours.shop.pk).content.decode()

        assert "grace@x.test" not in text
        assert "g***@x.test" in text
        assert AuditEntry.objects.filter(action=AuditAction.SUPPORT_READ, shop=ours.shop).exists()

    def test_shows_no_neighbour(self, ours, theirs, browse):
        client = browse(theirs.users["admin"])

        assert prepared(client, shop=ours.shop.pk).status_code == 404
        assert ours.name not in prepared(client).content.decode()

    def test_asks_a_fixed_number_of_times(self, manager, django_assert_max_num_queries):
        prepared(manager)

        with django_assert_max_num_queries(35):
            prepared(manager)


class TestSigning:
    def test_freezes_what_was_shown(self, ours, manager):
        answer = sign(manager, prepared(manager), reported="310.50", note="10.50 too much")

        shift = Shift.objects.get()
        assert answer["Location"] == reverse("admin:reconciliation_shift_change", args=[shift.pk])
        assert Totals.from_data(shift.totals).taken.amount == 300
        assert (shift.reported, shift.shop) == (Decimal("310.50"), ours.shop)
        page = manager.get(answer["Location"]).content.decode()
        assert "310.50" in page
        assert "+10.50" in page
        entry = AuditEntry.objects.get(action=AuditAction.SHIFT_CLOSED)
        assert entry.actor_label == ours.users["manager"].email

    @pytest.mark.parametrize("post", ["cashier", "branch_cashier"])
    def test_is_not_a_cashiers(self, ours, browse, post):
        client = browse(ours.users[post])

        assert sign(client, prepared(client)).status_code == 403
        assert Shift.objects.count() == 0

    def test_is_nobodys_of_the_platform(self, ours, root, support, browse, now):
        world.let_support_in(ours, now=now)
        for user in (root, support):
            client = browse(user)
            answer = prepared(client, shop=ours.shop.pk)
            assert sign(client, answer).status_code in {403, 404}
        assert Shift.objects.count() == 0

    def test_signs_a_branch_for_who_is_bound_to_it(self, ours, browse):
        client = browse(ours.users["branch_admin"])

        sign(client, prepared(client))

        assert Shift.objects.get().branch == ours.branches["here"]

    def test_asks_to_look_again_where_the_numbers_changed(self, ours, manager):
        shown = prepared(manager)
        Payment.objects.filter(pk=ours.payments["here"].pk).update(status="reversed")

        answer = sign(manager, shown)

        assert "changed" in answer.context["problem"]
        assert Shift.objects.count() == 0
        sign(manager, answer)
        assert Totals.from_data(Shift.objects.get().totals).taken.amount == 150

    def test_pressed_twice_signs_once(self, manager):
        shown = prepared(manager)

        sign(manager, shown)
        answer = sign(manager, shown)

        assert "covers part" in answer.context["problem"]
        assert Shift.objects.count() == 1

    @pytest.mark.parametrize("reported", ["-1", "ten", "1.005", "1" * 20])
    def test_takes_no_bad_amount(self, manager, reported):
        answer = sign(manager, prepared(manager), reported=reported)

        assert answer.context["sign_form"].errors
        assert Shift.objects.count() == 0


class TestASignedShift:
    @pytest.fixture
    def shift(self, manager):
        sign(manager, prepared(manager), reported="300")
        return Shift.objects.get()

    def page(self, shift):
        return reverse("admin:reconciliation_shift_change", args=[shift.pk])

    def test_shows_what_changed_beside_what_was_signed(self, ours, manager, shift):
        before = manager.get(self.page(shift)).content.decode()
        Payment.objects.filter(pk=ours.payments["here"].pk).update(status="reversed")

        after = manager.get(self.page(shift)).content.decode()

        assert "Nothing has changed since" in before
        assert "-150 (-1)" in after
        assert "Changed since" in after

    def test_is_a_table_a_spreadsheet_runs_nothing_of(self, ours, browse, shift):
        PaymentConfig.objects.filter(pk=ours.configs["here"].pk).update(name="=1+1")
        Payment.objects.filter(shop=ours.shop).update(created_by="@SUM(1)")
        shift.delete()
        client = browse(ours.users["admin"])
        sign(client, prepared(client))
        url = reverse("admin:reconciliation_shift_csv", args=[Shift.objects.get().pk])

        answer = client.post(url)

        rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
        assert rows[0] == ["part", "name", "proof", "count", "amount"]
        assert ["signed", "", "proven", "2", "300.00"] in rows
        assert all(not cell.startswith(("=", "@")) for row in rows for cell in row)
        assert AuditEntry.objects.filter(action=AuditAction.PAYMENTS_EXPORTED).count() == 1

    @pytest.mark.parametrize(
        ("post", "status"), [("admin", 200), ("manager", 200), ("cashier", 403)]
    )
    def test_is_exported_by_whom_the_matrix_lets(self, ours, browse, shift, post, status):
        url = reverse("admin:reconciliation_shift_csv", args=[shift.pk])

        assert browse(ours.users[post]).post(url).status_code == status

    def test_hides_people_in_a_managers_export(self, ours, manager, shift):
        shift.delete()
        Payment.objects.filter(shop=ours.shop).update(created_by="grace@x.test")
        sign(manager, prepared(manager))
        url = reverse("admin:reconciliation_shift_csv", args=[Shift.objects.get().pk])

        text = b"".join(manager.post(url).streaming_content).decode()

        assert "grace@x.test" not in text
        assert "g***@x.test" in text

    def test_of_the_whole_shop_is_not_a_branchs(self, ours, browse, shift):
        assert browse(ours.users["branch_admin"]).get(self.page(shift)).status_code == 404

    def test_is_not_a_neighbours(self, theirs, browse, shift):
        client = browse(theirs.users["admin"])

        assert client.get(self.page(shift)).status_code == 404
        url = reverse("admin:reconciliation_shift_csv", args=[shift.pk])
        assert client.post(url).status_code == 404

    def test_takes_no_form(self, manager, shift):
        before = Shift.objects.values().get()

        manager.post(self.page(shift), {"reported": "1", "totals": "{}"})

        assert Shift.objects.values().get() == before

    def test_asks_a_fixed_number_of_times(self, manager, shift, django_assert_max_num_queries):
        manager.get(self.page(shift))

        with django_assert_max_num_queries(35):
            manager.get(self.page(shift))
