"""Three books against each other: payments, receipts and statements, on rows written by hand."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from payments.errors import InvalidInput
from reconciliation import matching, tariffs
from reconciliation.choices import Bearer
from reconciliation.matching_words import DayVerdict, MatchState
from reconciliation.tariffs import NewBand
from tests.reconciliation.books import Books

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(till, now):
    return Books(till, now)


@pytest.fixture
def compare(shop, books):
    """Compare the books' day, or more of them."""

    def call(*, before=0, after=0, **more):
        day = books.at().date()
        wanted = matching.scope(
            shop=shop,
            environment="sandbox",
            since=day - timedelta(days=before),
            until=day + timedelta(days=after),
            **more,
        )
        return matching.match_days(wanted), matching.match_lines(wanted)[0]

    return call


def states(lines):
    return sorted((line.state, line.number) for line in lines)


class TestTheStates:
    def test_a_sale_with_its_line_agrees(self, books, compare):
        sale = books.sale()
        books.line(books.statement(), sale.number)

        (day,), (line,) = compare()

        assert (day.verdict, day.tally("matched").count) == (DayVerdict.AGREES, 1)
        assert (line.state, line.theirs, line.ours) == ("matched", Decimal(150), Decimal(150))
        assert (line.receipt_id, line.payment_id) == (sale.pk, sale.payment_id)

    def test_a_line_nobody_knows_is_only_safaricoms(self, books, compare):
        books.line(books.statement(), "TKA0000001", 75)

        (day,), (line,) = compare()

        assert (line.state, line.ours) == ("only_safaricom", None)
        assert day.verdict == DayVerdict.DIFFERS

    @pytest.mark.parametrize("status", ["unallocated", "held", "in_review"])
    def test_money_no_payment_has_is_only_safaricoms(self, books, compare, status):
        """On a covered day and on another: callbacks are Safaricom's word too."""
        receipt = books.receipt(75, status=status)
        late = books.receipt(75, status=status, at=books.at(days=1))
        books.line(books.statement(), receipt.number, 75)

        _days, lines = compare(after=1)

        assert states(lines) == sorted(
            [("only_safaricom", receipt.number), ("only_safaricom", late.number)]
        )

    def test_a_sale_without_a_line_is_only_ours(self, books, compare):
        books.statement()
        sale = books.sale()

        (day,), (line,) = compare()

        assert (line.state, line.theirs, line.number) == ("only_us", None, sale.number)
        assert day.verdict == DayVerdict.DIFFERS

    def test_a_payment_without_a_receipt_is_only_ours(self, books, compare):
        books.statement()
        payment = books.payment(receipt_pending=True)

        _days, (line,) = compare()

        assert (line.state, line.number, line.payment_id) == ("only_us", "", payment.pk)

    def test_a_number_somebody_typed_is_only_ours_where_the_statement_lacks_it(
        self, books, compare
    ):
        books.statement()
        books.sale(channel="manual")

        _days, (line,) = compare()

        assert line.state == "only_us"

    @pytest.mark.parametrize(
        ("line_amount", "receipt_amount", "payment_amount"),
        [(149, 150, 150), (150, 150, 149), (150, 149, 149)],
        ids=["the line's", "the payment's", "the books'"],
    )
    def test_amounts_that_differ(self, books, compare, line_amount, receipt_amount, payment_amount):
        payment = books.payment(payment_amount)
        receipt = books.receipt(receipt_amount, payment=payment, status="in_review")
        books.line(books.statement(), receipt.number, line_amount)

        (day,), (line,) = compare()

        assert line.state == "amount_differs"
        assert line.theirs == line_amount
        assert day.verdict == DayVerdict.DIFFERS

    def test_amounts_that_differ_without_a_statement(self, books, compare):
        books.receipt(149, payment=books.payment(150), status="in_review")

        _days, (line,) = compare()

        assert line.state == "amount_differs"

    def test_money_taken_back_in_our_books(self, books, compare):
        receipt = books.sale(status="reversed")
        books.line(books.statement(), receipt.number)
        books.sale(status="reversed", at=books.at(days=1))

        days, lines = compare(after=1)

        assert {line.state for line in lines} == {"reversed"}
        assert [day.verdict for day in days] == [DayVerdict.NOT_COVERED, DayVerdict.AGREES]

    @pytest.mark.parametrize("how", ["receipt_number", "linked_receipt_number"])
    def test_money_taken_back_by_the_statement_alone(self, books, compare, how):
        sale, statement = books.sale(), books.statement()
        books.line(statement, sale.number)
        own = {how: sale.number}
        number = own.pop("receipt_number", "TKB0000009")
        books.line(statement, number, kind="reversal", at=books.at(13), **own)

        _days, lines = compare()

        assert states(lines) == [("reversed", sale.number)]

    def test_charges_and_settlements_stand_apart(self, books, compare):
        sale, statement = books.sale(1000), books.statement()
        books.line(statement, sale.number, 1000)
        books.line(statement, sale.number, "5.50", kind="charge")
        books.line(statement, "TKC0000001", 900, kind="settlement")
        books.line(statement, "TKC0000002", 10, kind="other")

        (day,), lines = compare()

        assert [line.state for line in lines if line.number == sale.number] == [
            "charge",
            "matched",
        ]
        assert (day.charged, day.tally("settlement").amount) == (Decimal("5.50"), 900)
        assert day.tally("matched").count == 1
        assert day.verdict == DayVerdict.AGREES
        assert len(lines) == 3

    def test_the_shilling_of_a_verification_agrees(self, books, compare):
        receipt = books.receipt(1, status="credited", reason="proof")
        books.line(books.statement(), receipt.number, 1)

        _days, (line,) = compare()

        assert line.state == "matched"

    def test_each_is_counted_once(self, books, compare):
        """One of everything: the sums of the day are those of its lines."""
        statement = books.statement()
        matched, reversed_ = books.sale(100), books.sale(60, status="reversed")
        for number, amount in ((matched.number, 100), (reversed_.number, 60), ("TKA0000001", 30)):
            books.line(statement, number, amount)
        books.sale(20)
        books.payment(10)

        (day,), lines = compare()

        assert {state: (t.count, t.amount) for state, t in day.tallies.items()} == {
            "matched": (1, 100),
            "reversed": (1, 60),
            "only_safaricom": (1, 30),
            "only_us": (2, 30),
        }
        assert sum(tally.count for tally in day.tallies.values()) == len(lines)

    def test_a_line_that_contradicts_an_earlier_one_is_left_to_its_own_page(self, books, compare):
        sale, statement = books.sale(), books.statement()
        books.line(statement, sale.number)
        books.line(statement, sale.number, 999, state="conflict")

        _days, (line,) = compare()

        assert (line.state, line.theirs) == ("matched", 150)


