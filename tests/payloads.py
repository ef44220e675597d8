"""
Recorded provider bodies, as the wire carried them: the text, never a re-serialised copy.

Each file is {"source", "kind", "body"}. A body that is a JSON string stands for that text itself
(an empty answer, a page of HTML).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "data" / "payloads"
_MARK = '\n  "body": '


def bodies(kind: str) -> list[tuple[str, str]]:
    """Return (file name, body text as received) for every recorded body of a kind."""
    return [(path.name, _body_text(path)) for path in sorted((FOLDER / kind).glob("*.json"))]


def params(kind: str) -> list:
    """Return the bodies of a kind as pytest parameters named by their files."""
    return [pytest.param(name, body, id=name) for name, body in bodies(kind)]


def body_of(kind: str, name: str) -> str:
    """Return the body text of one file, named without its folder and suffix."""
    return _body_text(FOLDER / kind / f"{name}.json")


def _body_text(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    start = text.index(_MARK) + len(_MARK)
    value, length = json.JSONDecoder().raw_decode(text[start:])
    return value if isinstance(value, str) else text[start : start + length]
