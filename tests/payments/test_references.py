from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments import references

PREFIXES = ["", "K", "AB-", "SHOP01"]


class TestNewReference:
    @pytest.mark.parametrize("prefix", PREFIXES)
    def test_fits_the_prompt_and_is_well_formed(self, prefix):
        for _ in range(200):
            reference = references.new_reference(prefix)

            assert reference.startswith(prefix)
            assert len(reference) <= 12
            assert references.is_well_formed(reference, prefix)

    def test_has_no_look_alikes(self):
        assert not set(references.ALPHABET) & set("0O1IL")
        assert set("".join(references.new_reference() for _ in range(500))) == set(
            references.ALPHABET
        )

    def test_does_not_repeat_itself(self):
        assert len({references.new_reference() for _ in range(2000)}) == 2000

    def test_refuses_a_prefix_that_leaves_no_room(self):
        with pytest.raises(ValueError, match="at most 6"):
            references.new_reference("SEVEN77")


class TestIsWellFormed:
    def test_forgives_case_and_blanks(self):
        reference = references.new_reference("Ab")

        assert references.is_well_formed(f" {reference.lower()} ", "Ab")

    @pytest.mark.parametrize("place", range(8))
    def test_notices_every_single_wrong_sign(self, place):
        reference = references.new_reference()

        for sign in set(references.ALPHABET) - {reference[place]}:
            wrong = f"{reference[:place]}{sign}{reference[place + 1 :]}"
            assert not references.is_well_formed(wrong)

    @given(st.randoms())
    def test_notices_every_swap_of_two_signs(self, random):
        reference = references.new_reference()
        first, second = random.choice(list(combinations(range(8), 2)))
        signs = list(reference)
        signs[first], signs[second] = signs[second], signs[first]
        swapped = "".join(signs)

        assert references.is_well_formed(swapped) == (swapped == reference)

    @pytest.mark.parametrize("text", ["", "K7Q2M9", "00000000", "ŔÄßÉ2345", "22222222\u0660"])
    def test_refuses_what_is_not_ours(self, text):
        assert not references.is_well_formed(text)

    def test_refuses_a_reference_of_another_prefix(self):
        assert not references.is_well_formed(references.new_reference("AB"), "CD")
        assert not references.is_well_formed(references.new_reference("AB"))


class TestDistance:
    @pytest.mark.parametrize(
        ("typed", "slips"),
        [
            ("K7Q2M9AB", 0),
            (" k7q2-m9ab ", 0),
            ("K7Q2M9A", 1),
            ("K7Q2M9ABC", 1),
            ("K7Q2MW9AB", 1),
            ("7KQ2M9AB", 1),
            ("K7Q2M9AX", 1),
            ("K702M9AB", 1),
            # Two signs taken for those that look like them: O for Q, Z for 2.
            ("K7OZM9AB", 1),
            ("KIOZM9A8", 2),
            ("K7Q2M9XX", 2),
            ("K7Q2XXXX", 4),
            ("", 8),
        ],
    )
    def test_counts_slips_of_whoever_types(self, typed, slips):
        assert references.distance(typed, "K7Q2M9AB") == slips

    @given(st.text(references.ALPHABET, max_size=10), st.text(references.ALPHABET, max_size=10))
    def test_is_the_same_both_ways_and_nothing_only_for_the_same(self, one, other):
        assert references.distance(one, other) == references.distance(other, one)
        assert (references.distance(one, other) == 0) == (one == other)
