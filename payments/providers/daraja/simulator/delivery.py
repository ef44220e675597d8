"""
Delivers callbacks over HTTP from daemon threads: never again, unless the scenario says so.

A scheduler asks the engine what is due; a few posters send, so that a slow receiver does not hold
the others up.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from datetime import datetime

import requests

from payments.providers.daraja.simulator import wire
from payments.providers.daraja.simulator.engine import Engine

TIMEOUT_S = 10
POSTERS = 16
#: How often the engine is asked; a callback is late by this much at most.
TICK_S = 0.05

logger = logging.getLogger(__name__)


class Courier:
    """Posts the engine's callbacks while it is running."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine, self._clock = engine, clock
        self._waiting: queue.SimpleQueue[wire.Callback] = queue.SimpleQueue()
        self._stopping = threading.Event()

    def start(self) -> None:
        for target in [self._schedule, *[self._post] * POSTERS]:
            threading.Thread(target=target, name="simulator-courier", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def deliver(self, callback: wire.Callback, session: requests.Session | None = None) -> None:
        """Post one callback and write down the answer; status 0 when none came."""
        status, answer = _post_to(callback, session or _direct_session())
        self._engine.delivered(callback, status=status, answer=answer, now=self._clock())
        logger.info("callback %s answered %s", callback.checkout_request_id[:16], status)

    def _schedule(self) -> None:
        while not self._stopping.wait(TICK_S):
            for callback in self._engine.due(self._clock()):
                self._waiting.put(callback)

    def _post(self) -> None:
        session = _direct_session()
        while True:
            self.deliver(self._waiting.get(), session)


def _direct_session() -> requests.Session:
    session = requests.Session()
    # Callbacks go straight to their address, whatever proxies the environment names.
    session.trust_env = False
    return session


def _post_to(callback: wire.Callback, session: requests.Session) -> tuple[int, str]:
    try:
        answer = session.post(
            callback.url,
            data=callback.body,
            headers={"Content-Type": "application/json"},
            timeout=TIMEOUT_S,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        return 0, type(error).__name__
    return answer.status_code, answer.text[:500]
