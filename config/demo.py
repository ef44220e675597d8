"""
Run the whole product on this machine with two shops and a simulated M-Pesa: `make demo`.

Runs inside config/devservices.py, which gives DATABASE_URL and REDIS_URL. Keys are made once and
kept in .dev/, so that sealed data survive a restart; what the environment gives wins over ours.
With an empty REDIS_URL the sweep loop takes the place of Celery's worker and beat.
"""

from __future__ import annotations

import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from config.demo_page import describe
from config.devkeys import SECRET_NAMES, kept_keys, write_private
from config.devprocesses import Failure, Foreground, Stopped, end_group, say, spawn, tail

RUN_DIR = Path(".dev")
RESULT = RUN_DIR / "demo.json"
WEB_PORT = 8000
SIMULATOR_PORT = 8001
READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 8.0
SETTINGS = (
    "DEBUG",
    "DATABASE_URL",
    "REDIS_URL",
    "PUBLIC_BASE_URL",
    "DARAJA_SANDBOX_URL",
    "ALLOWED_HOSTS",
    *SECRET_NAMES,
)
MANAGE = [sys.executable, "manage.py"]
CELERY = [sys.executable, "-m", "celery", "-A", "config"]


def main() -> int:
    """Start everything, print the page, and wait; return the exit code."""
    foreground = Foreground()
    foreground.listen()
    RESULT.unlink(missing_ok=True)
    stage = Stage(foreground)
    try:
        run(stage, foreground)
    except Stopped:
        say("Stopping ...")
    except Failure as failure:
        say(f"demo: {failure}")
        return 1
    finally:
        RESULT.unlink(missing_ok=True)
        stage.stop()
    return 0


def run(stage: Stage, foreground: Foreground) -> None:
    """Migrate, seed, start, show, and watch until a signal comes or a process ends."""
    environment = os.environ | demo_settings()
    write_private(RUN_DIR / "demo.env", as_shell(environment))
    say("Preparing the database ...")
    run_logged(foreground, "migrate", [*MANAGE, "migrate", "--noinput"], environment)
    stage.start(environment)
    seeded = seed(foreground, environment)
    stage.wait_until_ready(environment)
    introduce(foreground, environment)
    result = seeded | {"simulator_url": environment["DARAJA_SANDBOX_URL"]}
    write_private(RESULT, json.dumps(result, indent=2))
    say(describe(result))
    stage.watch()


def demo_settings() -> dict[str, str]:
    """Return the settings of the demo; those the environment already has stay as they are."""
    web, simulator = free_port(WEB_PORT), free_port(SIMULATOR_PORT)
    settings = kept_keys(RUN_DIR / "keys.env") | {
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{web}",
        "DARAJA_SANDBOX_URL": f"http://127.0.0.1:{simulator}",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "LOG_FORMAT": "console",
    }
    own = {name: value for name, value in settings.items() if name not in os.environ}
    return own | {
        "DEBUG": "1",
        "WEB_BIND": f"127.0.0.1:{web}",
        "SIMULATOR_PORT": str(simulator),
        "PYTHONUNBUFFERED": "1",
    }


def as_shell(environment: dict[str, str]) -> str:
    """Write the settings for `set -a; . .dev/demo.env`, to use manage.py beside the demo."""
    given = {name: environment[name] for name in SETTINGS if name in environment}
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in given.items())


def run_logged(
    foreground: Foreground, name: str, command: list[str], environment: dict[str, str]
) -> str:
    """
    Run a command to its end, its messages going to .dev/<name>.log; return what it printed.

    :raises Failure: with the end of the log when it fails.
    """
    log, printed = RUN_DIR / f"{name}.log", RUN_DIR / f"{name}.out"
    with log.open("wb") as errors, printed.open("wb+") as output:
        printed.chmod(0o600)
        code = foreground.run(command, env=environment, stdout=output, stderr=errors)
        output.seek(0)
        text = output.read().decode()
    printed.unlink()
    foreground.check()
    if code:
        raise Failure(f"`{' '.join(command[1:])}` failed.\n{tail(log)}")
    return text


def seed(foreground: Foreground, environment: dict[str, str]) -> dict[str, Any]:
    """Make the two shops and return their logins and keys."""
    printed = run_logged(foreground, "seed", [*MANAGE, "seed_demo", "--json"], environment)
    try:
        seeded: dict[str, Any] = json.loads(printed)
    except ValueError as error:
        raise Failure("`manage.py seed_demo --json` printed something else.") from error
    return seeded


def introduce(foreground: Foreground, environment: dict[str, str]) -> None:
    """Let the simulator know the shops, so that a phone can pay them by hand."""
    command = [*MANAGE, "demo_addresses"]
    known = run_logged(foreground, "addresses", command, environment)
    simulator = http.client.HTTPConnection(
        "127.0.0.1", int(environment["SIMULATOR_PORT"]), timeout=5
    )
    try:
        simulator.request("POST", "/simulator/knobs", body=known)
        simulator.getresponse().read()
    except (OSError, http.client.HTTPException) as error:
        raise Failure("the simulator does not answer.") from error
    finally:
        simulator.close()


class Stage:
    """The processes of the demo, each with its log in .dev/."""

    def __init__(self, foreground: Foreground) -> None:
        self.foreground = foreground
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, environment: dict[str, str]) -> None:
        """Start every process; each survives neither us nor the others."""
        for name, command in commands(environment).items():
            with log_of(name).open("wb") as log:
                # Without us the database goes too, and beat outlives a SIGTERM it cannot sync after.
                self._processes[name] = spawn(
                    command,
                    if_orphaned=signal.SIGKILL,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )

    def wait_until_ready(self, environment: dict[str, str]) -> None:
        """Wait until the web server and the simulator answer."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        simulator = ("127.0.0.1", int(environment["SIMULATOR_PORT"]))
        while not (is_healthy(environment["WEB_BIND"]) and is_listening(simulator)):
            self._check()
            if time.monotonic() > deadline:
                raise Failure(f"no answer after {READY_TIMEOUT_S:.0f} s.\n{tail(log_of('web'))}")

    def watch(self) -> None:
        """Wait for a signal, or for a process to end, which none of them should."""
        while True:
            self._check()

    def stop(self) -> None:
        """Ask all to stop at once, wait for them together, kill what is left."""
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for process in self._processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            end_group(process.pid, seconds=1.0)

    def _check(self) -> None:
        self.foreground.check()
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise Failure(f"{name} ended with {process.returncode}.\n{tail(log_of(name))}")
        time.sleep(0.2)


def commands(environment: dict[str, str]) -> dict[str, list[str]]:
    """Return what the demo consists of, by name."""
    all_of_them = {
        "web": [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"],
        "simulator": [*MANAGE, "simulator", "--port", environment["SIMULATOR_PORT"]],
    }
    if not (environment.get("REDIS_URL") or environment.get("REDIS_URL_FILE")):
        return all_of_them | {"sweep": [*MANAGE, "sweep", "--loop"]}
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return all_of_them | {
        "worker": [*CELERY, "worker", "-P", "threads", "-c", "4", "-l", "info", *quiet],
        "beat": [*CELERY, "beat", "-l", "info", "--pidfile="],
    }


def log_of(name: str) -> Path:
    return RUN_DIR / f"{name}.log"


def is_healthy(bind: str) -> bool:
    connection = http.client.HTTPConnection(bind, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def is_listening(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=2).close()
    except OSError:
        return False
    return True


def free_port(preferred: int) -> int:
    """Return the preferred port, or another one where somebody has it."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Failure("no free port.")


if __name__ == "__main__":
    sys.exit(main())
