"""From upload to preview: what is kept, what is refused, and that nothing reaches the books."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from audit.models import AuditEntry
from payments.errors import InvalidTransition
from payments.models import Receipt
from reconciliation.choices import StatementStatus
from reconciliation.models import StatementImport, StatementLine, Tariff
from reconciliation.statements import importing, taking, working
from reconciliation.statements.importing import UploadedBefore
from reconciliation.statements.problems import StatementRefused
from tests.reconciliation import statement_maker as maker
from tests.reconciliation.statements import desk
from tests.reconciliation.statements.desk import ACTOR, NOW, in_books, payments_in

pytestmark = pytest.mark.django_db


def codes(statement):
    return [(found["code"], found["line"]) for found in statement.problems]


def set_tariff(charge):
    """Let a till's payments cost the shop the same, whatever their amount."""
    tariff = Tariff.objects.create(
        provider="mpesa_till", bearer="merchant", effective_from=date(2026, 1, 1)
    )
    tariff.bands.create(smallest=0, charge=Decimal(charge))


class TestUpload:
    def test_keeps_the_file_sealed_and_tells_the_trail(self, paybill):
        statement = desk.upload(paybill, maker.book())

        row = StatementImport.objects.values_list("file", flat=True).get()
        assert b"TKA" not in row.encode()
        assert statement.status == StatementStatus.UPLOADED
        entry = AuditEntry.objects.get(action="statement.uploaded")
        assert entry.object_id == str(statement.pk)

    def test_refuses_what_should_not_be_opened_and_keeps_nothing(self, paybill):
        with pytest.raises(StatementRefused):
            desk.upload(paybill, b"\x89PNG\r\n\x1a\n\x00\x00\x00" + bytes(500))

        assert not StatementImport.objects.exists()

    def test_refuses_more_than_the_limit(self, paybill, settings):
        settings.STATEMENT_MAX_MB = 1
        with pytest.raises(StatementRefused) as refused:
            desk.upload(paybill, b"x" * (1024**2 + 1))

        assert refused.value.found["code"] == "too_large"

    def test_refuses_the_same_file_naming_the_earlier_one(self, paybill):
        first = desk.upload(paybill, maker.book())

        with pytest.raises(UploadedBefore) as refused:
            desk.upload(paybill, maker.book())
        assert refused.value.earlier == first

    def test_takes_a_file_again_that_was_discarded(self, paybill):
        first = desk.upload(paybill, maker.book())
        importing.discard(statement=first, actor=ACTOR, now=NOW)

        assert desk.upload(paybill, maker.book()).pk != first.pk

    def test_keeps_a_name_that_is_markup_as_text(self, paybill):
        raw = maker.text(maker.book())
        statement = importing.upload(
            config=paybill, filename="<script>\x00.csv", raw=raw, actor=ACTOR, now=NOW
        )

        assert statement.filename == "<script>.csv"


