"""The queue of exceptions: what stands in it for whom, what people do with it, filters of their own."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from audit.actors import Actor, ActorKind
from audit.models import AuditEntry
from payments.choices import ReceiptStatus, ReviewCode
from payments.errors import InvalidInput, InvalidTransition
from payments.models import Payment, Receipt, Refund, Review
from payments.services import receipt_acts, refunds, review_acts
from payments.services.money_audit import audit_money
from payments.services.receipt_splits import Part
from payments.services.review_acts import SecondPersonNeeded
from reconciliation import exception_acts, exceptions, saved_filters
from reconciliation.exception_acts import Decision
from reconciliation.exception_filters import Asked
from reconciliation.models import Handling, SavedFilter
from tenants.models import Shop
from tests import world
from tests.backoffice import ours, root, support, theirs
from tests.payments.services.receipt_world import asked_payment

__all__ = ["ours", "root", "support", "theirs"]
pytestmark = pytest.mark.django_db


def who(user, shop):
    role = user.role_in(shop.pk)
    return Actor(kind=ActorKind.USER, id=str(user.pk), label=user.email, role=role)


@pytest.fixture
def queue(ours, now):
    """Return what stands in somebody's queue, as a page."""

    def look(user=None, *, number=1, environment="sandbox", **query):
        user = user or ours.users["admin"]
        asked = Asked.of(query)
        return exceptions.page_of(user, asked, environment=environment, number=number, now=now)

    return look


@pytest.fixture
def decide(ours, now):
    """Let somebody decide about the money that waits at the branch "here"."""

    def do(step, *, by="manager", receipt=None, **more):
        user, receipt = ours.users[by], receipt or ours.unallocated["here"]
        receipt.refresh_from_db()
        decision = Decision(step, user=user, actor=who(user, ours.shop), **more)
        fresh = Receipt.objects.select_related("shop", "config").get(pk=receipt.pk)
        return exception_acts.decide(receipt=fresh, decision=decision, now=now)

    return do


