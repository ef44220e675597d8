from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from payments.models import Payment, Review
from reconciliation import dashboards

pytestmark = pytest.mark.django_db
NAIROBI = ZoneInfo("Africa/Nairobi")
NOON = datetime(2026, 11, 20, 12, tzinfo=NAIROBI)


@pytest.fixture
def sell(ours):
    """Put a payment of a status and time into the ledger."""

    def put(status, at, *, amount=100, corner=ours, place="shop", **more):
        config = corner.configs[place]
        payment = Payment(
            shop=corner.shop,
            environment=config.environment,
            config=config,
            provider=config.provider,
            account_reference=f"{status[:3]}{Payment.objects.count()}",
            amount=amount,
            status=status,
            created_at=at,
            completed_at=at if status == "completed" else None,
            expires_at=at + timedelta(minutes=5),
            **more,
        )
        payment.save(force_insert=True)

    return put


def numbers_at(ours, now, **more):
    return dashboards.shop_numbers(shops=[ours.shop.pk], environment="sandbox", now=now, **more)


class TestShopNumbers:
    def test_counts_days_of_nairobi(self, ours, sell):
        Payment.objects.update(created_at=NOON - timedelta(days=60))
        midnight = NOON.replace(hour=0)
        sell("completed", midnight, amount=700)
        sell("completed", midnight - timedelta(seconds=1), amount=50)

        numbers = numbers_at(ours, NOON).as_dict()

        assert numbers["today"] == {"amount": "700.00", "count": 1}
        assert numbers["month"] == {"amount": "750.00", "count": 2}

    def test_leaves_the_open_ones_out_of_the_rate(self, ours, sell):
        Payment.objects.update(created_at=NOON - timedelta(days=60))
        for status in ("completed", "completed", "failed", "expired", "pending"):
            sell(status, NOON, result_code="1032" if status == "failed" else "")

        numbers = numbers_at(ours, NOON)

        assert numbers.success_rate == Decimal("50.0")
        assert (numbers.pending, numbers.unknown, numbers.failed) == (1, 0, 1)
        assert numbers.failed_by_code == [{"code": "1032", "count": 1}]

    def test_has_no_rate_where_nothing_was_decided(self, ours):
        Payment.objects.update(created_at=NOON - timedelta(days=60))

        assert numbers_at(ours, NOON).success_rate is None

    def test_mixes_neither_shops_nor_worlds_nor_branches(self, ours, theirs, sell):
        Payment.objects.update(created_at=NOON - timedelta(days=60))
        here = ours.branches["here"]
        sell("completed", NOON, amount=1, branch=here)
        sell("completed", NOON, amount=10)
        sell("completed", NOON, amount=100, corner=theirs)
        sell("completed", NOON, amount=1000, place="live")

        assert numbers_at(ours, NOON).today.amount == 11
        assert numbers_at(ours, NOON, branches=[here.pk]).today.amount == 1

    def test_reads_in_a_fixed_number_of_queries(self, ours, sell, django_assert_num_queries):
        for _ in range(10):
            sell("completed", NOON)

        with django_assert_num_queries(5):
            numbers_at(ours, NOON)


class TestFirstPage:
    def test_shows_production_first_where_there_is_any(self, ours, theirs, browse):
        client = browse(ours.users["manager"])

        real, played = client.get("/admin/"), client.get("/admin/?environment=sandbox")

        assert not real.context["is_sandbox"]
        assert b"Sandbox: no real money" not in real.content
        assert b"Sandbox: no real money" in played.content
        assert b"KES 300" in played.content
        assert b"Baraka" not in real.content + played.content

    def test_shows_a_branch_cashier_the_branch_alone(self, ours, browse):
        page = browse(ours.users["branch_cashier"]).get("/admin/?environment=sandbox")

        assert b"KES 150" in page.content
        assert b"Zawadi-elsewhere" not in page.content

    def test_lists_what_needs_attention_and_counts_it(self, ours, browse):
        Review.objects.filter(pk=ours.reviews["here"].pk).update(
            blocking=True, code="AMOUNT_MISMATCH"
        )

        page = browse(ours.users["manager"]).get("/admin/")

        first = page.context["attention"][0]
        assert (first.tone, str(ours.payments["here"].pk) in first.url) == ("bad", True)
        counts = {
            model["object_name"]: model["waiting"]
            for group in page.context["available_apps"]
            for model in group["models"]
        }
        assert counts["Review"] == 3

    def test_draws_fourteen_days_and_says_them_in_a_table(self, ours, browse):
        page = browse(ours.users["manager"]).get("/admin/")

        assert len(page.context["bars"]) == 14
        assert page.content.count(b'<th scope="row">') == 14
        assert b'role="img"' in page.content

    def test_takes_a_strange_environment_for_none(self, ours, browse):
        assert browse(ours.users["manager"]).get("/admin/?environment=x").status_code == 200

    def test_reads_in_a_fixed_number_of_queries(
        self, ours, sell, browse, django_assert_max_num_queries
    ):
        for _ in range(20):
            sell("completed", NOON)

        client = browse(ours.users["admin"])

        with django_assert_max_num_queries(20):
            client.get("/admin/")