class TestReading:
    @pytest.mark.parametrize("name", ["xlsx", "xls", "csv"])
    def test_shows_what_the_file_would_do_and_does_nothing(self, paybill, name):
        made = maker.book(count=12)
        in_books(paybill, payments_in(made)[:9])
        before = desk.everything()

        statement = desk.read(paybill, maker.FORMATS[name](made))

        assert statement.status == StatementStatus.READ
        assert statement.lines_total == statement.lines_read == 25
        assert statement.counts["new"] == 25
        assert statement.counts["state_matched"] == 9
        assert statement.counts["state_only_safaricom"] == 3
        assert statement.counts["state_charge"] == 12
        assert statement.counts["state_settlement"] == 1
        assert statement.opening_balance == Decimal("1000.00")
        assert statement.closing_balance == made.closing
        assert statement.account == "Utility Account"
        assert statement.problems == []
        assert desk.everything() == before

    @pytest.mark.parametrize(
        ("head", "until"),
        [
            ({"reported": "02-11-2026 12:00:00"}, "12:00:00"),
            ({"reported": ""}, "23:59:59"),
            ({"reported": "04-11-2026 12:00:00"}, "23:59:59"),
            ({"reported": "01-11-2026 12:00:00"}, "08:06:47"),
        ],
        ids=["made that noon", "not told", "made later", "made before its lines"],
    )
    def test_covers_no_time_after_it_was_made(self, paybill, head, until):
        """What customers paid later that day must not be called missing."""
        statement = desk.read(paybill, maker.book(count=12, head=head))

        assert maker.written(statement.until) == f"02-11-2026 {until}"

    def test_keeps_no_name_and_no_whole_number_beside_the_file(self, paybill):
        made = maker.book()
        statement = desk.read(paybill, made)

        kept = importing.zlib.decompress(statement.read_lines.reveal_bytes()).decode()
        assert "JABALI" not in kept
        assert not [entry for entry in made.entries if entry.msisdn and entry.msisdn in kept]

    def test_takes_the_statement_of_the_store_number(self, till):
        statement = desk.read(till, maker.book(till.store_number, reason=maker.TILL))

        assert statement.status == StatementStatus.READ

    def test_refuses_another_numbers_statement(self, paybill):
        statement = desk.read(paybill, maker.book("600999"))

        assert statement.status == StatementStatus.REFUSED
        assert codes(statement) == [("other_shortcode", 0)]
        assert statement.file.token == ""

    @pytest.mark.parametrize(
        ("head", "code"),
        [
            ({"shortcode": ""}, "no_shortcode"),
            ({"opening": ""}, "no_balance"),
            ({"closing": ""}, "no_balance"),
            ({"since": "long ago"}, "bad_head"),
        ],
        ids=["number", "opening", "closing", "period"],
    )
    def test_refuses_what_does_not_say_what_it_is(self, paybill, head, code):
        assert codes(desk.read(paybill, maker.book(head=head)))[0][0] == code

    def test_refuses_broken_balances_with_every_line(self, paybill):
        made = maker.book(count=10, with_charges=False, newest_first=False)
        made.spoil.append(lambda rows: (rows[2].update({"Paid In": "1.00"}), rows.pop(7)))

        statement = desk.read(paybill, made)

        assert statement.status == StatementStatus.REFUSED
        broken = [line for code, line in codes(statement) if code == "broken_balance"]
        assert broken == [10, 15]
        assert not StatementLine.objects.exists()

    def test_tells_of_an_unreadable_line_once(self, paybill):
        made = maker.book(count=10)
        made.spoil.append(lambda rows: rows[3].update({"Balance": "?"}))

        assert codes(desk.read(paybill, made)) == [("bad_amount", 11)]

    def test_keeps_at_most_two_hundred_faults_and_counts_all(self, paybill):
        made = maker.book(count=500, with_charges=False)
        made.spoil.append(lambda rows: [row.update({"Completion Time": "x"}) for row in rows])

        statement = desk.read(paybill, made)

        assert (len(statement.problems), statement.counts["faults"]) == (200, 501)

    def test_refuses_a_line_that_is_there_twice(self, paybill):
        made = maker.book(count=5, with_charges=False)
        made.spoil.append(lambda rows: rows.insert(1, dict(rows[1])))

        assert ("doubled", 10) in codes(desk.read(paybill, made))

    def test_refuses_a_statement_without_lines(self, paybill):
        assert codes(desk.read(paybill, maker.book(count=0))) == [("empty", 0)]

    def test_notes_a_receipt_whose_time_is_another_in_our_books(self, paybill):
        made = maker.book(count=4)
        in_books(paybill, payments_in(made))
        entry = payments_in(made)[2]
        Receipt.objects.filter(number=entry.receipt).update(paid_at=entry.at + timedelta(hours=3))

        statement = desk.read(paybill, made)

        assert statement.status == StatementStatus.READ
        assert [code for code, _line in codes(statement)] == ["time_differs"]

    @pytest.mark.parametrize("newest_first", [True, False], ids=["newest", "oldest"])
    def test_notes_a_charge_that_is_not_the_tariffs(self, till, newest_first):
        set_tariff("1.50")
        made = maker.book("174379", count=6, reason=maker.TILL, newest_first=newest_first)
        place = next(n for n, entry in enumerate(made.entries) if entry.change == Decimal("-1.50"))
        wrong = made.entries[place] = replace(made.entries[place], change=Decimal("-2.75"))

        statement = desk.read(till, made)

        assert statement.status == StatementStatus.READ
        assert [(found["code"], found["detail"]) for found in statement.problems] == [
            ("charge_differs", "1.50")
        ]
        row = next(n for n, cells in enumerate(made.rows()) if cells["Withdrawn"] == "-2.75")
        assert statement.problems[0]["line"] == maker.first_line() + row
        assert wrong.receipt == "TKA0000000"

    def test_keeps_some_notes_of_each_kind(self, till):
        set_tariff("9.00")

        statement = desk.read(till, maker.book("174379", count=60, reason=maker.TILL))

        assert (len(statement.problems), statement.counts["note_charge_differs"]) == (40, 60)

    def test_counts_lines_told_before_as_known(self, paybill):
        made = maker.book(count=6)
        desk.bring(paybill, made)
        longer = maker.book(count=9)
        longer.entries = [*made.entries, *longer.entries[len(made.entries) :]]
        longer.entries = sorted(longer.entries, key=lambda entry: entry.at)

        statement = desk.read(paybill, longer)

        assert statement.status == StatementStatus.READ
        assert statement.counts["known"] == 13


class TestDiscard:
    def test_takes_the_file_away_and_tells_the_trail(self, paybill):
        statement = desk.read(paybill, maker.book())

        importing.discard(statement=statement, actor=ACTOR, now=NOW)

        row = desk.fresh(statement)
        assert (row.status, row.file.token, row.read_lines.token) == ("discarded", "", "")
        assert AuditEntry.objects.filter(action="statement.discarded").count() == 1

    def test_is_refused_once_it_is_applied(self, paybill):
        statement = desk.bring(paybill, maker.book())

        with pytest.raises(InvalidTransition):
            importing.discard(statement=statement, actor=ACTOR, now=NOW)

    def test_stops_whoever_is_reading(self, paybill):
        desk.upload(paybill, maker.book())
        statement = taking.take(now=NOW)
        importing.discard(statement=statement, actor=ACTOR, now=NOW)

        with pytest.raises(taking.LeaseLost):
            taking.hold(statement, now=NOW, lines_read=1)


class TestWorkers:
    def test_do_not_take_what_another_has(self, paybill):
        desk.upload(paybill, maker.book())

        assert taking.take(now=NOW) is not None
        assert taking.take(now=NOW) is None
        assert taking.take(now=NOW + taking.LEASE + timedelta(seconds=1)) is not None

    def test_give_up_a_file_that_ends_them_again_and_again(self, paybill):
        statement = desk.upload(paybill, maker.book())
        later = NOW
        for _try in range(taking.MOST_TRIES):
            assert taking.take(now=later) is not None
            later += taking.LEASE * 2

        assert taking.take(now=later) is None
        row = desk.fresh(statement)
        assert (row.status, codes(row)) == ("refused", [("damaged", 0)])

    def test_have_nothing_to_do_without_statements(self, db):
        assert working.process_statements(now=NOW) == 0
