"""
Half a month with every kind of defect planted in it: each is found, and nothing else is.

The files have 50,000 lines, the most a busy till has in such a time; small ones tell the same of
both directions in seconds.
"""

from __future__ import annotations

import pytest

from payments.models import Receipt, Review
from payments.services import money_audit
from reconciliation.models import StatementLine
from tests.reconciliation import statement_maker as maker
from tests.reconciliation.statements import desk
from tests.reconciliation.statements.planting import (
    Spoiler,
    found_as,
    numbers,
    plant,
    told,
)

pytestmark = pytest.mark.django_db

# A payment and its charge are two lines.
LARGE, SMALL = 25_000, 500


@pytest.fixture
def theirs(neighbour, make_config):
    return make_config(neighbour, provider="mpesa_paybill", shortcode="600777")


@pytest.mark.parametrize(
    ("count", "each", "newest_first"),
    [(LARGE, 25, True), (SMALL, 5, True), (SMALL, 5, False)],
    ids=["50,000 lines", "newest first", "oldest first"],
)
def test_every_difference_is_found_and_no_other(paybill, theirs, count, each, newest_first):
    planted = plant(paybill, theirs, count=count, each=each, newest_first=newest_first)

    statement = desk.read(paybill, planted.book)

    assert statement.lines_total == len(planted.book.entries) >= 2 * count
    assert told(statement) == planted.notes()

    statement = desk.apply(statement)

    differing = [*planted.lost, *planted.altered, *planted.reversed, *planted.foreign]
    assert found_as("only_safaricom") == numbers(planted.lost)
    assert found_as("amount_differs") == numbers(planted.altered)
    assert found_as("reversed") == numbers(planted.reversed)
    assert found_as("conflict") == numbers([*planted.foreign, *planted.doubled])
    assert len(found_as("matched")) == count - len(differing)
    assert StatementLine.objects.filter(kind="charge", state="charge").count() == count
    _books_hold(planted, theirs, count=count)


def _books_hold(planted, theirs, *, count):
    """What was lost is in the ledger once, and only what differs in amount waits for a person."""
    assert Receipt.objects.count() == count
    assert numbers(planted.lost) <= set(Receipt.objects.values_list("number", flat=True))
    assert {review.receipt.number for review in Review.objects.all()} == numbers(planted.altered)
    assert Receipt.objects.filter(config=theirs, status="unallocated").count() == len(
        planted.foreign
    )
    assert money_audit.audit_money() == []


@pytest.mark.parametrize(("count", "each"), [(LARGE, 20), (SMALL, 4)], ids=["50,000", "1,000"])
def test_every_spoilt_line_is_named_and_nothing_goes_in(paybill, count, each):
    made, spoiler = maker.book(count=count), Spoiler(each)
    made.spoil.append(spoiler)

    statement = desk.read(paybill, made)

    assert statement.status == "refused"
    assert told(statement) == spoiler.faults
    assert statement.counts["faults"] == 6 * each
    assert statement.lines_read >= 2 * count - 3 * each
    assert not StatementLine.objects.exists()
    assert not Receipt.objects.exists()


def test_one_figure_changed_in_thousands_of_lines_is_found(paybill):
    """No line is unreadable here, so the sums are proved too."""
    made = maker.book(count=1_500)
    row = 1_234

    def shave(rows):
        name = "Paid In" if rows[row]["Paid In"] else "Withdrawn"
        rows[row][name] = maker.money(maker.amount_in(rows[row], name) + 1)

    made.spoil.append(shave)

    statement = desk.read(paybill, made)

    assert statement.status == "refused"
    assert statement.lines_total is None
    broken = [line for line, code in told(statement) if code == "broken_balance"]
    assert broken == [maker.first_line() + row]
    assert {code for _line, code in told(statement)} == {
        "broken_balance",
        "broken_sum",
        "broken_total",
    }
    assert not StatementLine.objects.exists()


def test_another_numbers_fifty_thousand_lines_are_refused_unread(paybill):
    statement = desk.read(paybill, maker.book("600999", count=LARGE))

    assert (statement.status, statement.lines_read) == ("refused", 0)
    assert told(statement) == [(0, "other_shortcode")]
    assert not StatementLine.objects.exists()
