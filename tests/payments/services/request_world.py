"""Configs whose operator may ask Safaricom, receipts that were paid, and people of a shop."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from audit.actors import Actor, ActorKind
from payments.models import Payment, PaymentConfig, Receipt
from payments.services import initiation
from tenants import services as tenants
from tenants.models import Shop, User
from tests.conftest import DARAJA_SECRETS
from tests.daraja import FakeDaraja

INITIATOR = {"initiator_name": "canary-operator", "initiator_password": "canary-operator-password"}
WITH_INITIATOR = {**DARAJA_SECRETS, **INITIATOR}
CASHIER = Actor(kind=ActorKind.API_KEY, id="1", label="Till 3", role="cashier")
_phones = itertools.count(1)


@pytest.fixture(autouse=True)
def at_once(daraja):
    daraja.engine.knobs.result_after_s = 0.0


@pytest.fixture
def paybill(shop, make_config):
    return make_config(
        shop,
        name="Paybill",
        provider="mpesa_paybill",
        shortcode="600100",
        credentials=WITH_INITIATOR,
    )


def person(shop: Shop, role: str, name: str) -> tuple[User, Actor]:
    """Let somebody work in the shop; return the person and how he acts."""
    user = User.objects.create_user(f"{name}@{shop.slug}.test", None)
    tenants.grant_role(user=user, shop=shop, role=role)
    return user, Actor(kind=ActorKind.USER, id=str(user.pk), label=user.email, role=role)


def paid(
    config: PaymentConfig, daraja: FakeDaraja, *, amount: int = 150, now: datetime, **asked: Any
) -> Receipt:
    """Let a customer pay a prompt; return the receipt, credited."""
    given = {"amount": amount, "msisdn": f"25471{next(_phones):07d}", **asked}
    payment = initiation.initiate_payment(
        shop=config.shop,
        environment=config.environment,
        branch=given.pop("branch", config.branch),
        asked=initiation.NewPayment(**given),
        idempotency_key=None,
        actor=CASHIER,
        now=now,
    )
    daraja.deliver(Client())
    payment.refresh_from_db()
    assert payment.status == "completed", payment.result_desc
    receipt: Receipt = Receipt.objects.select_related("payment", "config").get(payment=payment)
    return receipt


def status_of(payment: Payment | None) -> str:
    assert payment is not None
    payment.refresh_from_db()
    return str(payment.status)
