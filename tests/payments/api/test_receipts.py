"""The ledger over HTTP: listed, claimed once, given to a payment."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from payments.models import Payment, Receipt
from payments.services.money_audit import audit_money
from tenants import services as tenants
from tests.client import ApiClient
from tests.committed import committed_db as committed_db  # noqa: PLC0414 - a fixture
from tests.journeys.shopfloor import at_once, new_key
from tests.payments.services.receipt_world import asked_payment, receipt_row


@pytest.fixture
def receipt(paybill, now):
    return receipt_row(paybill, now=now, number="TKL1234567", amount=Decimal("1499.50"))


@pytest.fixture
def ask(api):
    def claim(key, receipt, **more):
        body = {
            "receipt_number": receipt.number,
            "order_ref": "SALE-1",
            "amount": f"{receipt.amount:.2f}",
        }
        return api(key).post("/receipts/claim", {**body, **more}, **{"Idempotency-Key": new_key()})

    return claim


def numbers(response):
    return [row["receipt_number"] for row in response.json()["results"]]


@pytest.mark.django_db
class TestList:
    def test_tells_what_the_contract_says_and_no_more(self, api, cashier_key, receipt):
        row = api(cashier_key).get("/receipts").json()["results"][0]

        assert row == {
            "id": str(receipt.pk),
            "receipt_number": "TKL1234567",
            "amount": "1499.50",
            "status": "unallocated",
            "payment": None,
            "channel": "c2b",
            "account_reference": "KIOSK",
            "payer": "J. W. 2547*****678",
            "paid_at": receipt.paid_at.isoformat().replace("+00:00", "Z"),
            "claimed_at": None,
            "label": None,
            "branch": None,
            "reason": "no_such_reference",
        }

    def test_filters(self, api, admin_key, paybill, branch, now):
        old = receipt_row(paybill, now=now, paid_at=now - timedelta(days=2))
        new = receipt_row(paybill, now=now, paid_at=now, branch=branch, status="held")
        client = api(admin_key)
        since = (now - timedelta(days=1)).isoformat()

        assert numbers(client.get("/receipts", {"paid_after": since})) == [new.number]
        assert numbers(client.get("/receipts", {"paid_before": since})) == [old.number]
        assert numbers(client.get("/receipts", {"status": "held"})) == [new.number]
        assert numbers(client.get("/receipts", {"branch": str(branch.pk)})) == [new.number]
        by_number = client.get("/receipts", {"receipt_number": old.number.lower()})
        assert numbers(by_number) == [old.number]

    @pytest.mark.parametrize(
        ("name", "value"),
        [("status", "used"), ("paid_after", "yesterday"), ("branch", "west"), ("payer", "J")],
    )
    def test_refuses_what_it_does_not_know(self, api, admin_key, name, value):
        response = api(admin_key).get("/receipts", {name: value})

        assert response.status_code == 400
        assert [error["field"] for error in response.json()["errors"]] == [name]

    def test_goes_on_page_by_page_newest_first(self, api, admin_key, paybill, now):
        made = [receipt_row(paybill, now=now + timedelta(seconds=n)).number for n in range(5)]
        first = api(admin_key).get("/receipts", {"limit": 3})

        rest = api(admin_key).client.get(
            first.json()["next"], headers={"Authorization": f"Bearer {admin_key.text}"}
        )

        assert numbers(first) + numbers(rest) == made[::-1]

    def test_keeps_a_branchs_till_to_its_branch(
        self, api, shop, branch_cashier_key, make_config, paybill, branch, now
    ):
        east = tenants.add_branch(shop=shop, code="EAST", name="Eastleigh")
        own = make_config(shop, branch=branch, shortcode="600701")
        other = make_config(shop, branch=east, shortcode="600702")
        seen = [receipt_row(own, now=now), receipt_row(paybill, now=now, branch=branch)]
        receipt_row(other, now=now)
        receipt_row(paybill, now=now)
        receipt_row(own, now=now, branch=east)

        shown = numbers(api(branch_cashier_key).get("/receipts"))

        assert set(shown) == {row.number for row in seen}

    def test_reads_a_page_in_a_fixed_number_of_queries(
        self, api, admin_key, paybill, now, django_assert_max_num_queries
    ):
        for _each in range(12):
            receipt_row(paybill, now=now)

        with django_assert_max_num_queries(4):
            assert len(numbers(api(admin_key).get("/receipts"))) == 12


@pytest.mark.django_db
class TestClaim:
    def test_answers_with_the_payment(self, ask, cashier_key, receipt):
        response = ask(cashier_key, receipt)

        body = response.json()
        assert response.status_code == 201
        assert (body["status"], body["paid"], body["origin"]) == ("completed", True, "receipt")
        assert (body["amount"], body["order_ref"]) == ("1499.50", "SALE-1")
        assert (body["receipt_number"], body["attempts"]) == ("TKL1234567", [])
        assert body["release_goods"] is False

    def test_releases_goods_in_production(self, ask, shop, make_config, live_admin_key, now):
        live = make_config(shop, environment="production", shortcode="600100")

        body = ask(live_admin_key, receipt_row(live, now=now)).json()

        assert body["release_goods"] is True
        assert body["result"]["next_step"] == "release"

    def test_needs_a_key_and_gives_the_first_answer_again(self, api, cashier_key, receipt):
        client = api(cashier_key)
        body = {"receipt_number": receipt.number, "order_ref": "S-1", "amount": "1499.50"}

        without = client.post("/receipts/claim", body)
        first = client.post("/receipts/claim", body, **{"Idempotency-Key": "c-1"})
        again = client.post("/receipts/claim", body, **{"Idempotency-Key": "c-1"})

        assert without.json()["code"] == "idempotency_key_required"
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        assert again["Idempotent-Replayed"] == "true"
        assert Payment.objects.count() == 1

    def test_says_when_and_where_a_used_one_was_used(
        self, ask, branch_cashier_key, cashier_key, receipt
    ):
        ask(branch_cashier_key, receipt)

        refused = ask(cashier_key, receipt, order_ref="SALE-2")

        body = refused.json()
        assert (refused.status_code, body["code"]) == (409, "receipt_already_used")
        assert body["used_branch"] == "Westlands"
        assert body["used_at"]
        assert "Do not release the goods" in body["message"]["en"]
        assert "Usitoe bidhaa" in body["message"]["sw"]

    def test_says_what_else_is_in_the_way(self, ask, cashier_key, paybill, receipt, now):
        differs = ask(cashier_key, receipt, amount="1499.51")
        ask(cashier_key, receipt)
        paid = ask(cashier_key, receipt_row(paybill, now=now))
        back = ask(cashier_key, receipt_row(paybill, now=now, status="reversed"))

        answers = [(each.status_code, each.json()["code"]) for each in (differs, paid, back)]
        assert answers == [
            (409, "amount_differs"),
            (409, "order_already_paid"),
            (409, "invalid_transition"),
        ]

    @pytest.mark.parametrize("status", ["held", "in_review"])
    def test_hides_what_is_not_free(self, ask, cashier_key, paybill, now, status):
        response = ask(cashier_key, receipt_row(paybill, now=now, status=status))

        assert (response.status_code, response.json()["code"]) == (404, "not_found")

    def test_hides_a_neighbours(self, ask, cashier_key, neighbour, make_config, now):
        foreign = receipt_row(make_config(neighbour, shortcode="600200"), now=now)

        assert ask(cashier_key, foreign).status_code == 404
        foreign.refresh_from_db()
        assert foreign.status == "unallocated"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("amount", 1499.5),
            ("amount", "1_499"),
            ("amount", "1499.505"),
            ("amount", "-1"),
            ("amount", None),
            ("order_ref", ""),
            ("order_ref", "a b"),
            ("receipt_number", "TKL 123"),
            ("receipt_number", "T" * 33),
            ("receipt_number", 7),
        ],
        ids=ascii,
    )
    def test_refuses_bad_input_and_changes_nothing(self, ask, cashier_key, receipt, field, value):
        response = ask(cashier_key, receipt, **{field: value})

        assert response.status_code == 400
        assert [error["field"] for error in response.json()["errors"]] == [field]
        assert not Payment.objects.exists()


@pytest.mark.django_db
class TestAllocate:
    def test_answers_with_the_receipt(self, api, manager_key, paybill, now):
        receipt, payment = receipt_row(paybill, now=now), asked_payment(paybill, now=now)

        response = api(manager_key).post(
            f"/receipts/{receipt.pk}/allocate", {"payment": str(payment.pk)}
        )

        body = response.json()
        assert response.status_code == 200
        assert (body["status"], body["payment"]) == ("credited", str(payment.pk))
        assert api(manager_key).get(f"/payments/{payment.pk}").json()["paid"] is True

    def test_is_not_for_cashiers(self, api, cashier_key, receipt, paybill, now):
        payment = asked_payment(paybill, now=now)

        response = api(cashier_key).post(
            f"/receipts/{receipt.pk}/allocate", {"payment": str(payment.pk)}
        )

        assert response.status_code == 403

    def test_knows_no_payment_of_another_shop(
        self, api, manager_key, neighbour, make_config, paybill, now
    ):
        receipt = receipt_row(paybill, now=now)
        foreign = asked_payment(make_config(neighbour, shortcode="600200"), now=now)

        response = api(manager_key).post(
            f"/receipts/{receipt.pk}/allocate", {"payment": str(foreign.pk)}
        )

        assert response.status_code == 404

    def test_says_why_not(self, api, manager_key, receipt, paybill, till, now):
        client, path = api(manager_key), f"/receipts/{receipt.pk}/allocate"
        differs = client.post(path, {"payment": str(asked_payment(paybill, now=now).pk)})
        elsewhere = client.post(path, {"payment": str(asked_payment(till, now=now).pk)})

        assert (differs.status_code, differs.json()["code"]) == (409, "amount_differs")
        assert (elsewhere.status_code, elsewhere.json()["errors"][0]["field"]) == (400, "payment")


class TestManyTillsAtOnce:
    @pytest.fixture
    def db(self, committed_db):
        """Commit for real: threads are part of the story."""

    @pytest.fixture
    def tills(self, shop, issue_key, branch):
        issued = [issue_key(shop, "cashier"), issue_key(shop, "cashier", branch=branch)]
        return [ApiClient(issued[number % 2]) for number in range(32)]

    def test_claim_one_receipt_once(self, tills, receipt):
        def claim(number):
            body = {
                "receipt_number": receipt.number,
                "order_ref": f"SALE-{number}",
                "amount": "1499.50",
            }
            return tills[number].post("/receipts/claim", body, **{"Idempotency-Key": new_key()})

        answers = at_once([lambda n=n: claim(n) for n in range(32)])

        counted = Counter((each.status_code, each.json().get("code")) for each in answers)
        assert counted == {(201, None): 1, (409, "receipt_already_used"): 31}
        paid = Payment.objects.get()
        assert (paid.status, paid.receipt_number) == ("completed", receipt.number)
        assert Receipt.objects.get().payment_id == paid.pk
        assert audit_money() == []

    def test_pay_one_order_once(self, tills, paybill, now):
        """Several receipts shown for one order: one pays, the others stay the customers'."""
        money = [receipt_row(paybill, now=now) for _each in range(8)]

        def claim(number):
            body = {
                "receipt_number": money[number].number,
                "order_ref": "SALE-1",
                "amount": 150,
            }
            return tills[number].post("/receipts/claim", body, **{"Idempotency-Key": new_key()})

        answers = at_once([lambda n=n: claim(n) for n in range(8)])

        counted = Counter((each.status_code, each.json().get("code")) for each in answers)
        assert counted == {(201, None): 1, (409, "order_already_paid"): 7}
        assert Receipt.objects.filter(status="unallocated").count() == 7
        assert audit_money() == []
