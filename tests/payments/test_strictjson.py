from __future__ import annotations

import json
import time
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments import strictjson
from tests import payloads

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def reason_of(raw, **limits):
    with pytest.raises(strictjson.InvalidJSON) as caught:
        strictjson.loads(raw, **limits)
    return caught.value.reason


class TestLoads:
    def test_keeps_numbers_exact(self):
        value = strictjson.loads(b'{"a": 5.00, "b": 1, "c": 0.1, "d": 1e2}')

        assert str(value["a"]) == "5.00"
        assert value["b"] == 1
        assert isinstance(value["b"], int)
        assert value["c"] == Decimal("0.1")
        assert value["d"] == 100

    def test_tolerates_a_byte_order_mark(self):
        assert strictjson.loads(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}

    def test_reads_a_whole_surrogate_pair(self):
        assert strictjson.loads(b'"\\ud83d\\ude00"') == "\U0001f600"

    def test_counts_no_brackets_inside_strings(self):
        assert strictjson.loads(json.dumps("[{" * 500 + '\\"').encode()) == "[{" * 500 + '\\"'

    def test_takes_the_deepest_it_allows(self):
        assert strictjson.loads(b"[" * 16 + b"]" * 16)
        assert reason_of(b"[" * 17 + b"]" * 17) == "too_deep"

    def test_takes_wide_bodies(self):
        assert len(strictjson.loads(b"[" + b"[],{}," * 500 + b"0]")) == 1001

    def test_takes_the_largest_it_allows(self):
        assert strictjson.loads(b" " * 65_535 + b"1") == 1
        assert reason_of(b" " * 65_536 + b"1") == "too_large"
        assert reason_of(b"[1, 2]", max_bytes=5) == "too_large"

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (b"", "empty"),
            (b" \r\n", "empty"),
            (b"\xef\xbb\xbf", "empty"),
            (b"{", "malformed"),
            (b"{'a': 1}", "malformed"),
            (b"{} {}", "malformed"),
            (b"<html></html>", "malformed"),
            (b'{"a": 01}', "malformed"),
            (b'{"a": 1_0}', "malformed"),
            ('{"a": \u0661}'.encode(), "malformed"),
            (b'"a\x00b"', "malformed"),
            (b"\x00", "malformed"),
            (b'{"a": "\xff\xfe"}', "encoding"),
            ('{"a": 1}'.encode("utf-16"), "encoding"),
            (b'{"a": "\\ud800"}', "encoding"),
            (b'{"\\udfff": 1}', "encoding"),
            (b'{"a": 1, "a": 2}', "duplicate_key"),
            (b'{"x": {"a": 1, "\\u0061": 1}}', "duplicate_key"),
            (b"NaN", "not_a_number"),
            (b'{"a": [Infinity]}', "not_a_number"),
            (b'{"a": -Infinity}', "not_a_number"),
            (b'{"a": ' + b"9" * 31 + b"}", "number_too_long"),
            (b"9" * 5000, "number_too_long"),
            (b"1." + b"0" * 5000, "number_too_long"),
            (b"1e999999999", "number_too_long"),
            (b"1e-999999999", "number_too_long"),
            (b"0e999999999", "number_too_long"),
            (b"1e" + b"9" * 25, "number_too_long"),
            (b"[" * 30_000, "too_deep"),
            (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too_deep"),
        ],
        ids=lambda value: ascii(value[:24]) if isinstance(value, bytes) else value,
    )
    def test_refuses_with_a_reason(self, raw, reason):
        assert reason_of(raw) == reason

    def test_survives_a_hundred_thousand_levels(self):
        assert reason_of(b"[" * 100_000, max_bytes=10**6) == "too_deep"

    def test_takes_no_quadratic_time(self):
        hostile = b"[" * 17 + b'\\"' * 32_000

        started = time.perf_counter()
        reason_of(hostile)

        assert time.perf_counter() - started < 0.5

    @given(JSON_VALUES)
    def test_reads_what_the_standard_reader_reads(self, value):
        raw = json.dumps(value).encode()

        try:
            read = strictjson.loads(raw)
        except strictjson.InvalidJSON as error:
            assert error.reason in {"too_deep", "encoding"}  # noqa: PT017
        else:
            assert read == value

    @given(st.binary(max_size=200) | st.text('[]{}",:\\0aeE.-u', max_size=80).map(str.encode))
    def test_raises_nothing_else(self, raw):
        with suppress(strictjson.InvalidJSON):
            strictjson.loads(raw, max_depth=3)

    @pytest.mark.parametrize(("name", "body"), payloads.params("stk_callback"))
    def test_reads_recorded_callbacks(self, name, body):
        assert "Body" in strictjson.loads(body.encode())