class TestWhatIsNotCovered:
    def test_is_never_said_to_be_only_ours(self, books, compare):
        books.sale()
        books.payment(10)

        (day,), lines = compare()

        assert {line.state for line in lines} == {"not_covered"}
        assert (day.verdict, day.covered) == (DayVerdict.NOT_COVERED, DayVerdict.NOT_COVERED)

    @pytest.mark.parametrize("status", ["uploaded", "read", "applying", "refused", "discarded"])
    def test_is_not_covered_by_a_statement_that_is_not_applied(self, books, compare, status):
        books.statement(status=status)
        books.sale()

        (day,), (line,) = compare()

        assert (line.state, day.covered) == ("not_covered", DayVerdict.NOT_COVERED)

    def test_ends_where_the_statement_begins(self, books, compare):
        books.statement(since=books.at(12), until=books.at(18))
        books.sale(1, at=books.at(11, 59))
        books.sale(2, at=books.at(12))
        books.sale(3, at=books.at(18))
        books.sale(4, at=books.at(18, 1))

        (day,), lines = compare()

        by_amount = {int(line.ours): line.state for line in lines}
        assert by_amount == {1: "not_covered", 2: "only_us", 3: "only_us", 4: "not_covered"}
        assert day.covered == DayVerdict.PARTLY

    def test_two_statements_cover_a_day_together_without_a_gap(self, books, compare):
        books.statement(since=books.at(0), until=books.at(11, 59) + timedelta(seconds=59))
        books.statement(since=books.at(12), until=books.at(23, 59) + timedelta(seconds=59))
        books.sale()

        (day,), _lines = compare()

        assert day.covered == DayVerdict.AGREES

    def test_a_gap_between_them_is_a_gap(self, books, compare):
        books.statement(since=books.at(0), until=books.at(11))
        books.statement(since=books.at(12), until=books.at(23, 59) + timedelta(seconds=59))
        books.sale(at=books.at(11, 30))

        (day,), (line,) = compare()

        assert (day.covered, line.state) == (DayVerdict.PARTLY, "not_covered")

    def test_another_accounts_statement_covers_nothing_here(self, books, compare, paybill, now):
        Books(paybill, now).statement()
        books.sale()

        _days, (line,) = compare()

        assert line.state == "not_covered"

    def test_a_statement_covers_every_config_of_its_number(
        self, books, compare, shop, branch, make_config
    ):
        second = make_config(shop, branch=branch, shortcode=books.config.shortcode)
        books.statement()
        Books(second, books.day).sale()

        (day,), (line,) = compare()

        assert (line.state, line.branch_id, day.config_id) == ("only_us", branch.pk, second.pk)


