"""Manual payments and reviews over REST, as api.md has them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from audit.actors import Actor
from payments.choices import ReceiptChannel
from payments.models import Payment, Receipt, Review
from payments.providers.base import ArrivedMoney
from payments.services import arrivals

pytestmark = pytest.mark.django_db
NUMBER = "TKL4ABC123"
CASH = {"amount": "20.50", "method": "cash"}


@pytest.fixture
def write(api, manager_key):
    def post(key=manager_key, *, once="k-1", **given):
        return api(key).post("/payments/manual", {**CASH, **given}, **{"Idempotency-Key": once})

    return post


@pytest.fixture
def arrive(paybill, now):
    """Let Safaricom confirm money that came to the paybill."""

    def confirm(amount="20.50", number=NUMBER):
        money = ArrivedMoney(
            receipt_number=number, amount=Decimal(amount), shortcode=paybill.shortcode, paid_at=now
        )
        return arrivals.take(
            money,
            config=paybill,
            channel=ReceiptChannel.C2B,
            actor=Actor.provider("Safaricom"),
            now=now,
        )

    return confirm


class TestTheList:
    def test_is_filtered_by_origin(self, write, api, manager_key, arrive):
        written = write(order_ref="SALE-1").json()["id"]
        arrive()
        claim = {"receipt_number": NUMBER, "order_ref": "SALE-2", "amount": "20.50"}
        client = api(manager_key)
        client.post("/receipts/claim", claim, **{"Idempotency-Key": "k-2"})

        found = {
            origin: [
                row["id"] for row in client.get("/payments", {"origin": origin}).json()["results"]
            ]
            for origin in ("prompt", "receipt", "manual")
        }

        claimed = str(Payment.objects.get(receipt_number=NUMBER).pk)
        assert found == {"prompt": [], "receipt": [claimed], "manual": [written]}

    @pytest.mark.parametrize("typed", [NUMBER, NUMBER.lower(), "tKl4aBc123"])
    def test_finds_a_receipt_however_it_is_typed(self, api, manager_key, arrive, typed):
        arrive()
        claim = {"receipt_number": NUMBER, "order_ref": "SALE-2", "amount": "20.50"}
        client = api(manager_key)
        client.post("/receipts/claim", claim, **{"Idempotency-Key": "k-2"})

        found = client.get("/payments", {"receipt_number": typed}).json()["results"]

        assert [row["receipt_number"] for row in found] == [NUMBER]


class TestRecording:
    def test_answers_201_paid_and_the_same_again(self, write):
        first = write(order_ref="SALE-1", reason="Line down", phone_number="0712345678")
        again = write(order_ref="SALE-1", reason="Line down", phone_number="0712345678")

        body = first.json()
        assert first.status_code == 201
        assert (body["status"], body["paid"], body["amount"]) == ("completed", True, "20.50")
        assert (body["origin"], body["method"], body["provider"]) == ("manual", "cash", None)
        assert (body["config"], body["release_goods"]) == (None, False)
        assert again.json() == body
        assert again.headers["Idempotent-Replayed"] == "true"
        assert Payment.objects.count() == 1

    def test_releases_goods_in_production(self, write, live_admin_key):
        assert write(live_admin_key).json()["release_goods"] is True

    def test_needs_a_key_and_keeps_it_to_one_sale(self, write, api, manager_key):
        assert write().status_code == 201
        assert write(amount="21").json()["code"] == "idempotency_key_reused"
        bare = api(manager_key).post("/payments/manual", CASH)
        assert (bare.status_code, bare.json()["code"]) == (400, "idempotency_key_required")

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ({"amount": "1.005"}, "invalid"),
            ({"amount": 1.5}, "invalid"),
            ({"amount": "0"}, "invalid"),
            ({"amount": "-1"}, "invalid"),
            ({"amount": "999999999999"}, "invalid"),
            ({"method": "gold"}, "invalid"),
            ({"phone_number": "12"}, "invalid_phone_number"),
            ({"reference": "a\u0000b"}, "invalid"),
            ({"order_ref": "a b"}, "invalid"),
            ({"status": "completed"}, "invalid"),
        ],
        ids=["mils", "float", "nothing", "negative", "huge", "method", "phone", "nul", "order", "unknown"],
    )  # fmt: skip
    def test_refuses_bad_input(self, write, given, code):
        answer = write(**given)

        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert not Payment.objects.exists()

    def test_keeps_a_cashier_to_his_branch(self, write, branch_cashier_key, branch, neighbour):
        mine = write(branch_cashier_key)
        assert mine.json()["branch"]["id"] == str(branch.pk)
        assert write(branch_cashier_key, once="k-2", branch=str(neighbour.pk)).status_code == 400

    def test_pays_an_order_and_a_receipt_once(self, write):
        assert write(order_ref="SALE-1").status_code == 201
        assert write(once="k-2", order_ref="SALE-1").json()["code"] == "order_already_paid"
        paid = {"method": "mpesa", "reference": NUMBER}
        assert write(once="k-3", **paid).json()["receipt_number"] == NUMBER
        assert write(once="k-4", **paid).json()["code"] == "receipt_already_used"

    def test_lists_what_was_written_down(self, write, api, manager_key, neighbour_key):
        made = write().json()["id"]

        listed = api(manager_key).get("/payments/manual", {"method": "cash"}).json()["results"]
        assert [row["id"] for row in listed] == [made]
        assert api(manager_key).get("/payments/manual", {"method": "card"}).json()["results"] == []
        assert api(neighbour_key).get("/payments/manual").json()["results"] == []

    def test_is_counted_apart_and_fails_nobody(self, write, api, manager_key):
        write()

        stats = api(manager_key).get("/payments/stats").json()
        total = {"amount": "20.50", "count": 1}
        assert stats["today"] == stats["month"] == total
        assert stats["manual"] == {"today": total, "month": total}
        assert stats["success_rate"] is None

    def test_cannot_be_asked_about_or_retried(self, write, api, manager_key):
        made = write().json()["id"]
        till = api(manager_key)

        assert till.post(f"/payments/{made}/check").json()["status"] == "completed"
        again = till.post(f"/payments/{made}/retry", {}, **{"Idempotency-Key": "r"})
        assert (again.status_code, again.json()["code"]) == (409, "retry_not_allowed")
        assert till.get(f"/payments/{made}/timeline").status_code == 200


class TestMoneyThatIsToldOfLater:
    def test_confirms_what_was_written_and_is_no_new_money(self, write, arrive):
        made = write(method="mpesa", reference=NUMBER).json()["id"]

        receipt = arrive()

        assert (receipt.channel, receipt.status, str(receipt.payment_id)) == (
            "c2b",
            "credited",
            made,
        )
        assert Receipt.objects.count() == 1

    def test_of_another_amount_puts_it_in_doubt(self, write, arrive, api, manager_key):
        made = write(method="mpesa", reference=NUMBER).json()["id"]

        arrive("15.00")

        shown = api(manager_key).get(f"/payments/{made}").json()
        assert (shown["status"], shown["paid"]) == ("completed", False)
        assert [row["code"] for row in shown["reviews"]] == ["AMOUNT_MISMATCH"]

    def test_is_money_again_once_the_payment_is_void(self, write, arrive, api, admin_key):
        made = write(method="mpesa", reference=NUMBER).json()["id"]
        api(admin_key).post(f"/payments/{made}/void", {"reason": "Not his"})

        receipt = arrive()

        assert (receipt.status, receipt.payment) == ("unallocated", None)

    def test_that_came_first_is_claimed(self, write, arrive):
        arrive()

        answer = write(method="mpesa", reference=NUMBER, order_ref="SALE-9")

        assert (answer.status_code, answer.json()["origin"]) == (201, "receipt")
        again = write(once="k-2", method="mpesa", reference=NUMBER)
        assert again.json()["code"] == "receipt_already_used"

    def test_of_another_amount_that_came_first_is_not_taken(self, write, arrive):
        arrive("15.00")

        assert write(method="mpesa", reference=NUMBER).json()["code"] == "amount_differs"
        assert not Payment.objects.exists()


class TestVoiding:
    def test_reverses_once_and_with_a_reason(self, write, api, admin_key):
        made = write().json()["id"]
        till = api(admin_key)

        assert till.post(f"/payments/{made}/void", {}).status_code == 400
        done = till.post(f"/payments/{made}/void", {"reason": "Typed twice"})
        assert (done.status_code, done.json()["status"], done.json()["paid"]) == (
            200,
            "reversed",
            False,
        )
        again = till.post(f"/payments/{made}/void", {"reason": "Again"})
        assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")

    def test_is_the_admins(self, write, api, manager_key, cashier_key, neighbour_key):
        made = write().json()["id"]

        for key, status in ((manager_key, 403), (cashier_key, 403), (neighbour_key, 404)):
            answer = api(key).post(f"/payments/{made}/void", {"reason": "No"})
            assert answer.status_code == status
        assert Payment.objects.get().status == "completed"


class TestReviews:
    @pytest.fixture
    def doubt(self, write, arrive):
        write(method="mpesa", reference=NUMBER)
        arrive("15.00")
        return Review.objects.get()

    def test_are_listed_and_resolved(self, api, manager_key, doubt):
        till = api(manager_key)

        (row,) = till.get("/reviews", {"open": "true", "code": "AMOUNT_MISMATCH"}).json()["results"]
        assert (row["id"], row["blocking"], row["receipt_number"]) == (str(doubt.pk), True, NUMBER)
        assert till.get("/reviews", {"open": "false"}).json()["results"] == []

        done = till.post(
            f"/reviews/{doubt.pk}/resolve",
            {"resolution": "accept", "reason": "Short by a discount"},
        )
        assert (done.status_code, done.json()["resolution"]) == (200, "accept")
        assert till.get(f"/payments/{doubt.payment_id}").json()["paid"] is True
        again = till.post(f"/reviews/{doubt.pk}/resolve", {"resolution": "ignore", "reason": "x"})
        assert again.json()["code"] == "invalid_transition"

    def test_show_a_proposal_where_two_must_decide(self, api, manager_key, admin_key, doubt, shop):
        type(shop).objects.update(two_people_above=10)
        body = {"resolution": "accept", "reason": "Looked"}

        first = api(manager_key).post(f"/reviews/{doubt.pk}/resolve", body)
        assert (first.status_code, first.json()["resolved_at"]) == (200, None)
        assert first.json()["proposal"]["resolution"] == "accept"
        second = api(admin_key).post(f"/reviews/{doubt.pk}/resolve", body)
        assert (second.status_code, second.json()["code"]) == (409, "invalid_transition")

    @pytest.mark.parametrize(
        "body",
        [
            {"resolution": "forget", "reason": "x"},
            {"resolution": "accept"},
            {"resolution": "allocate", "reason": "x"},
            {"resolution": "allocate", "reason": "x", "payment": "no id"},
        ],
        ids=["word", "reason", "payment", "id"],
    )
    def test_refuse_bad_input(self, api, manager_key, doubt, body):
        answer = api(manager_key).post(f"/reviews/{doubt.pk}/resolve", body)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        doubt.refresh_from_db()
        assert doubt.resolved_at is None

    def test_of_neighbours_are_not_there(self, api, neighbour_key, doubt):
        body = {"resolution": "ignore", "reason": "x"}

        assert api(neighbour_key).get("/reviews").json()["results"] == []
        assert api(neighbour_key).post(f"/reviews/{doubt.pk}/resolve", body).status_code == 404
