"""A month with every kind of defect planted in it: each is found, and nothing else is."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from payments.models import Receipt, Review
from payments.services import money_audit
from reconciliation.models import StatementLine
from tests.reconciliation import statement_maker as maker
from tests.reconciliation.statements import desk
from tests.reconciliation.statements.desk import in_books, payments_in

pytestmark = pytest.mark.django_db

COUNT = 1_500
EACH = 12


@pytest.fixture
def theirs(neighbour, make_config):
    return make_config(neighbour, provider="mpesa_paybill", shortcode="600777")


@pytest.mark.parametrize("newest_first", [True, False], ids=["newest", "oldest"])
def test_every_planted_defect_is_found_and_no_other(paybill, theirs, newest_first):
    made = maker.book(count=COUNT, newest_first=newest_first)
    picked = random.Random(7).sample(payments_in(made), 5 * EACH)  # noqa: S311 - the same every time
    lost, altered, shifted, reversed_, foreign = (
        picked[at : at + EACH] for at in range(0, 5 * EACH, EACH)
    )
    told_otherwise = {
        **{entry.receipt: replace(entry, change=entry.change + 1) for entry in altered},
        **{entry.receipt: replace(entry, at=entry.at + timedelta(hours=3)) for entry in shifted},
    }
    ours = [each for each in payments_in(made) if each not in (*lost, *foreign)]
    in_books(paybill, [told_otherwise.get(each.receipt, each) for each in ours])
    in_books(theirs, foreign)
    made.entries += [
        maker.reversal(entry, maker.START + timedelta(days=2, seconds=at), receipt=f"TKZ{at:07d}")
        for at, entry in enumerate(reversed_)
    ]

    statement = desk.read(paybill, made)
    notes = {found["code"] for found in statement.problems}
    statement = desk.apply(statement)

    assert notes == {"time_differs", "foreign"}
    assert statement.counts["note_time_differs"] == statement.counts["note_foreign"] == EACH
    assert found_as("only_safaricom") == numbers(lost)
    assert found_as("amount_differs") == numbers(altered)
    assert found_as("reversed") == numbers(reversed_)
    assert found_as("conflict") == numbers(foreign)
    assert len(found_as("matched")) == COUNT - 4 * EACH
    assert numbers(lost) <= set(Receipt.objects.values_list("number", flat=True))
    assert {review.receipt.number for review in Review.objects.all()} == numbers(altered)
    assert Receipt.objects.filter(config=theirs, status="unallocated").count() == EACH
    assert StatementLine.objects.filter(kind="charge").count() == COUNT
    assert money_audit.audit_money() == []


def found_as(state):
    rows = StatementLine.objects.filter(kind="payment", state=state)
    return set(rows.values_list("receipt_number", flat=True))


def numbers(entries):
    return {entry.receipt for entry in entries}


def test_one_figure_changed_in_thousands_of_lines_is_found(paybill):
    made = maker.book(count=COUNT)
    row = 1_234

    def shave(rows):
        name = "Paid In" if rows[row]["Paid In"] else "Withdrawn"
        rows[row][name] = maker.money(Decimal(rows[row][name].replace(",", "")) + 1)

    made.spoil.append(shave)

    statement = desk.read(paybill, made)

    assert statement.status == "refused"
    broken = [each for each in statement.problems if each["code"] == "broken_balance"]
    assert [each["line"] for each in broken] == [maker.first_line() + row]
    assert not StatementLine.objects.exists()
