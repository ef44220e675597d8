from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from audit.actions import AuditAction
from audit.models import AuditEntry
from payments.models import Payment
from payments.services import stats, stats_periods
from reconciliation import pages
from reconciliation.dashboards_periods import period_of
from tenants.models import User
from tenants.roles import Role, may
from tests import world
from tests.client import ApiClient
from tests.reconciliation.dashboard_world import NAIROBI, address, noon, sell

__all__ = ["noon", "sell"]

pytestmark = pytest.mark.django_db
SHOP_PAGES = ["overview", "failed", "stuck", "health"]


class TestWhoMay:
    @pytest.mark.parametrize("name", [*SHOP_PAGES, "platform"])
    def test_follows_the_matrix(self, ours, support, root, browse, name, now):
        world.let_support_in(ours, now=now)
        page = pages.PAGES[f"reconciliation_{name}"]
        people = {**ours.users, "support": support, "super_admin": root}

        for post, user in people.items():
            role = Role(post.removeprefix("branch_"))
            is_open = may(role, page.action) and (
                not page.for_platform or role in {Role.SUPPORT, Role.SUPER_ADMIN}
            )
            asked = {"shop": ours.shop.pk}
            assert browse(user).get(address(name), asked).status_code == (
                200 if is_open else 403
            ), post
            assert browse(user).post(address(name), asked).status_code == 405, post

    def test_is_in_the_menu_of_whom_it_is_for(self, ours, root, browse):
        def menu(user):
            found = browse(user).get("/admin/").context["available_apps"]
            names = {page["object_name"] for group in found for page in group["models"]}
            return names & {f"reconciliation_{name}" for name in (*SHOP_PAGES, "platform")}

        shops = {f"reconciliation_{name}" for name in SHOP_PAGES}
        assert menu(ours.users["manager"]) == shops
        assert menu(ours.users["cashier"]) == shops - {"reconciliation_health"}
        assert menu(root) == shops | {"reconciliation_platform"}

    @pytest.mark.parametrize("name", SHOP_PAGES)
    def test_shows_no_neighbour(self, ours, theirs, browse, sell, name):
        sell("failed", corner=theirs, result_code="1032")
        sell("pending", corner=theirs)

        for asked in ({}, {"environment": "sandbox"}, {"environment": "production"}):
            page = browse(ours.users["admin"]).get(address(name), asked).text
            assert {mark for mark in theirs.marks() if mark in page} == set()
        page = browse(ours.users["admin"]).get(address(name), {"shop": theirs.shop.pk})
        assert page.status_code == 404

    @pytest.mark.parametrize("name", SHOP_PAGES)
    @pytest.mark.parametrize("post", ["branch_cashier", "branch_admin"])
    def test_keeps_to_the_branch(self, ours, browse, sell, name, post):
        sell("failed", place="elsewhere", result_code="1032", created_by="Tillelsewhere")
        waits = sell("pending", place="elsewhere")

        page = browse(ours.users[post]).get(address(name), {"environment": "sandbox"})
        there = ours.branches["elsewhere"].pk
        other = browse(ours.users[post]).get(address(name), {"branch": there})

        assert page.status_code in {200, 403}
        for mark in (f"{ours.name} elsewhere", "Tillelsewhere", str(waits.pk)):
            assert mark not in page.text
        assert other.status_code in {403, 404}

    @pytest.mark.parametrize("name", SHOP_PAGES)
    def test_tells_the_shop_that_support_looked(self, ours, support, browse, name, now):
        world.let_support_in(ours, now=now)

        browse(support).get(address(name))

        told = AuditEntry.objects.get(shop=ours.shop, action=AuditAction.SUPPORT_READ)
        assert told.changes == [{"field": "page", "old": None, "new": f"reconciliation_{name}"}]

    @pytest.mark.parametrize("name", SHOP_PAGES)
    def test_shows_support_nothing_without_the_shops_word(self, ours, support, browse, name):
        page = browse(support).get(address(name))

        assert "No shop lets you see its numbers now." in page.text
        assert browse(support).get(address(name), {"shop": ours.shop.pk}).status_code == 404

    def test_masks_cashiers_for_support(self, ours, support, browse, sell, now):
        world.let_support_in(ours, now=now)
        sell("completed", created_by="wanjiru@duka.co.ke")

        page = browse(support).get(address("overview"), {"environment": "sandbox"}).text

        assert "wanjiru@duka.co.ke" not in page
        assert (
            "wanjiru@duka.co.ke"
            in browse(ours.users["admin"]).get(address("overview"), {"environment": "sandbox"}).text
        )


