"""What happens in a shop, in words: sell, look, retry, wait; many tills at once; the sweeps."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, TypeVar

import time_machine
from django.db import connections
from django.utils import timezone

from config.schedule import SWEEPS
from payments.choices import CallbackStatus
from payments.models import Attempt, Payment, ProviderCallback
from reconciliation.running import run_sweep
from reconciliation.sweeps import SWEEPS as KNOWN_SWEEPS
from tests.client import ApiClient

T = TypeVar("T")
PHONE = "0712345678"
MSISDN = "254712345678"
_numbers = itertools.count(1)


class Till:
    """A till of the shop: sells, looks, asks again."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api

    def sell(self, *, key: str = "", **body: Any) -> dict[str, Any]:
        """Take a payment and return it; fails the test when the till is refused."""
        response = self.ask(key=key, **body)
        assert response.status_code == 201, response.content
        return dict(response.json())

    def ask(self, *, key: str = "", **body: Any) -> Any:
        """Take a payment and return the response, whatever it is."""
        asked = {"amount": "150", "phone_number": PHONE} | body
        return self.api.post("/payments", asked, **{"Idempotency-Key": key or new_key()})

    def look(self, payment: dict[str, Any]) -> dict[str, Any]:
        return dict(self.api.get(f"/payments/{payment['id']}").json())

    def retry(self, payment: dict[str, Any], *, key: str = "") -> Any:
        headers = {"Idempotency-Key": key or new_key()}
        return self.api.post(f"/payments/{payment['id']}/retry", **headers)

    def check(self, payment: dict[str, Any]) -> Any:
        return self.api.post(f"/payments/{payment['id']}/check")

    def timeline(self, payment: dict[str, Any]) -> Any:
        return self.api.get(f"/payments/{payment['id']}/timeline").json()


class Clock:
    """Everybody's time, the provider's too; only tests move it."""

    def __init__(self, traveller: time_machine.Coordinates) -> None:
        self._traveller = traveller

    @property
    def now(self) -> datetime:
        return timezone.now()

    def forward(self, seconds: float) -> None:
        self._traveller.shift(timedelta(seconds=seconds))


def new_key() -> str:
    return f"sale-{next(_numbers)}"


def sweep_all() -> dict[str, int]:
    """Run every sweep once, in the order of the schedule, as `sweep --once` does."""
    return {sweep.name: run_sweep(sweep.name, now=timezone.now()) for sweep in SWEEPS}


def sweep(name: str) -> int:
    """Run one sweep; unlike the runner, let its failure fail the test."""
    return KNOWN_SWEEPS[name](now=timezone.now())


def make_due(payment: dict[str, Any]) -> None:
    """Let the next sweep ask about the payment, whatever the jitter of its ladder was."""
    Attempt.objects.filter(payment=payment["id"], next_ask_at__isnull=False).update(
        next_ask_at=timezone.now()
    )


def row_of(payment: dict[str, Any]) -> Payment:
    return Payment.objects.get(pk=payment["id"])


def attempt_of(payment: dict[str, Any]) -> Attempt:
    return Attempt.objects.filter(payment=payment["id"]).order_by("-number")[0]


def moves_of(payment: dict[str, Any]) -> list[str]:
    rows = row_of(payment).transitions.order_by("number")
    return [row.to_status for row in rows]


def open_reviews(payment: dict[str, Any]) -> dict[str, bool]:
    """Tell which doubts are open, and whether each of them blocks."""
    rows = row_of(payment).reviews.filter(resolved_at=None)
    return {row.code: row.blocking for row in rows}


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make all calls at the same moment, each in a thread of its own; return the answers."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        gate.wait(20)
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def wait_for(is_so: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Wait for another thread of the product; fail when it does not come."""
    for _step in range(int(within_s / 0.02)):
        if is_so():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def wait_for_the_inbox() -> None:
    """Wait until the applier's thread has settled every callback."""
    new = ProviderCallback.objects.filter(status=CallbackStatus.NEW)
    wait_for(lambda: not new.exists())


def any_uuid() -> uuid.UUID:
    return uuid.uuid4()