class TestTheQueue:
    def test_holds_doubts_loose_money_and_refunds(self, ours, queue):
        refund = world.refund_of(ours)

        rows = {entry.row for entry in queue().entries}

        assert rows == {
            ours.reviews["here"],
            ours.reviews["elsewhere"],
            ours.unallocated["here"],
            ours.unallocated["elsewhere"],
            refund,
        }

    def test_puts_what_holds_goods_first_then_the_oldest(self, ours, queue, now):
        Review.objects.filter(pk=ours.reviews["here"].pk).update(
            blocking=True, opened_at=now + timedelta(hours=1)
        )
        Receipt.objects.filter(pk=ours.unallocated["elsewhere"].pk).update(
            created_at=now - timedelta(days=3)
        )

        first, second, *_rest = queue().entries

        assert (first.row, first.holds_goods) == (ours.reviews["here"], True)
        assert second.row == ours.unallocated["elsewhere"]

    def test_lets_go_of_what_is_decided(self, ours, queue, now):
        admin = ours.users["admin"]
        review_acts.resolve(
            review=ours.reviews["here"], resolution="ignore", reason="Seen", user=admin,
            actor=who(admin, ours.shop), now=now,
        )  # fmt: skip
        receipt_acts.keep_as_sale(
            receipt=ours.unallocated["here"], actor=who(admin, ours.shop), now=now
        )

        assert queue(branch=str(ours.branches["here"].pk)).count == 0

    def test_names_money_to_be_given_back_once(self, ours, queue, now):
        """First as money, for somebody must ask; then as the refund."""
        admin, receipt = ours.users["admin"], ours.unallocated["here"]
        actor, here = who(admin, ours.shop), str(ours.branches["here"].pk)
        receipt_acts.mark_refund(receipt=receipt, reason="Wrong shop", actor=actor, now=now)
        marked = [entry.kind for entry in queue(branch=here).entries]
        receipt.refresh_from_db()
        refunds.ask_refund(receipt=receipt, reason="Wrong shop", user=admin, actor=actor, now=now)
        asked = [entry.kind for entry in queue(branch=here).entries]

        assert (sorted(marked), sorted(asked)) == (["receipt", "review"], ["refund", "review"])

    def test_shows_a_doubt_whose_money_goes_back_as_its_refund(self, ours, queue, now):
        admin, review = ours.users["admin"], ours.reviews["here"]
        review_acts.resolve(
            review=review, resolution="refund", reason="Paid twice", user=admin,
            actor=who(admin, ours.shop), now=now,
        )  # fmt: skip

        kinds = [entry.kind for entry in queue(branch=str(ours.branches["here"].pk)).entries]

        assert sorted(kinds) == ["receipt", "refund"]
        assert not exceptions.is_open(Review.objects.get(pk=review.pk))

    def test_keeps_the_worlds_apart(self, ours, queue):
        rows = {entry.row for entry in queue(environment="production").entries}

        assert rows == {ours.reviews["live"], ours.unallocated["live"]}

    def test_has_reviews_of_no_payment(self, ours, queue, now):
        doubt = Review.objects.create(
            shop=ours.shop, environment="sandbox", payment=None, code=ReviewCode.DEAD_CALLBACK,
            subject="x", opened_at=now, callback=ours.callbacks["here"],
        )  # fmt: skip

        assert doubt in {entry.row for entry in queue().entries}
        bound = {entry.row for entry in queue(ours.users["branch_admin"]).entries}
        assert bound == {ours.reviews["here"], ours.unallocated["here"]}

    def test_is_walled(self, ours, theirs, queue, root, support, now):
        world.refund_of(theirs)
        assert queue(ours.users["cashier"]).count == 0
        assert {entry.row.shop for entry in queue().entries} == {ours.shop}
        assert queue(support).count == 0
        world.let_support_in(theirs, now=now)
        assert {entry.row.shop for entry in queue(support).entries} == {theirs.shop}
        assert {entry.row.shop for entry in queue(root).entries} == {ours.shop, theirs.shop}
        for row in (theirs.reviews["here"], theirs.unallocated["here"], Refund.objects.get()):
            assert exceptions.find(ours.users["admin"], row.pk, now=now) is None
            assert exceptions.find(theirs.users["admin"], row.pk, now=now) == row

    def test_tells_how_much_is_at_stake(self, ours, queue):
        """Where the amounts differ, the larger one."""
        ours.receipts["here"].amount = Decimal(900)
        ours.receipts["here"].save(update_fields=["amount"])

        stakes = {entry.row: entry.stake for entry in queue().entries}

        assert stakes[ours.reviews["here"]] == Decimal(900)
        assert stakes[ours.unallocated["here"]] == Decimal("75.50")

    def test_is_read_page_by_page_in_a_fixed_number_of_queries(
        self, ours, queue, now, django_assert_max_num_queries
    ):
        Review.objects.bulk_create(
            Review(
                shop=ours.shop, environment="sandbox", payment=ours.payments["here"],
                code=ReviewCode.SURPLUS, subject=f"s{number}", opened_at=now,
            )
            for number in range(60)
        )  # fmt: skip
        admin = ours.users["admin"]
        assert admin.active_memberships

        with django_assert_max_num_queries(4):
            pages = [queue(admin, number=1)]
        pages += [queue(admin, number=number) for number in (2, 3, 99, -5)]

        assert [len(page.entries) for page in pages] == [25, 25, 14, 14, 25]
        assert [page.number for page in pages] == [1, 2, 3, 3, 1]
        seen = [entry.row.pk for page in pages[:3] for entry in page.entries]
        assert len(set(seen)) == len(seen) == 64


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ({"reason": "review:SURPLUS"}, 2),
            ({"reason": "receipt:no_such_reference"}, 2),
            ({"reason": "receipt:SURPLUS"}, 4),
            ({"reason": "refund:asked"}, 0),
            ({"blocking": "yes"}, 0),
            ({"blocking": "no"}, 4),
            ({"held_by": "me"}, 0),
            ({"held_by": "nobody"}, 4),
            ({"age": "hour"}, 0),
            ({"age": "century"}, 4),
            ({"smallest": "75.51"}, 2),
            ({"largest": "75.50"}, 2),
            ({"smallest": "NaN", "largest": "-1"}, 4),
            ({"since": "2020-01-01", "until": "2020-01-02"}, 0),
            ({"since": "2020-13-99", "until": "9999-12-31"}, 4),
            ({"config": "not an id", "shop": "'"}, 4),
            ({"q": "nothing like it"}, 0),
            ({"q": "x\x00"}, 0),
        ],
        ids=str,
    )
    def test_narrow_or_are_ignored(self, queue, query, count):
        assert queue(**query).count == count

    def test_by_place_and_holder(self, ours, queue, now):
        admin, manager = ours.users["admin"], ours.users["manager"]
        by = who(admin, ours.shop)
        exception_acts.assign(row=ours.reviews["here"], to=manager, actor=by, now=now)
        exception_acts.assign(row=ours.unallocated["here"], to=admin, actor=by, now=now)

        assert queue(config=str(ours.configs["here"].pk)).count == 2
        assert queue(branch=str(ours.branches["elsewhere"].pk)).count == 2
        mine = [entry.row for entry in queue(held_by="me").entries]
        his = [entry.row for entry in queue(held_by=str(manager.pk)).entries]
        assert (mine, his) == ([ours.unallocated["here"]], [ours.reviews["here"]])

    def test_find_by_order_and_number(self, ours, queue):
        assert queue(q=ours.payments["here"].order_ref).count == 1
        assert queue(q=ours.unallocated["here"].number.lower()).count == 1
        # Its own reference, and the subject of a doubt.
        assert queue(q=ours.unallocated["here"].account_reference).count == 2


