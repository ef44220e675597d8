"""
The chain: each entry's hash covers it and the hash before it.

HMAC-SHA256 under a key per chain, derived from AUDIT_CHAIN_KEY: whoever can write to the database
cannot forge a link, and a tenant can be given the key of his own chain to verify an export of it
(audit/verifier.py, which needs nothing of ours). A tail that was cut off still joins up; that is
found by the heads written outside the database (audit/anchors.py).
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from audit import verifier
from audit.models import AuditEntry, AuditHead

# In the order in which they are hashed; a field added later goes into a new version.
FIELDS = verifier.FIELDS


@dataclass(frozen=True)
class Fault:
    """The first entry at which a chain does not hold, and what is wrong with it."""

    seq: int
    problem: str


def chain_key(shop_id: uuid.UUID | None) -> bytes:
    """Return the key of one shop's chain; None is the platform's."""
    name = f"malipo audit chain v1:{shop_id or 'platform'}".encode()
    return hmac.new(settings.AUDIT_CHAIN_KEY, name, hashlib.sha256).digest()


def as_link(entry: AuditEntry) -> dict[str, Any]:
    """Write an entry as plain JSON values: what is hashed, and what is exported."""
    return {
        **{name: getattr(entry, name) for name in FIELDS if name not in {"id", "shop", "at"}},
        "id": str(entry.pk),
        "shop": str(entry.shop_id) if entry.shop_id else None,
        "at": _time(entry.at),
    }


def seal(entry: AuditEntry) -> str:
    """Return the hash of an entry whose previous_hash is set."""
    return verifier.link_hash(chain_key(entry.shop_id), as_link(entry))


def verify_chain(shop_id: uuid.UUID | None) -> Fault | None:
    """
    Walk a chain from its first entry; return the first fault, or None where all holds.

    It may grow meanwhile: the head read before is one of its entries, the one read after is not
    behind them.
    """
    entries = AuditEntry.objects.filter(shop=shop_id).order_by("seq").iterator(chunk_size=2000)
    before, walked = _head_of(shop_id), _Walked()
    walked.wanted = before.seq
    fault = verifier.first_fault(chain_key(shop_id), _links(entries, walked))
    if fault is not None:
        return Fault(*fault)
    return _fault_of_heads(before, walked, _head_of(shop_id))


@dataclass
class _Walked:
    """How far the walk has come, and what it found where the head was."""

    seq: int = 0
    wanted: int = 0
    hash_there: str = ""


def _links(entries: Iterable[AuditEntry], walked: _Walked) -> Iterator[dict[str, Any]]:
    for entry in entries:
        walked.seq = entry.seq
        if entry.seq == walked.wanted:
            walked.hash_there = entry.hash
        yield {**as_link(entry), "hash": entry.hash}


def _head_of(shop_id: uuid.UUID | None) -> AuditHead:
    return AuditHead.objects.filter(shop=shop_id).first() or AuditHead(shop_id=shop_id)


def _fault_of_heads(before: AuditHead, walked: _Walked, after: AuditHead) -> Fault | None:
    if before.hash == walked.hash_there and walked.seq <= after.seq:
        return None
    kept = min(before.seq, walked.seq, after.seq)
    return Fault(kept + 1, "The end of the chain is not the one that was kept.")


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
