"""
What is still to happen, on one timeline, and the callbacks whose time has come.

Nothing here runs by itself: advance(now) does what has fallen due by then, in order.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta

from payments.providers.daraja.simulator import wire
from payments.providers.daraja.simulator.ledger import CallbackSent, Ledger

Act = Callable[[datetime], None]


class Timeline:
    """Acts and callbacks in the order of their times; callbacks are handed out once."""

    def __init__(self, ids: wire.Ids, ledger: Ledger) -> None:
        self._ids, self._ledger = ids, ledger
        self._waiting: list[tuple[datetime, int, Act | wire.Callback]] = []
        self._ready: list[wire.Callback] = []

    def clear(self) -> None:
        self._waiting.clear()
        self._ready.clear()

    def at(self, when: datetime, act: Act) -> None:
        """Do this then; act is told the time it fell due."""
        heapq.heappush(self._waiting, (when, self._ids.new_serial(), act))

    def new_callback(
        self,
        url: str,
        body: bytes,
        due_at: datetime,
        *,
        kind: str,
        checkout_request_id: str = "",
        msisdn: str = "",
    ) -> wire.Callback:
        return wire.Callback(
            serial=self._ids.new_serial(),
            url=url,
            body=body,
            checkout_request_id=checkout_request_id,
            msisdn=msisdn,
            due_at=due_at,
            kind=kind,
        )

    def post(self, callback: wire.Callback) -> None:
        """Hand this callback out once its time has come."""
        heapq.heappush(self._waiting, (callback.due_at, self._ids.new_serial(), callback))

    def post_soon(
        self, url: str, body: bytes, at: datetime, *, kind: str, after_s: float = 0.0
    ) -> int:
        """Post a body some seconds after at; return the callback's serial."""
        due_at = at + timedelta(seconds=after_s)
        callback = self.new_callback(url, body, due_at, kind=kind)
        self.post(callback)
        return callback.serial

    def advance(self, now: datetime) -> None:
        """Do what has waited long enough; lay callbacks ready whose time has come."""
        while self._waiting and self._waiting[0][0] <= now:
            at, _, due = heapq.heappop(self._waiting)
            if isinstance(due, wire.Callback):
                self._ready.append(due)
            else:
                due(at)

    def take_ready(self, now: datetime) -> list[wire.Callback]:
        ready, self._ready = self._ready, []
        return [self.hand_out(callback, now) for callback in ready]

    def hand_out(self, callback: wire.Callback, at: datetime) -> wire.Callback:
        """Write down that this callback leaves now."""
        sent = CallbackSent(
            serial=callback.serial,
            at=at,
            checkout_request_id=callback.checkout_request_id,
            msisdn=callback.msisdn,
            url=callback.url,
            body=callback.body.decode(),
            kind=callback.kind,
        )
        self._ledger.callbacks.append(sent)
        return callback
