"""
A journey: a till, a customer at the simulator, Safaricom on the wire, and our real HTTP.

PostgreSQL is real and so are commits and threads. After every journey the money is audited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import time_machine
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from payments.models import PaymentConfig
from tests.client import ApiClient, IssuedKey
from tests.committed import committed_db as committed_db  # noqa: PLC0414 - a fixture
from tests.daraja import FakeDaraja
from tests.journeys.shopfloor import Clock, Till


@pytest.fixture
def db(committed_db: None) -> None:
    """Commit for real: threads, and processes that die, are part of the story."""


@pytest.fixture(autouse=True)
def audited(db: None) -> Iterator[None]:
    """Hold every journey to the promises about money, however it went."""
    yield
    call_command("audit_money")
    call_command("verify_audit")


@pytest.fixture
def clock(db: None) -> Iterator[Clock]:
    # A quarter past noon in Nairobi: no journey crosses midnight unless it means to.
    start = timezone.now().replace(hour=9, minute=15, second=0, microsecond=0)
    with time_machine.travel(start) as traveller:
        yield Clock(traveller)


@pytest.fixture
def daraja() -> Iterator[FakeDaraja]:
    with FakeDaraja(clock=timezone.now, base_url=settings.DARAJA_SANDBOX_URL) as fake:
        yield fake


@pytest.fixture
def live_daraja() -> Iterator[FakeDaraja]:
    """The production of Safaricom, simulated."""
    with FakeDaraja(clock=timezone.now, base_url=settings.DARAJA_PRODUCTION_URL) as fake:
        yield fake


@pytest.fixture
def cashier(cashier_key: IssuedKey, till: PaymentConfig, api: Callable[..., ApiClient]) -> Till:
    """The till of a cashier in a shop with one Buy Goods till."""
    return Till(api(cashier_key))


@pytest.fixture
def web() -> Client:
    """What Safaricom's callbacks come through."""
    return Client()
