"""Two shops, one of them with a second branch, their people, and a simulated Safaricom."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from audit.actors import Actor
from payments.callback_urls import callback_path
from payments.choices import ConfigStatus, Provider
from payments.models import (
    Attempt,
    CredentialVersion,
    Payment,
    PaymentConfig,
    ProviderRequest,
    Receipt,
    Refund,
    Review,
)
from payments.providers.daraja.simulator.ledger import MoneyMoved
from payments.services import configs
from payments.services.config_rules import ConfigFields
from tenants import services as tenants
from tenants.models import Branch, Shop, User
from tests.daraja import SAFARICOM_ADDRESS, FakeDaraja
from tests.payments.services.request_world import WITH_INITIATOR, person

SYSTEM = Actor.system("tests")
TILL, STORE, PAYBILL, THEIR_PAYBILL = "174379", "600996", "600100", "600200"
# What money does to a shop; not who looked at it, which a refused claim notes as well.
_TABLES = (
    "payments_payment",
    "payments_attempt",
    "payments_evidence",
    "payments_transition",
    "payments_receipt",
    "payments_review",
    "payments_refund",
    "payments_providerrequest",
    "payments_event",
    "audit_auditentry",
)
_SUM = "SELECT shop_id, '{0}', md5(string_agg({0}::text, '|' ORDER BY id)) FROM {0} GROUP BY 1"
_SUMS = " UNION ALL ".join(_SUM.format(table) for table in _TABLES)
_SUBJECTS: dict[str, Any] = {"s": Attempt, "c": PaymentConfig, "r": ProviderRequest}
_SUBJECTS["t"] = ProviderRequest

_OUTCOMES: dict[Any, tuple[str, ...]] = {
    Payment: ("pk", "status", "amount", "receipt_number", "receipt_pending"),
    Receipt: ("pk", "status", "amount", "payment"),
    Refund: ("pk", "status"),
    Review: ("pk", "code", "subject", "blocking", "resolved_at"),
}

Sums = dict[tuple[uuid.UUID, str], str]


def sums() -> Sums:
    """Sum up what every shop has in every table that money moves."""
    with connection.cursor() as cursor:
        cursor.execute(_SUMS)
        return {(shop, table): digest for shop, table, digest in cursor.fetchall()}


def outcomes() -> list[tuple[Any, ...]]:
    """Tell what I13 speaks of: status, receipt, credited amount, reviews; who told it is not in it."""
    rows: list[tuple[Any, ...]] = []
    for model, fields in _OUTCOMES.items():
        rows += [
            (model.__name__, *row) for row in model.objects.order_by("pk").values_list(*fields)
        ]
    return rows


def of(shop: Shop, all_sums: Sums) -> Sums:
    return {key: digest for key, digest in all_sums.items() if key[0] == shop.pk}


@dataclass(frozen=True)
class Desk:
    """A counter, its device, and two people who may decide there."""

    shop: Shop
    branch: Branch | None
    cashier: Actor
    manager: tuple[User, Actor]
    owner: tuple[User, Actor]


class TwoShops:
    """Duka takes money at a paybill and, in its second branch, a till; Jirani at its own paybill."""

    def __init__(self, daraja: FakeDaraja, environment: str, *, now: datetime) -> None:
        self.daraja, self.environment, self.client = daraja, environment, Client()
        duka = tenants.create_shop(name="Duka", slug="duka")
        jirani = tenants.create_shop(name="Jirani", slug="jirani")
        town = tenants.add_branch(shop=duka, code="TOWN", name="Town")
        west = tenants.add_branch(shop=duka, code="WEST", name="Westlands")
        people = {shop.pk: _people(shop) for shop in (duka, jirani)}
        self.desks = [
            Desk(shop, branch, Actor.system(f"device {number}"), *people[shop.pk])
            for number, (shop, branch) in enumerate(((duka, town), (duka, west), (jirani, None)))
        ]
        self.configs = [
            self._config(duka, Provider.MPESA_PAYBILL, PAYBILL, now=now),
            self._config(duka, Provider.MPESA_TILL, TILL, branch=west, now=now),
            self._config(jirani, Provider.MPESA_PAYBILL, THEIR_PAYBILL, now=now),
        ]
        daraja.engine.knobs.turn(tills={TILL: STORE}, stk_sends_c2b=True)
        for config in self.configs:
            daraja.know_urls(config.store_number or config.shortcode, config.pk)

    def desk_of(self, shop_id: uuid.UUID) -> Desk:
        return next(desk for desk in self.desks if desk.shop.pk == shop_id)

    def paid(self) -> dict[str, MoneyMoved]:
        """Tell what customers really paid, by receipt."""
        return {row.receipt_number: row for row in self.daraja.ledger.money}

    def returned(self) -> set[str]:
        """Tell which receipts' money is really back with the customer."""
        return {row.receipt_number for row in self.daraja.ledger.returned}

    def shop_of(self, money: MoneyMoved) -> Shop:
        return next(c.shop for c in self.configs if money.shortcode in numbers_of(c))

    def counter_of(self, money: MoneyMoved) -> int:
        """Return the number of the desk whose config the money came to."""
        return [money.shortcode in numbers_of(config) for config in self.configs].index(True)

    def post(self, path: str, body: bytes) -> Shop:
        """Let Safaricom tell us something; return the shop whose address it is."""
        response = self.client.post(
            path, body, content_type="application/json", REMOTE_ADDR=SAFARICOM_ADDRESS
        )
        assert response.status_code == 200, response.content
        _cb, letter, subject = path.strip("/").split("/")[:3]
        shop: Shop = _SUBJECTS[letter].objects.get(pk=uuid.UUID(hex=subject)).shop
        return shop

    def confirmation_paths(self) -> list[str]:
        return [f"{callback_path('c', config.pk)}/c" for config in self.configs]

    def question_path(self, config: PaymentConfig) -> str:
        return f"{callback_path('c', config.pk)}/v"

    def _config(
        self,
        shop: Shop,
        provider: str,
        shortcode: str,
        *,
        branch: Branch | None = None,
        now: datetime,
    ) -> PaymentConfig:
        config = configs.create_config(
            shop=shop,
            environment=self.environment,
            fields=ConfigFields(
                name=shortcode,
                provider=provider,
                shortcode=shortcode,
                branch=branch,
                store_number=STORE if provider == Provider.MPESA_TILL else "",
            ),
            credentials=WITH_INITIATOR,
            actor=SYSTEM,
            now=now,
        )
        config.status, config.is_active = ConfigStatus.VERIFIED, True
        config.save(update_fields=["status", "is_active"])
        CredentialVersion.objects.filter(config=config).update(activated_at=now)
        return config


def numbers_of(config: PaymentConfig) -> set[str]:
    return {config.shortcode, config.store_number} - {""}


def receipts() -> list[Receipt]:
    """List the ledger in an order that is the same whenever a story is told again."""
    rows = Receipt.objects.select_related("shop", "payment", "config")
    return list(rows.order_by("number", "shop__slug", "created_at", "pk"))


def new_daraja(environment: str) -> FakeDaraja:
    urls = {"sandbox": settings.DARAJA_SANDBOX_URL, "production": settings.DARAJA_PRODUCTION_URL}
    return FakeDaraja(clock=timezone.now, base_url=urls[environment])


def _people(shop: Shop) -> Iterable[tuple[User, Actor]]:
    return person(shop, "manager", "wanjiru"), person(shop, "admin", "otieno")