class TestDays:
    def test_begin_at_midnight_in_nairobi(self, books, compare):
        books.sale(1, at=books.at(0) - timedelta(seconds=1))
        books.sale(2, at=books.at(0))
        books.sale(3, at=books.at(23, 59) + timedelta(seconds=59))
        books.sale(4, at=books.at(0, days=1))

        _days, lines = compare()

        assert sorted(int(line.ours) for line in lines) == [2, 3]
        assert {line.day for line in lines} == {books.at().date()}

    def test_a_payment_over_midnight_is_one_row_of_the_statements_day(self, books, compare):
        statement = books.statement(since=books.at(0, days=-1))
        sale = books.sale(at=books.at(0) - timedelta(seconds=1))
        books.line(statement, sale.number, at=books.at(0, 1))

        today, lines = compare()
        both, all_lines = compare(before=1)

        assert [day.day for day in today] == [day.day for day in both] == [books.at().date()]
        assert states(lines) == states(all_lines) == [("matched", sale.number)]

    def test_come_newest_first(self, books, compare):
        for days in (-2, 0, -1):
            books.sale(at=books.at(days=days))

        days, _lines = compare(before=3)

        assert [(books.at().date() - day.day).days for day in days] == [0, 1, 2]

    @pytest.mark.parametrize(("before", "after"), [(0, -1), (92, 0)], ids=["backwards", "too long"])
    def test_are_at_most_a_quarter(self, compare, before, after):
        with pytest.raises(InvalidInput):
            compare(before=before, after=after)

    def test_a_quarter_is_not_too_long(self, compare):
        assert compare(before=91) == ([], [])


class TestNarrowing:
    @pytest.fixture
    def two(self, shop, branch, make_config, books):
        here = make_config(shop, branch=branch, shortcode="600500", name="Westlands")
        books.sale(100)
        Books(here, books.day).sale(200)
        return here

    def test_by_account(self, two, compare):
        _days, (line,) = compare(config=two)

        assert line.ours == 200

    def test_by_branch(self, two, compare, branch):
        _days, (line,) = compare(branch=branch)

        assert line.ours == 200

    def test_by_what_a_person_may_see(self, two, compare, branch):
        _days, lines = compare(branches=[branch.pk])
        _days, none = compare(branches=[])

        assert [line.ours for line in lines] == [200]
        assert none == []

    def test_by_a_branch_that_is_not_his_shows_nothing(self, two, compare, branch):
        assert compare(branch=branch, branches=[]) == ([], [])

    def test_by_state_and_page(self, shop, books):
        for hour in range(5):
            books.sale(100 + hour, at=books.at(hour))
        day = books.at().date()
        wanted = matching.scope(shop=shop, environment="sandbox", since=day, until=day)

        first, more = matching.match_lines(wanted, size=2)
        last, no_more = matching.match_lines(wanted, page=3, size=2)
        other, _more = matching.match_lines(wanted, state=MatchState.MATCHED)

        assert [int(line.ours) for line in first] == [104, 103]
        assert [int(line.ours) for line in last] == [100]
        assert (more, no_more, other) == (True, False, [])

    def test_never_shows_a_neighbour_or_another_world(self, books, compare, neighbour, make_config):
        theirs = make_config(neighbour, shortcode=books.config.shortcode)
        live = make_config(books.config.shop, environment="production", shortcode="600600")
        for config in (theirs, live):
            other = Books(config, books.day)
            sale = other.sale(999)
            other.line(other.statement(), sale.number, 999)

        assert compare() == ([], [])

    def test_a_neighbours_receipt_under_a_lines_number_is_not_ours(
        self, books, compare, neighbour, make_config
    ):
        theirs = make_config(neighbour, shortcode="600900")
        other = Books(theirs, books.day).sale(150)
        books.line(books.statement(), other.number)

        _days, (line,) = compare()

        assert (line.state, line.receipt_id) == ("only_safaricom", None)


