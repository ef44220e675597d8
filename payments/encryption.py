"""
Seal values with AES-256-GCM, bound to the place they belong to.

Token: `v1.<key id>.<nonce>.<ciphertext+tag>`, base64url without padding. The first key of the ring
writes; a token names its key, so nothing is ever tried. The context (table, column, row id, …) is
associated data: a value moved to another row does not open. Everything that can go wrong gives
one error that says nothing, as Tink does: an attacker learns no more than that it did not open.
"""

from __future__ import annotations

import base64
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


class Keyring:
    """AES-256-GCM keys by id, in order; one cipher object per key, made once."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.writing_key_id = next(iter(self._ciphers))

    def seal(self, plaintext: bytes, *, context: tuple[str, ...]) -> str:
        """Seal plaintext for context; the answer is ASCII text."""
        nonce = os.urandom(NONCE_BYTES)
        cipher = self._ciphers[self.writing_key_id]
        sealed = cipher.encrypt(nonce, plaintext, _associated_data(context))
        return f"{VERSION}.{self.writing_key_id}.{_encode(nonce)}.{_encode(sealed)}"

    def open(self, token: str, *, context: tuple[str, ...]) -> bytes:
        """
        Open a token in the context it was sealed for.

        :raises CannotOpen: whatever the reason.
        """
        try:
            version, key_id, nonce, sealed = token.split(".")
            cipher = {VERSION: self._ciphers}[version][key_id]
            return cipher.decrypt(_decode(nonce), _decode(sealed), _associated_data(context))
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


def _associated_data(parts: tuple[str, ...]) -> bytes:
    # Length-prefixed, so that ("ab", "c") and ("a", "bc") are different places.
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
