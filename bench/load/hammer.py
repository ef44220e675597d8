"""The load generator for machines without wrk: a thread a connection, standard library only."""

from __future__ import annotations

import http.client
import itertools
import json
import sys
import threading
import time
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Hammer and print one line of JSON, as requests.lua does."""
    port, seconds, connections, path, mode, *words = arguments
    lines = [line.split(" ", 2) for line in Path(path).read_text().splitlines()]
    headers = dict(word.split(": ", 1) for word in words)
    source = iter(lines) if mode == "once" else itertools.cycle(lines)
    hammer = Hammer(int(port), headers, source, until=time.monotonic() + float(seconds))
    started = time.monotonic()
    threads = [threading.Thread(target=hammer.run) for _ in range(int(connections))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(hammer.summary(time.monotonic() - started) + "\n")


class Hammer:
    """Shares one source of requests between threads."""

    def __init__(
        self, port: int, headers: dict[str, str], source: itertools.cycle | object, *, until: float
    ) -> None:
        self._port, self._headers, self._source, self._until = port, headers, source, until
        self._lock = threading.Lock()
        self._times: list[float] = []
        self._failed = 0

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while time.monotonic() < self._until and (line := self._next()):
            method, path, body = (*line, "")[:3]
            started = time.perf_counter()
            connection.request(method, path, body or None, self._headers)
            answer = connection.getresponse()
            answer.read()
            self._times.append(time.perf_counter() - started)
            if answer.status >= http.HTTPStatus.MULTIPLE_CHOICES:
                with self._lock:
                    self._failed += 1

    def summary(self, seconds: float) -> str:
        ordered = sorted(self._times) or [0.0]
        half, most = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
        return json.dumps(
            {
                "requests": len(self._times),
                "per_s": len(self._times) / seconds,
                "p50_ms": half * 1000,
                "p99_ms": most * 1000,
                "failed": self._failed,
            }
        )

    def _next(self) -> list[str] | None:
        with self._lock:
            return next(self._source, None)  # type: ignore[call-overload]


if __name__ == "__main__":
    main(sys.argv[1:])
