"""How long the inbox says that it took."""

from __future__ import annotations

import itertools
from datetime import timedelta
from types import SimpleNamespace

import pytest

from payments.models import ProviderCallback
from payments.services import callbacks, inbox_rows
from tenants.ids import new_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored(now):
    """A callback for an attempt nobody made."""
    return callbacks.receive(
        kind="stk",
        subject_id=new_id(),
        body=b"{}",
        content_type="application/json",
        source_ip="196.201.214.200",
        now=now,
    )


class TestProcessingTime:
    def test_is_the_waiting_and_the_work(self, stored, now, monkeypatch):
        # Taken in hand, looked at again, settled.
        ticks = itertools.count(100.0, 0.25)
        monkeypatch.setattr(inbox_rows, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))

        callbacks.apply_rows([stored], now=now + timedelta(seconds=2))

        assert ProviderCallback.objects.get().processing_ms == 2_500

    def test_is_not_negative_where_clocks_differ(self, stored, now):
        callbacks.apply_rows([stored], now=now - timedelta(hours=1))

        assert ProviderCallback.objects.get().processing_ms == 0