class TestWhatIsAsked:
    @pytest.mark.parametrize("name", SHOP_PAGES)
    @pytest.mark.parametrize(
        "asked",
        [
            {"period": "x", "environment": "y"},
            {"period": "30d"},
            {"period": "month", "environment": "production"},
            {"branch": ""},
        ],
        ids=["strange", "30d", "month", "all-branches"],
    )
    def test_takes_any_choice(self, ours, browse, name, asked):
        assert browse(ours.users["admin"]).get(address(name), asked).status_code == 200

    @pytest.mark.parametrize("asked", [{"shop": "x"}, {"branch": "x"}, {"shop": "0" * 32}])
    def test_knows_no_place_that_is_none(self, ours, browse, asked):
        assert browse(ours.users["admin"]).get(address("overview"), asked).status_code == 404

    def test_asks_the_platform_which_shop(self, ours, theirs, root, browse):
        page = browse(root).get(address("overview"))

        assert ours.name in page.text
        assert theirs.name in page.text
        chosen = browse(root).get(address("overview"), {"shop": ours.shop.pk})
        assert f"{ours.name} here" in chosen.text

    def test_lets_a_person_of_two_shops_change_over(self, ours, theirs, browse):
        user = User.objects.create_user("both@malipo.test", None)
        world.tenants.grant_role(user=user, shop=ours.shop, role=Role.ADMIN)
        world.tenants.grant_role(user=user, shop=theirs.shop, role=Role.CASHIER)

        client = browse(user)

        assert client.get(address("overview"), {"shop": theirs.shop.pk}).status_code == 200
        assert client.get(address("health"), {"shop": ours.shop.pk}).status_code == 200
        # A cashier there sees no configs there, whatever he is here.
        assert client.get(address("health"), {"shop": theirs.shop.pk}).status_code == 404


class TestPeriods:
    NOW = datetime(2026, 11, 20, 15, 30, tzinfo=NAIROBI)

    @pytest.mark.parametrize(
        ("name", "since", "before"),
        [
            ("today", (11, 20), ((11, 19, 0, 0), (11, 19, 15, 30))),
            ("7d", (11, 14), ((11, 7, 0, 0), (11, 13, 15, 30))),
            ("30d", (10, 22), ((9, 22, 0, 0), (10, 21, 15, 30))),
            ("month", (11, 1), ((10, 1, 0, 0), (10, 20, 15, 30))),
        ],
        ids=["today", "7d", "30d", "month"],
    )
    def test_compares_with_as_much_time_before(self, name, since, before):
        period = period_of(name, now=self.NOW)

        assert period.span.since == datetime(2026, *since, tzinfo=NAIROBI)
        assert period.span.until == self.NOW
        assert [period.before.since, period.before.until] == [
            datetime(2026, *each, tzinfo=NAIROBI) for each in before
        ]

    def test_ends_the_month_before_where_it_ends(self):
        period = period_of("month", now=datetime(2026, 3, 31, 12, tzinfo=NAIROBI))

        assert period.before.until == period.span.since

    def test_looks_a_week_back_for_a_day(self):
        assert period_of("today", now=self.NOW).a_week_before.since == datetime(
            2026, 11, 13, tzinfo=NAIROBI
        )


