from __future__ import annotations

from payments.models import Event, Receipt
from tests.journeys.shopfloor import Till, moves_of, row_of


class TestACashierIsPaid:
    def test_by_till(self, cashier, daraja, web):
        asked = cashier.sell(order_ref="SALE-1")

        assert asked["status"] == "pending"
        assert asked["result"]["next_step"] == "wait"
        assert asked["phone_number"] == "2547*****678"
        assert asked["attempts"][0]["submission"] == "sent"
        assert asked["poll_after"] == 3

        daraja.deliver(web)
        paid = cashier.look(asked)

        assert (paid["status"], paid["paid"], paid["release_goods"]) == ("completed", True, False)
        assert paid["receipt_number"] == daraja.ledger.money[0].receipt_number
        assert paid["result"]["message"]["sw"].startswith("Malipo ya majaribio")
        assert moves_of(paid) == ["created", "pending", "completed"]
        assert daraja.ledger.pushes[0].transaction_type == "CustomerBuyGoodsOnline"

    def test_by_paybill(self, cashier_key, api, paybill, daraja, web):
        cashier = Till(api(cashier_key))

        asked = cashier.sell(account_reference="INV-77")
        daraja.deliver(web)
        paid = cashier.look(asked)

        assert paid["paid"] is True
        assert paid["provider"] == "mpesa_paybill"
        push = daraja.ledger.pushes[0]
        assert (push.transaction_type, push.account_reference) == (
            "CustomerPayBillOnline",
            "INV-77",
        )

    def test_in_production_and_only_there_goods_are_released(
        self, shop, make_config, issue_key, api, live_daraja, web
    ):
        make_config(shop, environment="production")
        cashier = Till(api(issue_key(shop, "cashier", environment="production")))

        asked = cashier.sell()
        live_daraja.deliver(web)
        paid = cashier.look(asked)

        assert (paid["paid"], paid["release_goods"]) == (True, True)
        assert paid["result"]["next_step"] == "release"

    def test_and_the_books_say_it_once(self, cashier, daraja, web):
        asked = cashier.sell()

        daraja.deliver(web)

        receipt = Receipt.objects.get()
        assert (receipt.status, str(receipt.payment_id)) == ("credited", asked["id"])
        types = list(Event.objects.order_by("seq").values_list("type", flat=True))
        assert types == ["payment.created", "payment.pending", "payment.completed"]
        assert Event.objects.get(type="payment.completed").data["paid"] is True
        assert row_of(asked).transitions.last().evidence_id is not None

    def test_and_the_timeline_tells_it_in_order(self, manager_key, api, till, daraja, web):
        manager = Till(api(manager_key))

        asked = manager.sell()
        daraja.deliver(web)

        kinds = [entry["kind"] for entry in manager.timeline(asked)]
        assert sorted(kinds[:3]) == ["attempt", "routing", "transition"]
        assert {"callback", "evidence"} <= set(kinds)
        assert kinds.count("transition") == 3
