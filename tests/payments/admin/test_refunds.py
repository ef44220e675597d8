"""Refunds in the back office: asked here, approved by another, settled by what the portal shows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from payments.models import AccountBalance, Notice, ProviderRequest, Receipt, Refund
from payments.services import radar, refunds
from tenants.models import Branch, Membership
from tests.daraja import FakeDaraja
from tests.payments.services.receipt_world import receipt_row
from tests.payments.services.request_world import WITH_INITIATOR, paid, person

pytestmark = pytest.mark.django_db
LIST = reverse("admin:payments_refund_changelist")
ASK = reverse("admin:payments_accountbalance_ask")


@pytest.fixture(autouse=True)
def daraja(db):
    with FakeDaraja(clock=timezone.now, base_url=settings.DARAJA_SANDBOX_URL) as fake:
        fake.engine.knobs.result_after_s = 0.0
        yield fake


@pytest.fixture
def paybill(shop, branch, make_config):
    return make_config(
        shop,
        name="Paybill",
        provider="mpesa_paybill",
        shortcode="600100",
        branch=branch,
        credentials=WITH_INITIATOR,
    )


@pytest.fixture
def manager(shop):
    return person(shop, "manager", "wanjiru")[0]


@pytest.fixture
def admin(shop):
    return person(shop, "admin", "otieno")[0]


@pytest.fixture
def receipt(paybill, daraja, now):
    return paid(paybill, daraja, now=now)


@pytest.fixture
def refund(receipt, shop, now):
    user, actor = person(shop, "manager", "kamau")
    return refunds.ask_refund(receipt=receipt, reason="Wrong size", user=user, actor=actor, now=now)


def page(row, method=""):
    name = f"admin:payments_{type(row).__name__.lower()}_{'do' if method else 'change'}"
    return reverse(name, args=[row.pk, method] if method else [row.pk])


def text_of(response):
    return response.content.decode()


class TestAsking:
    @pytest.mark.parametrize("place", ["payment", "receipt"])
    def test_begins_on_a_payment_and_on_a_receipt(self, place, receipt, manager, browse):
        row = receipt.payment if place == "payment" else receipt
        client = browse(manager)

        assert "Ask for a refund" in text_of(client.get(page(row)))
        response = client.post(page(row, "ask_refund"), {"reason": "Wrong size"})

        asked = Refund.objects.get()
        assert response["Location"] == page(asked)
        assert (asked.receipt, asked.asked_by, asked.reason) == (receipt, manager, "Wrong size")
        assert page(row, "ask_refund") not in text_of(client.get(page(row)))

    def test_needs_a_reason(self, receipt, manager, browse):
        browse(manager).post(page(receipt, "ask_refund"), {"reason": ""})

        assert not Refund.objects.exists()

    def test_is_not_for_cashiers(self, receipt, shop, browse):
        cashier, _actor = person(shop, "cashier", "till")

        response = browse(cashier).post(page(receipt.payment, "ask_refund"), {"reason": "x"})

        assert response.status_code == 403
        assert not Refund.objects.exists()

    def test_is_not_offered_for_what_cannot_be_given_back(self, paybill, manager, browse, now):
        loose = receipt_row(paybill, now=now)

        assert page(loose, "ask_refund") not in text_of(browse(manager).get(page(loose)))


class TestThePage:
    def test_tells_who_asked_when_why_and_how_much(self, refund, receipt, admin, browse):
        text = text_of(browse(admin).get(page(refund)))

        for part in ("KES 150", "Wrong size", "kamau@duka.test", receipt.number):
            assert part in text
        assert page(receipt.payment) in text
        assert page(refund, "approve") in text
        assert page(refund, "decline") in text

    def test_has_a_sentence_in_place_of_the_button_for_who_asked(self, refund, shop, browse):
        Membership.objects.filter(user=refund.asked_by).update(role="admin")
        client = browse(refund.asked_by)

        text = text_of(client.get(page(refund)))
        client.post(page(refund, "approve"))

        assert "another person must approve it" in text
        assert page(refund, "approve") not in text
        refund.refresh_from_db()
        assert refund.status == "asked"

    def test_lets_another_approve_and_tells_what_comes_of_it(self, refund, admin, browse, daraja):
        client = browse(admin)

        client.post(page(refund, "approve"))
        sent = text_of(client.get(page(refund)))
        daraja.deliver(Client())
        done = text_of(client.get(page(refund)))

        assert "its result is awaited" in sent
        assert "The money is back with who paid it." in done
        assert len(daraja.ledger.requests) == 1

    def test_lets_another_decline_with_a_reason(self, refund, admin, browse):
        client = browse(admin)

        client.post(page(refund, "decline"), {"reason": ""})
        client.post(page(refund, "decline"), {"reason": "It fits after all."})

        assert "Declined: It fits after all." in text_of(client.get(page(refund)))

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("R000001", "It was reversed before|The receipt was reversed before"),
            ("R000002", "no receipt of this number that can be reversed"),
            ("8006", "The initiator is locked"),
        ],
    )
    def test_explains_a_failure(self, refund, admin, browse, daraja, code, words):
        daraja.engine.plan_result("reversal", code)
        client = browse(admin)
        client.post(page(refund, "approve"))
        daraja.deliver(Client())

        text = text_of(client.get(page(refund)))

        assert any(each in text for each in words.split("|"))

    def test_says_unknown_and_takes_a_persons_word(self, refund, admin, browse, daraja):
        daraja.break_next("reversal", "hang")
        client = browse(admin)
        client.post(page(refund, "approve"))

        text = text_of(client.get(page(refund)))
        assert "It is never sent again by itself" in text
        assert page(refund, "approve") not in text
        client.post(page(refund, "settle_reversed"), {"reason": "Seen on the portal, 10:42"})

        refund.refresh_from_db()
        refund.payment.refresh_from_db()
        assert (refund.status, refund.payment.status) == ("done", "reversed")
        assert len(daraja.ledger.requests) == 1

    def test_explains_the_portal_where_no_initiator_is_set(
        self, shop, make_config, daraja, manager, admin, browse, now
    ):
        plain = make_config(shop, provider="mpesa_paybill", shortcode="600200")
        receipt = paid(plain, daraja, now=now)
        browse(manager).post(page(receipt, "ask_refund"), {"reason": "Wrong size"})
        refund = Refund.objects.get()
        client = browse(admin)
        client.post(page(refund, "approve"))

        text = text_of(client.get(page(refund)))
        client.post(page(refund, "settle_not_reversed"), {"reason": "Too late, says the portal"})

        assert "No initiator is set" in text
        assert "Too late, says the portal" in text_of(client.get(page(refund)))

    def test_is_no_neighbours(self, refund, neighbour, browse):
        stranger, _actor = person(neighbour, "admin", "mary")
        client = browse(stranger)

        assert client.get(page(refund)).status_code == 404
        assert client.post(page(refund, "approve")).status_code == 404
        assert refund.receipt.number not in text_of(client.get(LIST))

    def test_list_says_what_it_is_for_while_it_is_empty(self, admin, browse):
        text = text_of(browse(admin).get(LIST))

        assert "Nobody has asked for a refund yet." in text


class TestReceiptsAndRequests:
    def test_ask_safaricom_about_a_receipt(self, receipt, manager, browse, daraja):
        client = browse(manager)

        client.post(page(receipt, "ask_safaricom"))
        daraja.deliver(Client())

        row = ProviderRequest.objects.get()
        assert (row.status, row.asked_by) == ("succeeded", manager.email)
        text = text_of(client.get(page(row)))
        assert "Completed" in text
        assert "254" not in text
        listed = text_of(client.get(reverse("admin:payments_providerrequest_changelist")))
        assert receipt.number in listed

    def test_lists_are_empty_kindly(self, admin, browse):
        client = browse(admin)

        requests_page = text_of(client.get(reverse("admin:payments_providerrequest_changelist")))
        balances_page = text_of(client.get(reverse("admin:payments_accountbalance_changelist")))

        assert "Nothing was asked yet." in requests_page
        assert "No balance was told yet." in balances_page


class TestBalances:
    def test_are_asked_for_by_an_admin(self, paybill, admin, browse, daraja):
        client = browse(admin)

        assert "Paybill (600100)" in text_of(client.get(ASK))
        client.post(ASK, {"config": paybill.pk})
        daraja.deliver(Client())

        assert AccountBalance.objects.exists()
        listed = text_of(client.get(reverse("admin:payments_accountbalance_changelist")))
        assert AccountBalance.objects.first().account in listed

    def test_are_nobody_elses(self, paybill, manager, browse, daraja):
        client = browse(manager)

        assert client.get(ASK).status_code == 403
        assert client.post(ASK, {"config": paybill.pk}).status_code == 403
        assert not daraja.ledger.requests

    def test_are_asked_of_own_configs_with_an_initiator(
        self, neighbour, make_config, admin, browse, daraja
    ):
        theirs = make_config(
            neighbour, provider="mpesa_paybill", shortcode="600900", credentials=WITH_INITIATOR
        )
        client = browse(admin)

        text = text_of(client.get(ASK))
        client.post(ASK, {"config": theirs.pk})

        assert "No payment config has an initiator" in text
        assert not ProviderRequest.objects.exists()


class TestTheBanner:
    @pytest.fixture
    def taken_back(self, receipt, actor, now):
        radar.note_reversal(receipt, source=_STATUS, actor=actor, now=now)
        return receipt

    def test_stands_where_the_branch_looks(self, taken_back, admin, browse):
        client = browse(admin)
        pages = [
            reverse("admin:index"),
            reverse("admin:payments_payment_changelist"),
            page(taken_back.payment),
            page(taken_back),
        ]
        for url in pages:
            text = text_of(client.get(url))
            assert f"KES 150 of receipt {taken_back.number} was taken back." in text, url
            for part in ("Westlands", "Till 3"):
                assert part in text

    def test_is_the_branchs_own(self, taken_back, shop, branch, neighbour, browse):
        east = Branch.objects.create(shop=shop, code="EAST", name="Eastleigh")
        seen = {}
        for name, branches in (("west", [branch]), ("east", [east])):
            user, _actor = person(shop, "cashier", name)
            Membership.objects.get(user=user).branches.set(branches)
            seen[name] = taken_back.number in text_of(browse(user).get(reverse("admin:index")))
        stranger, _actor = person(neighbour, "admin", "mary")
        seen["mary"] = taken_back.number in text_of(browse(stranger).get(reverse("admin:index")))

        assert seen == {"west": True, "east": False, "mary": False}

    def test_goes_when_it_is_muted(self, taken_back, admin, browse, now):
        Notice.objects.update(muted_until=now + timedelta(days=1))

        assert taken_back.number not in text_of(browse(admin).get(reverse("admin:index")))

    def test_flags_the_payer_when_he_comes_again(self, paybill, daraja, admin, browse, actor, now):
        first = paid(paybill, daraja, msisdn="254712345678", now=now)
        radar.note_reversal(first, source=_STATUS, actor=actor, now=now)
        again = paid(paybill, daraja, msisdn="254712345678", amount=20, now=now)
        other = paid(paybill, daraja, msisdn="254712345679", amount=20, now=now)
        client = browse(admin)

        for row in (again, again.payment):
            assert "Took money back before" in text_of(client.get(page(row)))
        assert "Took money back before" not in text_of(client.get(page(other)))
        assert Receipt.objects.filter(amount=Decimal(20)).count() == 2


_STATUS = radar.EvidenceSource.TRANSACTION_STATUS
