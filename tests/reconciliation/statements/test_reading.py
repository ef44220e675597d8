"""From the bytes of a file to exact lines, whatever spreadsheet wrote it; and what is refused."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime, timedelta
from decimal import Decimal

import openpyxl
import pytest

from reconciliation.choices import LineKind
from reconciliation.statements import cells, opening
from reconciliation.statements.kinds import kind_of
from reconciliation.statements.layout import find_layout
from reconciliation.statements.lines import Reader, payer_of, without_people
from reconciliation.statements.packing import Packer, unpack
from reconciliation.statements.problems import ProblemCode, StatementRefused, sentence
from tests.reconciliation import statement_maker as maker
from tests.reconciliation.statement_maker import NAIROBI

# ruff: noqa: DTZ001, DTZ007, RUF001 - cells have no zone, and some digits only look like ours

MB = 1024**2
EPOCH = datetime(1899, 12, 30)


def read(raw, *, max_bytes=25 * MB):
    """Return the layout's head, the lines and the problems of a file."""
    opening.inspect(raw, max_bytes=max_bytes)
    layout = find_layout(opening.sheets(raw))
    problems = []
    return layout.head, list(Reader(layout, problems.append).lines()), problems


def refusal(raw, **more):
    with pytest.raises(StatementRefused) as refused:
        read(raw, **more)
    return refused.value.found


def with_cell(made, row, **changed):
    """Write other things into one row of the file."""
    made.spoil.append(lambda rows: rows[row].update(changed))
    return made


class TestEveryFormat:
    @pytest.mark.parametrize("name", maker.FORMATS)
    def test_gives_the_same_lines(self, name):
        head, lines, problems = read(maker.FORMATS[name](maker.book()))

        assert problems == []
        assert len(lines) == 25
        newest, oldest = lines[0], lines[-2]
        assert newest.kind == LineKind.CHARGE
        assert (oldest.receipt_number, oldest.kind) == ("TKA0000000", "charge")
        paid = lines[-1]
        assert (paid.receipt_number, paid.paid_in, paid.withdrawn) == (
            "TKA0000000",
            Decimal("50.00"),
            Decimal("0.00"),
        )
        assert paid.balance == Decimal("1050.00")
        assert paid.completed_at == maker.START
        assert paid.account_reference == "INV0"
        assert head.shortcode == "600100"
        assert head.account == "Utility Account"
        assert head.since == datetime(2026, 11, 2, tzinfo=NAIROBI)
        assert head.opening == Decimal("1000.00")
        assert head.closing == maker.book().closing

    @pytest.mark.parametrize("name", ["xlsx", "xls", "csv"])
    def test_has_columns_in_any_order_and_others_among_them(self, name):
        columns = ("Extra", *reversed(maker.COLUMNS), "More")
        write = {"xlsx": maker.xlsx, "xls": maker.xls, "csv": maker.text}[name]

        _head, lines, problems = read(write(maker.book(), columns=columns))

        assert (len(lines), problems) == (25, [])

    @pytest.mark.parametrize("name", ["xlsx", "xls"])
    def test_reads_real_dates_and_numbers(self, name):
        made = maker.book(count=2, with_charges=False)

        def real(rows):
            for row in rows:
                at = datetime.strptime(row["Completion Time"], "%d-%m-%Y %H:%M:%S")
                row["Completion Time"] = at
                row["Initiation Time"] = ""
                for column in ("Paid In", "Withdrawn", "Balance"):
                    row[column] = float(row[column].replace(",", "")) if row[column] else ""

        made.spoil.append(real)
        _head, lines, problems = read(maker.FORMATS[name](made))

        assert problems == []
        assert lines[-1].completed_at == maker.START
        assert lines[-1].paid_in == Decimal("50.00")

    def test_reads_day_numbers_nobody_dressed_as_dates(self):
        made = maker.book(count=1, with_charges=False)

        def serial(rows):
            for row in rows:
                at = datetime.strptime(row["Completion Time"], "%d-%m-%Y %H:%M:%S")
                row["Completion Time"] = (at - EPOCH) / timedelta(days=1)

        made.spoil.append(serial)
        _head, lines, problems = read(maker.xlsx(made))

        assert problems == []
        assert lines[-1].completed_at == maker.START

    def test_finds_the_columns_on_the_second_sheet(self):
        file = openpyxl.load_workbook(io.BytesIO(maker.xlsx(maker.book())))
        file.create_sheet("Notes", 0).append(["Mine"])
        out = io.BytesIO()
        file.save(out)

        assert len(read(out.getvalue())[1]) == 25

    @pytest.mark.parametrize(
        "cell",
        [
            '<c r="A8" t="inlineStr"><is><r><t>TKA</t></r><r><t>0000001</t></r></is></c>',
            '<c r="A8" t="inlineStr"><is><t>TKA0000001</t><rPh sb="0" eb="1"><t>x</t></rPh></is></c>',
            '<c t="inlineStr"><is><t xml:space="preserve"> tka0000001 </t></is></c>',
            '<c r="A8" t="str"><v>TKA0000001</v></c>',
        ],
        ids=["runs", "phonetics", "spaces", "str"],
    )
    def test_reads_texts_however_they_lie_in_their_cells(self, cell):
        made = maker.book(count=2, with_charges=False)
        raw = _part_changed(
            maker.xlsx(made),
            "xl/worksheets/sheet1.xml",
            lambda xml: re.sub(rb'<c r="A8".*?</c>', cell.encode(), xml, count=1),
        )

        assert read(raw)[1][0].receipt_number == "TKA0000001"

    def test_believes_rows_not_what_the_file_says_of_its_size(self):
        raw = _part_changed(
            maker.xlsx(maker.book()),
            "xl/worksheets/sheet1.xml",
            lambda xml: xml.replace(b"<sheetData>", b'<dimension ref="A1:B3"/><sheetData>', 1),
        )

        assert len(read(raw)[1]) == 25


