"""How many callbacks this process has in its hands, and whether they rush in."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Applying one alone takes ten times as long as storing it: two at a time are calm.
CALM_CALLBACKS = 2
RUSH_CALLBACKS = 4
# One callback in fifty applied in a rush cost a sixth of all answers and tripled the slowest ones.
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
        if _under_way > RUSH_CALLBACKS:
            _rushed_at = time.monotonic()
    try:
        yield
    finally:
        with _lock:
            _under_way -= 1


def is_calm() -> bool:
    """Tell whether few callbacks are under way, now and a moment ago."""
    return _under_way <= CALM_CALLBACKS and not is_rush()


def is_rush() -> bool:
    """Tell whether many were under way a moment ago; a short lull does not end a rush."""
    return time.monotonic() - _rushed_at < RUSH_ENDS_AFTER_S
