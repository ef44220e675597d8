"""Payments of any status, age and place, for pages of numbers."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone

from payments.models import Attempt, Payment

NAIROBI = ZoneInfo("Africa/Nairobi")


def address(name):
    return reverse(f"admin:reconciliation_{name}")


@pytest.fixture(autouse=True)
def noon(time_machine, request):
    """Stop the clock at noon, a minute after the furnished shop took its payments."""
    time_machine.move_to(datetime(2026, 11, 20, 11, 59, tzinfo=NAIROBI), tick=False)
    request.getfixturevalue("ours")
    time_machine.move_to(datetime(2026, 11, 20, 12, tzinfo=NAIROBI), tick=False)


@pytest.fixture
def sell(ours):
    """Put a payment of a status and age into the ledger, with its attempt."""

    def put(
        status,
        *,
        ago=timedelta(seconds=1),
        amount="100.00",
        corner=ours,
        place="here",
        attempt=None,
        **more,
    ):
        config, at = corner.configs[place], timezone.now() - ago
        payment = Payment(
            shop=corner.shop,
            environment=config.environment,
            config=config,
            branch=config.branch,
            provider=config.provider,
            account_reference=f"{status[:3]}{Payment.objects.count()}",
            amount=Decimal(amount),
            status=status,
            created_at=at,
            completed_at=at if status == "completed" else None,
            expires_at=at + timedelta(minutes=5),
            created_by=more.pop("created_by", "Till 1"),
            **more,
        )
        payment.save(force_insert=True)
        told = {
            "status": "submitted",
            "submission": "sent",
            "checkout_request_id": f"ws_CO_{payment.pk.hex}",
            "requested_at": at,
            "answered_at": at,
            "answer_ms": 800,
        }
        Attempt.objects.create(
            shop=corner.shop,
            payment=payment,
            config=config,
            version=config.versions.get(),
            number=1,
            **{**told, **(attempt or {})},
        )
        return payment

    return put
