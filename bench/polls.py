"""B4: a till asks what became of its payment."""

from __future__ import annotations

from django.test import Client

from bench import counting, world
from bench.load import HEADERS, Load, drive, write_requests
from bench.results import Goal, Row, median
from bench.stage import LOGS, BenchError, Stage


def polling(stage: Stage, stalls: list[world.Stall]) -> list[Row]:
    """Measure a poll with an API key against one SELECT."""
    stall = stalls[0]
    attempts = world.make_waiting([stall], 200)
    ids = [attempt.payment_id for attempt in attempts]
    ours = write_requests(LOGS / "polls.txt", (("GET", f"/api/v1/payments/{i}", "") for i in ids))
    floor = write_requests(LOGS / "selects.txt", (("GET", f"/select/{i}", "") for i in ids))
    headers = HEADERS | {"Authorization": f"Bearer {stall.api_key}"}
    pairs = []
    for _ in range(1 + stage.plan.rounds):
        at_floor = _drive(stage, floor, stage.floor(), HEADERS)
        pairs.append((_drive(stage, ours, stage.web(), headers), at_floor))
    del pairs[0]  # imports, connections, plans
    return [_rate_row(pairs), _queries_row(f"/api/v1/payments/{ids[0]}", stall.api_key)]


def _drive(stage: Stage, requests: object, port: int, headers: dict[str, str]) -> Load:
    plan = stage.plan
    load = drive(
        requests, port=port, seconds=plan.load_s, connections=plan.connections, headers=headers
    )
    if load.failed:
        raise BenchError(f"{load.failed} of {load.requests} polls were not answered by 200.")
    return load


def _rate_row(pairs: list[tuple[Load, Load]]) -> Row:
    return Row(
        "B4",
        "Poll of a payment with an API key",
        f"{median(ours.per_s for ours, _ in pairs):,.0f}/s",
        f"{median(floor.per_s for _, floor in pairs):,.0f}/s",
        median(ours.per_s / floor.per_s for ours, floor in pairs),
        Goal("≥", 0.5),
    )


def _queries_row(path: str, api_key: str) -> Row:
    headers = {"Authorization": f"Bearer {api_key}", "X-Forwarded-Proto": "https"}
    client = Client(SERVER_NAME="127.0.0.1", headers=headers)
    client.get(path)
    with counting.statements() as seen:
        answer = client.get(path)
    if answer.status_code != 200:
        raise BenchError(f"A poll was answered by {answer.status_code}.")
    return Row("B4", "its statements", str(len(seen)), "1", len(seen), Goal("≤", 3))
