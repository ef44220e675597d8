"""Shops, configs and waiting payments to measure on; imported after Django is set up."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db import connection
from django.utils import timezone

from audit.actors import Actor
from bench.floor.views import MAKE_TABLE
from bench.stage import BenchError
from payments import callback_urls
from payments.choices import (
    AttemptStatus,
    ConfigStatus,
    Environment,
    PaymentStatus,
    Provider,
    Submission,
)
from payments.models import Attempt, Payment, PaymentConfig, ProviderCallback
from payments.services import configs, connections
from payments.services.config_rules import ConfigFields
from payments.services.initiation import phone_index
from tenants import services as tenants
from tenants.ids import new_id
from tenants.models import Shop
from tenants.roles import Role

AMOUNT = 150
# One Daraja app for all, as with an aggregator: one token, fetched once.
_CREDENTIALS = {
    "consumer_key": "bench-consumer-key",
    "consumer_secret": "bench-consumer-secret",
    "passkey": "bench-passkey",
}
_ACTOR = Actor.system("bench")
_numbers = itertools.count(1)
_tills = itertools.count()
_CODES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Stall:
    """A shop with one verified, active till of the sandbox, and a cashier's key."""

    shop: Shop
    config: PaymentConfig
    api_key: str


def make_stalls(count: int, *, prefix: str = "bench") -> list[Stall]:
    with connection.cursor() as cursor:
        cursor.execute(MAKE_TABLE)
    return [_stall(f"{prefix}-{number}", next(_tills)) for number in range(count)]


def make_crowd(count: int) -> list[Shop]:
    """Make many shops with one config each, without secrets: rows to search among."""
    shops = Shop.objects.bulk_create(
        Shop(name=f"Crowd {number}", slug=f"crowd-{number}") for number in range(count)
    )
    PaymentConfig.objects.bulk_create(
        PaymentConfig(shop=shop, environment=Environment.SANDBOX, **_verified_till(number))
        for number, shop in enumerate(shops)
    )
    _analyse()
    return shops


def make_waiting(stalls: list[Stall], count: int) -> list[Attempt]:
    """Make payments whose prompt is on the customer's phone."""
    attempts = []
    now = timezone.now()
    versions = {stall.config.pk: connections.current_version(stall.config) for stall in stalls}
    for stall in itertools.islice(itertools.cycle(stalls), count):
        number = next(_numbers)
        msisdn = f"2547{number:08d}"
        payment = Payment(
            shop=stall.shop,
            environment=Environment.SANDBOX,
            config=stall.config,
            provider=Provider.MPESA_TILL,
            status=PaymentStatus.PENDING,
            previous_status=PaymentStatus.CREATED,
            amount=Decimal(AMOUNT),
            phone=msisdn,
            phone_index=phone_index(msisdn),
            phone_masked="2547*****678",
            order_ref=f"order-{number}",
            account_reference=f"REF{number:08d}",
            version=2,
            created_at=now,
            expires_at=now + timedelta(seconds=900),
        )
        attempts.append(_attempt(payment, versions[stall.config.pk], number))
    Payment.objects.bulk_create([attempt.payment for attempt in attempts], batch_size=1000)
    Attempt.objects.bulk_create(attempts, batch_size=1000)
    _analyse()
    return attempts


def callback_lines(attempts: list[Attempt]) -> Iterator[tuple[str, str, str]]:
    """Write the success callback of every attempt, each with a receipt of its own."""
    for attempt in attempts:
        path = callback_urls.callback_path("s", attempt.pk)
        yield "POST", path, success_body(attempt)


def success_body(attempt: Attempt) -> str:
    items = [
        {"Name": "Amount", "Value": AMOUNT},
        {"Name": "MpesaReceiptNumber", "Value": _receipt_number()},
        {"Name": "TransactionDate", "Value": 20260115093000},
        {"Name": "PhoneNumber", "Value": 254700000101},
    ]
    callback = {
        "MerchantRequestID": attempt.merchant_request_id,
        "CheckoutRequestID": attempt.checkout_request_id,
        "ResultCode": 0,
        "ResultDesc": "The service request is processed successfully.",
        "CallbackMetadata": {"Item": items},
    }
    return json.dumps({"Body": {"stkCallback": callback}})


