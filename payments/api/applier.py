"""
The applier: one thread a process that empties the inbox while callbacks come too fast to apply.

Rung by the callback view; it takes rows in sets until none is due and sleeps again. A process that
dies loses nothing: the rows wait, and the sweep or another process takes them.
"""

from __future__ import annotations

import logging
import threading

from django.db import close_old_connections
from django.utils import timezone

from payments.services import callbacks

logger = logging.getLogger(__name__)

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
    while count := callbacks.apply_waiting(now=timezone.now()):
        settled += count
    return settled


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
