"""Room to wait for a provider: the database connection given back, and a cap on calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

from payments.errors import ProviderUnavailable

# Above the cap a call is refused at once: the threads left over answer callbacks and polls.
_slots = threading.BoundedSemaphore(settings.UPSTREAM_CALLS_PER_PROCESS)


def release_connection() -> None:
    """
    Give the database connection back to the pool before a call that may hang.

    :raises RuntimeError: inside a transaction, where a hanging provider would hold its locks.
    """
    blocks = [
        block for block in connection.atomic_blocks if not getattr(block, "_from_testcase", False)
    ]
    if blocks:
        raise RuntimeError("A provider is never called inside a transaction.")
    if not connection.in_atomic_block:
        connection.close()


def take_slot() -> None:
    """
    Reserve room for one call to a provider; free_slot gives it back.

    :raises ProviderUnavailable: when this process is at its cap.
    """
    if not _slots.acquire(blocking=False):
        raise ProviderUnavailable("Too many calls to providers are under way.", retry_after=5)


def free_slot() -> None:
    _slots.release()


@contextmanager
def upstream_slot() -> Iterator[None]:
    """Hold room for one call to a provider."""
    take_slot()
    try:
        yield
    finally:
        free_slot()
