"""B1 and B2: callbacks as fast as they come, stored; and stored and applied."""

from __future__ import annotations

import time
from pathlib import Path

from bench import world
from bench.load import Load, drive, driving_once, write_requests
from bench.results import Goal, Row, median
from bench.stage import LOGS, BenchError, Stage

_PATIENCE_S = 90.0


def storing(stage: Stage, stalls: list[world.Stall]) -> list[Row]:
    """
    Measure B1: answered, saturated.

    What waits to be applied is buried between the rounds, so that no round pays for applying another's.
    """
    attempts = world.make_waiting(stalls, stage.plan.payments_a_round)
    lines = list(world.callback_lines(attempts))
    ours = write_requests(LOGS / "callbacks.txt", lines)
    floor = _floor_requests(lines)
    _storing_round(stage, ours, floor, seconds=1)  # imports, connections, plans
    seconds = stage.plan.load_s
    pairs = [_storing_round(stage, ours, floor, seconds=seconds) for _ in range(stage.plan.rounds)]
    return [_rate_row("B1", "Callback answered, saturated", pairs, 0.7), _tail_row(pairs)]


def applying(stage: Stage, stalls: list[world.Stall]) -> list[Row]:
    """
    Measure B2: stored and applied, sustained.

    A round's callbacks are posted as fast as they are taken, each payment's once; the clock stops
    when none is left to apply.
    """
    pairs = [_applying_round(stage, stalls) for _ in range(stage.plan.rounds)]
    return [_rate_row("B2", "Callback stored and applied", pairs, 0.25)]


def _storing_round(stage: Stage, ours: Path, floor: Path, *, seconds: float) -> tuple[Load, Load]:
    at_floor = _drive(stage, floor, port=stage.floor(), seconds=seconds)
    at_ours = _drive(stage, ours, port=stage.web(), seconds=seconds)
    world.forget_waiting()
    return at_ours, at_floor


def _applying_round(stage: Stage, stalls: list[world.Stall]) -> tuple[Load, Load]:
    attempts = world.make_waiting(stalls, stage.plan.payments_a_round)
    lines = list(world.callback_lines(attempts))
    ours = write_requests(LOGS / "callbacks.txt", lines)
    at_floor = _drive(stage, _floor_requests(lines), port=stage.floor(), seconds=stage.plan.load_s)
    plan = stage.plan
    with driving_once(ours, port=stage.web(), seconds=_PATIENCE_S, connections=plan.connections):
        started = time.perf_counter()
        seconds = world.wait_until_stored_and_applied(attempts, patience_s=_PATIENCE_S) - started
    if (applied := world.completed_among(attempts)) < len(attempts):
        raise BenchError(f"{len(attempts)} callbacks sent, {applied} payments completed.")
    return Load(applied, applied / seconds, 0, 0, 0), at_floor


def _drive(stage: Stage, requests: Path, *, port: int, seconds: float) -> Load:
    load = drive(requests, port=port, seconds=seconds, connections=stage.plan.connections)
    if load.failed:
        raise BenchError(f"{load.failed} of {load.requests} callbacks were not answered by 200.")
    return load


def _floor_requests(lines: list[tuple[str, str, str]]) -> Path:
    """Write the same bodies, sent to the bare view."""
    return write_requests(LOGS / "inserts.txt", (("POST", "/insert", body) for *_, body in lines))


def _rate_row(number: str, what: str, pairs: list[tuple[Load, Load]], bound: float) -> Row:
    return Row(
        number,
        what,
        f"{median(ours.per_s for ours, _ in pairs):,.0f}/s",
        f"{median(floor.per_s for _, floor in pairs):,.0f}/s",
        median(ours.per_s / floor.per_s for ours, floor in pairs),
        Goal("≥", bound),
    )


def _tail_row(pairs: list[tuple[Load, Load]]) -> Row:
    return Row(
        "B1",
        "its p99",
        f"{median(ours.p99_ms for ours, _ in pairs):.1f} ms",
        f"{median(floor.p99_ms for _, floor in pairs):.1f} ms",
        median(ours.p99_ms / floor.p99_ms for ours, floor in pairs),
        Goal("≤", 3),
    )
