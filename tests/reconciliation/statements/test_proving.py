"""The proof: a whole statement passes whichever way it runs, and one changed figure never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.statements import opening
from reconciliation.statements.layout import find_layout
from reconciliation.statements.lines import Reader
from reconciliation.statements.proving import Proof
from tests.reconciliation import statement_maker as maker


def prove(made):
    """Return what does not add up, and what only stands out."""
    layout = find_layout(opening.sheets(maker.text(made)))
    proof, unread = Proof(layout.head), []

    def complain(found):
        unread.append(found)
        proof.skip()

    for line in Reader(layout, complain).lines():
        proof.take(line)
    return [*unread, *proof.finish()], proof.notes()


def codes(found):
    return [(each["code"], each["line"]) for each in found]


def spoilt(made, change):
    made.spoil.append(change)
    return made


def line_of(row):
    return maker.first_line() + row


ORDERS = pytest.mark.parametrize("newest_first", [True, False], ids=["newest", "oldest"])


@ORDERS
class TestAWholeStatement:
    @pytest.mark.parametrize("reason", [maker.PAYBILL, maker.TILL])
    @pytest.mark.parametrize("count", [0, 1, 2, 40])
    def test_passes(self, newest_first, reason, count):
        made = maker.book(count=count, reason=reason, newest_first=newest_first)

        assert prove(made) == ([], [])

    def test_passes_with_the_lines_of_one_second_in_any_order(self, newest_first):
        made = maker.book(count=6, newest_first=newest_first)
        # Each payment and its charge change places in the file.
        made.spoil.append(_swap_pairs)

        assert prove(made) == ([], [])

    def test_passes_with_all_lines_in_one_second(self, newest_first):
        made = maker.book(count=5, newest_first=newest_first)
        made.entries = [replace(entry, at=maker.START) for entry in made.entries]

        assert prove(made) == ([], [])

    def test_passes_with_lines_that_did_not_complete(self, newest_first):
        made = maker.book(count=4, newest_first=newest_first)
        failed = replace(made.entries[2], receipt="TKF0000001", status="Failed")
        made.entries.insert(3, failed)

        assert prove(made) == ([], [])

    def test_passes_where_it_is_overdrawn(self, newest_first):
        made = maker.book(count=3, newest_first=newest_first, opening=Decimal("-500.25"))

        assert prove(made) == ([], [])


def _swap_pairs(rows):
    for at in range(len(rows) - 1):
        same = rows[at]["Completion Time"] == rows[at + 1]["Completion Time"]
        if same and rows[at]["Receipt No."] == rows[at + 1]["Receipt No."]:
            rows[at], rows[at + 1] = rows[at + 1], rows[at]
            return


@ORDERS
class TestADefect:
    def test_of_a_missing_line_is_found_beside_the_gap(self, newest_first):
        made = spoilt(maker.book(count=8, newest_first=newest_first), lambda rows: rows.pop(6))
        faults, _notes = prove(made)

        # Of the two lines at the gap, the newer one does not follow.
        assert codes(faults)[0] == ("broken_balance", line_of(5 if newest_first else 6))
        assert {code for code, _line in codes(faults[1:])} == {"broken_sum", "broken_total"}

    def test_of_a_doubled_line_is_found(self, newest_first):
        made = maker.book(count=8, with_charges=False, newest_first=newest_first)
        faults, _notes = prove(spoilt(made, lambda rows: rows.insert(3, dict(rows[3]))))

        assert codes(faults)[0] == ("broken_balance", line_of(3 if newest_first else 4))

    def test_of_an_altered_amount_is_found_on_its_line_alone(self, newest_first):
        made = maker.book(count=8, with_charges=False, newest_first=newest_first)
        faults, _notes = prove(spoilt(made, lambda rows: rows[2].update({"Paid In": "9,999.00"})))

        broken = [line for code, line in codes(faults) if code == "broken_balance"]
        assert broken == [line_of(2)]

    def test_of_an_altered_balance_is_found_on_its_line(self, newest_first):
        made = maker.book(count=8, with_charges=False, newest_first=newest_first)
        faults, _notes = prove(spoilt(made, lambda rows: rows[4].update({"Balance": "1.00"})))

        # The line itself, and the next in time, which follows from what was there.
        beside = line_of(3 if newest_first else 5)
        assert sorted(codes(faults)) == sorted(
            [("broken_balance", line_of(4)), ("broken_balance", beside)]
        )

    @pytest.mark.parametrize("row", [0, 3, 8], ids=["first", "middle", "last"])
    def test_of_an_amount_a_cent_off_is_found(self, newest_first, row):
        made = maker.book(count=8, with_charges=False, newest_first=newest_first)

        def shave(rows):
            name = "Paid In" if rows[row]["Paid In"] else "Withdrawn"
            amount = Decimal(rows[row][name].replace(",", "")) + Decimal("0.01")
            rows[row][name] = maker.money(amount)

        assert prove(spoilt(made, shave))[0]

    @pytest.mark.parametrize("which", ["opening", "closing"])
    def test_of_a_balance_above_is_found(self, newest_first, which):
        made = maker.book(count=5, newest_first=newest_first, head={which: "7.00"})

        assert "broken_sum" in {code for code, _line in codes(prove(made)[0])}

    @pytest.mark.parametrize("which", ["paid_in", "withdrawn"])
    def test_of_a_total_above_is_found_where_the_columns_are(self, newest_first, which):
        made = maker.book(count=5, newest_first=newest_first, head={which: "7.00"})

        assert codes(prove(made)[0]) == [("broken_total", 7)]

    def test_of_a_line_that_cannot_be_read_is_told_once(self, newest_first):
        made = maker.book(count=8, newest_first=newest_first)
        faults, _notes = prove(spoilt(made, lambda rows: rows[4].update({"Paid In": "x"})))

        assert codes(faults) == [("bad_amount", line_of(4))]

    @pytest.mark.parametrize("hours", [-1, 1])
    def test_of_a_shifted_time_is_noted_and_refuses_nothing(self, newest_first, hours):
        made = maker.book(count=9, with_charges=False, newest_first=newest_first)
        entry = made.entries[3]
        shifted = maker.written(entry.at + timedelta(hours=hours))

        def shift(rows):
            row = next(row for row in rows if row["Receipt No."] == entry.receipt)
            row["Completion Time"] = shifted

        faults, notes = prove(spoilt(made, shift))
        at = next(
            number for number, row in enumerate(made.rows()) if row["Completion Time"] == shifted
        )

        assert (faults, codes(notes)) == ([], [("out_of_order", line_of(at))])

    def test_in_every_line_keeps_the_list_short(self, newest_first):
        made = maker.book(count=400, with_charges=False, newest_first=newest_first)

        def ruin(rows):
            for number, row in enumerate(rows):
                row["Balance"] = maker.money(Decimal(number * number))

        assert len(prove(spoilt(made, ruin))[0]) <= 203


amounts = st.decimals(min_value=Decimal("0.01"), max_value=Decimal(250_000), places=2)


@st.composite
def books(draw):
    """Any statement: amounts in and out, several lines in a second, either way."""
    entries, at = [], maker.START
    for number, (amount, goes_out, gap) in enumerate(
        draw(
            st.lists(st.tuples(amounts, st.booleans(), st.sampled_from((0, 0, 1, 60))), max_size=25)
        )
    ):
        at += timedelta(seconds=gap)
        reason = maker.SETTLEMENT if goes_out else maker.PAYBILL
        change = -amount if goes_out else amount
        entries.append(maker.Entry(maker.receipt_of(number), at, change, reason))
    return maker.Book("600100", entries, opening=draw(amounts), newest_first=draw(st.booleans()))


class TestAnyStatement:
    @settings(max_examples=60, deadline=None)
    @given(made=books())
    def test_passes_as_it_is(self, made):
        assert prove(made) == ([], [])

    @settings(max_examples=60, deadline=None)
    @given(made=books(), data=st.data())
    def test_does_not_with_one_figure_changed(self, made, data):
        if not made.entries:
            return
        row = data.draw(st.integers(0, len(made.entries) - 1))
        name = data.draw(st.sampled_from(("amount", "Balance")))
        by = data.draw(amounts)

        def change(rows):
            cells = rows[row]
            of_amount = "Paid In" if cells["Paid In"] else "Withdrawn"
            place = of_amount if name == "amount" else name
            old = Decimal(cells[place].replace(",", ""))
            cells[place] = maker.money(abs(old) + by if name == "amount" else old + by)

        assert prove(spoilt(made, change))[0]
