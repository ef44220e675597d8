"""
Signed heads of the chains, kept outside the database.

A chain whose tail was cut off, or a whole table put back from an old copy, still joins up: nothing
inside the database can tell. So once a day the head of every chain is appended to a file in
AUDIT_ANCHOR_DIR, signed with a key of its own. Keep that directory where the database's people
cannot write, at best append-only; the file is nobody's secret. The database remembers in turn what
was appended last of each chain, so that a file taken away, emptied or cut is noticed as well.
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
from django.db import transaction

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from audit.models import AuditEntry, AuditHead

FILE_NAME = "audit-heads.jsonl"
_SIGNED = ("shop", "seq", "hash", "at")
PROBLEMS = {
    "gone": "The file of kept heads is gone.",
    "empty": "The file of kept heads was emptied.",
    "cut": "The file of kept heads was cut: lines are missing.",
}


@dataclass(frozen=True)
class Anchor:
    """What a chain had grown to at a time; is_genuine tells whether we signed it."""

    line: int
    shop: str | None
    seq: int
    hash: str
    at: str
    is_genuine: bool


@dataclass(frozen=True)
class Loss:
    """A head we wrote that the file lost; state tells whether the file is gone, empty or cut."""

    shop_id: uuid.UUID | None
    seq: int
    at: datetime
    state: str

    @property
    def problem(self) -> str:
        return PROBLEMS[self.state]


def is_on() -> bool:
    return bool(settings.AUDIT_ANCHOR_DIR)


def write_heads(*, now: datetime) -> int:
    """
    Append the head of every chain, in one write to the disk; return how many.

    Of a chain whose last head the file has lost, the database goes on remembering that one: the
    next day's line must not hide the loss.
    """
    if not is_on():
        return 0
    heads = list(AuditHead.objects.exclude(seq=0).order_by("pk"))
    kept = _kept()
    whole = [head for head in heads if head.anchored_at is None or _anchored(head) in kept]
    if heads:
        _append("".join(_line(head.shop_id, head.seq, head.hash, now=now) for head in heads))
    for head in whole:
        # On the disk first: what dies in between leaves a line too many, never one too few.
        rows = AuditHead.objects.filter(pk=head.pk, anchored_seq__lte=head.seq)
        rows.update(anchored_seq=head.seq, anchored_hash=head.hash, anchored_at=now)
    return len(heads)


def first_loss() -> Loss | None:
    """Return the oldest head that the file should hold and does not; None while it holds all."""
    wanted = AuditHead.objects.exclude(anchored_at=None).order_by("anchored_at", "pk")
    if not is_on() or not wanted.exists():
        return None
    kept = _kept()
    for head in wanted.iterator():
        if head.anchored_at is not None and _anchored(head) not in kept:
            return Loss(head.shop_id, head.anchored_seq, head.anchored_at, _state_of_file(kept))
    return None


@transaction.atomic
def accept_loss(*, reason: str, actor: Actor, now: datetime) -> Loss | None:
    """Begin anew after a loss that cannot be mended; the platform's trail keeps what was lost."""
    loss = first_loss()
    if loss is None:
        return None
    lost = {"chain": str(loss.shop_id or "platform"), "seq": loss.seq, "at": loss.at.isoformat()}
    recording.record(
        AuditAction.PLATFORM_CHANGED,
        None,
        shop_id=None,
        actor=actor,
        now=now,
        changes=[{"field": "kept heads", "old": lost, "new": None}],
        reason=reason,
    )
    AuditHead.objects.update(anchored_seq=0, anchored_hash="", anchored_at=None)
    return loss


def _anchored(head: AuditHead) -> tuple[str | None, int, str]:
    name = str(head.shop_id) if head.shop_id else None
    return name, head.anchored_seq, head.anchored_hash


def _kept() -> set[tuple[str | None, int, str]]:
    return {(each.shop, each.seq, each.hash) for each in _read() if each.is_genuine}


def _state_of_file(kept: set[Any]) -> str:
    if not _path().exists():
        return "gone"
    return "cut" if kept else "empty"


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


def lines_of(shop_id: uuid.UUID) -> list[str]:
    """Return the kept heads of a shop's chain as they stand in the file, for the shop to keep."""
    return [
        _line(shop_id, each.seq, each.hash, now=datetime.fromisoformat(each.at))
        for each in anchors_of(shop_id)
        if each.is_genuine
    ]


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
    _path().parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    with _path().open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _read() -> Iterator[Anchor]:
    if not is_on() or not _path().exists():
        return
    with _path().open(encoding="utf-8", errors="replace") as file:
        for number, text in enumerate(file, start=1):
            if text.strip():
                yield _parsed(number, text)


def _path() -> Path:
    return Path(settings.AUDIT_ANCHOR_DIR) / FILE_NAME


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
