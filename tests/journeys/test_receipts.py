"""Customers who pay by themselves at a counter: checked, claimed, assigned, let go, taken back."""

from __future__ import annotations

import pytest
from django.test import Client

from payments.models import Notice, PaymentConfig, ProviderRequest, Receipt, Review
from payments.services import receipt_acts, refunds, requests
from tests.journeys.shopfloor import Till, moves_of, new_key, open_reviews, row_of, sweep
from tests.payments.services.request_world import WITH_INITIATOR, paid, person


@pytest.fixture
def counter(shop, make_config, api, cashier_key, daraja, clock):
    """A cashier of a shop with a till and a paybill, both of which Safaricom tells of."""
    till = make_config(shop, name="Till", credentials=WITH_INITIATOR)
    paybill = make_config(
        shop,
        name="Paybill",
        provider="mpesa_paybill",
        shortcode="600100",
        priority=5,
        credentials=WITH_INITIATOR,
    )
    daraja.engine.knobs.tills["174379"] = "600996"
    daraja.know_urls("600996", till.pk)
    daraja.know_urls("600100", paybill.pk)
    return Till(api(cashier_key))


@pytest.fixture
def manager(counter, shop, api, manager_key):
    """The manager of that shop."""
    return Till(api(manager_key))


def check(till: Till, number: str) -> str:
    answer = till.api.post("/receipts/check", {"receipt_number": number})
    assert answer.status_code == 200
    return str(answer.json()["answer"])


def claim(till: Till, number: str, order_ref: str, amount: str = "150"):
    body = {"receipt_number": number, "order_ref": order_ref, "amount": amount}
    return till.api.post("/receipts/claim", body, **{"Idempotency-Key": new_key()})


def pay_till(daraja, amount=150, **options):
    return daraja.pay_c2b("174379", amount, to_till=True, client=Client(), **options)


class TestPaidAtTheTill:
    def test_is_checked_claimed_and_the_order_paid(self, counter, daraja):
        number = pay_till(daraja)
        assert check(counter, number) == "genuine_unclaimed"

        sold = claim(counter, number, "SALE-1")

        assert (sold.status_code, sold.json()["paid"]) == (201, True)
        assert moves_of(sold.json()) == ["created", "completed"]
        assert check(counter, number) == "already_used"
        assert claim(counter, number, "SALE-2").json()["code"] == "receipt_already_used"
        assert counter.ask(order_ref="SALE-1").json()["code"] == "order_already_paid"

    def test_whose_confirmation_was_lost_is_asked_about(self, counter, daraja):
        number = daraja.pay_c2b("174379", 150, to_till=True)
        daraja.due_callbacks()

        assert check(counter, number) == "not_seen_yet"
        assert claim(counter, number, "SALE-1").status_code == 404
        daraja.deliver(Client())

        assert check(counter, number) == "genuine_unclaimed"
        assert claim(counter, number, "SALE-1").status_code == 201


class TestPaidWithAWrongReference:
    def test_is_assigned_let_go_and_free_again(self, counter, manager, daraja, clock, shop):
        _manager, actor = person(shop, "manager", "wanjiru")
        daraja.next("cancel")
        asked = counter.sell(provider="mpesa_paybill", order_ref="SALE-1")
        daraja.deliver(Client())
        assert counter.look(asked)["status"] == "failed"

        number = daraja.pay_c2b("600100", 150, reference="WRONG", client=Client())
        receipt = Receipt.objects.get(number=number)
        assert (receipt.status, receipt.reason) == ("unallocated", "no_such_reference")

        answer = manager.api.post(f"/receipts/{receipt.pk}/allocate", {"payment": asked["id"]})
        assert answer.status_code == 200, answer.content
        assert counter.look(asked)["paid"] is True
        assert check(counter, number) == "already_used"

        receipt_acts.release(
            receipt=receipt, reason="Another customer's", actor=actor, now=clock.now
        )
        assert (counter.look(asked)["status"], counter.look(asked)["paid"]) == ("reversed", False)
        assert moves_of(asked) == ["created", "pending", "failed", "completed", "reversed"]
        assert check(counter, number) == "genuine_unclaimed"
        assert claim(counter, number, "SALE-2").json()["paid"] is True


