"""
What follows from what was said: a table of cases, and properties over any order of evidence.

The limits of I13 (safety.md 5.6 and 5.9) are written as `is_order_free`:

- one receipt: of two, the first stored is credited and the other doubted, so which is which must
  depend on the order;
- an amount-less success before a differing amount: a query's yes completes the payment, and
  completed is absorbing; the other way round AMOUNT_MISMATCH holds the query's yes back. Either way
  the blocking review is open, so `paid` is the same even then, and that is tested.
"""

from __future__ import annotations

import itertools
import uuid
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.choices import EvidenceSource as Source
from payments.choices import OutcomeVerdict as Said
from payments.choices import PaymentStatus as Status
from payments.states import may_move_payment
from payments.verdicts import AskedAttempt, Expected, Fact, decide, moves

FIRST, SECOND = uuid.UUID(int=1), uuid.UUID(int=2)
ASKED = Decimal(150)
_keys = itertools.count()


def fact(source, verdict, **more):
    more.setdefault("attempt_id", FIRST)
    more.setdefault("is_final", verdict != Said.PENDING)
    more.setdefault("result_code", {Said.SUCCEEDED: "0", Said.FAILED: "1032"}.get(verdict, ""))
    return Fact(key=f"k{next(_keys)}", source=source, verdict=verdict, **more)


def yes(**more):
    more = {"amount": ASKED, "receipt_number": "TAA1111111"} | more
    return fact(Source.STK_CALLBACK, Said.SUCCEEDED, **more)


def no(**more):
    return fact(Source.STK_CALLBACK, Said.FAILED, **more)


def query_yes(**more):
    return fact(Source.STK_QUERY, Said.SUCCEEDED, **more)


def query_no(**more):
    return fact(Source.STK_QUERY, Said.FAILED, **more)


def unknown(**more):
    return fact(Source.STK_QUERY, Said.PENDING, **more)


def reversal(**more):
    return fact(Source.REVERSAL, Said.REVERSED, **more)


def expected(*refused, attempts=(FIRST,)):
    return Expected(ASKED, tuple(AskedAttempt(a, a in refused) for a in attempts))


def doubts(verdict):
    return {doubt.code: doubt.blocking for doubt in verdict.doubts}


# facts: status, receipt, doubts, ask now
CASES = {
    "silence": ([], None, "", {}, False),
    "unknown": ([unknown()], None, "", {}, False),
    "yes": ([yes()], Status.COMPLETED, "TAA1111111", {}, False),
    "no": ([no()], Status.FAILED, "", {}, False),
    "a no that is not final": ([no(is_final=False)], None, "", {}, False),
    "the query's yes": ([query_yes()], Status.COMPLETED, "", {}, False),
    "the query's no": ([query_no()], Status.FAILED, "", {}, False),
    "the query's early no": ([query_no(is_final=False)], None, "", {}, False),
    "yes without receipt": ([yes(receipt_number="")], None, "", {}, True),
    "yes without amount": ([yes(amount=None)], None, "", {}, True),
    "yes with nothing": ([yes(amount=None, receipt_number="")], None, "", {}, True),
    "yes without receipt, query yes": (
        [yes(receipt_number=""), query_yes()],
        Status.COMPLETED,
        "",
        {},
        False,
    ),
    "yes without amount, query yes": (
        [yes(amount=None), query_yes()],
        Status.COMPLETED,
        "TAA1111111",
        {},
        False,
    ),
    "query yes, then the callback": (
        [query_yes(), yes()],
        Status.COMPLETED,
        "TAA1111111",
        {},
        False,
    ),
    "another amount": ([yes(amount=Decimal(149))], None, "", {"AMOUNT_MISMATCH": True}, False),
    "more than asked": ([yes(amount=Decimal(151))], None, "", {"AMOUNT_MISMATCH": True}, False),
    "another amount, query yes": (
        [yes(amount=Decimal(149)), query_yes()],
        None,
        "",
        {"AMOUNT_MISMATCH": True},
        False,
    ),
    "an amount nobody could read, query yes": (
        [fact(Source.STK_CALLBACK, Said.PENDING, result_code="0"), query_yes()],
        None,
        "",
        {"AMOUNT_MISMATCH": True},
        False,
    ),
    "another's receipt": (
        [yes(is_foreign=True)],
        None,
        "",
        {"DUPLICATE_RECEIPT": True},
        False,
    ),
    "another's receipt, query yes": (
        [yes(is_foreign=True), query_yes()],
        Status.COMPLETED,
        "",
        {"DUPLICATE_RECEIPT": True},
        False,
    ),
    "no, then yes": ([no(), yes()], Status.COMPLETED, "TAA1111111", {"CONFLICT": True}, False),
    "yes, then no": ([yes(), no()], Status.COMPLETED, "TAA1111111", {"CONFLICT": True}, False),
    "no, yes, query yes": (
        [no(), yes(), query_yes()],
        Status.COMPLETED,
        "TAA1111111",
        {"CONFLICT": False},
        False,
    ),
    "the query lies, then yes": ([query_no(), yes()], Status.COMPLETED, "TAA1111111", {}, False),
    "the query's no against half a yes": (
        [yes(receipt_number=""), query_no()],
        Status.FAILED,
        "",
        {"CONFLICT": True},
        True,
    ),
    "two receipts": (
        [yes(), yes(receipt_number="TBB2222222")],
        Status.COMPLETED,
        "TAA1111111",
        {"SURPLUS": False},
        False,
    ),
    "a hinted receipt stays": (
        [yes(amount=None), query_yes(), yes(receipt_number="TBB2222222")],
        Status.COMPLETED,
        "TAA1111111",
        {"SURPLUS": False},
        False,
    ),
    "another amount, then a second receipt": (
        [yes(amount=Decimal(1)), yes(receipt_number="TBB2222222"), yes(amount=Decimal(1))],
        Status.COMPLETED,
        "TBB2222222",
        {"AMOUNT_MISMATCH": True},
        False,
    ),
    "taken back": ([yes(), reversal()], Status.REVERSED, "TAA1111111", {}, False),
    "taken back, never paid": ([reversal()], None, "", {}, False),
}


