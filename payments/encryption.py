"""
Seal values with AES-256-GCM, bound to the place they belong to.

Token: `v1.<key id>.<nonce>.<ciphertext+tag>`, base64url without padding. The first key of the ring
writes; a token names its key, so nothing is ever tried. The context (table, column, row id, …) is
associated data: a value moved to another row does not open. Everything that can go wrong gives
one error that says nothing, as Tink does: an attacker learns no more than that it did not open.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from payments.errors import CannotOpen

VERSION = "v1"
NONCE_BYTES = 12
# Twelve bytes are sixteen digits without a rest, so nonce and text are coded in one go.
_NONCE_DIGITS = 16
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_PADDING = (b"", b"=", b"==", b"===")


class Keyring:
    """AES-256-GCM keys by id, in order; one cipher object per key, made once."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._by_head = {
            (f"{VERSION}.{key_id}", _NONCE_DIGITS): cipher
            for key_id, cipher in self._ciphers.items()
        }
        self.writing_key_id = next(iter(self._ciphers))

    def seal(self, plaintext: bytes, *, context: tuple[str, ...]) -> str:
        """Seal plaintext for context; the answer is ASCII text."""
        nonce = os.urandom(NONCE_BYTES)
        cipher = self._ciphers[self.writing_key_id]
        text = _encode(nonce + cipher.encrypt(nonce, plaintext, _context_data(context)))
        return f"{VERSION}.{self.writing_key_id}.{text[:_NONCE_DIGITS]}.{text[_NONCE_DIGITS:]}"

    def open(self, token: str, *, context: tuple[str, ...]) -> bytes:
        """
        Open a token in the context it was sealed for.

        :raises CannotOpen: whatever the reason.
        """
        try:
            head, nonce, sealed = token.rsplit(".", 2)
            cipher = self._by_head[head, len(nonce)]
            data = _decode(nonce + sealed)
            return cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], _context_data(context))
        except (ValueError, KeyError, binascii.Error, InvalidTag) as error:
            raise CannotOpen("A sealed value does not open.") from error


def key_id_of(token: str) -> str:
    """Return the id of the key that sealed the token."""
    return token.split(".", 2)[1]


def looks_sealed(value: str) -> bool:
    return value.startswith(f"{VERSION}.") and value.count(".") == 3


def keyed_hash(key: bytes, *parts: str) -> str:
    """HMAC-SHA256 over length-prefixed parts, as 64 hex digits: a blind index."""
    return hmac.new(key, _associated_data(parts), hashlib.sha256).hexdigest()


@lru_cache(maxsize=8)
def _ring(items: tuple[tuple[str, bytes], ...]) -> Keyring:
    return Keyring(dict(items))


def ring_of(keys: Mapping[str, bytes]) -> Keyring:
    """Return the kept ring of these keys, so that no cipher is built twice."""
    return _ring(tuple(keys.items()))


@lru_cache(maxsize=1024)
def _context_data(context: tuple[str, ...]) -> bytes:
    """Keep what was made: one credential is opened for every prompt. Contexts are no secrets."""
    return _associated_data(context)


def _associated_data(parts: tuple[str, ...]) -> bytes:
    # Length-prefixed, so that ("ab", "c") and ("a", "bc") are different places.
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _encode(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    digits = text.encode("ascii").translate(_FROM_URL)
    return binascii.a2b_base64(digits + _PADDING[-len(digits) % 4], strict_mode=True)
