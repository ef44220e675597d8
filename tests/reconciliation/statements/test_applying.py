"""Applying: the books learn what only Safaricom knew, each once, however often one dies."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from audit.models import AuditEntry
from payments.errors import InvalidTransition
from payments.models import Notice, Payment, Receipt, Review
from payments.services import money_audit
from reconciliation.choices import StatementStatus
from reconciliation.models import Run, StatementLine
from reconciliation.statements import applying, importing, taking
from tests.payments.services.arrival_world import QUERY_YES, ask, say
from tests.reconciliation import statement_maker as maker
from tests.reconciliation.statements import desk
from tests.reconciliation.statements.desk import ACTOR, NOW, in_books, paid_prompt, payments_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def books_hold(db):
    """Look at every promise about money when a test is over."""
    yield
    assert money_audit.audit_money() == []


class TestWhatAgrees:
    @pytest.mark.parametrize("newest_first", [True, False], ids=["newest", "oldest"])
    def test_is_matched_with_its_receipt_and_payment(self, paybill, newest_first):
        made = maker.book(count=3, newest_first=newest_first)
        paid = payments_in(made)
        paid_prompt(paybill, paid[0])
        in_books(paybill, paid[1:])

        statement = desk.bring(paybill, made)

        assert statement.status == StatementStatus.APPLIED
        assert set(desk.states(statement).values()) == {"matched", "charge", "settlement"}
        line = StatementLine.objects.get(receipt_number=paid[0].receipt, kind="payment")
        assert line.receipt == Receipt.objects.get(number=paid[0].receipt)
        assert line.payment == Payment.objects.get()
        charge = StatementLine.objects.get(receipt_number=paid[0].receipt, kind="charge")
        assert (charge.payment, charge.withdrawn) == (line.payment, Decimal("1.50"))
        assert not Review.objects.exists()

    def test_ends_the_wait_for_a_receipt(self, paybill):
        made = maker.book(count=1)
        entry = payments_in(made)[0]
        payment = _paid_without_receipt(paybill, entry, account_reference=entry.account)

        statement = desk.bring(paybill, made)

        payment.refresh_from_db()
        assert (payment.receipt_number, payment.receipt_pending) == (entry.receipt, False)
        assert desk.states(statement)[f"{entry.receipt} payment"] == "matched"

    def test_is_held_back_where_a_till_cannot_tell_whose_it_is(self, till):
        made = maker.book("174379", count=1, reason=maker.TILL)
        payment = _paid_without_receipt(till, payments_in(made)[0])

        desk.bring(till, made)

        payment.refresh_from_db()
        assert payment.receipt_pending
        assert Receipt.objects.get().status == "held"

    def test_gives_a_number_somebody_typed_safaricoms_word(self, paybill):
        made = maker.book(count=1)
        entry = payments_in(made)[0]
        in_books(paybill, [entry])
        Receipt.objects.update(channel="manual")

        desk.bring(paybill, made)

        assert Receipt.objects.get().channel == "statement"


def _paid_without_receipt(config, entry, **asked):
    """Let a query say yes, which brings no receipt."""
    asked_at = entry.at - timedelta(seconds=20)
    msisdn = entry.msisdn
    payment = ask(config, now=asked_at, amount=int(entry.change), msisdn=msisdn, **asked)
    say(payment, QUERY_YES, now=entry.at, source="stk_query")
    return payment


class TestLostMoney:
    def test_is_learnt_and_completes_the_payment_it_names(self, paybill):
        made = maker.book(count=2)
        entry = payments_in(made)[0]
        payment = ask(
            paybill,
            now=entry.at - timedelta(seconds=20),
            amount=int(entry.change),
            account_reference=entry.account,
        )

        statement = desk.bring(paybill, made)

        payment.refresh_from_db()
        assert (payment.status, payment.receipt_number) == ("completed", entry.receipt)
        assert desk.states(statement)[f"{entry.receipt} payment"] == "matched"

    def test_waits_for_a_person_where_nobody_asked_for_it(self, paybill):
        made = maker.book(count=2)
        entry = payments_in(made)[1]

        statement = desk.bring(paybill, made)

        receipt = Receipt.objects.get(number=entry.receipt)
        assert (receipt.status, receipt.channel) == ("unallocated", "statement")
        assert receipt.amount == entry.change
        assert receipt.paid_at == entry.at
        assert receipt.payer_initials == "J. W."
        assert receipt.payer_masked.startswith("2547*****")
        assert len(receipt.payer_index) == 64
        assert desk.states(statement)[f"{entry.receipt} payment"] == "only_safaricom"
        assert statement.counts["learnt"] == 2

    def test_that_did_not_complete_is_no_money(self, paybill):
        made = maker.book(count=1, with_charges=False)
        made.entries[0] = replace(made.entries[0], status="Failed")

        statement = desk.bring(paybill, made)

        assert desk.states(statement)[f"{made.entries[0].receipt} other"] == "ignored"
        assert not Receipt.objects.exists()


class TestADefect:
    def test_of_an_altered_amount_asks_a_person(self, paybill):
        made = maker.book(count=3)
        paid = payments_in(made)
        in_books(paybill, [*paid[:2], replace(paid[2], change=Decimal(7))])

        statement = desk.bring(paybill, made)

        assert desk.states(statement)[f"{paid[2].receipt} payment"] == "amount_differs"
        review = Review.objects.get()
        assert (review.code, review.receipt.number) == ("AMOUNT_MISMATCH", paid[2].receipt)

    def test_of_an_altered_amount_of_a_payment_blocks_it(self, paybill):
        made = maker.book(count=1)
        entry = payments_in(made)[0]
        paid_prompt(paybill, replace(entry, change=entry.change + 5))

        desk.bring(paybill, made)

        assert Review.objects.filter(code="AMOUNT_MISMATCH", payment__isnull=False).exists()

    def test_of_a_line_that_contradicts_an_earlier_statement(self, paybill):
        made = maker.book(count=2, with_charges=False)
        desk.bring(paybill, made)
        entry = made.entries[0]
        again = maker.book(count=2, with_charges=False)
        again.entries[0] = replace(entry, change=entry.change + 100)

        statement = desk.read(paybill, again)
        assert ("contradicts", entry.receipt) in {
            (found["code"], found["detail"]) for found in statement.problems
        }
        statement = desk.apply(statement)

        assert desk.states(statement)[f"{entry.receipt} payment"] == "conflict"
        assert Receipt.objects.get(number=entry.receipt).amount == entry.change
        assert Review.objects.filter(code="AMOUNT_MISMATCH").count() == 1

    def test_of_two_payments_under_one_receipt(self, paybill):
        made = maker.book(count=3, with_charges=False)
        twice = replace(made.entries[0], at=made.entries[0].at + timedelta(hours=1))
        made.entries.append(twice)

        statement = desk.bring(paybill, made)

        rows = StatementLine.objects.filter(receipt_number=twice.receipt).order_by("line_number")
        assert sorted(row.state for row in rows) == ["conflict", "only_safaricom"]
        assert Receipt.objects.filter(number=twice.receipt).count() == 1
        assert statement.counts["state_conflict"] == 1

    def test_of_a_line_that_is_another_shops_money(self, paybill, neighbour, make_config):
        theirs = make_config(neighbour, provider="mpesa_paybill", shortcode="600777")
        made = maker.book(count=2)
        entry = payments_in(made)[1]
        in_books(theirs, [entry])

        statement = desk.bring(paybill, made)

        row = StatementLine.objects.get(receipt_number=entry.receipt, kind="payment")
        assert (row.state, row.receipt, row.payment) == ("conflict", None, None)
        assert Receipt.objects.get(number=entry.receipt).shop_id == neighbour.pk
        assert statement.counts["state_conflict"] == 1


class TestAReversal:
    @pytest.mark.parametrize("newest_first", [True, False], ids=["newest", "oldest"])
    @pytest.mark.parametrize("linked", [True, False], ids=["linked", "by its words"])
    def test_takes_the_payment_back_and_warns(self, paybill, newest_first, linked):
        made = maker.book(count=2, newest_first=newest_first)
        entry = payments_in(made)[0]
        paid_prompt(paybill, entry)
        made.entries.append(maker.reversal(entry, maker.START + timedelta(hours=1), linked=linked))

        statement = desk.bring(paybill, made)

        assert Payment.objects.get().status == "reversed"
        assert Receipt.objects.get(number=entry.receipt).status == "reversed"
        assert Notice.objects.filter(code="reversed", subject=entry.receipt).count() == 1
        states = desk.states(statement)
        assert states["TKZ9999999 reversal"] == states[f"{entry.receipt} payment"] == "reversed"

    def test_of_a_payment_in_the_same_file_that_nobody_knew(self, paybill):
        made = maker.book(count=2)
        entry = payments_in(made)[0]
        made.entries.append(maker.reversal(entry, maker.START + timedelta(hours=1)))

        desk.bring(paybill, made)

        assert Receipt.objects.get(number=entry.receipt).status == "reversed"

    def test_waits_for_the_statement_that_has_the_payment(self, paybill):
        entry = payments_in(maker.book(count=1))[0]
        later = maker.book(count=2, seed=1, with_charges=False)
        later.entries.append(maker.reversal(entry, maker.START + timedelta(hours=1)))
        statement = desk.bring(paybill, later)
        assert desk.states(statement)["TKZ9999999 reversal"] == "only_safaricom"

        desk.bring(paybill, maker.book(count=1))

        assert desk.states(statement)["TKZ9999999 reversal"] == "reversed"
        assert Receipt.objects.get(number=entry.receipt).status == "reversed"

    def test_of_a_part_asks_a_person(self, paybill):
        made = maker.book(count=2)
        entry = payments_in(made)[0]
        paid_prompt(paybill, entry)
        part = replace(maker.reversal(entry, maker.START + timedelta(hours=1)), change=Decimal(-1))
        made.entries.append(part)

        statement = desk.bring(paybill, made)

        assert desk.states(statement)["TKZ9999999 reversal"] == "amount_differs"
        assert Payment.objects.get().status == "completed"
        assert Review.objects.get().code == "AMOUNT_MISMATCH"


class TestTwice:
    def test_is_as_once(self, paybill):
        made = maker.book(count=8)
        desk.bring(paybill, made)
        after = desk.everything()
        # The same lines in another file are other bytes.
        again = maker.text(made, separator=";")

        statement = desk.bring(paybill, again)

        assert desk.everything() == after
        assert statement.counts["inserted"] == 0
        assert statement.counts["known"] == 17

    def test_goes_on_where_a_worker_was_killed(self, paybill, monkeypatch):
        monkeypatch.setattr(applying, "SLICE", 5)
        made = maker.book(count=12)
        entries = payments_in(made)
        in_books(paybill, entries[:4])
        statement = desk.read(paybill, made)
        importing.start_applying(statement=statement, actor=ACTOR, now=NOW)
        later = _killed_again_and_again(monkeypatch)

        taken = taking.take(now=later)
        applying.apply(taken, clock=lambda: later, busy_s=60)

        statement = desk.fresh(statement)
        assert statement.status == StatementStatus.APPLIED
        assert StatementLine.objects.count() == 25
        assert not StatementLine.objects.filter(state="new").exists()
        assert Receipt.objects.count() == 12
        assert statement.counts["state_only_safaricom"] == 8
        assert Run.objects.get().outcome == "done"
        assert AuditEntry.objects.filter(action="statement.applied").count() == 1

    def test_gives_a_long_statement_back_in_between(self, paybill, monkeypatch):
        monkeypatch.setattr(applying, "SLICE", 5)
        statement = desk.read(paybill, maker.book(count=12))
        importing.start_applying(statement=statement, actor=ACTOR, now=NOW)
        turns = 0
        while taken := taking.take(now=NOW):
            assert applying.apply(taken, clock=desk.clock, busy_s=0) == 5
            turns += 1

        assert turns == 5
        assert desk.fresh(statement).status == StatementStatus.APPLIED
        assert StatementLine.objects.count() == 25

    def test_tries_again_what_did_not_go_in(self, paybill, monkeypatch):
        made = maker.book(count=3)
        with monkeypatch.context() as patch:
            patch.setattr(applying.arrivals, "take", _refuse)
            statement = desk.bring(paybill, made)
        assert statement.counts["state_new"] == 3

        desk.bring(paybill, maker.book(count=1, seed=1))

        assert set(desk.states(statement).values()) == {"only_safaricom", "charge", "settlement"}
        assert Receipt.objects.count() == 4


def _refuse(*_args, **_more):
    raise InvalidTransition("Others keep deciding.")


class _Killed(BaseException):
    """As kill -9: nothing of ours runs any more."""


def _killed_again_and_again(monkeypatch):
    """Let workers die at every third step of one kind or another; return when the last one died."""
    later = NOW
    enter, hold = applying._Applying._enter, taking.hold
    for fatal in (2, 5, 3):
        steps = iter(range(1, 100))

        def step(*args, _steps=steps, _fatal=fatal, _do=enter, **more):
            if next(_steps) == _fatal:
                raise _Killed
            return _do(*args, **more)

        def held(*args, _steps=steps, _fatal=fatal, **more):
            if next(_steps) == _fatal:
                raise _Killed
            return hold(*args, **more)

        monkeypatch.setattr(applying._Applying, "_enter", step)
        monkeypatch.setattr(applying.taking, "hold", held)
        taken = taking.take(now=later)
        at = later
        with pytest.raises(_Killed):
            applying.apply(taken, clock=lambda at=at: at, busy_s=60)
        later += taking.LEASE * 2
    monkeypatch.setattr(applying._Applying, "_enter", enter)
    monkeypatch.setattr(applying.taking, "hold", hold)
    return later


class TestAfterwards:
    def test_there_is_a_run_and_an_entry_on_the_trail(self, paybill):
        made = maker.book(count=4)
        statement = desk.bring(paybill, made)

        run = Run.objects.get()
        assert (run.kind, run.outcome, run.config) == ("statement", "done", paybill)
        assert (run.asked, run.found, run.changed) == (9, 9, 4)
        assert run.finished_at == NOW
        entry = AuditEntry.objects.get(action="statement.applied")
        assert entry.object_id == str(statement.pk)
