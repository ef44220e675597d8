"""The launcher, for real: throwaway servers are started, used, stopped, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LAUNCHER = Path(__file__).resolve().parents[2] / "config" / "devservices.py"
# Says where it is and who its servers are, then waits to be stopped.
TELL_AND_WAIT = """
import os, time
print(os.environ["DATABASE_URL"], os.environ["REDIS_URL"], os.getpid(), flush=True)
time.sleep(60)
"""


def environment(**given: str) -> dict[str, str]:
    """Return our own environment without the servers the tests themselves use."""
    own = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
    return own | given


class Launches:
    """Starts launchers on one run directory and sees to it that each has ended."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, *command: str, **given: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(  # noqa: S603  # our own launcher
            [sys.executable, str(LAUNCHER), "--throwaway", str(self.run_dir), "--", *command],
            env=environment(**given),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def start_alone(self, *command: str) -> subprocess.Popen[str]:
        """Start one that needs no servers, to be quick."""
        return self.start(*command, DATABASE_URL="postgresql://x", REDIS_URL="")

    def end(self) -> None:
        for process in self._processes:
            process.terminate()
            process.communicate(timeout=30)
        ask(self.run_dir, "--remove")


def ask(run_dir: Path, option: str) -> int:
    return subprocess.run([sys.executable, str(LAUNCHER), option, str(run_dir)]).returncode  # noqa: S603, PLW1510


def is_running(pid: int) -> bool:
    """Whether the process lives; one that only waits to be reaped does not."""
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return not Path("/proc/self").exists()
    return False


def becomes_true(condition: Callable[[], bool], *, timeout_s: float = 10.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    assert any(line.strip() == text for line in iter(process.stdout.readline, ""))


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Running:
    """A launcher whose command has started, and what the command was told."""

    def __init__(self, launches: Launches) -> None:
        self.launcher = launches.start(sys.executable, "-c", TELL_AND_WAIT)
        lines = iter(self.launcher.stdout.readline, "")
        told = next(line for line in lines if line.startswith("postgresql://"))
        self.database_url, redis_url, pid = told.split()
        self.command_pid = int(pid)
        self.redis_port = urlsplit(redis_url).port
        self.data = Path(parse_qs(urlsplit(self.database_url).query)["host"][0])
        self.postgres_pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def is_gone(self) -> bool:
        pids = (self.command_pid, self.postgres_pid)
        return not any(map(is_running, pids)) and not is_listening(self.redis_port)


@pytest.fixture
def launches(tmp_path: Path) -> Iterator[Launches]:
    started = Launches(tmp_path / "run")
    yield started
    started.end()


class TestLauncher:
    def test_gives_servers_that_work_and_removes_them_after_ctrl_c(self, launches):
        running = Running(launches)
        assert is_listening(running.redis_port)

        with psycopg.connect(running.database_url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE test_malipo_gw0")
            fsync = connection.execute("SHOW fsync").fetchone()[0]
        os.killpg(running.launcher.pid, signal.SIGINT)

        assert running.launcher.wait(15) == 130
        assert fsync == "off"
        assert running.is_gone()
        assert not running.data.exists()

    @pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's parent-death signal")
    def test_leaves_no_process_behind_when_killed_and_starts_again(self, launches):
        running = Running(launches)
        assert not running.is_gone()

        running.launcher.kill()
        running.launcher.wait()
        again = launches.start("true")

        assert becomes_true(running.is_gone)
        assert again.wait(30) == 0, again.stdout.read()

    def test_refuses_a_run_directory_in_use_and_names_the_holder(self, launches):
        holder = launches.start_alone("sh", "-c", "echo on; sleep 60")
        wait_for_line(holder, "on")

        second = launches.start_alone("true")
        said, _ = second.communicate(timeout=15)

        assert second.returncode == 1
        assert f"in use by process {holder.pid}" in said

    def test_is_stopped_by_the_stop_option(self, launches):
        holder = launches.start_alone("sh", "-c", "echo on; sleep 60")
        wait_for_line(holder, "on")

        code = ask(launches.run_dir, "--stop")

        assert code == 0
        assert holder.poll() == 128 + signal.SIGTERM

    def test_passes_on_given_addresses_and_the_exit_code(self, launches):
        script = "import os, sys; sys.exit(os.environ['DATABASE_URL'] + os.environ['REDIS_URL'])"

        started = launches.start_alone(sys.executable, "-c", script)
        said, _ = started.communicate(timeout=15)

        assert started.returncode == 1
        assert said.splitlines()[-1] == "postgresql://x"
        assert not list(launches.run_dir.glob("*.log"))

    def test_stops_what_the_command_left_running(self, launches):
        started = launches.start_alone("sh", "-c", "sleep 60 >/dev/null & echo $!")

        said, _ = started.communicate(timeout=15)
        left = int(said.splitlines()[-1])

        assert started.returncode == 0
        assert becomes_true(lambda: not is_running(left))

    def test_ends_a_command_that_ignores_ctrl_c_by_the_next_signal(self, launches):
        ignore = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN)"
        script = f"{ignore}; print('on', flush=True); time.sleep(60)"
        started = launches.start_alone(sys.executable, "-c", script)
        wait_for_line(started, "on")

        started.send_signal(signal.SIGINT)
        time.sleep(0.3)
        still_running = started.poll() is None
        started.send_signal(signal.SIGTERM)

        assert still_running
        assert started.wait(15) == 128 + signal.SIGTERM
