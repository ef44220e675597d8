from __future__ import annotations

import pytest
import responses

from tests.payments.providers.daraja_wire import adapter_of


@pytest.fixture
def wire():
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def adapter():
    return adapter_of()
