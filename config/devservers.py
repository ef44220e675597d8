"""
The two servers of the launcher: how each is started, awaited and stopped.

Each answers is_given, start (its address) and stop. Part of config/devservices.py, which explains
the choices; standard library only.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from devplace import NAME, Place, find_postgres, find_redis
from devprocesses import Failure, Foreground, end, spawn, tail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_CONNECTIONS = 200
START_TIMEOUT_S = 60.0
SOCKET_PATH_LIMIT = 85  # of 103 bytes on macOS, 107 on Linux, less "/.s.PGSQL.5432" and its NUL
REDIS_TRIES = 5
# Throwaway data are never read after a crash, so nothing has to reach the disk in order.
THROWAWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
KEPT_SETTINGS = {"fsync": "on", "synchronous_commit": "on"}


class Postgres:
    """PostgreSQL on a unix socket, with one database and one role that may do everything."""

    variable = "DATABASE_URL"

    def __init__(self, place: Place, foreground: Foreground) -> None:
        self.place = place
        self.foreground = foreground
        self.origin = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._remove: list[Path] = []

    def is_given(self, environment: Mapping[str, str]) -> bool:
        return bool(environment.get("DATABASE_URL") or environment.get("DATABASE_URL_FILE"))

    def start(self) -> str:
        log = self.place.log("postgres")
        programs, major, source = find_postgres(self.place, self.foreground)
        self.origin = f"PostgreSQL {major} ({source})"
        data = self._data_directory(major)
        if not data.exists():
            self._create(programs, data, log)
        sockets = self._socket_directory(data)
        settings = THROWAWAY_SETTINGS if self.place.throwaway else KEPT_SETTINGS
        settings = settings | {
            "listen_addresses": "",
            "unix_socket_directories": str(sockets),
            "port": "5432",
            "max_connections": str(MAX_CONNECTIONS),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with log.open("ab") as output:
            self._process = spawn(
                [str(programs / "postgres"), "-D", str(data), *options],
                if_orphaned=signal.SIGINT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **self.place.identity(),
            )
        pid = self._process.pid
        wait_until(lambda: is_accepting(data, pid), self._process, log, self.foreground)
        return f"postgresql://{NAME}@/{NAME}?host={quote(str(sockets))}&port=5432"

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            # Fast shutdown; if that hangs, immediate: the next start recovers from the log.
            end(self._process, (signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0))
        for path in self._remove:
            shutil.rmtree(path, ignore_errors=True)
        self.place.remove_empty_home()

    def _data_directory(self, major: int) -> Path:
        """Return the data directory, free of a predecessor's remains."""
        parts = [f"pg{major}", self.place.user, "throwaway" if self.place.throwaway else None]
        data = self.place.home() / "-".join(part for part in parts if part)
        end_predecessor(data / "postmaster.pid")
        if self.place.throwaway:
            shutil.rmtree(data, ignore_errors=True)
            self._remove.append(data)
        return data

    def _create(self, programs: Path, data: Path, log: Path) -> None:
        """Make the cluster and its database aside, then put them in place: half is never kept."""
        aside = data.with_name(f"{data.name}.new")
        shutil.rmtree(aside, ignore_errors=True)
        self.place.new_directory(aside)
        initdb = [str(programs / "initdb"), "-D", str(aside), "-U", NAME]
        initdb += ["-A", "trust", "-E", "UTF8", "--locale=C"]
        self._run_logged([*initdb, "--no-sync"] if self.place.throwaway else initdb, log)
        single = [str(programs / "postgres"), "--single", "-D", str(aside), "postgres"]
        self._run_logged(single, log, f"CREATE DATABASE {NAME}\n".encode())
        aside.rename(data)

    def _run_logged(self, command: list[str], log: Path, text: bytes = b"") -> None:
        with log.open("ab") as output, tempfile.TemporaryFile() as stdin:
            stdin.write(text)
            stdin.seek(0)
            options = {"stdin": stdin, "stdout": output, "stderr": output}
            code = self.foreground.run(command, **options, **self.place.identity())
        self.foreground.check()
        if code:
            raise Failure(f"{Path(command[0]).name} failed.\n{tail(log)}")

    def _socket_directory(self, data: Path) -> Path:
        """Return the data directory, or a short one: the kernel takes no long socket paths."""
        if len(os.fsencode(data)) <= SOCKET_PATH_LIMIT and re.fullmatch(r"[\w./+-]+", str(data)):
            return data
        short = Path(tempfile.mkdtemp(prefix=f"{NAME}-", dir="/tmp"))
        if self.place.user is not None:
            shutil.chown(short, self.place.user)
        self._remove.append(short)
        return short


