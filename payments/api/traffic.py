"""How many callbacks this process has in its hands, and whether they rush in."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Applying takes ten times as long as storing: two at a time are calm, four fill a processor.
CALM_CALLBACKS = 2
# A rush is over when for so long no callback found more than that before it.
RUSH_ENDS_AFTER_S = 0.25

_lock = threading.Lock()
_under_way = 0
_rushed_at = float("-inf")


@contextmanager
def under_way() -> Iterator[None]:
    """Count a callback from here to its answer."""
    global _under_way, _rushed_at  # noqa: PLW0603 - one count a process is the point
    with _lock:
        _under_way += 1
        if _under_way > CALM_CALLBACKS:
            _rushed_at = time.monotonic()
    try:
        yield
    finally:
        with _lock:
            _under_way -= 1


def is_calm() -> bool:
    """Tell whether few callbacks are under way right now."""
    return _under_way <= CALM_CALLBACKS


def is_rush() -> bool:
    """Tell whether there were many a moment ago; a lull between two of them does not end it."""
    return time.monotonic() - _rushed_at < RUSH_ENDS_AFTER_S
