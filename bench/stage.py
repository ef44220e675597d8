"""The stage: a database of our own, the servers on it, and their orderly end."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bench.plan import Plan
from config.devkeys import make_keys
from config.devprocesses import end, end_group, spawn, tail

LOGS = Path(".dev") / "bench"
GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py"]
MANAGE = [sys.executable, "manage.py"]
_START_S = 60.0


class BenchError(Exception):
    """Something stood in the way of measuring."""


@contextmanager
def own_database(server_url: str, suffix: str = "") -> Iterator[str]:
    """Make a database beside the given one, give its address, and drop it at the end."""
    name = f"malipo_bench_{os.getpid()}{suffix}"
    with psycopg.connect(server_url, autocommit=True) as server:
        if server.execute("SHOW synchronous_commit").fetchone() != ("on",):
            raise BenchError("The floors count on synchronous_commit = on.")
        server.execute(f"CREATE DATABASE {name}")
    try:
        yield _address(server_url, name)
    finally:
        with psycopg.connect(server_url, autocommit=True) as server:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def kept_database(server_url: str, name: str, *, fill: Callable[[str], None]) -> str:
    """Give the address of the database of this name; make it first, whole or not at all."""
    making = f"{name}_making"
    with psycopg.connect(server_url, autocommit=True) as server:
        found = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if found.fetchone() is None:
            server.execute(f"DROP DATABASE IF EXISTS {making} WITH (FORCE)")
            server.execute(f"CREATE DATABASE {making}")
            fill(_address(server_url, making))
            server.execute(f"ALTER DATABASE {making} RENAME TO {name}")
    return _address(server_url, name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, *, patience_s: float = 10.0) -> None:
    """Wait until something listens."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise BenchError(f"Nothing listens on {port}.")


def production_settings(database_url: str, *, plan: Plan) -> dict[str, str]:
    """Return settings as an installation has them: DEBUG off, own keys, behind a proxy."""
    return make_keys("bench") | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database_url,
        "DEBUG": "0",
        "ALLOWED_HOSTS": "127.0.0.1",
        # We play the proxy that ends TLS, and tell so by X-Forwarded-Proto.
        "TRUSTED_PROXIES": "127.0.0.1",
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{free_port()}",
        "DARAJA_SANDBOX_URL": f"http://127.0.0.1:{free_port()}",
        "DARAJA_TOTAL_TIMEOUT_S": str(plan.give_up_s),
        "STK_RATE_PER_SHOP_PER_MINUTE": "0",
        "STK_RATE_PER_PHONE_PER_MINUTE": "0",
        "API_RATE_PER_KEY_PER_MINUTE": "0",
        # The provider hangs on purpose, and every prompt must go out all the same.
        "BREAKER_FAILURES": "1000000",
        "LOG_LEVEL": "ERROR",
    }


class Stage:
    """The servers that are measured, started when first asked for, each with a log of its own."""

    def __init__(self, settings: Mapping[str, str], plan: Plan) -> None:
        self.plan = plan
        self.settings = dict(settings)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}
        LOGS.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            # Threads that wait for a hanging provider are not waited for.
            end(process, (signal.SIGTERM, 2.0), (signal.SIGQUIT, 3.0))
            end_group(process.pid, seconds=1.0)

    def web(self) -> int:
        """Return the port of the product."""
        port = urlsplit(self.settings["PUBLIC_BASE_URL"]).port or 0
        return self._serve("web", port, [*GUNICORN, "config.wsgi"], {})

    def floor(self) -> int:
        """Return the port of the bare views, served by the same gunicorn in the same way."""
        settings = {"DJANGO_SETTINGS_MODULE": "bench.floor.settings"}
        return self._serve("floor", 0, [*GUNICORN, "bench.floor.wsgi"], settings)

    def simulator(self) -> int:
        """Return the port of the simulated Daraja; one in ten of its answers hangs."""
        port = urlsplit(self.settings["DARAJA_SANDBOX_URL"]).port or 0
        command = [*MANAGE, "simulator", "--port", str(port), "--default-scenario", "pay"]
        command += ["--latency", str(self.plan.upstream_s * 1000), "--hang-share", "0.1"]
        return self._serve("simulator", port, command, {"DEBUG": "1"})

    def run_beside(self, name: str, command: list[str]) -> None:
        """Start a process that serves nothing."""
        # Only the web processes must be called back by the simulator, which speaks plain HTTP.
        settings = {"PUBLIC_BASE_URL": "https://pay.example.co.ke"}
        self._start(name, [sys.executable, *command], settings)

    def check(self) -> None:
        """Raise BenchError, with the end of its log, when a process has ended."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise BenchError(f"{name} has ended.\n{tail(_log_of(name))}")

    def processes(self) -> dict[str, int]:
        """Return the process ids by name."""
        return {name: process.pid for name, process in self._processes.items()}

    def _serve(self, name: str, port: int, command: list[str], settings: dict[str, str]) -> int:
        if name not in self._ports:
            port = port or free_port()
            self._start(name, command, {**settings, "WEB_BIND": f"127.0.0.1:{port}"})
            self._wait(name, port)
            self._ports[name] = port
        return self._ports[name]

    def _start(self, name: str, command: list[str], settings: dict[str, str]) -> None:
        environment = os.environ | self.settings | settings
        with _log_of(name).open("wb") as log:
            self._processes[name] = spawn(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _wait(self, name: str, port: int) -> None:
        deadline = time.monotonic() + _START_S
        while not _answers(port):
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{name} does not start.\n{tail(_log_of(name))}")
            time.sleep(0.1)


def _address(server_url: str, database: str) -> str:
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{database}"))


def _log_of(name: str) -> Path:
    return LOGS / f"{name}.log"


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    connection.close()
    return True
