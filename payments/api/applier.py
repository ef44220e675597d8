"""
The applier: one thread a process that empties the inbox while callbacks come too fast to apply.

Rung by the callback view; it takes rows in sets until none is due and sleeps again. A process that
dies loses nothing: the rows wait, and the sweep or another process takes them.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import close_old_connections
from django.utils import timezone

from payments.api import traffic
from payments.services import callbacks

logger = logging.getLogger(__name__)

# Stored is safe, a burst is short, and a sender who is answered late sends again.
REST_S = 3.0
_STEP_S = 0.05

_bell = threading.Event()
_starting = threading.Lock()
_thread: threading.Thread | None = None


def ring() -> None:
    """Say that the inbox has work; start the thread if this process has none yet."""
    global _thread  # noqa: PLW0603 - one applier a process is the point
    with _starting:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_run, name="applier", daemon=True)
            _thread.start()
    _bell.set()


def drain() -> int:
    """Apply what is due until nothing is; return how many rows were settled."""
    settled = 0
    _make_way()
    while count := callbacks.apply_waiting(now=timezone.now()):
        settled += count
        _make_way()
    return settled


def _make_way() -> None:
    """While callbacks rush in, let them be stored first: a set in a while is applied, not more."""
    until = time.monotonic() + REST_S
    while traffic.is_rush() and time.monotonic() < until:
        time.sleep(_STEP_S)


def _run() -> None:
    while True:
        _bell.wait()
        _bell.clear()
        try:
            drain()
        except Exception:
            logger.exception("the applier stumbled; the rows wait for the sweep")
        finally:
            close_old_connections()