class TestAnotherHead:
    """Columns and rows that this or another version of the portal may write around the lines."""

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            ("Receipt No.", "RECEIPT NO"),
            ("Receipt No.", "M-Pesa Receipt No."),
            ("Completion Time", "completion_time"),
            ("Completion Time", "Completion Time (EAT)"),
            ("Paid In", "Paid In (KES)"),
            ("Withdrawn", " WITHDRAWN (Ksh.) "),
            ("Balance", "Balance(KES)"),
            ("Reason Type", "REASON\nTYPE"),
        ],
    )
    def test_is_known_by_other_spellings(self, ours, theirs):
        columns = tuple(theirs if name == ours else name for name in maker.COLUMNS)
        made = maker.book(count=2)
        made.spoil.append(lambda rows: [row.update({theirs: row[ours]}) for row in rows])

        _head, lines, problems = read(maker.text(made, columns=columns))

        assert (len(lines), problems) == (5, [])
        assert lines[-1].completed_at == maker.START
        assert lines[-1].paid_in == Decimal("50.00")
        assert lines[-1].receipt_number == "TKA0000000"

    def test_prefers_the_names_of_today_to_those_of_before(self):
        columns = ("Date", "Status", *maker.COLUMNS)

        _head, lines, problems = read(maker.text(maker.book(), columns=columns))

        assert (len(lines), problems) == (25, [])
        assert lines[-1].completed_at == maker.START

    def test_may_have_words_above_it(self):
        raw = b"M-PESA\n\nStatement of a,business\n" + maker.text(maker.book())

        head, lines, problems = read(raw)

        assert (head.shortcode, len(lines), problems) == ("600100", 25, [])

    @pytest.mark.parametrize(
        "more",
        [
            {},
            {"Receipt No.": "  ", "Details": " "},
            {"Receipt No.": "Total", "Paid In": "1,000.00", "Withdrawn": "-7.00"},
            {"Details": "Grand total", "Paid In": "1,000.00", "Balance": "9.00"},
            {"Receipt No.": "*** End of Statement ***"},
            {"Receipt No.": "Disclaimer: made by a computer."},
            {name: name for name in maker.COLUMNS},
            {name: name.upper() for name in maker.COLUMNS},
        ],
        ids=["empty", "blanks", "total", "sums", "end", "disclaimer", "columns", "COLUMNS"],
    )
    @pytest.mark.parametrize("name", ["xlsx", "xls", "csv, semicolons"])
    def test_comes_with_rows_that_are_no_lines(self, name, more):
        made = maker.book(count=4)
        made.spoil.append(lambda rows: rows.insert(5, more))
        made.spoil.append(lambda rows: rows.append(more))

        _head, lines, problems = read(maker.FORMATS[name](made))

        assert problems == []
        assert [line.number for line in lines] == [8, 9, 10, 11, 12, 14, 15, 16, 17]

    def test_does_not_pass_over_a_line_whose_time_is_gone(self):
        made = with_cell(maker.book(count=4, with_charges=False), 2, **{"Completion Time": " "})

        _head, _lines, problems = read(maker.text(made))

        assert [(found["line"], found["code"]) for found in problems] == [(10, "bad_date")]

    @pytest.mark.parametrize("date", ["", "soon", "31-31-2026"])
    def test_needs_no_date_of_its_own(self, date):
        head, lines, problems = read(maker.text(maker.book(head={"reported": date})))

        assert (head.reported, len(lines), problems) == (None, 25, [])

    def test_tells_when_it_was_made(self):
        head, _lines, _problems = read(maker.text(maker.book(count=1, with_charges=False)))

        assert head.reported == maker.START + timedelta(days=1, seconds=9)

    @pytest.mark.parametrize(
        ("cells_", "moved"),
        [("COMPLETED", True), ("Successful", True), ("Failed", False), ("Declined", False)],
    )
    def test_knows_the_words_for_money_that_moved(self, cells_, moved):
        made = with_cell(maker.book(count=1), 0, **{"Transaction Status": cells_})

        assert read(maker.text(made))[1][0].is_completed is moved