class TestPaidByHandBesideAPrompt:
    def test_is_held_while_the_prompt_is_out(self, counter, daraja, clock):
        daraja.set_default("unreachable")
        asked = counter.sell(order_ref="SALE-1")

        number = pay_till(daraja)

        assert Receipt.objects.get().status == "held"
        assert check(counter, number) == "not_seen_yet"
        assert claim(counter, number, "SALE-1").status_code == 404

        clock.forward(301)
        sweep("expire_overdue")
        sweep("settle_held_receipts")
        assert check(counter, number) == "genuine_unclaimed"
        assert claim(counter, number, "SALE-1").json()["paid"] is True
        assert counter.look(asked)["status"] == "expired"

    def test_and_claimed_makes_the_prompts_late_yes_a_doubt(self, counter, daraja, clock):
        daraja.next("late")
        asked = counter.sell(order_ref="SALE-1")
        number = pay_till(daraja, phone="254799000999")
        clock.forward(301)
        sweep("expire_overdue")
        sweep("settle_held_receipts")
        sold = claim(counter, number, "SALE-1").json()

        clock.forward(300)
        daraja.deliver(Client())

        late = counter.look(asked)
        assert (late["status"], late["paid"], late["late"]) == ("completed", False, True)
        assert open_reviews(asked) == {"ORDER_PAID_TWICE": True}
        assert (counter.look(sold)["paid"], open_reviews(sold)) == (True, {})
        assert row_of(asked).receipt_number != number


class TestTakenBack:
    def test_after_ten_minutes_is_seen_at_the_next_look(self, shop, counter, daraja, clock):
        number = pay_till(daraja, 12_000)
        sold = claim(counter, number, "SALE-1", "12000").json()
        sweep("recheck_receipts")
        clock.forward(600)
        daraja.reverse(number)
        assert counter.look(sold)["paid"] is True

        clock.forward(301)
        assert sweep("recheck_receipts") == 1
        daraja.deliver(Client())

        seen = counter.look(sold)
        assert (seen["status"], seen["paid"], seen["release_goods"]) == ("reversed", False, False)
        notice = Notice.objects.get(code="reversed")
        assert (notice.subject, notice.data["cashier"]) == (number, "duka cashier")
        assert check(counter, number) == "reversed"
        assert claim(counter, number, "SALE-2").json()["code"] == "invalid_transition"


class TestGivenBack:
    @pytest.fixture
    def receipt(self, shop, counter, daraja, clock):
        return paid(
            PaymentConfig.objects.get(shortcode="600100"), daraja, amount=150, now=clock.now
        )

    @pytest.fixture
    def refund(self, shop, receipt, clock):
        user, actor = person(shop, "manager", "wanjiru")
        return refunds.ask_refund(
            receipt=receipt, reason="Wrong size", user=user, actor=actor, now=clock.now
        )

    @pytest.fixture
    def approved(self, shop, refund, clock):
        def approve():
            user, actor = person(shop, "admin", "otieno")
            return refunds.approve(refund=refund, user=user, actor=actor, now=clock.now)

        return approve

    def test_by_two_people_and_told_by_safaricom(self, receipt, refund, approved, daraja):
        assert approved().status == "sent"

        daraja.deliver(Client())

        refund.refresh_from_db()
        receipt.refresh_from_db()
        assert (refund.status, receipt.status) == ("done", "reversed")
        assert receipt.payment.status == "reversed"
        assert not Notice.objects.filter(code="reversed").exists()

    @pytest.mark.parametrize(
        ("plan", "ends_as"), [("timeout_done", "done"), ("timeout", "unknown")]
    )
    def test_in_silence_is_unknown_until_a_status_tells(
        self, counter, receipt, approved, refund, daraja, clock, actor, plan, ends_as
    ):
        daraja.next_result("reversal", plan)
        approved()
        daraja.deliver(Client())
        refund.refresh_from_db()
        assert refund.status == "unknown"
        assert check(counter, receipt.number) == "already_used"

        clock.forward(3_700)
        sweep("close_silent_requests")
        assert Review.objects.get().code == "UNRESOLVED"
        assert ProviderRequest.objects.filter(kind="reversal").count() == 1
        requests.ask_status(
            config=receipt.config,
            receipt_number=receipt.number,
            receipt=receipt,
            purpose="page",
            actor=actor,
            now=clock.now,
        )
        daraja.deliver(Client())

        refund.refresh_from_db()
        receipt.payment.refresh_from_db()
        assert refund.status == ends_as
        assert receipt.payment.status == ("reversed" if ends_as == "done" else "completed")
