from __future__ import annotations

import os

import pytest

from payments.encryption import Keyring, key_id_of, keyed_hash, looks_sealed
from payments.errors import CannotOpen

OLD, NEW = os.urandom(32), os.urandom(32)
HERE = ("payments_payment", "phone", "1")


@pytest.fixture
def ring():
    return Keyring({"old": OLD})


class TestKeyring:
    def test_opens_what_it_sealed(self, ring):
        token = ring.seal(b"siri ya duka", context=HERE)

        assert ring.open(token, context=HERE) == b"siri ya duka"
        assert token.isascii()
        assert looks_sealed(token)

    def test_seals_the_same_text_differently_each_time(self, ring):
        assert ring.seal(b"x", context=HERE) != ring.seal(b"x", context=HERE)

    def test_shows_nothing_of_the_text(self, ring):
        assert "siri" not in ring.seal(b"siri", context=HERE)

    @pytest.mark.parametrize(
        "elsewhere",
        [
            ("payments_payment", "phone", "2"),
            ("payments_payment", "other", "1"),
            ("payments_other", "phone", "1"),
            ("payments_payment", "phone"),
            ("payments_payment", "phone", "1", ""),
            ("payments_paymentphone", "", "1"),
            (),
        ],
    )
    def test_opens_nothing_that_was_moved(self, ring, elsewhere):
        token = ring.seal(b"x", context=HERE)

        with pytest.raises(CannotOpen):
            ring.open(token, context=elsewhere)

    def test_opens_nothing_that_was_changed(self, ring):
        token = ring.seal(b"x" * 40, context=HERE)
        _version, _key, nonce, sealed = token.split(".")
        spoiled = [
            "",
            "v1",
            "v1.old",
            "....",
            token[:-1],
            token + "A",
            token.replace("v1", "v2", 1),
            token.replace(".old.", ".new.", 1),
            f"v1.old.{sealed}.{nonce}",
            f"v1.old.{nonce}.",
            f"v1.old..{sealed}",
            f"v1.old.{nonce}.{sealed.swapcase()}",
            f"v1.old.{nonce}.é",
            f"v1.old.{nonce}.{sealed}\n",
        ]

        for text in spoiled:
            with pytest.raises(CannotOpen, match="does not open"):
                ring.open(text, context=HERE)

    def test_reads_with_every_key_and_writes_with_the_first(self, ring):
        token = ring.seal(b"x", context=HERE)
        both = Keyring({"new": NEW, "old": OLD})

        assert both.open(token, context=HERE) == b"x"
        assert key_id_of(both.seal(b"x", context=HERE)) == "new"

    def test_does_not_read_with_a_key_that_is_gone(self, ring):
        token = ring.seal(b"x", context=HERE)

        with pytest.raises(CannotOpen):
            Keyring({"new": NEW}).open(token, context=HERE)
        # The same id with another key is no better.
        with pytest.raises(CannotOpen):
            Keyring({"old": NEW}).open(token, context=HERE)

    def test_says_nothing_of_the_reason(self, ring):
        with pytest.raises(CannotOpen) as moved:
            ring.open(ring.seal(b"x", context=HERE), context=())
        with pytest.raises(CannotOpen) as malformed:
            ring.open("v1.x", context=HERE)

        assert str(moved.value) == str(malformed.value)


class TestKeyedHash:
    def test_depends_on_key_and_every_part(self):
        one = keyed_hash(OLD, "phone", "254712345678")

        assert one == keyed_hash(OLD, "phone", "254712345678")
        assert len({one, keyed_hash(NEW, "phone", "254712345678"), keyed_hash(OLD, "phone")}) == 3

    def test_knows_where_a_part_ends(self):
        assert keyed_hash(OLD, "ab", "c") != keyed_hash(OLD, "a", "bc")
