"""Money for several orders: one sale, a part for each order, and every guard sees them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from audit.models import AuditEntry
from payments.choices import PaymentStatus, ReceiptStatus, ReviewCode
from payments.errors import (
    InvalidInput,
    InvalidTransition,
    OrderAlreadyPaid,
    ReceiptAlreadyUsed,
)
from payments.models import Event, OrderPart, Payment, Review
from payments.services import receipt_acts
from payments.services.money_audit import audit_money
from payments.services.receipt_splits import Part, split
from tests.payments.services import arrival_world
from tests.payments.services.receipt_world import MANAGER, receipt_row

pytestmark = pytest.mark.django_db
TWO = (Part("ORDER-A", Decimal(100)), Part("ORDER-B", Decimal("50.00")))


@pytest.fixture
def money(paybill, now):
    return receipt_row(paybill, now=now)


@pytest.fixture
def divide(money, now):
    def do(*parts, reason="One payment for two tables", receipt=money):
        return split(receipt=receipt, parts=parts, reason=reason, actor=MANAGER, now=now)

    return do


class TestSplit:
    def test_makes_one_sale_that_tells_its_orders(self, divide, money, shop):
        sale = divide(*TWO)

        money.refresh_from_db()
        assert (sale.status, sale.amount, sale.order_ref) == ("completed", Decimal(150), "")
        assert (money.status, money.payment_id) == (ReceiptStatus.CREDITED, sale.pk)
        assert dict(sale.parts.values_list("order_ref", "amount")) == {
            "ORDER-A": Decimal(100),
            "ORDER-B": Decimal(50),
        }
        told = Event.objects.get(type="payment.completed").data["metadata"]["order_parts"]
        assert told == [
            {"order_ref": "ORDER-A", "amount": "100.00"},
            {"order_ref": "ORDER-B", "amount": "50.00"},
        ]
        entry = AuditEntry.objects.get(action="receipt.split")
        assert entry.reason == "One payment for two tables"
        assert audit_money() == []

    @pytest.mark.parametrize(
        ("parts", "says"),
        [
            ((), "two orders or more"),
            ((Part("A", Decimal(150)),), "two orders or more"),
            ((Part("A", Decimal(100)), Part("A", Decimal(50))), "once"),
            ((Part("A", Decimal(100)), Part("B", Decimal(49))), "add up"),
            ((Part("A", Decimal(200)), Part("B", Decimal(-50))), "more than nothing"),
            ((Part("A", Decimal("149.999")), Part("B", Decimal("0.001"))), "whole cents"),
            ((Part("A", Decimal("NaN")), Part("B", Decimal(1))), "more than nothing"),
            ((Part("A", Decimal("Infinity")), Part("B", Decimal(1))), "more than nothing"),
            ((Part("A B", Decimal(100)), Part("", Decimal(50))), "letters"),
            (tuple(Part(f"A{n}", Decimal("7.5")) for n in range(20)) + TWO[:1], "twenty"),
        ],
        ids=[
            "none", "one", "twice", "less", "negative", "fractions", "nan", "infinite", "signs",
            "too many",
        ],
    )  # fmt: skip
    def test_refuses_parts_that_cannot_be(self, divide, money, parts, says):
        with pytest.raises(InvalidInput, match=says):
            divide(*parts)

        money.refresh_from_db()
        assert money.status == ReceiptStatus.UNALLOCATED
        assert not Payment.objects.exists()

    def test_needs_a_reason(self, divide):
        with pytest.raises(InvalidInput):
            divide(*TWO, reason=" ")

    def test_refuses_an_order_that_is_paid(self, divide, paybill, now):
        divide(*TWO)
        more = receipt_row(paybill, now=now)

        with pytest.raises(OrderAlreadyPaid):
            divide(Part("ORDER-C", Decimal(75)), Part("ORDER-B", Decimal(75)), receipt=more)

        more.refresh_from_db()
        assert more.status == ReceiptStatus.UNALLOCATED
        assert Payment.objects.count() == 1

    def test_happens_once(self, divide):
        divide(*TWO)

        with pytest.raises(ReceiptAlreadyUsed):
            divide(Part("ORDER-C", Decimal(75)), Part("ORDER-D", Decimal(75)))

    def test_is_not_for_money_in_review(self, divide, money):
        money.status = ReceiptStatus.IN_REVIEW
        money.save()

        with pytest.raises(InvalidTransition):
            divide(*TWO)


class TestAnOrderPaidByAPart:
    def test_is_not_asked_for_again(self, divide, paybill, till, api, cashier_key, daraja):
        divide(*TWO)
        sale = {"amount": 50, "phone_number": "0722000111", "order_ref": "ORDER-B"}

        answer = api(cashier_key).post("/payments", sale, **{"Idempotency-Key": "k1"})

        assert (answer.status_code, answer.json()["code"]) == (409, "order_already_paid")
        assert daraja.ledger.pushes == []

    def test_takes_no_claim(self, divide, paybill, shop, now):
        divide(*TWO)
        more = receipt_row(paybill, now=now, amount=Decimal(50))

        with pytest.raises(OrderAlreadyPaid):
            receipt_acts.claim(
                shop=shop,
                environment="sandbox",
                branch=None,
                receipt_number=more.number,
                order_ref="ORDER-B",
                amount=Decimal(50),
                idempotency_key=None,
                actor=MANAGER,
                now=now,
            )

    def test_doubts_a_prompt_that_is_paid_after_all(self, divide, paybill, now):
        late = arrival_world.ask(paybill, now=now, order_ref="ORDER-A")
        divide(*TWO)

        arrival_world.say(late, arrival_world.yes(), now=now)

        late.refresh_from_db()
        assert late.status == PaymentStatus.COMPLETED
        review = Review.objects.get(payment=late)
        assert (review.code, review.blocking) == (ReviewCode.ORDER_PAID_TWICE, True)

    def test_is_unpaid_once_it_is_undone(self, divide, money, paybill, now):
        divide(*TWO)
        receipt_acts.release(receipt=money, reason="Wrong tables", actor=MANAGER, now=now)
        money.refresh_from_db()

        again = divide(Part("ORDER-B", Decimal(75)), Part("ORDER-C", Decimal(75)))

        assert again.status == PaymentStatus.COMPLETED
        assert OrderPart.objects.count() == 4
        assert audit_money() == []