class Redis:
    """Redis or Valkey on a free loopback port, keeping nothing: it is a bell, never the truth."""

    variable = "REDIS_URL"

    def __init__(self, place: Place, foreground: Foreground) -> None:
        self.place = place
        self.foreground = foreground
        self.origin = ""
        self._process: subprocess.Popen[bytes] | None = None

    def is_given(self, environment: Mapping[str, str]) -> bool:
        return "REDIS_URL" in environment or "REDIS_URL_FILE" in environment

    def start(self) -> str:
        log = self.place.log("redis")
        program, source = find_redis(self.foreground)
        self.origin = f"{program.name} ({source})"
        password = secrets.token_hex(16)
        for _ in range(REDIS_TRIES):
            port = free_port()
            process = self._spawn(program, port, password, log)
            with contextlib.suppress(Failure):  # somebody was faster on this port: take another
                wait_until(lambda: answers(port, password), process, log, self.foreground)  # noqa: B023
                return f"redis://:{password}@127.0.0.1:{port}/0"
        raise Failure(f"{program.name} did not start.\n{tail(log)}")

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            end(self._process, (signal.SIGTERM, 5.0))

    def _spawn(self, program: Path, port: int, password: str, log: Path) -> subprocess.Popen[bytes]:
        settings = f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n'
        with log.open("ab") as output, tempfile.TemporaryFile() as stdin:
            stdin.write(settings.encode())  # by stdin: the command line is everybody's to read
            stdin.seek(0)
            self._process = spawn(
                [str(program), "-"], stdin=stdin, stdout=output, stderr=output, cwd="/"
            )
        return self._process


def wait_until(
    is_ready: Callable[[], bool],
    process: subprocess.Popen[bytes],
    log: Path,
    foreground: Foreground,
) -> None:
    """
    Wait for a starting server.

    :raises Failure: with the end of its log, when it ends or takes longer than START_TIMEOUT_S.
    :raises Stopped: when a signal comes meanwhile.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_ready():
        foreground.check()
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failure(f"{log.stem} did not start.\n{tail(log)}")
        time.sleep(0.02)


def is_accepting(data: Path, pid: int) -> bool:
    """Read from PostgreSQL's own lock file whether this very server takes connections."""
    with contextlib.suppress(OSError, IndexError):
        lines = (data / "postmaster.pid").read_text().splitlines()
        return lines[0] == str(pid) and lines[7].strip() == "ready"
    return False


def answers(port: int, password: str) -> bool:
    """Ask the server on this port to take our password: another one would not."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as peer:
        peer.sendall(f"AUTH {password}\r\n".encode())
        return peer.recv(16).startswith(b"+OK")
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end_predecessor(pid_file: Path) -> None:
    """
    Stop a server that outlived its launcher, or remove a pid file that now names a stranger.

    Ours is told by its data directory: a process id alone may have passed to somebody else.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int(pid_file.read_text().splitlines()[0])
        os.kill(pid, 0)  # gone: PostgreSQL itself makes sure that its children are gone too
        if str(pid_file.parent) not in command_line(pid):
            pid_file.unlink()
            return
        for signum in (signal.SIGINT, signal.SIGQUIT):
            os.kill(pid, signum)
            for _ in range(100):
                time.sleep(0.1)
                os.kill(pid, 0)


def command_line(pid: int) -> str:
    """Return the command line of a process, empty when there is none."""
    of_linux = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self/cmdline").exists():
        return of_linux.read_bytes().decode(errors="replace") if of_linux.exists() else ""
    command = ["ps", "-o", "command=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True).stdout  # noqa: S603, PLW1510
