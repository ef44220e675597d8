"""
Load from outside, in processes that know nothing of Django: wrk where it is installed.

A load is a file with one request a line, "METHOD path body", read in order; it begins again at its
end unless it is told to stop there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("requests.lua")
HEADERS = {"Content-Type": "application/json", "X-Forwarded-Proto": "https"}


@dataclass(frozen=True)
class Load:
    """What a load did: requests answered, per second, percentiles in ms, answers not 2xx."""

    requests: int
    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


def write_requests(path: Path, lines: Iterable[tuple[str, str, str]]) -> Path:
    path.write_text("".join(f"{method} {where} {body}\n" for method, where, body in lines))
    return path


def drive(
    requests: Path,
    *,
    port: int,
    seconds: float,
    connections: int,
    headers: Mapping[str, str] = HEADERS,
) -> Load:
    """Send the file's requests over kept connections, as fast as they are answered."""
    command = [*_command(port, seconds, connections), str(requests), "again", *_words(headers)]
    answer = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603
    return Load(**json.loads(answer.stdout.splitlines()[-1]))


@contextmanager
def driving_once(requests: Path, *, port: int, seconds: float, connections: int) -> Iterator[None]:
    """Send each request of the file once, beside us; wrk then idles until we leave."""
    command = [*_command(port, seconds, connections), str(requests), "once", *_words(HEADERS)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        yield
    finally:
        process.kill()
        process.wait()


def generator() -> str:
    return "wrk" if shutil.which("wrk") else "the bench's own load generator"


def _words(headers: Mapping[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]


def _command(port: int, seconds: float, connections: int) -> list[str]:
    wrk = shutil.which("wrk")
    if wrk is None:
        own = [sys.executable, "-m", "bench.load.hammer"]
        return [*own, str(port), str(seconds), str(connections)]
    length = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    return [wrk, *length, "-s", str(_SCRIPT), f"http://127.0.0.1:{port}/", "--"]