class TestDecide:
    @pytest.mark.parametrize("case", CASES)
    def test_weighs(self, case):
        facts, status, receipt, expected_doubts, ask_now = CASES[case]

        verdict = decide(expected(), facts)

        assert verdict.status == status
        assert verdict.receipt_number == receipt
        assert doubts(verdict) == expected_doubts
        assert verdict.ask_now is ask_now

    def test_lets_a_surplus_receipt_go_back_alone(self):
        facts = [yes(), yes(receipt_number="TBB2222222"), reversal(receipt_number="TBB2222222")]

        assert decide(expected(), facts).status == Status.COMPLETED

    @pytest.mark.parametrize(
        ("is_live", "sources", "opened"),
        [
            (True, [Source.TRANSACTION_STATUS], {"REVERSED_AFTER_RELEASE": True}),
            (True, [Source.C2B_CONFIRMATION], {"REVERSED_AFTER_RELEASE": True}),
            (False, [Source.TRANSACTION_STATUS], {}),
            (True, [Source.REVERSAL], {}),
            (True, [Source.STAFF], {}),
            (True, [Source.REVERSAL, Source.TRANSACTION_STATUS], {}),
        ],
    )
    def test_doubts_goods_that_left_for_money_a_customer_took_back(self, is_live, sources, opened):
        back = [fact(source, Said.REVERSED, receipt_number="TAA1111111") for source in sources]
        asked = Expected(ASKED, (AskedAttempt(FIRST, False),), is_live=is_live)

        for facts in itertools.permutations([yes(), *back]):
            verdict = decide(asked, facts)
            assert (verdict.status, doubts(verdict)) == (Status.REVERSED, opened)

    def test_hears_a_no_of_the_latest_attempt_only(self):
        two = expected(attempts=(FIRST, SECOND))

        assert decide(two, [no(attempt_id=FIRST)]).status is None
        assert decide(two, [no(attempt_id=SECOND)]).status == Status.FAILED

    def test_passes_over_a_refused_attempt(self):
        two = expected(SECOND, attempts=(FIRST, SECOND))

        assert decide(two, [no(attempt_id=FIRST)]).status == Status.FAILED

    def test_hears_a_yes_of_any_attempt(self):
        two = expected(attempts=(FIRST, SECOND))

        verdict = decide(two, [no(attempt_id=SECOND), yes(attempt_id=FIRST)])

        # Two attempts may differ without anybody lying.
        assert (verdict.status, doubts(verdict)) == (Status.COMPLETED, {})

    def test_names_the_callbacks_no_before_the_querys(self):
        said_by_callback = no()

        for facts in ([query_no(), said_by_callback], [said_by_callback, query_no()]):
            assert decide(expected(), facts).deciding == said_by_callback


