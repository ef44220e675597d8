"""Deciding reviews in the back office, by one person and by two."""

from __future__ import annotations

import pytest

from payments.models import Review
from tenants.models import Shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def doubt(ours, now):
    payment = ours.payments["elsewhere"]
    return Review.objects.create(
        shop=ours.shop,
        environment=payment.environment,
        payment=payment,
        code="ORDER_PAID_TWICE",
        subject=payment.order_ref,
        blocking=True,
        opened_at=now,
    )


def page_of(review, name="change"):
    return f"/admin/payments/review/{review.pk}/{name}/"


def fresh(review):
    return Review.objects.get(pk=review.pk)


class TestResolving:
    def test_says_what_it_does_and_asks_why(self, ours, browse, doubt):
        client = browse(ours.users["manager"])

        page = client.get(page_of(doubt, "resolve"))
        assert "Accept as it is" in page.text
        assert "Give the money back" in page.text

        assert client.post(page_of(doubt, "resolve"), {"resolution": "accept"}).status_code == 200
        assert fresh(doubt).resolved_at is None

        done = client.post(
            page_of(doubt, "resolve"),
            {"resolution": "accept", "reason": "Two baskets"},
            follow=True,
        )
        assert "The review is resolved." in done.text
        assert "Two baskets" in done.text
        assert fresh(doubt).resolved_by == ours.users["manager"].email

    @pytest.mark.parametrize("who", ["cashier", "branch_cashier"])
    def test_is_not_for_cashiers(self, ours, browse, who):
        review = ours.reviews["here"]

        for name in ("resolve", "assign"):
            answer = browse(ours.users[who]).post(page_of(review, name), {"resolution": "ignore"})
            assert answer.status_code == 403
        assert fresh(review).resolved_at is None

    def test_is_not_for_neighbours_or_the_platform(self, ours, theirs, browse, root, support):
        review = ours.reviews["here"]
        answers = {
            browse(who).post(page_of(review, "resolve"), {"resolution": "ignore"}).status_code
            for who in (theirs.users["admin"], root, support)
        }

        assert answers <= {403, 404}
        assert fresh(review).resolved_at is None

    def test_finds_the_other_payment_by_its_reference(self, ours, theirs, browse, doubt):
        client = browse(ours.users["admin"])

        def hand_to(term):
            body = {"resolution": "allocate", "payment": term, "reason": "Mistyped"}
            return client.post(page_of(doubt, "resolve"), body)

        assert "No payment bears it." in hand_to("nothing like it").text
        assert "No payment bears it." in hand_to(theirs.payments["here"].order_ref).text
        assert "No payment bears it." in hand_to("").text
        # It is found, and refused for what it is: paid already.
        assert "No payment bears it." not in hand_to(ours.payments["here"].order_ref).text
        assert fresh(doubt).resolved_at is None

    def test_says_why_it_cannot_be(self, ours, browse, doubt, now):
        client = browse(ours.users["admin"])
        Review.objects.filter(pk=doubt.pk).update(resolved_at=now)

        page = client.post(page_of(doubt, "resolve"), {"resolution": "ignore", "reason": "Late"})

        assert "The review is resolved already." in page.text
        assert page_of(doubt, "resolve") not in client.get(page_of(doubt)).text


class TestTwoPeople:
    def test_see_what_was_proposed_and_confirm_it(self, ours, browse, doubt):
        Shop.objects.filter(pk=ours.shop.pk).update(two_people_above=100)
        first, second = browse(ours.users["manager"]), browse(ours.users["admin"])
        body = {"resolution": "accept", "reason": "Two baskets"}

        said = first.post(page_of(doubt, "resolve"), body, follow=True)
        assert "Proposed. Another person must confirm it." in said.text
        assert "Second person needed" in said.text
        again = first.post(page_of(doubt, "resolve"), body)
        assert "You proposed it: another person must confirm it." in again.text

        page = second.get(page_of(doubt, "resolve"))
        assert "manager@zawadi.test proposed: Accept as it is. Because: Two baskets" in page.text
        second.post(page_of(doubt, "resolve"), {**body, "reason": "Agreed"})
        assert fresh(doubt).resolved_by == "admin@zawadi.test"


class TestAssigning:
    def test_offers_those_who_may_decide(self, ours, theirs, browse, doubt):
        client = browse(ours.users["admin"])
        page = client.get(page_of(doubt, "assign"))

        assert "manager@zawadi.test" in page.text
        assert "cashier@zawadi.test" not in page.text
        assert theirs.shop.slug not in page.text

        shown = client.post(
            page_of(doubt, "assign"), {"to": str(ours.users["manager"].pk)}, follow=True
        )
        assert fresh(doubt).assigned_to == ours.users["manager"]
        assert "manager@zawadi.test" in shown.text
        client.post(page_of(doubt, "assign"), {"to": str(theirs.users["admin"].pk)})
        assert fresh(doubt).assigned_to == ours.users["manager"]
