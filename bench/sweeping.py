"""
B5: callbacks were lost, and the sweep asks the provider about every attempt that is due.

The budget of questions is lifted, so that what is left is the sweep's own: `concurrency / upstream
time` is what no program could exceed that has so many calls out at once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from bench import world
from bench.results import Goal, Row
from bench.stage import BenchError, Stage, free_port, wait_for_port
from payments.models import Attempt
from reconciliation.asking import ASK_THREADS

_WORKER = [sys.executable, "-m", "bench.sweep_worker"]
_UPSTREAM = [sys.executable, "-m", "bench.load.upstream"]


@dataclass(frozen=True)
class Swept:
    """One sweep: attempts that were due, what it took and how many statements."""

    attempts: int
    seconds: float
    statements: int

    @property
    def per_s(self) -> float:
        return self.attempts / self.seconds


def sweeping(stage: Stage) -> list[Row]:
    """Measure B5: a quarter of the attempts, then all of them."""
    plan = stage.plan
    # Not those of the others: every shop has the same number due.
    stalls = world.make_stalls(plan.swept_shops, prefix="swept")
    with _upstream(plan.sweep_upstream_s) as url:
        environment = os.environ | {"DARAJA_SANDBOX_URL": url, "QUERY_BUDGET_PER_MINUTE": "0"}
        _sweep(stalls, ASK_THREADS, environment)  # the token
        some = _sweep(stalls, plan.swept_attempts // 4, environment)
        all_ = _sweep(stalls, plan.swept_attempts, environment)
    return list(_rows(some, all_, ceiling=ASK_THREADS / plan.sweep_upstream_s))


@contextmanager
def _upstream(latency_s: float) -> Iterator[str]:
    port = free_port()
    with subprocess.Popen([*_UPSTREAM, str(port), str(latency_s)]) as process:  # noqa: S603
        try:
            wait_for_port(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _sweep(stalls: list[world.Stall], count: int, environment: dict[str, str]) -> Swept:
    attempts = world.make_waiting(stalls, count)
    now = timezone.now()
    Attempt.objects.filter(pk__in=[attempt.pk for attempt in attempts]).update(
        requested_at=now - timedelta(minutes=10), next_ask_at=now - timedelta(seconds=1)
    )
    done = subprocess.run(_WORKER, env=environment, stdout=subprocess.PIPE, check=True, text=True)  # noqa: S603
    found = json.loads(done.stdout)
    if found["moved"] != count:
        raise BenchError(f"Of {count} payments that were paid the sweep moved {found['moved']}.")
    return Swept(count, found["s"], found["statements"])


def _rows(some: Swept, all_: Swept, *, ceiling: float) -> Iterator[Row]:
    few, many = f"{some.attempts:,}", f"{all_.attempts:,}"
    yield Row(
        "B5",
        f"Sweep of {many} due attempts, of concurrency ÷ upstream time",
        f"{all_.per_s:.0f}/s",
        f"{ceiling:.0f}/s",
        all_.per_s / ceiling,
        Goal("≥", 0.8),
    )
    each = [swept.statements / swept.attempts for swept in (all_, some)]
    what = f"statements per attempt, {many} against {few}"
    yield Row("B5", what, f"{each[0]:.1f}", f"{each[1]:.1f}", each[0] / each[1], Goal("≤", 1.05))
    took = [1000 / swept.per_s for swept in (all_, some)]
    what = f"time per attempt, {many} against {few}"
    ours, floor = (f"{milliseconds:.1f} ms" for milliseconds in took)
    yield Row("B5", what, ours, floor, took[0] / took[1], Goal("≤", 1.2))