class TestAssigning:
    @pytest.mark.parametrize("kind", ["review", "receipt", "refund"])
    def test_is_for_those_who_may_decide(self, ours, theirs, now, kind):
        row = {
            "review": ours.reviews["here"],
            "receipt": ours.unallocated["here"],
            "refund": world.refund_of(ours),
        }[kind]
        by = who(ours.users["admin"], ours.shop)

        for wrong in (ours.users["cashier"], theirs.users["admin"]):
            with pytest.raises(InvalidInput):
                exception_acts.assign(row=row, to=wrong, actor=by, now=now)
        exception_acts.assign(row=row, to=ours.users["manager"], actor=by, now=now)
        found = exceptions.find(ours.users["admin"], row.pk, now=now)

        assert exceptions.holder_of(found) == ours.users["manager"]
        act = "review.assigned" if kind == "review" else "exception.assigned"
        assert AuditEntry.objects.get(action=act).object_id == str(row.pk)
        exception_acts.assign(row=found, to=None, actor=by, now=now)
        found = exceptions.find(ours.users["admin"], row.pk, now=now)
        assert exceptions.holder_of(found) is None

    def test_is_over_once_it_is_decided(self, ours, decide, now):
        decide("keep")
        by = who(ours.users["admin"], ours.shop)

        with pytest.raises(InvalidTransition):
            exception_acts.assign(
                row=ours.unallocated["here"], to=ours.users["admin"], actor=by, now=now
            )


class TestDeciding:
    def test_assigns_keeps_splits_and_gives_back(self, ours, decide, now):
        money = {name: ours.unallocated[name] for name in ("here", "elsewhere")}
        payment = asked_payment(ours.configs["here"], now=now, amount=75)
        Receipt.objects.filter(pk=money["here"].pk).update(amount=75)

        assert decide("allocate", payment=payment)
        assert decide(
            "split",
            receipt=money["elsewhere"],
            parts=(Part("T-1", Decimal("70.50")), Part("T-2", Decimal(5))),
            reason="Two tables",
        )
        payment.refresh_from_db()
        sale = Payment.objects.get(parts__order_ref="T-1")

        assert (payment.status, sale.amount) == ("completed", Decimal("75.50"))
        assert audit_money() == []

    def test_gives_back_with_a_second_persons_yes_only(self, ours, decide):
        assert decide("refund", reason="Not for us")

        refund = Refund.objects.get()
        assert (refund.status, refund.asked_by) == ("asked", ours.users["manager"])
        assert AuditEntry.objects.filter(action="receipt.to_refund").exists()

    @pytest.mark.parametrize(
        "decision",
        [
            {"step": "nothing"},
            {"step": "ignore", "reason": "Nobody misses it"},
            {"step": "refund"},
            {"step": "split", "reason": "x"},
            {"step": "allocate", "reason": "x"},
            {"step": "split", "parts": (Part("A", Decimal(75)), Part("B", Decimal("0.5")))},
        ],
        ids=["unknown", "ignore", "no reason", "no parts", "no payment", "split without reason"],
    )
    def test_refuses_what_is_incomplete(self, ours, decide, decision):
        before = Receipt.objects.values_list("status", "reason").get(pk=ours.unallocated["here"].pk)

        with pytest.raises(InvalidInput):
            decide(**decision)

        now_is = Receipt.objects.values_list("status", "reason").get(pk=ours.unallocated["here"].pk)
        assert now_is == before


