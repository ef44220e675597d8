"""A claim at the counter is written down, also when it is refused and rolled back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from payments.errors import (
    AmountDiffers,
    InvalidTransition,
    NotFound,
    OrderAlreadyPaid,
    ReceiptAlreadyUsed,
)
from payments.models import Receipt, ReceiptCheck
from payments.services import counter_claims
from tests.payments.services.receipt_world import receipt_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def receipt(paybill, now):
    return receipt_row(paybill, now=now)


@pytest.fixture
def claim(shop, branch, actor, now):
    def run(number, *, order_ref="S-1", amount="150"):
        return counter_claims.claim(
            shop=shop,
            environment="sandbox",
            branch=branch,
            receipt_number=number,
            order_ref=order_ref,
            amount=Decimal(amount),
            idempotency_key=None,
            actor=actor,
            now=now,
        )

    return run


def noted():
    rows = ReceiptCheck.objects.order_by("pk")
    assert all(row.is_claim for row in rows)
    return [(row.answer, row.why, row.receipt_id is not None) for row in rows]


class TestClaim:
    def test_is_noted_when_it_succeeds_and_when_it_comes_again(self, claim, receipt, branch):
        payment = claim(receipt.number)
        with pytest.raises(ReceiptAlreadyUsed):
            claim(receipt.number, order_ref="S-2")

        assert payment.status == "completed"
        assert noted() == [
            ("genuine_unclaimed", "claimed", True),
            ("already_used", "receipt_already_used", True),
        ]
        assert set(ReceiptCheck.objects.values_list("branch", flat=True)) == {branch.pk}

    def test_is_noted_when_the_amount_differs(self, claim, receipt):
        with pytest.raises(AmountDiffers):
            claim(receipt.number, amount="200")

        assert noted() == [("amount_differs", "amount_differs", True)]

    def test_is_noted_when_the_order_is_paid(self, claim, receipt, paybill, now):
        claim(receipt.number)
        other = receipt_row(paybill, now=now)
        with pytest.raises(OrderAlreadyPaid):
            claim(other.number)

        assert noted()[1] == ("genuine_unclaimed", "order_already_paid", True)

    def test_is_noted_when_the_money_went_back(self, claim, receipt):
        Receipt.objects.filter(pk=receipt.pk).update(status="reversed")
        with pytest.raises(InvalidTransition):
            claim(receipt.number)

        assert noted() == [("reversed", "invalid_transition", True)]

    def test_of_anothers_receipt_is_noted_like_an_invented_one(
        self, claim, neighbour, make_config, now
    ):
        config = make_config(neighbour, shortcode="600999", provider="mpesa_paybill")
        foreign = receipt_row(config, now=now)
        for number in (foreign.number, "UKKINVENTED"):
            with pytest.raises(NotFound):
                claim(number)

        assert noted() == [("not_seen_yet", "not_found", False)] * 2
