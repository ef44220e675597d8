"""
Tills that keep a number of prompts in flight at the provider.

Each asks again as soon as its prompt's call has ended: with the answer, or, where the answer says
that the outcome is unknown, at the time the product gives the hanging call up.
"""

from __future__ import annotations

import http.client
import itertools
import json
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.load import HEADERS


@dataclass
class Tally:
    """What all tills together did."""

    payments: list[str] = field(default_factory=list)
    hung: int = 0
    refused: int = 0
    in_flight_s: float = 0.0


def main(arguments: list[str]) -> None:
    """Run the tills and print how many prompts a second the given number in flight came to."""
    task = json.loads(Path(arguments[0]).read_text())
    tally, lock = Tally(), threading.Lock()
    phones = itertools.count(task["first_phone"])
    until = time.monotonic() + task["seconds"]
    tills = [
        threading.Thread(target=_run, args=(task, key, phones, until, tally, lock))
        for key in itertools.islice(itertools.cycle(task["keys"]), task["tills"])
    ]
    for till in tills:
        till.start()
        time.sleep(1.5 / len(tills))
    for till in tills:
        till.join()
    asked = len(tally.payments)
    sys.stdout.write(
        json.dumps(
            {
                "payments": tally.payments,
                "hung_share": tally.hung / asked,
                "refused": tally.refused,
                "per_s": asked * task["tills"] / tally.in_flight_s,
            }
        )
        + "\n"
    )


def _run(
    task: dict[str, Any],
    key: str,
    phones: itertools.count[int],
    until: float,
    tally: Tally,
    lock: threading.Lock,
) -> None:
    while time.monotonic() < until:
        started = time.monotonic()
        with lock:
            phone = next(phones)
        payment = _ask(task["port"], key, phone)
        taken = time.monotonic() - started
        is_hanging = payment is not None and payment["attempts"][-1]["submission"] == "unknown"
        if is_hanging:
            rest = task["give_up_s"] - task["answer_within_s"]
            taken += rest
            # The last ones need not be waited for: nobody asks after them.
            time.sleep(max(0.0, min(rest, until - time.monotonic())))
        with lock:
            tally.in_flight_s += taken
            tally.hung += is_hanging
            if payment is None:
                tally.refused += 1
            else:
                tally.payments.append(payment["id"])


def _ask(port: int, key: str, phone: int) -> dict[str, Any] | None:
    body = {"amount": 150, "phone_number": f"2547{phone:08d}", "order_ref": f"till-{phone}"}
    headers = HEADERS | {"Authorization": f"Bearer {key}", "Idempotency-Key": str(uuid.uuid4())}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/api/v1/payments", json.dumps(body), headers)
        answer = connection.getresponse()
        given = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status == http.HTTPStatus.CREATED:
        return dict(given)
    if answer.status != http.HTTPStatus.SERVICE_UNAVAILABLE:
        sys.stderr.write(f"{answer.status} {given}\n")
    time.sleep(0.1)
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