def _part_changed(raw, name, change):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w", 8) as new:
        for part in old.infolist():
            body = old.read(part)
            new.writestr(part.filename, change(body) if part.filename == name else body)
    return out.getvalue()


class TestAPerson:
    def test_leaves_only_initials_a_mask_and_an_index(self):
        _head, lines, _problems = read(maker.xlsx(maker.book(count=3)))
        kept = repr(lines)

        assert lines[-1].payer_initials == "J. W."
        assert lines[-1].payer_masked == "2547*****000"
        assert len(lines[-1].payer_index) == 64
        for name in ("JABALI", "WAKESHO"):
            assert name not in kept.upper()
        for number in range(3):
            assert maker.payment("X", maker.START, Decimal(1), number=number).msisdn not in kept

    @pytest.mark.parametrize(
        ("written", "name", "masked"),
        [
            ("254712345678 - JABALI WAKESHO", "JABALI WAKESHO", "2547*****678"),
            ("0712345678 - JABALI", "JABALI", "2547*****678"),
            ("2547*****678 - JABALI", "JABALI", "2547*****678"),
            ("2547 ***** 678 - JABALI", "JABALI", "2547*****678"),
            ("JABALI WAKESHO", "JABALI WAKESHO", ""),
            ("600100 - DUKA LTD", "DUKA LTD", ""),
            ("", "", ""),
        ],
    )
    def test_is_read_however_the_portal_writes_him(self, written, name, masked):
        payer = payer_of(written)

        assert (payer.name, payer.masked) == (name, masked)

    @pytest.mark.parametrize(
        ("text", "name", "left"),
        [
            (
                "Pay Bill from 254712345678 - JABALI WAKESHO Acc. RENT 4",
                "",
                "Pay Bill from 2547*****678 - J. W. Acc. RENT 4",
            ),
            ("Paid by Jabali Wakesho", "JABALI WAKESHO", "Paid by J. W."),
            ("J. W.", "J. W.", "J. W."),
            ("from +254712345678", "", "from 2547*****678"),
            ("Merchant 600100 to 174379", "", "Merchant 600100 to 174379"),
        ],
    )
    def test_is_taken_out_of_the_details(self, text, name, left):
        assert without_people(text, name) == left