class TestCharges:
    @pytest.fixture
    def tariff(self, actor, now):
        bands = (
            NewBand(Decimal(0), Decimal(0)),
            NewBand(Decimal(201), Decimal(0), Decimal("0.55")),
            NewBand(Decimal(36364), Decimal(200)),
        )
        return tariffs.save_tariff(
            provider="mpesa_till",
            bearer=Bearer.MERCHANT,
            effective_from=(now - timedelta(days=10)).date(),
            source="Tariff guide",
            bands=bands,
            actor=actor,
            now=now,
        )

    @pytest.mark.parametrize("amount", ["1", "200", "200.99", "201", "1000", "36363.99", "40000"])
    def test_are_expected_alike_in_the_database_and_outside(
        self, books, compare, tariff, till, amount
    ):
        sale = books.sale(amount)
        books.line(books.statement(), sale.number, amount)

        (day,), (line,) = compare()

        outside = tariffs.expected_charge(till, Decimal(amount), books.at())
        assert line.expected == day.expected == outside

    def test_expected_and_charged_stand_side_by_side(self, books, compare, tariff):
        statement = books.statement()
        for amount in (1000, 2000):
            sale = books.sale(amount)
            books.line(statement, sale.number, amount)
            books.line(statement, sale.number, "6.00", kind="charge")

        (day,), _lines = compare()

        assert (day.expected, day.charged) == (Decimal("16.50"), Decimal("12.00"))

    def test_are_not_expected_where_no_tariff_tells(self, books, compare):
        sale = books.sale()
        books.line(books.statement(), sale.number)

        (day,), (line,) = compare()

        assert (line.expected, day.expected) == (None, None)

    def test_follow_what_held_on_the_day(self, books, compare, tariff, actor, now):
        tariffs.save_tariff(
            provider="mpesa_till",
            bearer=Bearer.MERCHANT,
            effective_from=books.at().date(),
            source="A newer one",
            bands=[NewBand(Decimal(0), Decimal(9))],
            actor=actor,
            now=now,
        )
        statement = books.statement(since=books.at(0, days=-1))
        for at in (books.at(0) - timedelta(seconds=1), books.at(0)):
            sale = books.sale(1000, at=at)
            books.line(statement, sale.number, 1000, at=at)

        days, _lines = compare(before=1)

        assert [day.expected for day in days] == [Decimal("9.00"), Decimal("5.50")]

    def test_written_on_a_line_stays(self, books, compare, tariff):
        sale = books.sale(1000)
        books.line(books.statement(), sale.number, 1000, expected_charge=Decimal("7.00"))

        _days, (line,) = compare()

        assert line.expected == Decimal("7.00")


class TestCost:
    def test_is_a_handful_of_statements_however_long(
        self, books, shop, django_assert_max_num_queries
    ):
        for hour in range(20):
            books.sale(100 + hour, at=books.at(hour, days=-hour))
        day = books.at().date()
        wanted = matching.scope(
            shop=shop, environment="sandbox", since=day - timedelta(days=90), until=day
        )

        with django_assert_max_num_queries(6):
            matching.match_days(wanted)
