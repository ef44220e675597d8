"""The overview's first answers: is money coming in, what is wrong, what is to be done."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from payments.models import PaymentConfig, Receipt, Review
from reconciliation.models import SweepState
from tenants import services as tenants
from tenants.models import User
from tests.reconciliation.dashboard_world import address, noon, sell

__all__ = ["noon", "sell"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def lines(ours, browse):
    """Return the lines that a person of the shop reads, by their text."""

    def read(post="admin", **asked):
        asked = {"environment": "sandbox", **asked}
        page = browse(ours.users[post]).get(address("overview"), asked)
        return {line.text: line for line in page.context["lines"]}

    return read


@pytest.fixture
def at_rest(ours):
    """Decide whatever waits."""
    Review.objects.update(resolved_at="2026-01-01T00:00:00Z", resolved_by="x")
    Receipt.objects.filter(status="unallocated").update(status="held")


class TestMoney:
    def test_says_what_came_in_today_and_how_long_ago(self, sell, lines):
        sell("completed", amount="1000.00", ago=timedelta(minutes=3))

        found = lines()

        # Two payments of 150 stand in the shop already, a minute old.
        first = found["KES 1,300 came in today by 3 payments."]
        assert first.tone == "good"
        assert first.detail == "The last payment came 60 s ago (11:59:00)."

    def test_warns_where_today_brought_nothing(self, ours, time_machine, lines):
        time_machine.shift(timedelta(days=1))

        (first, *_rest) = lines().values()

        assert (first.tone, first.text) == ("warn", "Nothing was paid today yet.")
        assert "The last payment came 24 h ago" in first.detail

    @pytest.mark.parametrize(
        ("post", "is_on", "says"),
        [
            ("admin", True, "ask a customer for the first payment"),
            ("admin", False, "First set up a payment config"),
            ("cashier", False, "A shop admin must set up"),
        ],
    )
    def test_tells_a_new_shop_its_first_step(self, ours, browse, post, is_on, says):
        shop = tenants.create_shop(name="Mpya", slug="mpya")
        user = User.objects.create_user("new@mpya.test", None)
        tenants.grant_role(user=user, shop=shop, role=post)
        PaymentConfig.objects.filter(pk=ours.configs["here"].pk).update(
            shop=shop, branch=None, is_active=is_on
        )

        page = browse(user).get(address("overview"), {"environment": "sandbox"})

        (first,) = page.context["lines"]
        assert first.text == "No payment was paid here yet."
        assert says in first.detail


class TestWhatToDo:
    def test_leads_to_what_waits_for_a_person(self, ours, theirs, lines):
        found = lines("manager")

        case = found["4 cases wait for your decision."]
        assert f"shop={ours.shop.pk}" in case.url

    def test_is_not_for_a_cashier(self, lines):
        assert not any("decision" in text for text in lines("cashier"))

    def test_leads_to_what_failed_today(self, at_rest, sell, lines):
        sell("failed", result_code="1032")

        found = lines()

        assert "period=today" in found["1 payment was not paid today."].url
        assert not any("decision" in text for text in found)


class TestWhatIsWrong:
    def test_says_that_nothing_is_known_to_be_wrong(self, ours, browse):
        client = browse(ours.users["cashier"])
        asked = {"environment": "sandbox"}
        while_all_stands = client.get(address("overview"), asked).text
        SweepState.objects.create(name="expire-overdue", finished_at=timezone.now())

        text = client.get(address("overview"), asked).text

        assert "Background work stands still" in while_all_stands
        assert "Nothing is known to be wrong." not in while_all_stands
        assert "Nothing is known to be wrong." in text

    def test_names_what_is_wrong_and_no_longer_that_nothing_is(self, ours, sell, browse):
        sell("pending", attempt={"submission": "unknown"})

        page = browse(ours.users["admin"]).get(address("overview"), {"environment": "sandbox"})

        assert "nobody knows whether the prompt went out" in page.text
        assert "Nothing is known to be wrong." not in page.text