def waiting_callbacks() -> int:
    return ProviderCallback.objects.filter(status="new").count()


def wait_until_applied(*, patience_s: float = 60.0) -> float:
    """Return the time (perf_counter) at which no callback was waiting any more."""
    return _wait(lambda: not waiting_callbacks(), patience_s)


def wait_until_stored_and_applied(attempts: list[Attempt], *, patience_s: float) -> float:
    """Return the time at which a callback of every attempt was stored and none was waiting."""
    ids = [attempt.pk for attempt in attempts]
    stored = ProviderCallback.objects.filter(subject_id__in=ids)

    def is_done() -> bool:
        return not waiting_callbacks() and stored.count() >= len(ids)

    return _wait(is_done, patience_s)


def _wait(is_done: Callable[[], bool], patience_s: float) -> float:
    deadline = time.perf_counter() + patience_s
    time.sleep(0.05)
    while not is_done():
        if time.perf_counter() > deadline:
            raise BenchError("Callbacks wait and nobody applies them.")
        time.sleep(0.05)
    return time.perf_counter()


def forget_waiting() -> None:
    """Bury what was stored only to measure the storing."""
    while waiting_callbacks():
        ProviderCallback.objects.filter(status="new").update(status="dead", next_try_at=None)
        time.sleep(0.2)


def completed_among(attempts: list[Attempt]) -> int:
    ids = [attempt.payment_id for attempt in attempts]
    return Payment.objects.filter(pk__in=ids, status=PaymentStatus.COMPLETED).count()


def _stall(slug: str, number: int) -> Stall:
    shop = tenants.create_shop(name=slug, slug=slug)
    now = timezone.now()
    fields = ConfigFields(
        name="Till",
        provider=Provider.MPESA_TILL,
        shortcode=f"{700000 + number}",
        store_number=f"{600000 + number}",
    )
    config = configs.create_config(
        shop=shop,
        environment=Environment.SANDBOX,
        fields=fields,
        credentials=_CREDENTIALS,
        actor=_ACTOR,
        now=now,
    )
    # Verifying would ask the provider; the state it leads to is all that is needed.
    verified = {"status": ConfigStatus.VERIFIED, "is_active": True, "verified_at": now}
    PaymentConfig.objects.filter(pk=config.pk).update(**verified)
    config.refresh_from_db()
    _row, text = tenants.issue_api_key(
        shop=shop, name="bench", role=Role.CASHIER, environment=Environment.SANDBOX
    )
    return Stall(shop, config, text)


def _verified_till(number: int) -> dict[str, object]:
    return {
        "name": "Till",
        "provider": Provider.MPESA_TILL,
        "shortcode": f"{800000 + number}",
        "store_number": "600000",
        "status": ConfigStatus.VERIFIED,
        "is_active": True,
        "created_by": "bench",
    }


def _attempt(payment: Payment, version: object, number: int) -> Attempt:
    now = payment.created_at
    return Attempt(
        shop=payment.shop,
        payment=payment,
        config=payment.config,
        version=version,
        number=1,
        status=AttemptStatus.SUBMITTED,
        submission=Submission.SENT,
        checkout_request_id=f"ws_CO_15012026{number:08d}700000101",
        merchant_request_id=f"{new_id().hex[:5]}-{number}-1",
        requested_at=now,
        next_ask_at=now + timedelta(hours=1),
    )


def _receipt_number() -> str:
    """Make a receipt number as M-Pesa's: ten characters, never twice."""
    number, text = next(_numbers), ""
    while number:
        number, digit = divmod(number, len(_CODES))
        text = _CODES[digit] + text
    return f"TB{text:0>8}"


def _analyse() -> None:
    """Let the planner know what an installation in use would have told it long ago."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
