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
    """Walk a chain from its first entry; return the first fault, or None where all holds."""
    entries = AuditEntry.objects.filter(shop=shop_id).order_by("seq").iterator(chunk_size=2000)
    last = _Last()
    fault = verifier.first_fault(chain_key(shop_id), _links(entries, last))
    if fault is not None:
        return Fault(*fault)
    return _fault_of_head(shop_id, last)


def verify_all() -> dict[uuid.UUID | None, Fault]:
    """Verify every chain there is; return those that do not hold."""
    heads = set(AuditHead.objects.values_list("shop", flat=True))
    heads |= set(AuditEntry.objects.order_by().values_list("shop", flat=True).distinct())
    found = {shop_id: verify_chain(shop_id) for shop_id in heads}
    return {shop_id: fault for shop_id, fault in found.items() if fault is not None}


@dataclass
class _Last:
    seq: int = 0
    hash: str = ""


def _links(entries: Iterable[AuditEntry], last: _Last) -> Iterator[dict[str, Any]]:
    for entry in entries:
        last.seq, last.hash = entry.seq, entry.hash
        yield {**as_link(entry), "hash": entry.hash}


def _fault_of_head(shop_id: uuid.UUID | None, last: _Last) -> Fault | None:
    head = AuditHead.objects.filter(shop=shop_id).first()
    kept = (head.seq, head.hash) if head else (0, "")
    if kept == (last.seq, last.hash):
        return None
    return Fault(min(kept[0], last.seq) + 1, "The end of the chain is not the one that was kept.")


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