class TestMoves:
    @pytest.mark.parametrize("current", Status)
    @pytest.mark.parametrize("wanted", [None, Status.COMPLETED, Status.FAILED, Status.REVERSED])
    def test_takes_allowed_steps_only_and_arrives(self, current, wanted):
        facts = {
            None: [],
            Status.COMPLETED: [yes()],
            Status.FAILED: [no()],
            Status.REVERSED: [yes(), reversal()],
        }[wanted]

        path = moves(current, decide(expected(), facts))

        for old, new in itertools.pairwise([current, *path]):
            assert may_move_payment(old, new)
        if path:
            assert path[-1] == wanted

    def test_never_leads_out_of_completed_by_a_no(self):
        assert moves(Status.COMPLETED, decide(expected(), [no()])) == []
        assert moves(Status.COMPLETED, decide(expected(), [])) == []

    def test_never_leads_out_of_reversed(self):
        for facts in ([], [yes()], [no()], [yes(), reversal()]):
            assert moves(Status.REVERSED, decide(expected(), facts)) == []


# Anything a world full of sources could say of one payment with two attempts.

ATTEMPTS = (FIRST, SECOND)
AMOUNTS = st.sampled_from([None, ASKED, ASKED, Decimal("149.99"), Decimal(1500)])
RECEIPTS = st.sampled_from(["", "TAA1111111", "TAA1111111", "TBB2222222"])


def _facts(attempts=ATTEMPTS):
    attempt = st.sampled_from(attempts)
    callback_yes = st.builds(
        yes, attempt_id=attempt, amount=AMOUNTS, receipt_number=RECEIPTS, is_foreign=st.just(False)
    )
    foreign = st.builds(
        yes, attempt_id=attempt, receipt_number=st.just("TZZ9999999"), is_foreign=st.just(True)
    )
    unclear = st.builds(
        fact,
        st.just(Source.STK_CALLBACK),
        st.just(Said.PENDING),
        attempt_id=attempt,
        result_code=st.sampled_from(["0", "1037", "7777", ""]),
    )
    return st.lists(
        st.one_of(
            callback_yes,
            foreign,
            unclear,
            st.builds(no, attempt_id=attempt, is_final=st.booleans()),
            st.builds(query_yes, attempt_id=attempt),
            st.builds(query_no, attempt_id=attempt, is_final=st.booleans()),
            st.builds(unknown, attempt_id=attempt),
        ),
        max_size=7,
    )


def fold(world, facts, status=Status.PENDING):
    """Store facts one by one and move as we go; return the path, and every verdict."""
    path, verdicts = [status], []
    for stored in range(1, len(facts) + 1):
        verdict = decide(world, facts[:stored])
        path += moves(path[-1], verdict)
        verdicts.append(verdict)
    return path, verdicts


def is_paid(path, verdict):
    return path[-1] == Status.COMPLETED and not any(doubt.blocking for doubt in verdict.doubts)


def own_receipts(facts):
    return {
        f.receipt_number
        for f in facts
        if f.verdict == Said.SUCCEEDED and f.receipt_number and not f.is_foreign
    }


def names_another_amount(f):
    is_unclear = f.source == Source.STK_CALLBACK and f.verdict == Said.PENDING
    is_unclear = is_unclear and f.result_code == "0"
    is_success = f.verdict == Said.SUCCEEDED and not f.is_foreign
    return is_unclear or (is_success and f.amount not in (None, ASKED))


def names_no_amount(f):
    return f.source == Source.STK_QUERY and f.verdict == Said.SUCCEEDED


def is_order_free(facts):
    """Tell whether I13 promises one outcome for these facts; see the head of this file."""
    mixes = any(map(names_another_amount, facts)) and any(map(names_no_amount, facts))
    return len(own_receipts(facts)) <= 1 and not mixes


WORLD = expected(attempts=ATTEMPTS)
every_order = settings(max_examples=150, deadline=None)


