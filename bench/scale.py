"""
B9: lists, searches, filters and numbers at a million payments and at ten thousand.

The same code on two databases, each served by a process of its own and asked in turns, so that
whatever else the machine does meets both. What a page costs at the small size is its floor.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command
from django.utils import timezone

from bench.plan import Plan
from bench.results import Goal, Row, percentile
from bench.stage import LOGS, BenchError, Stage, kept_database, own_database
from config.devkeys import kept_keys
from config.devprocesses import say

_BOUND = 1.5
_SEED = [sys.executable, "-m", "bench.scale_seed"]
_SERVE = [sys.executable, "-m", "bench.pages"]


@dataclass(frozen=True)
class Taken:
    """One page's milliseconds, small and large."""

    name: str
    small: float
    large: float

    @property
    def ratio(self) -> float:
        return self.large / self.small


def growing(stage: Stage) -> list[Row]:
    """Measure B9."""
    plan = stage.plan
    call_command("collectstatic", interactive=False, verbosity=0)
    with ExitStack() as stack:
        small, large = (
            stack.enter_context(_pages(stage, count))
            for count in (plan.few_payments, plan.many_payments)
        )
        names = [name for name in small.names if name in set(large.names)]
        taken = [_in_turns(name, small, large, plan) for name in names]
    for each in sorted(taken, key=lambda each: -each.ratio):
        say(f"[bench]   {each.ratio:5.2f}  {each.small:7.1f}  {each.large:7.1f} ms  {each.name}")
    return _rows(taken, plan)


class _Server:
    """The pages of one database, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.names: list[str] = self._read()

    def time(self, name: str) -> float:
        self._write(name)
        return float(self._read())  # type: ignore[arg-type]

    def _write(self, line: str) -> None:
        assert self._process.stdin  # noqa: S101
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _read(self) -> list[str]:
        assert self._process.stdout  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("A process that serves pages has ended; its words are above.")
        found: list[str] = json.loads(line)
        return found


@contextmanager
def _pages(stage: Stage, payments: int) -> Iterator[_Server]:
    """Serve a database of so many payments."""
    # A kept database is read with the keys it was written with.
    environment = os.environ | stage.settings | kept_keys(LOGS / "pages.keys")
    with (
        _seeded(stage, payments, environment) as url,
        subprocess.Popen(  # noqa: S603
            _SERVE,
            env=environment | {"DATABASE_URL": url},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process,
    ):
        try:
            yield _Server(process)
        finally:
            process.terminate()


@contextmanager
def _seeded(stage: Stage, payments: int, environment: dict[str, str]) -> Iterator[str]:
    """Give the address of a database of so many payments; with --keep, today's."""

    def fill(url: str) -> None:
        subprocess.run(  # noqa: S603
            [*_SEED, str(payments)], env=environment | {"DATABASE_URL": url}, check=True
        )

    server_url = stage.settings["DATABASE_URL"]
    if stage.plan.keeps_pages:
        # Numbers of today and of the week want payments that are as old as the day.
        name = f"malipo_pages_{payments}_{timezone.localdate():%Y%m%d}_{_schema()}"
        yield kept_database(server_url, name, fill=fill)
        return
    with own_database(server_url, f"_of_{payments}") as url:
        fill(url)
        yield url


def _schema() -> str:
    """Return a short digest of what migrations there are."""
    names = sorted(str(path) for path in Path().glob("*/migrations/0*.py"))
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:8]


def _in_turns(name: str, small: _Server, large: _Server, plan: Plan) -> Taken:
    for each in (small, large):
        for _ in range(min(3, plan.page_calls)):  # imports, plans, what the page itself caches
            each.time(name)
    pairs = [(small.time(name), large.time(name)) for _ in range(plan.page_calls)]
    return Taken(name, *(percentile(times, 0.95) for times in zip(*pairs, strict=True)))


def _rows(taken: list[Taken], plan: Plan) -> list[Row]:
    """Tell the worst page of each kind: a page's kind is the first words of its name."""
    kinds: dict[str, list[Taken]] = {}
    for each in taken:
        kinds.setdefault(":".join(each.name.split(":")[:2]), []).append(each)
    worst = [max(group, key=lambda each: each.ratio) for group in kinds.values()]
    return [_row(each, plan) for each in worst]


def _row(each: Taken, plan: Plan) -> Row:
    return Row(
        "B9",
        f"p95 at {plan.many_payments:,} payments: {each.name}",
        f"{each.large:.0f} ms",
        f"{each.small:.0f} ms",
        each.ratio,
        Goal("≤", _BOUND),
    )
