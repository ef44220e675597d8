"""The trail on its way out: as a table for people, and as a chain anybody can verify."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

from audit import anchors, chain, verifier
from audit.cells import csv_lines
from audit.masking import mask_emails
from audit.models import AuditEntry

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tenants.models import Shop

_IN_MEMORY = 4_000_000
_COLUMNS = (
    "shop",
    "number",
    "time",
    "action",
    "object",
    "object_id",
    "field",
    "old",
    "new",
    "reason",
    "actor",
    "role",
    "ip",
    "user_agent",
    "request_id",
    "hash",
)
_README = """\
The audit log of {name}, one entry a line, and what verifies it.

    python verifier.py {slug}-audit.jsonl --key $(cat key.txt)

Python alone is needed. The key is this shop's own: it verifies this chain and opens nothing else.
Whoever has it could write a chain that verifies; keep it as you keep the log.

What the verifier cannot see alone: a tail that was cut off before the export. heads.jsonl, where it
is there, holds the heads of this chain that were kept outside the database, one a day; each must be
an entry of the export, with the same number and hash:

    python verifier.py {slug}-audit.jsonl --key $(cat key.txt) --heads heads.jsonl

Keep the heads.jsonl you downloaded before, and check later exports against it: nobody else can
change that one.
"""


def as_csv(entries: QuerySet[AuditEntry], *, masked: bool) -> Iterator[str]:
    """Write entries as CSV, one line a changed field; addresses and emails hidden if masked."""
    rows = (row for entry in entries.iterator(chunk_size=1000) for row in _rows(entry, masked))
    return csv_lines(_COLUMNS, rows)


def as_archive(shop: Shop) -> IO[bytes]:
    """Pack a shop's chain, its key and the verifier; the caller closes the file."""
    file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - handed to the answer
    with zipfile.ZipFile(file, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        with archive.open(f"{shop.slug}-audit.jsonl", "w", force_zip64=True) as lines:
            lines.writelines(line.encode() for line in as_lines(shop))
        archive.writestr("key.txt", chain.chain_key(shop.pk).hex() + "\n")
        if heads := anchors.lines_of(shop.pk):
            archive.writestr("heads.jsonl", "".join(heads))
        archive.write(Path(verifier.__file__), "verifier.py")
        archive.writestr("README.txt", _README.format(name=shop.name, slug=shop.slug))
    file.seek(0)
    return file


def as_lines(shop: Shop) -> Iterator[str]:
    """Write a chain as the stand-alone verifier reads it."""
    entries = AuditEntry.objects.filter(shop=shop).order_by("seq")
    for entry in entries.iterator(chunk_size=1000):
        link = {**chain.as_link(entry), "hash": entry.hash}
        yield json.dumps(link) + "\n"


def _rows(entry: AuditEntry, masked: bool) -> Iterable[list[Any]]:
    for change in entry.changes or [{}]:
        row = [
            entry.shop.slug if entry.shop else "",
            entry.seq,
            entry.at.isoformat(timespec="seconds"),
            entry.action,
            entry.object_label,
            entry.object_id,
            change.get("field"),
            change.get("old"),
            change.get("new"),
            entry.reason,
            entry.actor_label,
            entry.actor_role,
            None if masked else entry.ip,
            None if masked else entry.user_agent,
            entry.request_id,
            entry.hash,
        ]
        yield [mask_emails(cell) if masked else cell for cell in row]
