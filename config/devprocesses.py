"""
Start processes for development so that none of them outlives us, and pass signals on.

Used by the launcher (config/devservices.py) and the demo; standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
# After the first signal the command has this long; then its whole group is killed.
PATIENCE_S = 20


class Failure(Exception):
    """What was asked for cannot be had; the text is for the person who typed the command."""


class Stopped(Exception):
    """A signal asked us to stop."""


def say(text: str = "") -> None:
    """Write a line, unless the terminal has gone away."""
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def tail(path: Path, lines: int = 20) -> str:
    """Return the end of a log under a heading that names it."""
    text = path.read_text(errors="replace") if path.exists() else ""
    return "\n".join([f"End of {path}:", *text.splitlines()[-lines:]])


def spawn(
    command: list[str], *, if_orphaned: signal.Signals = signal.SIGTERM, **options: Any
) -> subprocess.Popen[bytes]:
    """
    Start a process in a group of its own: a Ctrl-C in the terminal reaches us, and we decide.

    The kernel (Linux) sends it if_orphaned when this process is gone, however it went.
    """
    parent = os.getpid()

    def die_with_parent() -> None:
        if LIBC is not None:
            LIBC.prctl(PR_SET_PDEATHSIG, int(if_orphaned), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    options["preexec_fn"] = die_with_parent
    process: subprocess.Popen[bytes] = subprocess.Popen(command, process_group=0, **options)  # noqa: S603
    return process


def end(process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]) -> None:
    """Send one signal after the other, each with its seconds to take effect, then kill."""
    for signum, seconds in steps:
        process.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return
    process.kill()
    process.wait()


def end_group(group: int, *, seconds: float = 5.0) -> None:
    """Stop what an ended process left behind in its group."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        while time.monotonic() < deadline:
            time.sleep(0.02)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)


def hang_up_with(terminal: int) -> None:
    """
    Send ourselves SIGHUP when the terminal goes away.

    The kernel tells only the first process of the session. Where that is make, as under
    `ssh -t`, make waits for us without a word.
    """
    watch = select.poll()
    watch.register(terminal, 0)
    watch.poll()
    os.kill(os.getpid(), signal.SIGHUP)


class Foreground:
    """Notes the signals we get, and runs commands one at a time that get them too."""

    def __init__(self) -> None:
        self.signum = 0
        self._group = 0

    def listen(self) -> None:
        """Take over the stopping signals: from here on none of them raises or kills us."""
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup is respected. SIGINT is taken even where a script's "&" had it ignored.
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, self._pass_on)
        signal.signal(signal.SIGALRM, lambda *_: self._signal_group(signal.SIGKILL))
        if sys.stdin and sys.stdin.isatty() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            threading.Thread(target=hang_up_with, args=[sys.stdin.fileno()], daemon=True).start()

    def check(self) -> None:
        """Raise Stopped when a signal has come."""
        if self.signum:
            raise Stopped

    def run(self, command: list[str], **options: Any) -> int:
        """Run the command to its end and return its exit code, 128 + n when signal n ended it."""
        self.check()
        child = spawn(command, **options)
        self._group = child.pid
        if self.signum:  # it came between the check and here
            self._pass_on(self.signum)
        code = child.wait()
        self._group = 0
        signal.alarm(0)
        end_group(child.pid)
        return code if code >= 0 else 128 - code

    def _pass_on(self, signum: int, _frame: object = None) -> None:
        self.signum = signum
        if self._group:
            self._signal_group(signal.SIGINT if signum == signal.SIGINT else signal.SIGTERM)
            signal.alarm(PATIENCE_S)

    def _signal_group(self, signum: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._group, signum)