class TestADate:
    @pytest.mark.parametrize(
        ("written", "day"),
        [
            ("03-11-2026 10:11:12", (2026, 11, 3)),
            ("13/11/2026 10:11:12", (2026, 11, 13)),
            ("11/13/2026 10:11:12", (2026, 11, 13)),
            ("5/5/2026 10:11:12", (2026, 5, 5)),
            ("2026-11-03 10:11:12", (2026, 11, 3)),
            ("2026-11-03T10:11:12", (2026, 11, 3)),
            ("03.11.2026 10:11:12", (2026, 11, 3)),
        ],
    )
    def test_is_read_where_it_can_be_only_one(self, written, day):
        found = cells.moment(written, epoch=EPOCH)

        assert found == datetime(*day, 10, 11, 12, tzinfo=NAIROBI)

    @pytest.mark.parametrize(
        "written",
        [
            "03/11/2026 10:11:12",
            "03-11-26 10:11:12",
            "31-02-2026 10:11:12",
            "03-11-2026",
            "03-11-2026 25:00:00",
            "03-11-1999 10:11:12",
            "٠٣-١١-٢٠٢٦ 10:11:12",
            "yesterday",
            "",
            "=NOW()",
            None,
            True,
            0.5,
            1e9,
            float("nan"),
        ],
    )
    def test_is_refused_where_one_would_have_to_guess(self, written):
        with pytest.raises(ValueError, match=r"date|day|hour"):
            cells.moment(written, epoch=EPOCH)

    def test_is_read_where_the_period_leaves_only_one(self):
        november = (datetime(2026, 11, 1, tzinfo=NAIROBI), datetime(2026, 11, 30, tzinfo=NAIROBI))

        found = cells.moment("03/11/2026 10:11:12", epoch=EPOCH, within=november)

        assert found == datetime(2026, 11, 3, 10, 11, 12, tzinfo=NAIROBI)

    def test_turned_around_by_excel_is_noticed(self):
        made = maker.book(count=3, with_charges=False)
        made.spoil.append(lambda rows: rows[1].update({"Completion Time": datetime(2026, 2, 11)}))

        _head, _lines, problems = read(maker.xlsx(made))

        assert {found["code"] for found in problems} == {"mixed_dates", "outside_period"}
        assert {found["line"] for found in problems} == {9}

    def test_outside_the_period_is_refused_with_its_line(self):
        made = with_cell(
            maker.book(count=3, with_charges=False), 2, **{"Completion Time": "11-02-2026 08:00:00"}
        )

        _head, lines, problems = read(maker.text(made))

        assert [(found["line"], found["code"]) for found in problems] == [(10, "outside_period")]
        assert len(lines) == 3


class TestAnAmount:
    @pytest.mark.parametrize(
        ("cell", "amount"),
        [
            ("1,500.00", "1500.00"),
            ("-1,500.00", "-1500.00"),
            ("KES 1,234,567.5", "1234567.50"),
            ("Ksh 20", "20.00"),
            (" 7 ", "7.00"),
            ("(1,234.50)", "-1234.50"),
            ("KES (20)", "-20.00"),
            (1500, "1500.00"),
            (1500.5, "1500.50"),
            (0.1 + 0.2, "0.30"),
        ],
    )
    def test_is_exact(self, cell, amount):
        assert cells.amount(cell) == Decimal(amount)

    @pytest.mark.parametrize("cell", [None, "", "  "])
    def test_of_an_empty_cell_is_none(self, cell):
        assert cells.amount(cell) is None

    @pytest.mark.parametrize(
        "cell",
        [
            "1.500,00",
            "1,50.00",
            "1 500",
            "1e3",
            "=1+1",
            "(-20)",
            "(20",
            "+20",
            "20-",
            "-",
            "１５０",
            "1.005",
            1.005,
            1e15,
            float("inf"),
            float("nan"),
            True,
            "USD 5",
            "9" * 40,
            datetime(2026, 1, 1),
        ],
    )
    def test_is_refused_otherwise(self, cell):
        with pytest.raises(ValueError, match="amount"):
            cells.amount(cell)