class TestOverview:
    def test_agrees_with_the_api_and_with_sql_to_the_cent(self, ours, browse, sell):
        """The page, GET /payments/stats and plain SQL are one set of numbers."""
        for amount in ("0.05", "1234.56", "99.99"):
            sell("completed", amount=amount)
        sell("completed", amount="10.10", place="shop", created_by="Till 2")
        sell("failed", result_code="1032")
        sell("expired")
        key = world.issue(ours.shop, Role.ADMIN)
        told = ApiClient(key).get("/payments/stats").json()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sum(amount), count(*) FROM payments_payment WHERE shop_id = %s"
                " AND environment = 'sandbox' AND status = 'completed'"
                " AND (created_at AT TIME ZONE 'Africa/Nairobi')::date = '2026-11-20'",
                [ours.shop.pk],
            )
            amount, count = cursor.fetchone()

        page = browse(ours.users["admin"]).get(
            address("overview"), {"environment": "sandbox", "period": "month"}
        )
        today = browse(ours.users["admin"]).get(address("overview"), {"environment": "sandbox"})

        shown = page.context["numbers"].as_dict()
        assert {**shown, "last_sync_at": ""} == {**told, "last_sync_at": ""}
        assert (Decimal(told["today"]["amount"]), told["today"]["count"]) == (amount, count)
        month, day = page.context["tally"], today.context["tally"]
        assert str(month.taken.amount) == told["month"]["amount"]
        assert (str(day.taken.amount), day.taken.count) == (str(amount), count)
        assert float(month.rate) == told["success_rate"]
        assert month.failed == told["failed"]["count"]
        days = sum((each.taken for each in page.context["days"]), stats.Total())
        assert (days.amount, days.count) == (month.taken.amount, month.taken.count)

    def test_spreads_the_same_sum_four_ways(self, ours, browse, sell):
        for number in range(25):
            sell("completed", amount="10.01", created_by=f"Till {number}")
        sell("failed", created_by="Till 1")

        page = browse(ours.users["admin"]).get(address("overview"), {"environment": "sandbox"})

        whole = page.context["tally"]
        for table in page.context["tables"]:
            added = sum((line.tally for line in table.lines), stats_periods.Tally())
            assert added == whole, table.title
        assert page.context["tables"][2].lines[-1].name == "All others"

    def test_counts_a_branch_alone(self, ours, browse, sell):
        sell("completed", amount="7.00", place="elsewhere")
        asked = {"environment": "sandbox", "branch": ours.branches["elsewhere"].pk}

        page = browse(ours.users["admin"]).get(address("overview"), asked)

        assert page.context["tally"].taken == stats.Total(Decimal("157.00"), 2)

    def test_says_when_far_fewer_succeed(self, ours, browse, sell):
        for _ in range(12):
            sell("completed", ago=timedelta(days=7, hours=1))
            sell("failed", result_code="1")

        page = browse(ours.users["admin"]).get(
            address("overview"), {"environment": "sandbox", "period": "7d"}
        )

        assert "of the prompts succeed; before, it was" in page.text
        assert 'role="alert"' in page.text

    def test_says_that_there_is_nothing(self, ours, browse):
        Payment.objects.update(created_at=timezone.now() - timedelta(days=90))

        page = browse(ours.users["admin"]).get(address("overview"), {"environment": "sandbox"})

        assert "No payment was asked for in this time." in page.text
        assert 'role="alert"' not in page.text


class TestNoInlineStyles:
    @pytest.mark.parametrize("name", SHOP_PAGES)
    def test_keeps_the_content_security_policy(self, ours, browse, sell, name):
        sell("failed", result_code="1032")
        sell("completed")

        page = browse(ours.users["admin"]).get(address(name), {"environment": "sandbox"}).text

        assert " style=" not in page
        assert "onclick" not in page

    @pytest.mark.parametrize(("name", "charts"), [("overview", 1), ("failed", 2), ("health", 1)])
    def test_draws_for_those_who_do_not_see(self, ours, browse, sell, name, charts):
        sell("failed", result_code="1032")

        page = browse(ours.users["admin"]).get(address(name), {"environment": "sandbox"}).text

        assert page.count('role="img"') == charts
        assert page.count("<details>") >= charts


class TestQueries:
    """A page reads as often for many payments as for few."""

    MOST = {"overview": 24, "failed": 25, "stuck": 22, "health": 25}

    @pytest.mark.parametrize("name", SHOP_PAGES)
    def test_reads_in_a_fixed_number(self, ours, browse, sell, name, django_assert_max_num_queries):
        for number in range(15):
            for status in ("completed", "failed", "expired", "pending"):
                sell(status, created_by=f"Till {number}", phone_index=f"{status}{number}")
        client = browse(ours.users["admin"])

        with django_assert_max_num_queries(self.MOST[name]):
            client.get(address(name), {"environment": "sandbox"})

    def test_reads_all_shops_in_a_fixed_number(
        self, ours, theirs, root, browse, sell, django_assert_max_num_queries
    ):
        sell("completed")
        sell("failed", corner=theirs)
        client = browse(root)

        with django_assert_max_num_queries(24):
            client.get(address("platform"), {"environment": "sandbox"})
