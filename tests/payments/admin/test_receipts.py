"""Money that arrived, in the back office: the ledger, the queue, and whose it is with one press."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from audit.models import AuditEntry
from payments.models import Payment, Receipt, ReceiptCheck
from payments.services import receipt_acts
from payments.services.money_audit import audit_money
from tests.payments.services.receipt_world import MANAGER, asked_payment, receipt_row
from tests.world import let_support_in

pytestmark = pytest.mark.django_db
LEDGER = reverse("admin:payments_receipt_changelist")
QUEUE = reverse("admin:payments_unallocatedreceipt_changelist")
SANDBOX = {"environment": "sandbox"}


def press(receipt, name, *, room="unallocatedreceipt"):
    return reverse(f"admin:payments_{room}_{name}", args=[receipt.pk])


def button(receipt, method, *, room="receipt"):
    return reverse(f"admin:payments_{room}_do", args=[receipt.pk, method])


def numbers(answer):
    return [receipt.number for receipt in answer.context["cl"].result_list]


@pytest.fixture
def waiting(ours, now):
    """KES 150 that nobody owns, at the branch here."""
    return receipt_row(ours.configs["here"], now=now, account_reference="ORDER9")


@pytest.fixture
def asked(ours, now):
    """A payment of KES 150 that waits for its customer, at the branch here."""
    return asked_payment(ours.configs["here"], now=now, order_ref="SALE-9")


class TestTheLedger:
    def test_shows_own_receipts_one_environment_at_a_time(self, ours, theirs, browse):
        client = browse(ours.users["manager"])

        played, real = numbers(client.get(LEDGER, SANDBOX)), numbers(client.get(LEDGER))

        here, elsewhere, live = (
            {ours.receipts[place].number, ours.unallocated[place].number}
            for place in ("here", "elsewhere", "live")
        )
        assert set(played) == here | elsewhere
        assert set(real) == live

    def test_keeps_a_branch_cashier_to_the_branch(self, ours, browse):
        shown = numbers(browse(ours.users["branch_cashier"]).get(LEDGER, SANDBOX))

        assert set(shown) == {ours.receipts["here"].number, ours.unallocated["here"].number}

    def test_finds_by_the_beginning_of_a_number(self, ours, waiting, browse):
        client = browse(ours.users["manager"])

        found = client.get(LEDGER, {**SANDBOX, "q": waiting.number[:9].lower()})

        assert "No payment has this reference" in found.content.decode()

        assert numbers(found) == [waiting.number]
        assert numbers(client.get(LEDGER, {**SANDBOX, "q": waiting.number[1:]})) == []

    @pytest.mark.parametrize(
        ("query", "finds"),
        [
            ({"status__exact": "unallocated", "reason__exact": "already_paid"}, True),
            ({"channel__exact": "c2b", "reason__exact": "already_paid"}, True),
            ({"channel__exact": "pull"}, False),
            ({"status__exact": "reversed"}, False),
        ],
        ids=["reason", "channel", "other channel", "other status"],
    )
    def test_filters(self, ours, browse, now, query, finds):
        receipt = receipt_row(ours.configs["here"], now=now, reason="already_paid")

        shown = numbers(browse(ours.users["admin"]).get(LEDGER, {**SANDBOX, **query}))

        assert shown == ([receipt.number] if finds else [])

    def test_reads_a_page_in_a_fixed_number_of_queries(
        self, ours, browse, now, django_assert_max_num_queries
    ):
        for _each in range(30):
            receipt_row(ours.configs["here"], now=now)

        client = browse(ours.users["admin"])

        with django_assert_max_num_queries(18):
            answer = client.get(LEDGER, SANDBOX)

        assert len(numbers(answer)) == 34

    def test_masks_the_payer_for_support(self, ours, support, waiting, browse, now):
        let_support_in(ours, now=now)
        client = browse(support)

        pages = [client.get(LEDGER, SANDBOX), client.get(QUEUE, SANDBOX)]
        pages.append(client.get(press(waiting, "change", room="receipt")))

        for page in pages:
            text = page.content.decode()
            assert page.status_code == 200
            assert "2547*****678" in text
            assert "J. W." not in text
            assert "Assign" not in text


class TestThePage:
    def test_tells_what_was_done_and_who_looked(self, ours, waiting, browse, now):
        receipt_acts.mark_refund(receipt=waiting, reason="Paid twice", actor=MANAGER, now=now)
        ReceiptCheck.objects.create(
            shop=ours.shop,
            environment="sandbox",
            receipt=waiting,
            branch=ours.branches["here"],
            answer="genuine_unclaimed",
            asked_by="Kaunta 3",
        )

        answer = browse(ours.users["manager"]).get(press(waiting, "change", room="receipt"))

        text = answer.content.decode()
        assert [table["title"] for table in answer.context["tables"]] == [
            "What was done",
            "Shown at the till",
        ]
        for word in ("Paid twice", "manager@duka.test", "Kaunta 3", "To be given back", "ORDER9"):
            assert word in text

    def test_hides_the_trail_from_cashiers(self, ours, waiting, browse, now):
        receipt_acts.mark_refund(receipt=waiting, reason="Paid twice", actor=MANAGER, now=now)

        page = browse(ours.users["cashier"]).get(press(waiting, "change", room="receipt"))

        assert "Paid twice" not in page.content.decode()
        assert not page.context.get("decides")

    def test_finds_a_payment_to_assign_to(self, ours, waiting, asked, browse):
        client = browse(ours.users["manager"])

        page = client.get(press(waiting, "change", room="receipt"), {"q": "SALE-9"})
        other = client.get(press(waiting, "change", room="receipt"), {"q": "SALE-8"})

        assert [each["pk"] for each in page.context["found"]] == [asked.pk]
        assert page.context["found"][0]["refusal"] == ""
        assert "No payment of this shop" in other.content.decode()

    def test_says_before_the_press_what_cannot_be(self, ours, waiting, browse):
        page = browse(ours.users["manager"]).get(
            press(waiting, "change", room="receipt"), {"q": "Zawadi-here"}
        )

        assert page.context["found"][0]["refusal"] == "It has its money already."

    def test_finds_nothing_of_a_neighbours_or_of_another_branch(
        self, ours, theirs, waiting, browse, now
    ):
        asked_payment(theirs.configs["here"], now=now, order_ref="SALE-7")
        asked_payment(ours.configs["elsewhere"], now=now, order_ref="SALE-6")
        url = press(waiting, "change", room="receipt")

        whole, bound = browse(ours.users["admin"]), browse(ours.users["branch_admin"])

        assert whole.get(url, {"q": "SALE-7"}).context["found"] == []
        assert len(whole.get(url, {"q": "SALE-6"}).context["found"]) == 1
        assert bound.get(url, {"q": "SALE-6"}).context["found"] == []


class TestTheQueue:
    def test_begins_with_what_waits_longest(self, ours, waiting, browse):
        shown = numbers(browse(ours.users["manager"]).get(QUEUE, SANDBOX))

        assert shown[-1] == waiting.number
        assert set(shown[:-1]) == {ours.unallocated[p].number for p in ("here", "elsewhere")}

    def test_is_not_for_cashiers(self, ours, waiting, browse):
        for post in ("cashier", "branch_cashier"):
            client = browse(ours.users[post])

            assert client.get(QUEUE).status_code == 403
            assert client.post(press(waiting, "assign")).status_code in {403, 404}
            assert client.post(press(waiting, "keep")).status_code in {403, 404}
            assert client.post(press(waiting, "keep", room="receipt")).status_code == 403
        waiting.refresh_from_db()
        assert waiting.status == "unallocated"

    def test_says_so_when_it_is_empty(self, ours, browse):
        Receipt.objects.filter(status="unallocated").delete()

        text = browse(ours.users["manager"]).get(QUEUE).content.decode()

        assert "All money that arrived has an owner." in text

    def test_says_why_it_waits_and_suggests_what_fits(self, ours, waiting, asked, browse, now):
        asked_payment(ours.configs["here"], now=now, amount=151)

        answer = browse(ours.users["manager"]).get(QUEUE, SANDBOX)

        item = answer.context["items"][-1]
        assert [each["pk"] for each in item["suggestions"]] == [asked.pk]
        assert "No payment has this reference" in answer.content.decode()

    @pytest.mark.parametrize(
        ("before", "says"),
        [
            ({"seconds": 59}, "The same amount, asked for at the same time."),
            ({"minutes": 1}, "The same amount, asked for 1 minute before."),
            ({"minutes": 4, "seconds": 1}, "The same amount, asked for 4 minutes before."),
            ({"hours": 3}, "The same amount, asked for 3 hours before."),
        ],
    )
    def test_says_how_long_before_it_was_asked_for(self, ours, now, browse, before, says):
        paid = receipt_row(ours.configs["here"], now=now, paid_at=now)
        asked_payment(ours.configs["here"], now=paid.paid_at - timedelta(**before))

        answer = browse(ours.users["manager"]).get(QUEUE, SANDBOX)

        item = next(i for i in answer.context["items"] if i["receipt"] == paid)
        assert item["suggestions"][0]["why"] == says

    def test_puts_a_near_reference_first(self, ours, now, browse):
        plain = asked_payment(ours.configs["here"], now=now)
        near = asked_payment(ours.configs["here"], now=now, account_reference="KIOSK7")
        receipt_row(ours.configs["here"], now=now, account_reference="KIOSK1")

        answer = browse(ours.users["manager"]).get(QUEUE, SANDBOX)

        found = answer.context["items"][-1]["suggestions"]
        assert [each["pk"] for each in found] == [near.pk, plain.pk]
        assert "1 slip away" in found[0]["why"]

    def test_suggests_nothing_of_another_branch_to_whom_it_is_no_business(self, ours, browse, now):
        asked_payment(ours.configs["shop"], now=now, branch=ours.branches["elsewhere"])
        money = receipt_row(ours.configs["shop"], now=now, branch=ours.branches["here"])

        def suggested(post):
            items = browse(ours.users[post]).get(QUEUE, SANDBOX).context["items"]
            return next(i["suggestions"] for i in items if i["receipt"].pk == money.pk)

        assert len(suggested("admin")) == 1
        assert suggested("branch_admin") == []

    def test_shows_how_much_waits_in_the_sidebar(self, ours, waiting, browse):
        counts = browse(ours.users["manager"]).get(QUEUE).wsgi_request.waiting_work

        assert counts["payments.UnallocatedReceipt"] == 4


class TestPresses:
    def test_assign_with_one(self, ours, waiting, asked, browse):
        client = browse(ours.users["manager"])

        client.get(press(waiting, "assign"), {"payment": str(asked.pk)})
        before = Receipt.objects.get(pk=waiting.pk).status
        answer = client.post(press(waiting, "assign"), {"payment": str(asked.pk)}, follow=True)

        asked.refresh_from_db()
        waiting.refresh_from_db()
        assert before == "unallocated"
        assert (asked.status, asked.receipt_number) == ("completed", waiting.number)
        assert waiting.claimed_by == "manager@zawadi.test"
        assert "is assigned to SALE-9" in answer.content.decode()
        assert answer.redirect_chain[-1][0] == f"{QUEUE}?environment=sandbox"
        assert audit_money() == []

    def test_say_what_a_service_refuses(self, ours, waiting, browse, now):
        other = asked_payment(ours.configs["here"], now=now, amount=151)

        answer = browse(ours.users["manager"]).post(
            press(waiting, "assign"), {"payment": str(other.pk)}, follow=True
        )

        assert "another amount" in answer.content.decode()
        waiting.refresh_from_db()
        assert waiting.status == "unallocated"

    def test_know_no_payment_of_a_neighbour(self, ours, theirs, waiting, browse, now):
        foreign = asked_payment(theirs.configs["here"], now=now)
        client = browse(ours.users["admin"])

        for named in (str(foreign.pk), str(waiting.pk), "x", ""):
            assert client.post(press(waiting, "assign"), {"payment": named}).status_code == 404
        foreign.refresh_from_db()
        assert foreign.status == "created"

    def test_are_not_a_neighbours(self, theirs, waiting, asked, browse):
        client = browse(theirs.users["admin"])
        given = {"payment": str(asked.pk), "reason": "Mine"}

        for url in (
            press(waiting, "assign"),
            press(waiting, "keep"),
            press(waiting, "assign", room="receipt"),
            button(waiting, "mark_refund"),
            button(waiting, "release"),
        ):
            assert client.post(url, given).status_code == 404
        waiting.refresh_from_db()
        assert waiting.status == "unallocated"

    def test_keep_a_walk_in_sale_with_label_and_branch(self, ours, waiting, browse):
        browse(ours.users["manager"]).post(
            press(waiting, "keep"),
            {"label": "Soda", "branch": str(ours.branches["elsewhere"].pk)},
        )

        sale = Payment.objects.get(receipt_number=waiting.number)
        assert (sale.label, sale.branch) == ("Soda", ours.branches["elsewhere"])
        assert sale.status == "completed"

    def test_keep_with_nothing_said(self, ours, waiting, browse):
        browse(ours.users["manager"]).post(press(waiting, "keep"))

        sale = Payment.objects.get(receipt_number=waiting.number)
        assert (sale.label, sale.branch) == ("", ours.branches["here"])

    def test_keep_at_no_branch_of_others(self, ours, theirs, waiting, browse):
        foreign = {"branch": str(theirs.branches["here"].pk)}

        answer = browse(ours.users["manager"]).post(press(waiting, "keep"), foreign, follow=True)

        assert "Choose one of your branches" in answer.content.decode()
        waiting.refresh_from_db()
        assert waiting.status == "unallocated"

    def test_mark_for_a_refund_with_a_reason(self, ours, waiting, browse):
        client = browse(ours.users["manager"])
        url = button(waiting, "mark_refund", room="unallocatedreceipt")

        client.post(url, {"reason": ""})
        waiting.refresh_from_db()
        before = waiting.status
        client.post(url, {"reason": "Paid twice"})

        waiting.refresh_from_db()
        entry = AuditEntry.objects.get(action="receipt.to_refund")
        assert before == "unallocated"
        assert (waiting.status, waiting.reason) == ("in_review", "refund_needed")
        assert (entry.reason, entry.actor_label) == ("Paid twice", "manager@zawadi.test")

    def test_undo_what_was_decided(self, ours, waiting, asked, browse, now):
        client = browse(ours.users["manager"])
        client.post(press(waiting, "assign"), {"payment": str(asked.pk)})
        marked = receipt_row(ours.configs["here"], now=now, amount=Decimal("20.50"))
        client.post(button(marked, "mark_refund"), {"reason": "Twice"})

        handled = client.get(QUEUE, SANDBOX).context["handled"]
        for each in handled:
            client.post(each["undo"], {"reason": "Wrong press"})

        asked.refresh_from_db()
        assert {each["receipt"].pk for each in handled} == {waiting.pk, marked.pk}
        for receipt in (waiting, marked):
            receipt.refresh_from_db()
            assert (receipt.status, receipt.reason) == ("unallocated", "released")
        assert asked.status == "reversed"
        assert audit_money() == []

    def test_are_offered_for_undoing_to_whom_may_alone(self, ours, waiting, support, browse, now):
        let_support_in(ours, now=now)
        browse(ours.users["manager"]).post(press(waiting, "keep"))

        looked = browse(support).get(QUEUE, SANDBOX)

        assert looked.context["handled"] == []
        assert browse(support).post(button(waiting, "release"), {"reason": "x"}).status_code == 403
