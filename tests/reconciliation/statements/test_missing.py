"""What our books call paid and the statement of its time lacks: a person's, once, and no more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from payments.models import Payment, Receipt, Review
from tests.reconciliation import statement_maker as maker
from tests.reconciliation.books import Books
from tests.reconciliation.statements import desk
from tests.reconciliation.statements.desk import payments_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def made():
    """An hour and a half of one payment after the other."""
    made = maker.book(count=150)
    made.head["since"] = "02-11-2026 08:00:00"
    return made


@pytest.fixture
def sale(paybill):
    """Take a payment that Safaricom never had, some minutes after the statement's first line."""

    def take(minutes=45, config=paybill, **more):
        return Books(config, maker.START).sale(at=_at(minutes), channel="stk", **more)

    return take


@pytest.fixture
def unproven(paybill):
    """Take a payment that only a query called paid."""

    def take(minutes=45):
        return Books(paybill, maker.START).payment(at=_at(minutes), receipt_pending=True)

    return take


def _at(minutes):
    return maker.START + timedelta(minutes=minutes)


def doubts():
    return {row.payment_id: row.blocking for row in Review.objects.filter(resolved_at=None)}


class TestWhatIsMissing:
    def test_blocks_where_only_a_query_said_it_was_paid(self, paybill, made, sale, unproven):
        told, asked = sale(), unproven()

        desk.bring(paybill, made)

        assert doubts() == {told.payment_id: False, asked.pk: True}

    def test_is_a_persons_once(self, paybill, made, sale, unproven):
        sale(), unproven()
        desk.bring(paybill, made)

        desk.bring(paybill, maker.text(made, separator=";"))

        assert Review.objects.count() == 2

    def test_is_none_where_all_is_listed(self, paybill, made):
        desk.paid_prompt(paybill, payments_in(made)[60])

        desk.bring(paybill, made)

        assert doubts() == {}
        assert Payment.objects.get().receipt_number == payments_in(made)[60].receipt

    @pytest.mark.parametrize("minutes", [-30, 5, 90, 200])
    def test_is_none_at_the_edges_of_its_time(self, paybill, made, sale, unproven, minutes):
        """Clocks differ, and what came after the file was made cannot be in it."""
        sale(minutes), unproven(minutes)

        desk.bring(paybill, made)

        assert doubts() == {}

    def test_is_none_where_customers_do_not_pay_to_the_account(self, paybill, made, sale):
        sale()
        made.entries = [entry for entry in made.entries if entry not in payments_in(made)]

        desk.bring(paybill, made)

        assert doubts() == {}

    def test_is_none_of_another_account_or_what_people_typed(
        self, paybill, made, sale, neighbour, make_config, shop
    ):
        sale(config=make_config(neighbour, provider="mpesa_paybill", shortcode="600777"))
        sale(config=make_config(shop, provider="mpesa_paybill", shortcode="600888"))
        row = sale()
        Receipt.objects.filter(pk=row.pk).update(channel="manual")

        desk.bring(paybill, made)

        assert doubts() == {}

    def test_ends_when_a_statement_has_it(self, paybill, made, sale):
        told = sale()
        desk.bring(paybill, made)
        later = maker.book(count=200, seed=1)
        later.entries.append(maker.payment(told.number, _at(150), told.amount))

        desk.bring(paybill, later)

        assert doubts() == {}
        assert Review.objects.get().resolved_by == "statement"