class TestABadLine:
    @pytest.mark.parametrize(
        ("cell", "code", "value"),
        [
            ({"Completion Time": "04/05/2026 10:00:00"}, "bad_date", "04/05/2026 10:00:00"),
            ({"Paid In": "1.500,00"}, "bad_amount", "1.500,00"),
            ({"Paid In": "=SUM(A1:A9)"}, "bad_amount", "=SUM(A1:A9)"),
            ({"Balance": ""}, "bad_amount", ""),
            ({"Paid In": "5", "Withdrawn": "5"}, "two_amounts", ""),
            ({"Receipt No.": "<b>x</b>"}, "bad_receipt", "<b>x</b>"),
        ],
        ids=["date", "amount", "formula", "no balance", "both", "receipt"],
    )
    @pytest.mark.parametrize("name", ["xlsx", "csv"])
    def test_is_named_and_the_others_are_read(self, name, cell, code, value):
        made = with_cell(maker.book(count=4, with_charges=False), 2, **cell)

        _head, lines, problems = read(maker.FORMATS[name](made))

        assert problems == [{"line": 10, "code": code, "detail": value}]
        assert len(lines) == 4
        assert sentence(problems[0])

    def test_with_formulas_and_html_in_its_words_is_text(self):
        evil = '=HYPERLINK("http://x.test","<script>alert(1)</script>")'
        made = with_cell(maker.book(count=2, with_charges=False), 0, Details=evil)

        _head, lines, problems = read(maker.xlsx(made))

        assert problems == []
        assert lines[0].details == evil


