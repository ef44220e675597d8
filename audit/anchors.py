"""
Signed heads of the chains, kept outside the database.

A chain whose tail was cut off, or a whole table put back from an old copy, still joins up: nothing
inside the database can tell. So once a day the head of every chain is appended to a file in
AUDIT_ANCHOR_DIR, signed with a key of its own. Keep that directory where the database's people
cannot write, at best append-only; the file is nobody's secret.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from audit.models import AuditEntry, AuditHead

FILE_NAME = "audit-heads.jsonl"
_SIGNED = ("shop", "seq", "hash", "at")


@dataclass(frozen=True)
class Anchor:
    """What a chain had grown to at a time; is_genuine tells whether we signed it."""

    line: int
    shop: str | None
    seq: int
    hash: str
    at: str
    is_genuine: bool


def is_on() -> bool:
    return bool(settings.AUDIT_ANCHOR_DIR)


def write_heads(*, now: datetime) -> int:
    """Append the head of every chain, in one write to the disk; return how many."""
    if not is_on():
        return 0
    heads = AuditHead.objects.exclude(seq=0).order_by("pk").values_list("shop", "seq", "hash")
    lines = [_line(shop, seq, link, now=now) for shop, seq, link in heads.iterator()]
    if lines:
        _append("".join(lines))
    return len(lines)


def first_fault(shop_id: uuid.UUID | None) -> tuple[int, str] | None:
    """Return the first entry that is not the one a head was written of, and why; or None."""
    held = 0
    for anchor in anchors_of(shop_id):
        if not anchor.is_genuine:
            return held + 1, f"Line {anchor.line} of the kept heads was not signed by us."
        found = AuditEntry.objects.filter(shop=shop_id, seq=anchor.seq)
        link = found.values_list("hash", flat=True).first()
        if link is None:
            last = _last_seq(shop_id)
            return last + 1, f"It is gone: on {anchor.at} the chain had {anchor.seq} entries."
        if link != anchor.hash:
            return held + 1, f"From here to {anchor.seq} they are not those of {anchor.at}."
        held = anchor.seq
    return None


def anchors_of(shop_id: uuid.UUID | None) -> Iterator[Anchor]:
    """Read the kept heads of one chain, oldest first; a line nobody can read counts as forged."""
    name = str(shop_id) if shop_id else None
    for anchor in _read():
        if anchor.shop == name:
            yield anchor


def shops() -> set[uuid.UUID | None]:
    """Return the chains of which a head was ever kept."""
    names = {anchor.shop for anchor in _read() if anchor.is_genuine}
    return {uuid.UUID(name) if name else None for name in names}


def unreadable_lines() -> list[int]:
    """Return the lines that were not signed by us, whatever chain they claim."""
    return [anchor.line for anchor in _read() if not anchor.is_genuine]


def _line(shop_id: uuid.UUID | None, seq: int, link: str, *, now: datetime) -> str:
    signed: dict[str, Any] = {
        "shop": str(shop_id) if shop_id else None,
        "seq": seq,
        "hash": link,
        "at": now.astimezone(UTC).isoformat(timespec="seconds"),
    }
    return json.dumps({**signed, "signature": _signature(signed)}) + "\n"


def _signature(signed: dict[str, Any]) -> str:
    key = hmac.new(settings.AUDIT_CHAIN_KEY, b"malipo audit anchor v1", hashlib.sha256).digest()
    text = json.dumps([signed.get(name) for name in _SIGNED], separators=(",", ":"))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _append(text: str) -> None:
    """Append under a lock, and come back only when it is on the disk."""
    directory = Path(settings.AUDIT_ANCHOR_DIR)
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    with (directory / FILE_NAME).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _read() -> Iterator[Anchor]:
    path = Path(settings.AUDIT_ANCHOR_DIR) / FILE_NAME
    if not is_on() or not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, text in enumerate(file, start=1):
            if text.strip():
                yield _parsed(number, text)


def _parsed(number: int, text: str) -> Anchor:
    try:
        row = json.loads(text)
        genuine = hmac.compare_digest(_signature(row), row["signature"])
        return Anchor(number, row["shop"], int(row["seq"]), row["hash"], row["at"], genuine)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Anchor(number, None, 0, "", "", is_genuine=False)


def _last_seq(shop_id: uuid.UUID | None) -> int:
    entries = AuditEntry.objects.filter(shop=shop_id).order_by("-seq")
    return entries.values_list("seq", flat=True).first() or 0
