"""
The small, named world of the tests.

`shop` is ours and has one branch; `neighbour` is another shop that must never notice us. Keys are
named by role; `till` and `paybill` are verified, active configs of the sandbox. `api(key)` is a
till that speaks HTTP; `now` is when everything happens, unless a test says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from audit.actors import Actor
from payments.choices import ConfigStatus, Environment, Provider
from payments.models import CredentialVersion, PaymentConfig
from payments.services import configs
from payments.services.config_rules import ConfigFields
from tenants import services as tenants
from tenants.models import ApiKey, Branch, Shop
from tenants.roles import Role
from tests.client import ApiClient, IssuedKey
from tests.daraja import FakeDaraja

DARAJA_SECRETS = {
    "consumer_key": "canary-consumer-key-abcd",
    "consumer_secret": "canary-consumer-secret",
    "passkey": "canary-passkey",
}


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def actor() -> Actor:
    return Actor.system("tests")


@pytest.fixture
def shop(db: None) -> Shop:
    return tenants.create_shop(name="Duka", slug="duka")


@pytest.fixture
def neighbour(db: None) -> Shop:
    return tenants.create_shop(name="Jirani", slug="jirani")


@pytest.fixture
def branch(shop: Shop) -> Branch:
    return tenants.add_branch(shop=shop, code="WEST", name="Westlands")


@pytest.fixture
def issue_key() -> Callable[..., IssuedKey]:
    def issue(shop: Shop, role: str, **more: Any) -> IssuedKey:
        more.setdefault("environment", Environment.SANDBOX)
        row, text = tenants.issue_api_key(shop=shop, name=f"{shop.slug} {role}", role=role, **more)
        return IssuedKey(ApiKey.objects.get(pk=row.pk), text)

    return issue


@pytest.fixture
def admin_key(shop: Shop, issue_key: Callable[..., IssuedKey]) -> IssuedKey:
    return issue_key(shop, Role.ADMIN)


@pytest.fixture
def live_admin_key(shop: Shop, issue_key: Callable[..., IssuedKey]) -> IssuedKey:
    return issue_key(shop, Role.ADMIN, environment=Environment.PRODUCTION)


@pytest.fixture
def manager_key(shop: Shop, issue_key: Callable[..., IssuedKey]) -> IssuedKey:
    return issue_key(shop, Role.MANAGER)


@pytest.fixture
def cashier_key(shop: Shop, issue_key: Callable[..., IssuedKey]) -> IssuedKey:
    return issue_key(shop, Role.CASHIER)


@pytest.fixture
def branch_cashier_key(
    shop: Shop, branch: Branch, issue_key: Callable[..., IssuedKey]
) -> IssuedKey:
    return issue_key(shop, Role.CASHIER, branch=branch)


@pytest.fixture
def neighbour_key(neighbour: Shop, issue_key: Callable[..., IssuedKey]) -> IssuedKey:
    return issue_key(neighbour, Role.ADMIN)


@pytest.fixture
def api() -> Callable[..., ApiClient]:
    return ApiClient


@pytest.fixture
def make_config(actor: Actor, now: datetime) -> Callable[..., PaymentConfig]:
    """Make a config; verified and active unless told otherwise."""

    def make(
        shop: Shop,
        *,
        environment: str = Environment.SANDBOX,
        status: str = ConfigStatus.VERIFIED,
        is_active: bool | None = None,
        credentials: dict[str, str] | None = None,
        **fields: Any,
    ) -> PaymentConfig:
        values: dict[str, Any] = {
            "name": "Till",
            "provider": Provider.MPESA_TILL,
            "shortcode": "174379",
            **fields,
        }
        if values["provider"] == Provider.MPESA_TILL:
            values.setdefault("store_number", "600996")
        for name in ("min_amount", "max_amount", "daily_limit", "monthly_limit"):
            if values.get(name) is not None:
                values[name] = Decimal(values[name])
        config = configs.create_config(
            shop=shop,
            environment=environment,
            fields=ConfigFields(**values),
            credentials=DARAJA_SECRETS if credentials is None else credentials,
            actor=actor,
            now=now,
        )
        _put(config, status=status, is_active=is_active, now=now)
        return config

    return make


@pytest.fixture
def till(shop: Shop, make_config: Callable[..., PaymentConfig]) -> PaymentConfig:
    return make_config(shop, name="Main till", shortcode="174379")


@pytest.fixture
def paybill(shop: Shop, make_config: Callable[..., PaymentConfig]) -> PaymentConfig:
    return make_config(
        shop, name="Paybill", provider=Provider.MPESA_PAYBILL, shortcode="600100", priority=5
    )


@pytest.fixture
def daraja() -> Iterator[FakeDaraja]:
    """The sandbox of Safaricom, simulated; a consumer key or secret that begins "bad" is refused."""
    with FakeDaraja(clock=timezone.now, base_url=settings.DARAJA_SANDBOX_URL) as fake:
        yield fake


def _put(config: PaymentConfig, *, status: str, is_active: bool | None, now: datetime) -> None:
    """Put a config where a verification would have brought it."""
    is_verified = status == ConfigStatus.VERIFIED
    config.status = status
    config.is_active = is_verified if is_active is None else is_active
    config.verified_at = now if is_verified else None
    config.save(update_fields=["status", "is_active", "verified_at"])
    if is_verified:
        CredentialVersion.objects.filter(config=config).update(activated_at=now)
