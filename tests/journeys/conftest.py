"""A journey: a till, a customer at the simulator, Safaricom on the wire, and our real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from payments.models import PaymentConfig
from tests.client import ApiClient, IssuedKey
from tests.daraja import FakeDaraja


@pytest.fixture
def daraja() -> Iterator[FakeDaraja]:
    with FakeDaraja(clock=timezone.now, base_url=settings.DARAJA_SANDBOX_URL) as fake:
        yield fake


@pytest.fixture
def cashier(cashier_key: IssuedKey, api: Callable[..., ApiClient]) -> ApiClient:
    return api(cashier_key)


@pytest.fixture
def web() -> Client:
    return Client()


@pytest.fixture
def sale(till: PaymentConfig) -> dict[str, Any]:
    return {"amount": "150", "phone_number": "0712345678", "order_ref": "SALE-1"}
