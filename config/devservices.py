"""
Start a private PostgreSQL and Redis, run one command with their addresses, stop them again.

    python config/devservices.py [--throwaway] RUN_DIR -- command...

Each service comes from the first place that has it: an address in the environment (DATABASE_URL,
REDIS_URL; an empty REDIS_URL means "no Redis"), the system's programs, the wheels named in
requirements-services.lock, installed only then. DEV_SERVICES=wheels passes over the system's.
A server that already runs is never touched: PostgreSQL listens on a socket in a directory of its
own, Redis on a free loopback port behind a random password. As root PostgreSQL runs as somebody
else with its data below /var/tmp, because it refuses root and RUN_DIR may be closed to others.

Signals are noted and passed on to the command; the services stop after it, in order. On Linux the
kernel stops them too when the launcher is killed outright. Only the standard library is used, and
this file runs as a script: importing the package config would need what is not installed yet.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from devplace import Place
from devprocesses import Failure, Foreground, Stopped, say
from devservers import Postgres, Redis

if TYPE_CHECKING:
    from collections.abc import Iterator

STOP_TIMEOUT_S = 40.0


def main(arguments: list[str]) -> int:
    """Do what the command line says and return the exit code."""
    options, command = parse(arguments)
    foreground = Foreground()
    foreground.listen()
    try:
        if options.stop:
            return stop_launcher(options.run_dir)
        with held(options.run_dir):
            place = Place(options.run_dir, throwaway=options.throwaway)
            if options.remove:
                place.remove_data()
                return 0
            return run(command, place, foreground)
    except (Failure, OSError) as failure:  # such as: command not found, RUN_DIR is another's
        say(f"devservices: {failure}")
        return 1
    except Stopped:
        return 128 + foreground.signum


def parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Split the command line at "--" and read the part before it."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(
        prog="devservices.py", usage="%(prog)s [--throwaway] RUN_DIR -- command..."
    )
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--throwaway", action="store_true", help="fast and unsafe; data removed")
    parser.add_argument("--stop", action="store_true", help="stop the launcher using RUN_DIR")
    parser.add_argument("--remove", action="store_true", help="remove RUN_DIR's kept data")
    options = parser.parse_args(arguments[:at])
    command = arguments[at + 1 :]
    if not (command or options.stop or options.remove):
        parser.error("no command given after --")
    return options, command


def run(command: list[str], place: Place, foreground: Foreground) -> int:
    """Run the command between start and stop of the services it needs."""
    environment = dict(os.environ)
    services: tuple[Postgres | Redis, ...] = (Postgres(place, foreground), Redis(place, foreground))
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        for service in services:
            if not service.is_given(environment):
                stack.callback(service.stop)
                environment[service.variable] = service.start()
                say(f"[services] {service.origin}")
        say(f"[services] ready in {time.monotonic() - started:.1f} s")
        # Away from the terminal's foreground group, reading from it would stop the command.
        stdin = os.open(os.devnull, os.O_RDONLY) if sys.stdin and sys.stdin.isatty() else None
        return foreground.run(command, env=environment, stdin=stdin)


@contextlib.contextmanager
def held(run_dir: Path) -> Iterator[None]:
    """Keep a second launcher out of the run directory; the kernel lets go when we die."""
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / "launcher.lock").open("a") as lock:
        if not try_lock(lock.fileno()):
            raise Failure(
                f"{run_dir} is in use by process {launcher_pid(run_dir) or '?'}. "
                "Wait for it to end, or stop it with Ctrl-C or `make stop`."
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
        lock.truncate(0)


def stop_launcher(run_dir: Path) -> int:
    """Ask the launcher that holds the run directory to stop, and wait until it has."""
    pid = launcher_pid(run_dir)
    if not pid:
        say(f"Nothing runs in {run_dir}.")
        return 0
    with (run_dir / "launcher.lock").open("a") as lock:
        asked_at = time.monotonic()
        while not try_lock(lock.fileno()):
            if time.monotonic() - asked_at > STOP_TIMEOUT_S:
                raise Failure(f"process {pid} does not stop.")
            if time.monotonic() - asked_at < 0.1:
                os.kill(pid, signal.SIGTERM)
            time.sleep(0.2)
    return 0


def try_lock(descriptor: int) -> bool:
    """Take the lock if nobody holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def launcher_pid(run_dir: Path) -> int | None:
    """Return who wrote the lock file last, or None after an orderly end."""
    with contextlib.suppress(OSError, ValueError):
        return int((run_dir / "launcher.lock").read_text())
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