class TestAFileThatIsNoStatement:
    @pytest.mark.parametrize(
        ("raw", "code"),
        [
            (b"", "empty"),
            (b" \r\n ", "empty"),
            (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 20, "not_a_sheet"),
            (b"%PDF-1.7\n" + bytes(range(256)), "not_a_sheet"),
            (b"PK\x03\x04" + b"x" * 200, "damaged"),
            (opening.OLE + b"x" * 5000, "damaged"),
            (opening.OLE + "EncryptedPackage".encode("utf-16-le"), "locked"),
            (b"<html><table><tr><td>Receipt No.</td></tr></table></html>", "no_header"),
            (b"Nambari ya risiti,Tarehe,Maelezo\nTKA1,x,y\n", "no_header"),
            (b'Receipt No.,"Completion Time', "bad_quote"),
        ],
        ids=[
            "empty",
            "blank",
            "PNG",
            "PDF",
            "cut ZIP",
            "cut xls",
            "locked",
            "HTML",
            "Swahili",
            "quote",
        ],
    )
    def test_is_refused(self, raw, code):
        assert refusal(raw)["code"] == code

    def test_is_refused_where_it_is_cut_off(self):
        raw = maker.xlsx(maker.book())

        assert {refusal(raw[: len(raw) * part // 10])["code"] for part in (3, 6, 9)} == {"damaged"}

    def test_is_refused_where_it_is_too_large(self):
        assert refusal(maker.text(maker.book()), max_bytes=100)["code"] == "too_large"

    def test_is_refused_where_a_zip_has_nothing_of_excel(self):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("a.txt", "x")

        assert refusal(out.getvalue())["code"] == "not_a_sheet"

    def test_is_refused_where_it_swells(self):
        raw = _part_changed(
            maker.xlsx(maker.book()),
            "xl/worksheets/sheet1.xml",
            lambda xml: xml.replace(b"<sheetData>", b" " * 40 * MB + b"<sheetData>", 1),
        )

        assert len(raw) < MB
        assert refusal(raw)["code"] == "swells"

    def test_is_refused_where_it_has_hundreds_of_parts(self):
        out = io.BytesIO(maker.xlsx(maker.book()))
        with zipfile.ZipFile(out, "a") as archive:
            for number in range(400):
                archive.writestr(f"xl/x{number}.xml", "")

        assert refusal(out.getvalue())["code"] == "swells"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_is_refused_where_its_xml_declares_a_type(self, encoding):
        bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb">]><a>&b;</a>'.encode(encoding)
        raw = _part_changed(maker.xlsx(maker.book()), "xl/worksheets/sheet1.xml", lambda _xml: bomb)

        assert refusal(raw)["code"] == "damaged"

    def test_is_refused_where_it_has_more_rows_than_any_statement(self):
        raw = _part_changed(
            maker.xlsx(maker.book()),
            "xl/worksheets/sheet1.xml",
            lambda xml: xml.replace(
                b"</sheetData>", b'<row r="1048576"><c r="A1048576"><v>1</v></c></row></sheetData>'
            ),
        )

        assert refusal(raw)["code"] == "too_long"

    @pytest.mark.parametrize("missing", ["Balance", "Paid In", "Completion Time", "Reason Type"])
    def test_is_refused_by_the_name_of_the_column_it_lacks(self, missing):
        columns = tuple(name for name in maker.COLUMNS if name != missing)
        found = refusal(maker.xlsx(maker.book(), columns=columns))

        assert (found["code"], found["detail"], found["line"]) == ("no_column", missing, 7)

    def test_is_refused_where_a_column_is_there_twice(self):
        found = refusal(maker.text(maker.book(), columns=(*maker.COLUMNS, "Balance")))

        assert (found["code"], found["detail"]) == ("column_twice", "Balance")

    def test_is_refused_where_a_balance_above_cannot_be_read(self):
        found = refusal(maker.text(maker.book(head={"opening": "n/a"})))

        assert (found["code"], found["detail"]) == ("bad_head", "Opening Balance")

    def test_has_a_sentence_for_every_problem(self):
        for code in ProblemCode:
            assert "%" not in sentence({"code": code.value, "detail": "7", "line": 1})


class TestAReasonType:
    @pytest.mark.parametrize(
        ("reason", "way", "kind"),
        [
            ("Pay Bill Online", 1, "payment"),
            ("Pay Utility", 1, "payment"),
            ("Standing Order Pay Bill", 1, "payment"),
            ("Pay Utility with OD via STK", 1, "payment"),
            ("Pay Utility with OD Online", 1, "payment"),
            ("Customer Merchant Payment", 1, "payment"),
            ("Merchant Payment Online", 1, "payment"),
            ("Customer Payment to Small Business", 1, "payment"),
            ("Pay Bill Online", -1, "other"),
            ("Pay merchant Charge", -1, "charge"),
            ("Pay Bill Charge", -1, "charge"),
            ("Pay Bill Charge", 1, "other"),
            ("Transaction Reversal", -1, "reversal"),
            ("Transaction Reversal", 1, "other"),
            ("Utility Account to Organization Settlement Account", -1, "settlement"),
            ("Something new of Safaricom's", 1, "other"),
            ("", 1, "other"),
        ],
    )
    def test_tells_the_kind(self, reason, way, kind):
        amount = Decimal(10)
        paid_in, withdrawn = (amount, Decimal(0)) if way > 0 else (Decimal(0), amount)

        assert kind_of(reason, paid_in=paid_in, withdrawn=withdrawn) == kind


class TestPacking:
    def test_gives_back_what_it_was_given(self):
        _head, lines, _problems = read(maker.xlsx(maker.book(count=300)))
        packer = Packer()
        for line in lines:
            packer.add(line)

        assert list(unpack(packer.packed())) == lines
