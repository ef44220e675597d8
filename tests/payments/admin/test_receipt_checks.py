"""The cashier's page: one big word for each answer, and a genuine receipt used once."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from payments.choices import ReceiptStatus
from payments.models import Payment, Receipt, ReceiptCheck
from payments.receipt_choices import CheckAnswer
from tenants import services as tenants
from tests.payments.services.receipt_world import receipt_row
from tests.payments.services.request_world import WITH_INITIATOR
from tests.payments.services.shown_messages import number_of, till_message

pytestmark = pytest.mark.django_db
PAGE = reverse("admin:payments_receiptcheck_check")
WORDS = {
    CheckAnswer.GENUINE_UNCLAIMED: ("Genuine", "told-good"),
    CheckAnswer.ALREADY_USED: ("Already used", "told-bad"),
    CheckAnswer.AMOUNT_DIFFERS: ("Another amount", "told-warn"),
    CheckAnswer.REVERSED: ("Taken back", "told-bad"),
    CheckAnswer.NOT_SEEN_YET: ("Not seen yet", "told-wait"),
    CheckAnswer.WRONG_BUSINESS: ("Not this shop\u2019s", "told-bad"),
    CheckAnswer.LOOKS_FAKE: ("Looks fake", "told-bad"),
}


@pytest.fixture
def receipt(ours, now):
    """KES 150 that came to the branch "here", unused."""
    return receipt_row(ours.configs["here"], now=now, number=number_of(now, "AB12CDE"))


@pytest.fixture
def cashier(ours, browse):
    return browse(ours.users["branch_cashier"])


@pytest.fixture
def ask(cashier):
    def run(shown, **more):
        return cashier.post(PAGE, {"shown": shown, "environment": "sandbox", **more})

    return run


def word_of(response):
    text = response.content.decode()
    word = re.search(r'<span class="told-sign"[^>]*>[^<]*</span> <span>([^<]*)</span>', text)
    tone = re.search(r'class="told (told-\w+)"', text)
    return (word and word[1], tone and tone[1])


def claim(client, receipt, order_ref="S-1", **more):
    given = {"receipt_number": receipt.number, "amount": "150.00", "order_ref": order_ref}
    return client.post(PAGE, {"claim": "1", "environment": "sandbox", **given, **more})


class TestTheAnswer:
    def test_is_genuine_with_amount_payer_and_a_way_to_use_it(self, ask, receipt):
        response = ask(till_message(receipt), amount="150", last3="678")

        assert word_of(response) == WORDS[CheckAnswer.GENUINE_UNCLAIMED]
        text = response.content.decode()
        assert "KES 150" in text
        assert "J. W. 2547*****678" in text
        assert "Use it for this sale" in text
        assert "no-store" in response["Cache-Control"]

    @pytest.mark.parametrize(
        ("answer", "how"),
        [
            (CheckAnswer.AMOUNT_DIFFERS, {"amount": "100"}),
            (CheckAnswer.LOOKS_FAKE, {"last3": "111"}),
        ],
    )
    def test_compares_what_was_typed_beside_it(self, ask, receipt, answer, how):
        response = ask(receipt.number, **how)

        assert word_of(response) == WORDS[answer]
        assert "Use it for this sale" not in response.content.decode()

    def test_is_taken_back(self, ask, receipt):
        Receipt.objects.filter(pk=receipt.pk).update(status=ReceiptStatus.REVERSED)

        assert word_of(ask(receipt.number)) == WORDS[CheckAnswer.REVERSED]

    def test_is_not_this_shops(self, ask, now):
        text = (
            f"{number_of(now)} Confirmed. Ksh100.00 sent to JABALI 0700000151. New M-PESA balance is "
            "Ksh2,128.13."
        )

        assert word_of(ask(text)) == WORDS[CheckAnswer.WRONG_BUSINESS]

    def test_looks_fake(self, ask, receipt):
        text = till_message(receipt).replace("paid", "p\u0430id")

        assert word_of(ask(text)) == WORDS[CheckAnswer.LOOKS_FAKE]

    def test_of_the_neighbours_is_not_seen_yet(self, ask, theirs, now):
        foreign = receipt_row(theirs.configs["here"], now=now, number=number_of(now, "F0RE1GN"))

        response = ask(foreign.number)

        assert word_of(response) == WORDS[CheckAnswer.NOT_SEEN_YET]
        assert theirs.name not in response.content.decode()

    @pytest.mark.parametrize(
        "shown", ["", "  ", "x" * 10_000, "\u202eUKK5P70VVL", "UKK\x07", "no code at all here"]
    )
    def test_is_an_error_beside_the_box_for_what_cannot_be_read(self, ask, shown):
        response = ask(shown)

        assert response.status_code == 200
        assert 'class="errorlist"' in response.content.decode()
        assert word_of(response) == (None, None)
        assert ReceiptCheck.objects.count() == 0

    def test_keeps_nothing_of_the_message_on_the_page(self, ask, receipt):
        text = ask(till_message(receipt)).content.decode()

        assert "DUKA LA MTAA" not in text

    def test_is_written_with_who_and_where(self, ask, receipt, ours):
        ask(receipt.number)

        row = ReceiptCheck.objects.get()
        assert (row.branch, row.asked_by) == (
            ours.branches["here"],
            ours.users["branch_cashier"].email,
        )

    def test_speaks_swahili_without_a_broken_place(self, cashier, receipt):
        response = cashier.post(
            PAGE,
            {"shown": receipt.number, "environment": "sandbox"},
            headers={"Accept-Language": "sw"},
        )

        assert response.status_code == 200
        assert "%(" not in response.content.decode()

    def test_slows_down_whoever_tries_codes(self, ask):
        statuses = [ask("ABC").status_code for _ in range(31)]

        assert statuses == [200] * 30 + [429]


class TestLookingAgain:
    def test_follows_safaricoms_answer_to_genuine(self, ask, cashier, ours, daraja, now):
        config = _with_initiator(ours, now)
        daraja.know_urls(config.shortcode, config.pk)
        number = daraja.pay_c2b(config.shortcode, 150, reference="KIOSK")
        daraja.due_callbacks()  # lost on the way

        first = ask(number)
        live = _live_of(first)
        waiting = cashier.get(live)
        daraja.deliver(Client())
        then = cashier.get(live)

        assert word_of(first) == word_of(waiting) == WORDS[CheckAnswer.NOT_SEEN_YET]
        assert _live_of(waiting)
        assert word_of(then) == WORDS[CheckAnswer.GENUINE_UNCLAIMED]
        assert _live_of(then) is None
        assert ReceiptCheck.objects.count() == 1

    def test_works_by_a_link_too(self, ask, cashier, receipt):
        Receipt.objects.filter(pk=receipt.pk).update(status=ReceiptStatus.HELD)
        first = ask(receipt.number).content.decode()
        link = re.search(r'href="([^"]*again=[^"]*)"', first)
        Receipt.objects.filter(pk=receipt.pk).update(status=ReceiptStatus.UNALLOCATED)

        response = cashier.get(link[1].replace("&amp;", "&"))

        assert word_of(response) == WORDS[CheckAnswer.GENUINE_UNCLAIMED]

    def test_is_for_the_same_person_and_a_while(self, ask, ours, cashier, browse, receipt):
        Receipt.objects.filter(pk=receipt.pk).update(status=ReceiptStatus.HELD)
        first = ask(receipt.number).content.decode()
        link = re.search(r'href="([^"]*again=[^"]*)"', first)[1].replace("&amp;", "&")

        assert word_of(browse(ours.users["cashier"]).get(link)) == (None, None)
        with time_machine.travel(timezone.now() + timedelta(minutes=16)):
            assert cashier.get(link).status_code in {302, 200}
            assert word_of(cashier.get(link, follow=True)) == (None, None)
        assert cashier.get(link + "x").status_code == 302


class TestUsingIt:
    def test_makes_the_sale_once(self, cashier, receipt, ours):
        first = claim(cashier, receipt)
        again = claim(cashier, receipt)  # pressed twice
        other = claim(cashier, receipt, order_ref="S-2")

        assert word_of(first) == word_of(again) == ("Used for this sale", "told-good")
        assert word_of(other) == WORDS[CheckAnswer.ALREADY_USED]
        receipt.refresh_from_db()
        assert receipt.payment.order_ref == "S-1"
        assert receipt.payment.branch == ours.branches["here"]
        assert Payment.objects.filter(order_ref__in=["S-1", "S-2"]).count() == 1

    def test_says_when_the_order_is_paid(self, cashier, receipt, ours, now):
        claim(cashier, receipt)
        second = receipt_row(ours.configs["here"], now=now)

        response = claim(cashier, second)

        assert "This order is already paid." in response.content.decode()
        assert word_of(response) == WORDS[CheckAnswer.GENUINE_UNCLAIMED]

    @pytest.mark.parametrize("order_ref", ["", "a b", "<script>", "x" * 65])
    def test_asks_for_an_order(self, cashier, receipt, order_ref):
        response = claim(cashier, receipt, order_ref=order_ref)

        assert 'class="errorlist"' in response.content.decode()
        receipt.refresh_from_db()
        assert receipt.status == ReceiptStatus.UNALLOCATED

    def test_does_not_trust_the_amount_of_the_form(self, cashier, receipt):
        response = claim(cashier, receipt, amount="1.00")

        receipt.refresh_from_db()
        assert receipt.status == ReceiptStatus.UNALLOCATED
        assert word_of(response) == WORDS[CheckAnswer.GENUINE_UNCLAIMED]

    def test_takes_no_neighbours_receipt(self, cashier, theirs, now):
        foreign = receipt_row(theirs.configs["here"], now=now)

        response = claim(cashier, foreign)

        assert word_of(response) == WORDS[CheckAnswer.NOT_SEEN_YET]
        foreign.refresh_from_db()
        assert foreign.status == ReceiptStatus.UNALLOCATED

    def test_needs_its_token_against_forged_forms(self, ours, receipt):
        client = Client(enforce_csrf_checks=True)
        client.force_login(
            ours.users["cashier"], backend="django.contrib.auth.backends.ModelBackend"
        )

        assert claim(client, receipt).status_code == 403


class TestWhoComesIn:
    @pytest.mark.parametrize(
        ("who", "status"),
        [("admin", 200), ("manager", 200), ("cashier", 200), ("branch_cashier", 200)],
    )
    def test_is_anybody_of_the_shop(self, ours, browse, who, status):
        client = browse(ours.users[who])

        assert client.get(PAGE).status_code == status
        assert "Check a receipt" in client.get("/admin/").content.decode()

    def test_is_nobody_of_the_platform(self, browse, root, support):
        for person in (root, support):
            client = browse(person)

            assert client.get(PAGE).status_code == 403
            assert client.post(PAGE, {"shown": "UKK5P70VVL"}).status_code == 403
            assert "Check a receipt" not in client.get("/admin/").content.decode()

    def test_is_no_stranger(self):
        assert Client().get(PAGE).status_code == 302

    def test_is_nobody_of_another_shop(self, browse, ours, theirs, receipt):
        client = browse(theirs.users["admin"])
        there = client.post(PAGE, {"shown": receipt.number, "shop": str(ours.shop.pk)})
        nowhere = client.get(PAGE, {"shop": "00000000-0000-4000-8000-000000000000"})

        assert (there.status_code, nowhere.status_code) == (404, 404)
        assert client.get(PAGE, {"shop": "x"}).status_code == 404

    def test_says_in_which_shop_he_is_where_he_works_in_two(self, browse, ours, theirs):
        user = ours.users["manager"]
        tenants.grant_role(user=user, shop=theirs.shop, role="manager")
        client = browse(user)

        page = client.get(PAGE).content.decode()
        chosen = client.get(PAGE, {"shop": str(theirs.shop.pk)}).content.decode()

        assert "In which shop are you?" in page
        assert 'id="id_shown"' in chosen

    def test_says_in_which_branch_he_is_where_he_has_two(self, browse, ours, receipt):
        user = ours.users["branch_cashier"]
        ours.members["branch_cashier"].branches.add(ours.branches["elsewhere"])
        client = browse(type(user).objects.get(pk=user.pk))

        without = client.post(PAGE, {"shown": receipt.number, "environment": "sandbox"})
        given = {"shown": receipt.number, "environment": "sandbox"}
        here = client.post(PAGE, {**given, "branch": str(ours.branches["here"].pk)})
        elsewhere = client.post(PAGE, {**given, "branch": str(ours.branches["elsewhere"].pk)})

        assert word_of(without) == (None, None)
        assert word_of(here) == WORDS[CheckAnswer.GENUINE_UNCLAIMED]
        assert word_of(elsewhere) == WORDS[CheckAnswer.NOT_SEEN_YET]


class TestTheList:
    def test_shows_what_was_asked_and_no_code(self, ask, ours, browse, receipt):
        ask(receipt.number)

        text = (
            browse(ours.users["manager"])
            .get(reverse("admin:payments_receiptcheck_changelist"), {"environment": "sandbox"})
            .content.decode()
        )

        assert receipt.number not in text
        assert 'badge-good">Genuine<' in text
        assert ours.users["branch_cashier"].email in text


def _with_initiator(corner, now):
    """Give the config "here" an operator who may ask Safaricom."""
    config = corner.configs["here"]
    version = config.versions.get()
    version.secrets = WITH_INITIATOR
    version.save()
    return config


def _live_of(response):
    found = re.search(r'data-live="([^"]*)"', response.content.decode())
    return found and found[1].replace("&amp;", "&")