class TestTwoPeople:
    @pytest.fixture(autouse=True)
    def strict(self, ours):
        Shop.objects.filter(pk=ours.shop.pk).update(two_people_above=50)

    @pytest.mark.parametrize("step", ["keep", "split"])
    def test_decide_above_the_shops_amount(self, ours, decide, step):
        parts = (Part("T-1", Decimal("70.50")), Part("T-2", Decimal(5))) if step == "split" else ()
        said = {"parts": parts, "reason": "Two tables"}
        receipt = ours.unallocated["here"]

        assert decide(step, **said) is False
        receipt.refresh_from_db()
        assert receipt.status == ReceiptStatus.UNALLOCATED
        who_proposed, proposal = exception_acts.proposal_of(receipt)
        assert (who_proposed, proposal["step"]) == ("manager@zawadi.test", step)
        with pytest.raises(SecondPersonNeeded):
            decide(step, **said)
        assert decide(step, by="admin", **said) is True

        receipt.refresh_from_db()
        assert receipt.status == ReceiptStatus.CREDITED
        assert exception_acts.proposal_of(receipt) == ("", {})
        assert AuditEntry.objects.filter(action="exception.proposed").count() == 1

    def test_who_say_different_things_have_decided_nothing(self, ours, decide):
        decide("keep", reason="Ours")

        one = (Part("T-1", Decimal("70.50")), Part("T-2", Decimal(5)))
        other = (Part("T-1", Decimal(70)), Part("T-2", Decimal("5.5")))
        assert decide("split", by="admin", parts=one, reason="No") is False
        assert decide("split", by="manager", parts=other, reason="No") is False

        ours.unallocated["here"].refresh_from_db()
        assert ours.unallocated["here"].status == ReceiptStatus.UNALLOCATED
        assert Handling.objects.get().proposal["parts"] == [["T-1", "70.00"], ["T-2", "5.50"]]

    def test_say_why(self, decide):
        with pytest.raises(InvalidInput):
            decide("keep")

    def test_are_not_needed_to_ask_for_a_refund_for_that_takes_two_anyway(self, decide):
        assert decide("refund", reason="Not for us") is True

    def test_are_asked_for_over_the_api_too(self, ours, api, now):
        Receipt.objects.filter(pk=ours.unallocated["here"].pk).update(amount=75)
        payment = asked_payment(ours.configs["here"], now=now, amount=75)
        key = world.issue(ours.shop, "manager")

        answer = api(key).post(
            f"/receipts/{ours.unallocated['here'].pk}/allocate", {"payment": str(payment.pk)}
        )

        assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
        assert "two people" in answer.json()["detail"]
        payment.refresh_from_db()
        assert payment.status == "created"


class TestSavedFilters:
    def test_are_ones_own(self, ours, now):
        admin, manager = ours.users["admin"], ours.users["manager"]
        given = {"page": "exceptions", "name": " Large  ones ", "now": now}

        made = saved_filters.save(user=admin, query="smallest=1000&p=3&age=&age=day", **given)
        saved_filters.save(user=admin, query="smallest=2000", **given)

        assert made.name == "Large ones"
        assert made.query == "smallest=1000&age=day"
        assert [each.query for each in saved_filters.of(admin, "exceptions")] == ["smallest=2000"]
        assert saved_filters.of(manager, "exceptions") == []
        assert saved_filters.of(admin, "other") == []
        gone = {"page": "exceptions", "filter_id": made.pk}
        assert not saved_filters.delete(user=manager, **gone)
        assert saved_filters.delete(user=admin, **gone)

    @pytest.mark.parametrize(
        ("name", "query"),
        [("", "age=day"), ("A", ""), ("A", "p=2"), ("A", "q=" + "x" * 600), ("A\x00", "age=day")],
        ids=["no name", "nothing", "a page", "too long", "control"],
    )
    def test_refuse_what_is_none(self, ours, now, name, query):
        with pytest.raises(InvalidInput):
            saved_filters.save(
                user=ours.users["admin"], page="exceptions", name=name, query=query, now=now
            )

    def test_are_twenty_at_most(self, ours, now):
        admin = ours.users["admin"]
        SavedFilter.objects.bulk_create(
            SavedFilter(user=admin, page="exceptions", name=str(n), query="a=b") for n in range(20)
        )
        given = {"user": admin, "page": "exceptions", "query": "age=day", "now": now}

        saved_filters.save(name="7", **given)
        with pytest.raises(InvalidInput):
            saved_filters.save(name="21", **given)
