from __future__ import annotations

import csv
import io

import pytest

from audit.cells import csv_lines, safe_cell
from audit.masking import mask_emails


class TestSafeCell:
    @pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])  # noqa: RUF001
    @pytest.mark.parametrize("before", ["", " ", "   "])
    def test_lets_no_cell_begin_a_formula(self, sign, before):
        cell = safe_cell(f"{before}{sign}HYPERLINK(1)")

        assert cell.startswith("'")

    @pytest.mark.parametrize(
        ("value", "cell"),
        [
            (None, ""),
            (0, "0"),
            (-5, "'-5"),
            (True, "True"),
            ("Duka=1", "Duka=1"),
            ("", ""),
            ({"b": 1, "a": "é"}, '{"a": "é", "b": 1}'),
            (["=1"], '["=1"]'),
            ("a\x00b", "ab"),
            ("\x00=1", "'=1"),
        ],
    )
    def test_writes_values_as_text(self, value, cell):
        assert safe_cell(value) == cell


class TestCsvLines:
    def test_reads_back_whatever_is_in_a_cell(self):
        odd = ['a "quoted", cell', "two\nlines", "=1+1", "ñ\u2028"]

        text = "".join(csv_lines(["h1", "h2", "h3", "h4"], [odd, odd]))

        assert text.startswith("\ufeff")
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
        assert rows[0] == ["h1", "h2", "h3", "h4"]
        assert rows[1] == rows[2] == ['a "quoted", cell', "two\nlines", "'=1+1", "ñ\u2028"]


class TestMaskEmails:
    @pytest.mark.parametrize(
        ("text", "masked"),
        [
            ("njeri@duka.example", "n***@duka.example"),
            ("njeri@duka.example: Manager, Duka", "n***@duka.example: Manager, Duka"),
            ("x@y.test, zoe@y.test", "x***@y.test, z***@y.test"),
            ("nobody", "nobody"),
            ("", ""),
            (5, 5),
        ],
    )
    def test_leaves_first_letter_and_host(self, text, masked):
        assert mask_emails(text) == masked
