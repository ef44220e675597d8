"""
B9's helper: one process on one database, asked for pages by a line on its standard input.

`python -m bench.pages` tells the names of its pages as JSON, then answers each name by the
milliseconds the page took, asked for through the whole WSGI application; a name, a tab and any word
by the statements the page sent.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One page and who asks for it: a shop's admin, the platform's, or a key."""

    who: str
    path: str
    query: dict[str, str] = field(default_factory=dict)


class Pages:
    """All pages that show lists or numbers, by name."""

    def __init__(self) -> None:
        from bench.pages_listed import clients, listed  # noqa: PLC0415 - needs Django

        self.clients = clients()
        self.all: dict[str, Asked] = listed(self.clients)

    def ask(self, name: str) -> Any:
        page = self.all[name]
        answer = self.clients[page.who].get(page.path, page.query)
        if answer.status_code != 200:
            raise SystemExit(f"{name} ({page.path}) answered {answer.status_code}")
        return answer

    def time(self, name: str) -> float:
        """Return milliseconds."""
        started = time.perf_counter()
        self.ask(name)
        return (time.perf_counter() - started) * 1000

    def statements(self, name: str) -> list[str]:
        from bench import counting  # noqa: PLC0415

        with counting.statements() as seen:
            self.ask(name)
        return seen


def main() -> None:
    import django  # noqa: PLC0415

    django.setup()
    # Which lists are not for whom is found by asking; a page that fails later ends the process.
    logging.disable(logging.WARNING)
    pages = Pages()
    _say(list(pages.all))
    for line in sys.stdin:
        name, _tab, wish = line.strip().partition("\t")
        _say(pages.statements(name) if wish else pages.time(name))


def _say(answer: Any) -> None:
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
