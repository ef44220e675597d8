"""The queue of exceptions in the back office: looked at, narrowed, given away and decided."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.urls import reverse

from audit.models import AuditEntry
from payments.choices import ReceiptStatus
from payments.models import OrderPart, Payment, Receipt, Refund, Review
from reconciliation.models import Handling, SavedFilter, StatementImport, StatementLine
from tenants.models import Shop
from tests import world
from tests.backoffice import browse, ours, root, support, theirs
from tests.payments.services.receipt_world import asked_payment

__all__ = ["browse", "ours", "root", "support", "theirs"]
pytestmark = pytest.mark.django_db
QUEUE = "/admin/reconciliation/exceptionitem/"


def page(row, name="change", *more):
    return reverse(f"admin:reconciliation_exceptionitem_{name}", args=[row.pk, *more])


@pytest.fixture
def manager(ours, browse):
    return browse(ours.users["manager"])


@pytest.fixture
def admin(ours, browse):
    return browse(ours.users["admin"])


def look(client, **query):
    return client.get(QUEUE, {"environment": "sandbox", **query})


class TestTheList:
    def test_shows_each_with_reason_amount_holder_and_place(self, ours, manager):
        text = look(manager).text

        assert "Paid more than once" in text
        assert "No payment has this reference" in text
        assert "75.50" in text
        assert "Zawadi here" in text
        assert "4 to decide" in text

    def test_says_when_there_is_nothing(self, ours, manager):
        Review.objects.update(resolved_at="2026-01-01T00:00:00Z", resolved_by="x")
        Receipt.objects.filter(status="unallocated").update(status="held")

        assert "Nothing to decide." in look(manager).text
        assert "Nothing here." in look(manager, age="day").text

    def test_is_narrowed(self, ours, manager):
        answer = look(manager, reason="review:SURPLUS", branch=str(ours.branches["here"].pk))

        assert [item["pk"] for item in answer.context["cl"].result_list] == [
            ours.reviews["here"].pk
        ]
        assert "1 to decide" in answer.text

    def test_counts_in_the_menu(self, ours, manager):
        groups = manager.get("/admin/").context["available_apps"]
        first = groups[0]["models"][0]

        assert (first["object_name"], first["waiting"]) == ("ExceptionItem", 6)

    def test_is_masked_and_told_to_the_shop_where_support_looks(
        self, ours, support, browse, manager, now
    ):
        world.let_support_in(ours, now=now)
        manager.post(page(ours.reviews["here"], "assign"), {"to": "me"})

        text = look(browse(support)).text
        item = browse(support).get(page(ours.unallocated["here"])).text

        assert "manager@zawadi.test" not in text
        assert "Assign to me" not in text
        assert "J. W." not in item
        assert "What shall be done?" not in item
        told = AuditEntry.objects.filter(action="support_access.read", shop=ours.shop)
        assert told.count() == 2

    def test_is_read_in_a_fixed_number_of_queries(
        self, ours, browse, now, django_assert_max_num_queries
    ):
        Review.objects.bulk_create(
            Review(
                shop=ours.shop, environment="sandbox", payment=ours.payments["here"],
                code="SURPLUS", subject=f"s{number}", opened_at=now,
            )
            for number in range(60)
        )  # fmt: skip
        client = browse(ours.users["admin"])
        look(client)

        with django_assert_max_num_queries(19):
            answer = look(client, p="2")

        assert len(answer.context["items"]) == 25

    def test_takes_any_address(self, ours, manager):
        for query in ({"p": "-1"}, {"p": "9" * 9}, {"smallest": "1e999"}, {"q": "\x00'"}):
            assert look(manager, **query).status_code == 200
        assert manager.get(QUEUE, {"environment": "moon"}).status_code == 200


class TestAnItem:
    def test_puts_evidence_side_by_side(self, ours, admin, now):
        receipt = ours.receipts["here"]
        statement = StatementImport.objects.create(
            shop=ours.shop, environment="sandbox", config=ours.configs["here"],
            filename="november.csv", digest="d", size=1, uploaded_by="x",
        )  # fmt: skip
        StatementLine.objects.create(
            shop=ours.shop, environment="sandbox", config=ours.configs["here"],
            statement=statement, line_number=7, digest="l", receipt_number=receipt.number,
            completed_at=now, paid_in=Decimal(100), kind="payment", state="amount_differs",
        )  # fmt: skip
        Receipt.objects.filter(pk=receipt.pk).update(amount=100)

        text = admin.get(page(ours.reviews["here"])).text

        assert "What we asked" in text
        assert ours.payments["here"].order_ref in text
        assert "What Safaricom said" in text
        assert "Paid at Zawadi" in text
        assert "november.csv · 7" in text
        assert "The amount differs" in text
        assert "KES 150 was asked for, KES 100 came." in text

    @pytest.mark.parametrize("kind", ["review", "receipt", "refund"])
    def test_offers_the_next_steps_by_right(self, ours, admin, browse, root, kind, now):
        row = {
            "review": ours.reviews["here"],
            "receipt": ours.unallocated["here"],
            "refund": world.refund_of(ours),
        }[kind]
        offered = {
            "review": "Accept as it is",
            "receipt": "Split between orders",
            "refund": "Open the refund",
        }[kind]

        assert offered in admin.get(page(row)).text
        assert "Assign to me" in admin.get(page(row)).text
        seen = browse(root).get(page(row))
        assert seen.status_code == (404 if kind == "refund" else 200)
        assert "What shall be done?" not in seen.text
        assert browse(ours.users["cashier"]).get(page(row)).status_code == 404

    def test_leads_to_its_history(self, ours, admin):
        answer = admin.get(page(ours.unallocated["here"], "history"))

        assert answer.status_code == 302
        assert "payments.receipt" in answer["Location"]

    def test_of_others_is_nobodys(self, ours, theirs, admin):
        for row in (theirs.reviews["here"], theirs.unallocated["here"], world.refund_of(theirs)):
            for url in (
                page(row),
                page(row, "assign"),
                page(row, "decide", "accept"),
                page(row, "history"),
            ):
                assert admin.get(url).status_code == 404
                assert admin.post(url, {"to": "me", "reason": "x"}).status_code == 404

    def test_with_an_id_that_is_none_is_404(self, ours, admin):
        assert admin.get(f"{QUEUE}nothing/change/").status_code == 404


class TestAssigning:
    def test_one_to_oneself_with_one_press(self, ours, manager):
        for row in (ours.reviews["here"], ours.unallocated["here"], world.refund_of(ours)):
            text = manager.post(page(row, "assign"), {"to": "me"}, follow=True).text

            assert "manager@zawadi.test has it" in text
        assert len(look(manager, held_by="me").context["items"]) == 3

    def test_one_to_somebody_who_may_decide(self, ours, theirs, manager):
        row = ours.unallocated["here"]
        asked = manager.get(page(row, "assign")).text
        assert "admin@zawadi.test" in asked
        assert "cashier@zawadi.test" not in asked
        assert "baraka" not in asked

        manager.post(page(row, "assign"), {"to": str(theirs.users["admin"].pk)})
        assert not Handling.objects.exclude(assigned_to=None).exists()
        manager.post(page(row, "assign"), {"to": str(ours.users["admin"].pk)})
        assert Handling.objects.get().assigned_to == ours.users["admin"]

    def test_many(self, ours, manager):
        rows = [ours.reviews["here"], ours.unallocated["here"], ours.unallocated["elsewhere"]]
        given = {"item": [row.pk for row in rows], "to": str(ours.users["admin"].pk)}

        said = manager.post(
            f"{QUEUE}assign/", {**given, "query": "age=day&environment=sandbox"}, follow=True
        )

        assert "Assigned: 3." in said.text
        assert said.redirect_chain[0][0] == f"{QUEUE}?age=day&environment=sandbox"
        assert Review.objects.get(pk=rows[0].pk).assigned_to == ours.users["admin"]
        assert "Tick what you want" in manager.post(f"{QUEUE}assign/", follow=True).text

    def test_many_touches_nothing_of_others(self, ours, theirs, manager, browse):
        given = {"item": [theirs.unallocated["here"].pk], "to": "me"}

        assert manager.post(f"{QUEUE}assign/", given).status_code == 404
        assert browse(ours.users["cashier"]).post(f"{QUEUE}assign/", given).status_code == 403
        assert not Handling.objects.exists()

    def test_leads_nowhere_else(self, ours, manager):
        for query in ("//evil.test", "next=//evil.test", "x" * 900):
            answer = manager.post(f"{QUEUE}assign/", {"query": query})

            assert answer["Location"].startswith(QUEUE)


class TestDeciding:
    def test_asks_why_and_goes_on_to_the_next(self, ours, manager):
        review = ours.reviews["here"]
        step = page(review, "decide", "ignore")

        assert manager.post(step, {"reason": ""}).status_code == 200
        assert Review.objects.get(pk=review.pk).resolved_at is None
        answer = manager.post(step, {"reason": "Seen at the till"})

        done = Review.objects.get(pk=review.pk)
        assert (done.resolution, done.reason) == ("ignore", "Seen at the till")
        assert answer["Location"].startswith(QUEUE)
        assert "change" in answer["Location"]
        assert str(review.pk) not in answer["Location"]

    def test_assigns_loose_money_to_what_fits(self, ours, manager, now):
        receipt = ours.unallocated["here"]
        Receipt.objects.filter(pk=receipt.pk).update(amount=75, account_reference="")
        payment = asked_payment(ours.configs["here"], now=now, amount=75)

        text = manager.get(page(receipt)).text
        assert f"decide/allocate/?payment={payment.pk}" in text
        form = manager.get(page(receipt, "decide", "allocate"), {"payment": str(payment.pk)})
        assert str(payment.pk) in form.text
        manager.post(page(receipt, "decide", "allocate"), {"payment": str(payment.pk)})

        receipt.refresh_from_db()
        assert (receipt.status, receipt.payment) == (ReceiptStatus.CREDITED, payment)

    def test_finds_no_payment_of_others(self, ours, theirs, manager, now):
        foreign = asked_payment(theirs.configs["here"], now=now, amount=75)
        step = page(ours.unallocated["here"], "decide", "allocate")

        for term in (str(foreign.pk), theirs.payments["here"].order_ref, "nothing"):
            assert "No payment bears it." in manager.post(step, {"payment": term}).text

    def test_splits_between_orders(self, ours, manager):
        receipt = ours.unallocated["here"]
        parts = {"order_1": "T-1", "amount_1": "70.50", "order_3": "T-2", "amount_3": "4"}
        step = page(receipt, "decide", "split")

        wrong = manager.post(step, {**parts, "reason": "Two tables"})
        assert "The parts do not add up to the money that came." in wrong.text
        manager.post(step, {**parts, "amount_3": "5", "reason": "Two tables"})

        sale = Payment.objects.get(receipts=receipt)
        assert sale.status == "completed"
        assert OrderPart.objects.filter(payment=sale).count() == 2
        assert "T-1: 70.50, T-2: 5.00" in manager.get(page(receipt)).text

    def test_opens_a_refund(self, ours, manager):
        receipt = ours.unallocated["here"]

        manager.post(page(receipt, "decide", "refund"), {"reason": "Not for us"})

        assert Refund.objects.get(receipt=receipt).status == "asked"
        kinds = [item["kind"] for item in look(manager).context["items"]]
        assert sorted(kinds) == ["receipt", "refund", "review", "review"]

    @pytest.mark.parametrize("method", ["ignore", "confirm", "accept", "verify", "x"])
    def test_offers_nothing_that_cannot_be(self, ours, manager, method):
        answer = manager.post(
            page(ours.unallocated["here"], "decide", method), {"reason": "x"}, follow=True
        )

        assert "That is not possible as things stand now." in answer.text
        ours.unallocated["here"].refresh_from_db()
        assert ours.unallocated["here"].status == "unallocated"

    @pytest.mark.parametrize("who", ["support", "root", "cashier", "branch_cashier"])
    def test_is_not_for_everybody(self, ours, browse, support, root, who, now):
        world.let_support_in(ours, now=now)
        person = {"support": support, "root": root}.get(who) or ours.users[who]
        before = world.money_now()

        for row, method in ((ours.reviews["here"], "ignore"), (ours.unallocated["here"], "keep")):
            answer = browse(person).post(page(row, "decide", method), {"reason": "x"})
            assert answer.status_code in {403, 404}
        assert world.money_now() == before


class TestTwoPeople:
    @pytest.fixture(autouse=True)
    def strict(self, ours):
        Shop.objects.filter(pk=ours.shop.pk).update(two_people_above=50)

    def test_keep_loose_money(self, ours, manager, admin):
        receipt = ours.unallocated["here"]
        assert "This amount takes two people" in manager.get(page(receipt)).text

        said = manager.post(page(receipt, "decide", "keep"), {"reason": "Ours"}, follow=True)
        assert "Proposed. Another person must confirm it." in said.text
        receipt.refresh_from_db()
        assert receipt.status == "unallocated"
        assert "/decide/confirm/" not in manager.get(page(receipt)).text
        assert "manager@zawadi.test proposed" in admin.get(page(receipt)).text
        admin.post(page(receipt, "decide", "confirm"), {"reason": "Agreed"})

        receipt.refresh_from_db()
        assert receipt.status == "credited"

    def test_split_and_allocate(self, ours, manager, admin, now):
        here, there = ours.unallocated["here"], ours.unallocated["elsewhere"]
        Receipt.objects.filter(pk=there.pk).update(amount=75)
        payment = asked_payment(ours.configs["elsewhere"], now=now, amount=75)
        parts = {"order_1": "T-1", "amount_1": "70.50", "order_2": "T-2", "amount_2": "5"}
        manager.post(page(here, "decide", "split"), {**parts, "reason": "Tables"})
        given = {"payment": str(payment.pk), "reason": "His"}
        manager.post(page(there, "decide", "allocate"), given)
        assert Receipt.objects.filter(status="unallocated").count() == 3

        for receipt in (here, there):
            admin.post(page(receipt, "decide", "confirm"), {"reason": "Agreed"})
            receipt.refresh_from_db()
            assert receipt.status == "credited"

    def test_resolve_a_review(self, ours, manager, admin):
        review = ours.reviews["here"]
        manager.post(page(review, "decide", "accept"), {"reason": "Fine"})
        assert "Second person needed" in look(admin).text

        admin.post(page(review, "decide", "confirm"), {"reason": "Agreed"})

        review.refresh_from_db()
        assert (review.resolution, review.resolved_by) == ("accept", "admin@zawadi.test")

    @pytest.mark.parametrize("press", ["assign", "keep"])
    def test_are_asked_for_at_the_other_doors_too(self, ours, manager, press):
        receipt = ours.unallocated["here"]
        for model in ("receipt", "unallocatedreceipt"):
            url = reverse(f"admin:payments_{model}_{press}", args=[receipt.pk])

            answer = manager.post(url, {"payment": str(ours.payments["here"].pk)})

            assert answer["Location"] == page(receipt)
        receipt.refresh_from_db()
        assert receipt.status == "unallocated"


class TestSavedFilters:
    def test_are_saved_shown_used_and_deleted(self, ours, manager, admin):
        manager.post(f"{QUEUE}filters/", {"name": "Large", "query": "smallest=1000&p=2"})

        text = look(manager).text
        assert 'href="?smallest=1000"' in text
        assert "Large" in text
        assert "smallest=1000" not in look(admin).text
        row = SavedFilter.objects.get()
        url = reverse("admin:reconciliation_exceptionitem_delete_filter", args=[row.pk])
        assert admin.post(url).status_code == 404
        assert manager.get(url).status_code == 404
        manager.post(url)
        assert not SavedFilter.objects.exists()

    def test_say_what_is_missing(self, ours, manager):
        said = manager.post(f"{QUEUE}filters/", {"name": "", "query": "age=day"}, follow=True)

        assert "Give the filter a name." in said.text

    def test_are_not_for_cashiers(self, ours, browse):
        client = browse(ours.users["cashier"])

        assert client.post(f"{QUEUE}filters/", {"name": "a", "query": "b=c"}).status_code == 403
        assert not SavedFilter.objects.exists()

    def test_are_text(self, ours, manager):
        given = {"name": "<script>x</script>", "query": 'q="><script>x</script>'}
        manager.post(f"{QUEUE}filters/", given)

        assert "<script>x" not in look(manager, q='"><script>x</script>').text
