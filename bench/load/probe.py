"""Callbacks at a steady pace, sent when their time has come whatever became of the one before."""

from __future__ import annotations

import http.client
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.load import HEADERS

_SENDERS = 32


def main(arguments: list[str]) -> None:
    """Send the file's requests and print how long each took, from the time it was due."""
    port, per_s, path = int(arguments[0]), float(arguments[1]), Path(arguments[2])
    lines = [line.split(" ", 2) for line in path.read_text().splitlines()]
    started = time.perf_counter() + 0.2
    with ThreadPoolExecutor(_SENDERS) as senders:
        answers = list(
            senders.map(
                lambda task: _send(port, task[1], due=started + task[0] / per_s),
                enumerate(lines),
            )
        )
    times = [taken * 1000 for taken, is_ok in answers if is_ok]
    failed = sum(not is_ok for _taken, is_ok in answers)
    sys.stdout.write(json.dumps({"ms": times, "failed": failed}) + "\n")


def _send(port: int, line: list[str], *, due: float) -> tuple[float, bool]:
    time.sleep(max(0.0, due - time.perf_counter()))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(line[0], line[1], line[2], HEADERS)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0.0, False
    finally:
        connection.close()
    return time.perf_counter() - due, answer.status == http.HTTPStatus.OK


if __name__ == "__main__":
    main(sys.argv[1:])
