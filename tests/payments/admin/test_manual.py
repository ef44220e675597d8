"""Writing payments down in the back office: who may, once, and with a last look."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from payments.models import Payment, Receipt
from payments.services import manual
from payments.services.manual import ManualPayment
from tenants import services as tenants
from tenants.roles import Role

pytestmark = pytest.mark.django_db
PAGE = "/admin/payments/payment/record/"
NUMBER = "TKL4ABC123"


def typed(page, **given):
    """Fill in the page as it was opened."""
    sale = re.search(r'name="sale" value="([^"]+)"', page.text).group(1)
    return {"sale": sale, "amount": "150", "method": "cash", **given}


@pytest.fixture
def record(ours, browse):
    """Type a payment in, press Next, look, press Yes."""

    def type_in(who="admin", *, confirm=True, environment="sandbox", **given):
        client = browse(ours.users[who])
        url = f"{PAGE}?environment={environment}"
        body = typed(client.get(url), **given)
        answer = client.post(url, body)
        if confirm and "summary" in answer.context:
            answer = client.post(url, {**body, "confirmed": "yes"}, follow=True)
        return answer

    return type_in


def written():
    return Payment.objects.filter(origin="manual")


class TestThePage:
    def test_asks_once_more_before_it_writes(self, record):
        page = record(confirm=False, amount="1500.50", method="mpesa", reference=NUMBER)

        assert "Is this right?" in page.text
        assert "KES 1,500.50" in page.text
        assert NUMBER in page.text
        assert not written().exists()

    def test_writes_it_down(self, record, ours):
        page = record(
            amount="1500.50", method="mpesa", reference=NUMBER, phone_number="0712 345 678"
        )

        payment = written().get()
        assert (payment.amount, payment.status) == (Decimal("1500.50"), "completed")
        assert payment.created_by == ours.users["admin"].email
        assert payment.phone_masked == "2547*****678"
        assert page.redirect_chain[-1][0] == f"/admin/payments/payment/{payment.pk}/change/"
        assert "Recorded: KES 1,500.50." in page.text
        assert "Written down: KES 1,500.50" in page.text

    def test_pressed_twice_is_one_sale(self, ours, browse):
        client = browse(ours.users["admin"])
        body = {**typed(client.get(PAGE)), "confirmed": "yes"}
        pages = [client.post(f"{PAGE}?environment=sandbox", body) for _press in range(2)]

        assert [page.status_code for page in pages] == [302, 302]
        assert pages[0]["Location"] == pages[1]["Location"]
        assert written().count() == 1

    def test_goes_back_to_change_something(self, ours, browse):
        client = browse(ours.users["admin"])
        body = typed(client.get(PAGE), amount="777")

        page = client.post(PAGE, {**body, "change": "yes", "confirmed": "yes"})

        assert 'value="777"' in page.text
        assert not written().exists()

    def test_uses_money_that_came_already(self, record, ours):
        receipt = Receipt.objects.create(
            shop=ours.shop,
            environment="sandbox",
            family="mpesa",
            number=NUMBER,
            amount=150,
            status="unallocated",
            channel="c2b",
            config=ours.configs["shop"],
        )

        page = record(method="mpesa", reference=NUMBER, order_ref="SALE-7")

        receipt.refresh_from_db()
        assert (receipt.status, receipt.payment.order_ref) == ("credited", "SALE-7")
        assert "That money had come already" in page.text
        assert not written().exists()

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"amount": "1,5"}, "Give an amount like 1500 or 1500.50."),
            ({"amount": "0"}, "Give an amount like 1500 or 1500.50."),
            ({"amount": "1.005"}, "Give an amount like 1500 or 1500.50."),
            ({"amount": "\u0661\u0665\u0660"}, "Give an amount like 1500 or 1500.50."),
            ({"method": "card"}, "Give the receipt, or say why there is none."),
            ({"method": "gold"}, "Select a valid choice"),
            ({"phone_number": "12"}, "not a Kenyan mobile number"),
            ({"order_ref": "a b"}, "Use letters, digits"),
            ({"sale": "x"}, "Enter a valid UUID"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_says_what_is_wrong(self, record, given, says):
        page = record(**given)

        assert page.status_code == 200
        assert says in page.text or says in str(page.context["form"].errors)
        assert not written().exists()

    def test_says_that_a_receipt_is_used(self, record):
        record(method="mpesa", reference=NUMBER)

        page = record(method="mpesa", reference=NUMBER)

        assert "The shop holds this receipt for something else." in page.text
        assert written().count() == 1


class TestWhoMay:
    @pytest.mark.parametrize("who", ["admin", "manager", "cashier"])
    def test_people_of_the_shop(self, record, who):
        record(who)

        assert written().get().branch is None

    def test_a_cashier_of_one_branch_there(self, record, ours):
        here, elsewhere = ours.branches["here"], ours.branches["elsewhere"]

        record("branch_cashier", branch=str(elsewhere.pk))
        record("branch_cashier")
        assert not written().exists()

        record("branch_cashier", branch=str(here.pk))
        assert written().get().branch == here

    def test_nobody_of_the_platform(self, browse, support, root):
        for who in (support, root):
            assert browse(who).get(PAGE).status_code == 403
            assert browse(who).post(PAGE, {}).status_code == 403

    def test_nobody_in_another_shop(self, ours, theirs, browse):
        client = browse(ours.users["admin"])

        assert client.get(f"{PAGE}?shop={theirs.shop.pk}").status_code == 404
        assert client.get(f"{PAGE}?shop=x").status_code == 404

    def test_whoever_works_in_two_shops_says_which(self, ours, theirs, browse):
        user = ours.users["cashier"]
        tenants.grant_role(user=user, shop=theirs.shop, role=Role.CASHIER)

        page = browse(user).get(PAGE)

        assert f"?shop={theirs.shop.pk}" in page.text
        assert 'name="amount"' not in page.text

    def test_finds_the_page_from_the_list(self, ours, browse, support):
        ledger = "/admin/payments/payment/"

        assert PAGE in browse(ours.users["cashier"]).get(ledger).text
        assert PAGE not in browse(support).get(ledger).text


class TestVoiding:
    @pytest.fixture
    def cash(self, ours, actor, now):
        return manual.record(
            shop=ours.shop,
            environment="sandbox",
            branch=None,
            given=ManualPayment(Decimal(150), "cash"),
            idempotency_key=None,
            actor=actor,
            now=now,
        )

    def test_is_a_button_with_a_reason(self, ours, browse, cash):
        client = browse(ours.users["admin"])
        url = f"/admin/payments/payment/{cash.pk}/do/void/"

        assert client.post(url, {}).status_code == 200
        cash.refresh_from_db()
        assert cash.status == "completed"

        page = client.post(url, {"reason": "Typed twice"}, follow=True)
        cash.refresh_from_db()
        assert cash.status == "reversed"
        assert "Typed twice" in page.text

    def test_is_not_for_cashiers(self, ours, browse, cash):
        url = f"/admin/payments/payment/{cash.pk}/do/void/"
        for who in ("manager", "cashier"):
            assert browse(ours.users[who]).post(url, {"reason": "No"}).status_code == 403

    def test_stays_on_the_list_and_is_found(self, ours, browse, cash):
        client = browse(ours.users["admin"])
        Payment.objects.filter(pk=cash.pk).update(external_reference="SLIP-9")

        for query in ({}, {"origin__exact": "manual"}, {"method__exact": "cash"}, {"q": "SLIP-9"}):
            page = client.get("/admin/payments/payment/", {"environment": "sandbox", **query})

            assert str(cash.pk) in page.text, query