class TestAnyEvidence:
    @every_order
    @given(facts=_facts(), start=st.sampled_from([Status.CREATED, Status.PENDING]))
    def test_moves_along_the_table_only(self, facts, start):
        path, _ = fold(WORLD, facts, start)

        assert all(may_move_payment(old, new) for old, new in itertools.pairwise(path))

    @every_order
    @given(facts=_facts())
    def test_completed_is_absorbing_i4(self, facts):
        path, _ = fold(WORLD, facts)

        if Status.COMPLETED in path:
            assert path[-1] == Status.COMPLETED

    @every_order
    @given(facts=_facts())
    def test_no_paid_money_is_dropped_i5(self, facts):
        verdict = decide(WORLD, facts)
        subjects = {doubt.subject for doubt in verdict.doubts}

        for said in facts:
            if said.verdict != Said.SUCCEEDED:
                continue
            known = said.receipt_number in {verdict.receipt_number, *subjects}
            kept = (said.receipt_number and known) or said.key in subjects
            # What is neither credited nor doubted yet is asked about, or it is the very yes.
            is_half = not said.receipt_number or said.amount is None
            assert (
                kept or verdict.status == Status.COMPLETED or (is_half and _is_kept_open(verdict))
            )

    @every_order
    @given(facts=_facts())
    def test_only_the_exact_amount_completes_i7(self, facts):
        verdict = decide(WORLD, facts)

        if verdict.status == Status.COMPLETED:
            proofs = [
                f
                for f in facts
                if f.verdict == Said.SUCCEEDED and not f.is_foreign and f.amount == ASKED
            ]
            assert proofs or any(map(names_no_amount, facts))
        if any(map(names_another_amount, facts)):
            codes = {doubt.code for doubt in verdict.doubts}
            assert codes & {"AMOUNT_MISMATCH", "SURPLUS"}

    @every_order
    @given(facts=_facts())
    def test_failure_never_outranks_success_i12(self, facts):
        without_noes = [f for f in facts if f.verdict != Said.FAILED]

        if decide(WORLD, without_noes).status == Status.COMPLETED:
            assert decide(WORLD, facts).status == Status.COMPLETED

    @every_order
    @given(facts=_facts(), data=st.data())
    def test_the_order_does_not_matter_i13(self, facts, data):
        if not is_order_free(facts):
            return
        shuffled = data.draw(st.permutations(facts))

        (path, before), (other_path, after) = fold(WORLD, facts), fold(WORLD, shuffled)

        assert path[-1] == other_path[-1]
        if facts:
            assert before[-1].receipt_number == after[-1].receipt_number
            assert before[-1].doubts == after[-1].doubts
            assert before[-1].status == after[-1].status

    @every_order
    @given(facts=_facts(), data=st.data())
    def test_whether_it_is_paid_does_not_depend_on_the_order_even_then(self, facts, data):
        if not facts or len(own_receipts(facts)) > 1:
            return
        shuffled = data.draw(st.permutations(facts))

        (path, before), (other_path, after) = fold(WORLD, facts), fold(WORLD, shuffled)

        assert is_paid(path, before[-1]) == is_paid(other_path, after[-1])

    @every_order
    @given(facts=_facts(), data=st.data())
    def test_repeats_change_nothing_i13(self, facts, data):
        """The door keeps a repeat out by its digest; decide would not mind it either."""
        if not facts:
            return
        repeated = [*facts, data.draw(st.sampled_from(facts))]

        before, after = decide(WORLD, facts), decide(WORLD, repeated)

        assert (before.status, before.receipt_number) == (after.status, after.receipt_number)
        assert before.doubts == after.doubts

    @every_order
    @given(facts=_facts())
    def test_unknown_is_not_failure_i14(self, facts):
        soft = [f for f in facts if not (f.verdict == Said.FAILED and f.is_final)]

        path, _ = fold(WORLD, soft)

        assert Status.FAILED not in path

    @every_order
    @given(facts=_facts())
    def test_more_evidence_never_takes_a_success_back(self, facts):
        _, verdicts = fold(WORLD, facts)
        receipts = [verdict.receipt_number for verdict in verdicts]

        # A credited receipt stays the credited one, whatever comes.
        credited = [number for number in receipts if number]
        assert len(set(credited)) <= 1
        assert receipts == sorted(receipts, key=bool)

    @every_order
    @given(facts=_facts())
    def test_doubts_are_never_withdrawn_by_more_of_the_same(self, facts):
        _, verdicts = fold(WORLD, facts)

        for before, after in itertools.pairwise(verdicts):
            gone = {(d.code, d.subject) for d in before.doubts} - {
                (d.code, d.subject) for d in after.doubts
            }
            # A CONFLICT of half a yes with a query's no is answered by the whole yes; nothing else.
            assert {code for code, _ in gone} <= {"CONFLICT"}


def _is_kept_open(verdict):
    return verdict.ask_now or bool(verdict.doubts)
