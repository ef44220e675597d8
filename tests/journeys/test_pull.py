"""Callbacks that never came: an hour later the list of all that came brings the books together."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from payments.models import Payment, Receipt, Review
from payments.services import pull_registration
from reconciliation.models import Run
from tests.journeys.shopfloor import Till, row_of, sweep, sweep_all


@pytest.fixture
def cashier(cashier_key, paybill, api):
    """A cashier of a shop with one paybill that is registered for pulling."""
    return Till(api(cashier_key))


@pytest.fixture
def pulled(paybill, daraja, actor, clock):
    return pull_registration.register_pull(
        config=paybill, nominated_number="0722000000", actor=actor, now=clock.now
    )


def books():
    """Return number and amount of all that was credited or waits for a person."""
    return {row.number: row.amount for row in Receipt.objects.exclude(status="reversed")}


class TestAnHourWithoutCallbacks:
    def test_ends_with_all_books_together(self, cashier, pulled, daraja, clock):
        """Queries lie, callbacks are lost, customers pay by hand: Safaricom's list knows it all."""
        daraja.set_default("handset")
        prompts = []
        for number in range(6):
            sale = cashier.sell(phone_number=f"07220000{number:02}", amount=str(100 + number))
            daraja.press(f"2547220000{number:02}")
            prompts.append(sale)
            clock.forward(60)
        by_hand = [daraja.pay_c2b("600100", 40 + number) for number in range(3)]
        lost = daraja.due_callbacks()
        daraja.break_next("query", "busy", times=1000)
        clock.forward(45 * 60)

        learnt = sweep("pull_recent")

        assert len(lost) == 6
        assert learnt == 9
        assert {row_of(sale).status for sale in prompts} == {"completed"}
        assert all(row_of(sale).late or not row_of(sale).receipt_pending for sale in prompts)
        theirs = {row.receipt_number: Decimal(row.amount) for row in daraja.ledger.money}
        assert books() == theirs
        waiting = Receipt.objects.filter(status="unallocated")
        assert {row.number for row in waiting} == set(by_hand)
        assert not Review.objects.exists()

    def test_changes_nothing_when_the_callbacks_come_after_all(
        self, cashier, pulled, daraja, clock, web
    ):
        sale = cashier.sell()
        clock.forward(50 * 60)
        sweep("pull_recent")
        before = Payment.objects.values("status", "receipt_number", "amount").get()

        daraja.deliver(web)

        assert before["status"] == "completed"
        assert Payment.objects.values("status", "receipt_number", "amount").get() == before
        assert row_of(sale).reviews.count() == 0
        assert len(books()) == 1

    def test_is_found_on_the_record_of_passes(self, cashier, pulled, daraja, clock):
        cashier.sell()
        clock.forward(50 * 60)
        sweep_all()

        run = Run.objects.filter(kind="pull").earliest("started_at")
        assert (run.outcome, run.asked, run.found) == ("done", 1, 1)
        assert run.config == pulled
        assert run.until - run.since == timedelta(hours=1)
        assert run.finished_at >= run.started_at
        assert Run.objects.filter(kind="queries", asked__gte=1).exists()


class TestMoneyTakenBack:
    def test_is_noticed_by_the_next_pass(self, cashier, pulled, daraja, clock, web):
        sale = cashier.sell()
        daraja.deliver(web)
        receipt_number = row_of(sale).receipt_number
        clock.forward(20 * 60)
        daraja.reverse(receipt_number)
        clock.forward(60)

        sweep("pull_recent")

        row = row_of(sale)
        assert row.status == "reversed"
        assert timezone.now() > row.completed_at
