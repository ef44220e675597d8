"""
Whether an initiator may ask. The acknowledgement never tells; the result does, with 2001 or 8006.

We have no key to open a credential that was sealed for Safaricom, so its form is all that is looked
at: 256 bytes in base64. A name that begins with "bad", and any unknown one once a name is
registered, is a wrong initiator.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from dataclasses import dataclass, field

from payments.providers.daraja.simulator.knobs import Knobs

WRONG, LOCKED = "2001", "8006"
_CREDENTIAL_BYTES = 256


@dataclass
class Initiators:
    """Counts wrong credentials per operator and locks, as Safaricom does, until unlocked."""

    knobs: Knobs
    known: set[str] = field(default_factory=set)
    _locked: set[str] = field(default_factory=set)
    _wrong: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        self._locked.clear()
        self._wrong.clear()

    def lock(self, name: str) -> None:
        self._locked.add(name)

    def unlock(self, name: str) -> None:
        self._locked.discard(name)
        del self._wrong[name]

    def refusal(self, name: str, credential: str) -> str:
        """Return the result code this operator gets, "" for one who may."""
        if name in self._locked:
            return LOCKED
        if self._is_right(name, credential):
            del self._wrong[name]
            return ""
        self._wrong[name] += 1
        if self._wrong[name] >= self.knobs.lock_after:
            self._locked.add(name)
        return WRONG

    def _is_right(self, name: str, credential: str) -> bool:
        is_known = not self.known or name in self.known
        return is_known and not name.startswith("bad") and _is_sealed(credential)


def _is_sealed(credential: str) -> bool:
    try:
        return len(base64.b64decode(credential, validate=True)) == _CREDENTIAL_BYTES
    except (binascii.Error, ValueError):
        return False
