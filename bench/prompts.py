"""
B3: prompts while Daraja hangs.

Three hundred prompts are in flight at the provider all the time, one in ten of them hanging for
30 seconds. Beside them callbacks come at a steady pace; what they wait is compared with what they
waited a moment before, when nothing was in flight. A hanging prompt counts as in flight until the
product gives the call up, so `in flight / upstream time` is what no program could exceed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench import world
from bench.load import write_requests
from bench.results import Goal, Row, median, percentile
from bench.stage import LOGS, BenchError, Stage
from payments.models import Payment

# A customer of the simulator pays after two seconds; then the callback is under way.
_LAST_CALLBACK_S = 4.0


@dataclass(frozen=True)
class Round:
    """Milliseconds of the callbacks, idle and busy; what the tills did."""

    idle_ms: list[float]
    busy_ms: list[float]
    initiations_per_s: float
    possible_per_s: float
    refused: int
    lost: int


def prompting(stage: Stage, stalls: list[world.Stall]) -> list[Row]:
    """Measure callbacks and initiations with many prompts in flight."""
    stage.web()
    stage.simulator()
    _warm_up(stage, stalls)
    rounds = [_round(stage, stalls, number) for number in range(1, stage.plan.rounds + 1)]
    return list(_rows(rounds, stage.plan.in_flight))


def _warm_up(stage: Stage, stalls: list[world.Stall]) -> None:
    """Let every process import what it needs, fetch the token and open its connections."""
    _result(_start(stage, stalls, 0, tills=40, seconds=1.0))
    lines = list(world.callback_lines(world.make_waiting(stalls, 100)))
    _result(_probe(stage, "warm", lines))
    world.wait_until_applied()


def _round(stage: Stage, stalls: list[world.Stall], number: int) -> Round:
    plan = stage.plan
    count = int(plan.callbacks_per_s * (plan.idle_s + plan.busy_s)) + 10
    attempts = world.make_waiting(stalls, count)
    lines = list(world.callback_lines(attempts))
    split = int(plan.callbacks_per_s * plan.idle_s)
    idle = _result(_probe(stage, "idle", lines[:split]))
    tills = _start(stage, stalls, number, tills=plan.in_flight, seconds=plan.busy_s)
    busy = _result(_probe(stage, "busy", lines[split:]))
    asked = _result(tills)
    _wait_for_rest(stage, asked["payments"])
    lost = len(lines) - world.completed_among(attempts)
    open_ = Payment.objects.filter(pk__in=asked["payments"]).exclude(status="completed").count()
    mean_s = plan.upstream_s * (1 - asked["hung_share"]) + plan.give_up_s * asked["hung_share"]
    return Round(
        idle_ms=idle["ms"],
        busy_ms=busy["ms"],
        initiations_per_s=asked["per_s"],
        possible_per_s=plan.in_flight / mean_s,
        refused=asked["refused"],
        lost=lost + open_ + idle["failed"] + busy["failed"],
    )


def _probe(stage: Stage, name: str, lines: list[tuple[str, str, str]]) -> subprocess.Popen[str]:
    """Send callbacks one by one at a steady pace."""
    path = write_requests(LOGS / f"{name}.txt", lines)
    plan = stage.plan
    return _python("bench.load.probe", str(stage.web()), str(plan.callbacks_per_s), str(path))


def _start(
    stage: Stage, stalls: list[world.Stall], number: int, *, tills: int, seconds: float
) -> subprocess.Popen[str]:
    plan = stage.plan
    task = {
        "port": stage.web(),
        "keys": [stall.api_key for stall in stalls],
        "tills": tills,
        "seconds": seconds,
        "answer_within_s": plan.answer_within_s,
        "give_up_s": plan.give_up_s,
        "first_phone": 10_000_000 * (number + 1),
    }
    path = LOGS / "tills.json"
    path.write_text(json.dumps(task))
    return _python("bench.load.tills", str(path))


def _python(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True)  # noqa: S603


def _result(process: subprocess.Popen[str]) -> Any:
    out, _errors = process.communicate()
    if process.returncode:
        raise BenchError("A load generator failed.")
    return json.loads(out)


def _wait_for_rest(stage: Stage, payments: list[str]) -> None:
    """Wait until the provider's last callbacks came and the hanging calls were given up."""
    deadline = time.monotonic() + stage.plan.give_up_s + _LAST_CALLBACK_S
    while time.monotonic() < deadline:
        time.sleep(0.5)
    world.wait_until_applied()


def _rows(rounds: list[Round], in_flight: int) -> Iterator[Row]:
    idle = [percentile(r.idle_ms, 0.99) for r in rounds]
    busy = [percentile(r.busy_ms, 0.99) for r in rounds]
    p99, calm = median(busy), median(idle)
    what = f"Callback p99, {in_flight} prompts in flight"
    yield Row("B3", what, f"{p99:.1f} ms", f"{calm:.1f} ms", p99, Goal("≤", 30, " ms"))
    ratio = median(b / i for b, i in zip(busy, idle, strict=True))
    yield Row("B3", "of the idle p99", f"{p99:.1f} ms", f"{calm:.1f} ms", ratio, Goal("≤", 3))
    yield Row(
        "B3",
        "Initiations of in flight ÷ upstream time",
        f"{median(r.initiations_per_s for r in rounds):.0f}/s",
        f"{median(r.possible_per_s for r in rounds):.0f}/s",
        median(r.initiations_per_s / r.possible_per_s for r in rounds),
        Goal("≥", 0.9),
    )
    lost = sum(r.lost for r in rounds)
    refused = sum(r.refused for r in rounds)
    yield Row(
        "B3", f"Callbacks lost ({refused} prompts refused)", str(lost), "0", lost, Goal("=", 0)
    )
