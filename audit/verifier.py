"""
Verify an exported audit chain. Needs Python alone; hand it to whoever wants to check us.

    python verifier.py export.jsonl --key <hex of the chain's key> [--heads heads.jsonl]

The export has one JSON object a line, in the order of seq. The key is the chain's own and is given
with the export; it opens nothing else. A tail that was cut off before the export shows only against
heads kept elsewhere: one JSON object a line with shop, seq and hash, of which those of the export's
shop count. Exit code 1 names the first entry that does not hold; 2 says that a file or the key is
none.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FIELDS = (
    "id",
    "shop",
    "seq",
    "action",
    "object_type",
    "object_id",
    "object_label",
    "changes",
    "previous_state",
    "reason",
    "actor_kind",
    "actor_id",
    "actor_label",
    "actor_role",
    "ip",
    "user_agent",
    "request_id",
    "at",
    "previous_hash",
)


def link_hash(key: bytes, link: dict[str, Any]) -> str:
    """HMAC-SHA256 over the canonical JSON of the fields, previous_hash among them."""
    fields = {name: link.get(name) for name in FIELDS}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def first_fault(key: bytes, links: Iterable[dict[str, Any]]) -> tuple[int, str] | None:
    """Return the number of the first entry that does not hold and why, or None."""
    expected, previous = 1, ""
    for link in links:
        if link["seq"] != expected:
            return expected, f"Entry {expected} is missing; {link['seq']} follows."
        if link["previous_hash"] != previous:
            return expected, "It does not join the entry before it."
        if not hmac.compare_digest(link_hash(key, link), link["hash"]):
            return expected, "It was changed after it was written."
        expected, previous = expected + 1, link["hash"]
    return None


def first_lost(
    links: list[dict[str, Any]], heads: Iterable[dict[str, Any]]
) -> tuple[int, str] | None:
    """Return the first kept head of the export's shop that is not in it and why, or None."""
    hashes = {link["seq"]: link["hash"] for link in links}
    shops = {link["shop"] for link in links}
    for head in heads:
        if shops and head["shop"] not in shops:
            continue
        if head["seq"] not in hashes:
            return len(links) + 1, f"It is gone: a kept head is of entry {head['seq']}."
        if hashes[head["seq"]] != head["hash"]:
            return head["seq"], "It is not the entry of which a head was kept."
    return None


def _read(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify an exported audit chain.")
    parser.add_argument("export", type=Path)
    parser.add_argument("--key", required=True, help="the chain's key, in hex")
    parser.add_argument("--heads", type=Path, help="heads that were kept elsewhere")
    given = parser.parse_args()
    try:
        links = _read(given.export)
        fault = first_fault(bytes.fromhex(given.key), links)
        if fault is None and given.heads:
            fault = first_lost(links, _read(given.heads))
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stdout.write(f"This is no export of an audit chain, or no key: {error!r}\n")
        return 2
    if fault:
        sys.stdout.write(f"Entry {fault[0]}: {fault[1]}\n")
        return 1
    sys.stdout.write(f"{len(links)} entries hold.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
