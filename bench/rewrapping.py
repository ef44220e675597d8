"""B8: `rewrap_secrets` while tills open the same credentials; imported after Django is set up."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import connection, connections, transaction

from bench.plan import Plan
from bench.results import Goal, Row, median
from payments.choices import Environment, Provider, VersionStatus
from payments.errors import CannotOpen
from payments.models import CredentialVersion, PaymentConfig
from payments.services import rewrapping
from tenants import services as tenants

_SECRETS = {
    "consumer_key": "bench-consumer-key-0123456789abcdef",
    "consumer_secret": "bench-consumer-secret-0123456789abcdef",
    "passkey": "bench-passkey-0123456789abcdef0123456789abcdef0123456789abcdef",
}
_TILLS = 2
_PAUSE_S = 0.002


class Load:
    """Tills that open credentials all the time, and how often one did not open."""

    def __init__(self) -> None:
        self.opened = self.failed = 0
        self._stop = threading.Event()
        self._ids = list(CredentialVersion.objects.values_list("pk", flat=True))

    @contextmanager
    def running(self) -> Iterator[None]:
        tills = [threading.Thread(target=self._open_on) for _ in range(_TILLS)]
        for till in tills:
            till.start()
        try:
            yield
        finally:
            self._stop.set()
            for till in tills:
                till.join()
            self._stop.clear()

    def _open_on(self) -> None:
        rows = CredentialVersion.objects.select_related("config")
        while not self._stop.wait(_PAUSE_S):
            version = rows.get(pk=random.choice(self._ids))  # noqa: S311 - spreads, hides nothing
            try:
                for sealed in version.secrets.values():
                    sealed.reveal()
                self.opened += 1
            except CannotOpen:
                self.failed += 1
        connections.close_all()


def rewrapping_all(plan: Plan) -> list[Row]:
    """Measure B8 in turns with its floor: bare crypto and one UPDATE for each config."""
    count = _make_configs(plan.many_shops)
    column = rewrapping.credential_columns()[0]
    load, ours, floor = Load(), [], []
    ring = dict(settings.FIELD_ENCRYPTION_KEYS)
    try:
        for number in range(plan.rounds):
            settings.FIELD_ENCRYPTION_KEYS = {f"bench{number}": os.urandom(32), **_ring()}
            with load.running():
                ours.append(_timed(lambda: rewrapping.rewrap(column)))
            with load.running():
                floor.append(_timed(lambda: _bare(count)))
    finally:
        # The servers know the old key alone.
        settings.FIELD_ENCRYPTION_KEYS = {**ring, **_ring()}
        rewrapping.rewrap(column)
        settings.FIELD_ENCRYPTION_KEYS = ring
    one, other = median(ours), median(floor)
    what = f"Rewrap {count:,} configs under load"
    opens = f"{load.opened:,} opens meanwhile"
    return [
        Row("B8", what, f"{one:.2f} s", f"{other:.2f} s", one / other, Goal("≤", 3)),
        Row("B8", opens, f"{load.failed} failed", "0", load.failed, Goal("=", 0)),
    ]


def _ring() -> dict[str, bytes]:
    return dict(settings.FIELD_ENCRYPTION_KEYS)


def _make_configs(count: int) -> int:
    """Make configs with three secrets each, in one shop; return how many versions there are."""
    shop = tenants.create_shop(name="Vault", slug="vault")
    configs = [
        PaymentConfig(
            shop=shop,
            environment=Environment.SANDBOX,
            name="Paybill",
            provider=Provider.MPESA_PAYBILL,
            shortcode=f"{1_000_000 + number}",
            created_by="bench",
        )
        for number in range(count)
    ]
    PaymentConfig.objects.bulk_create(configs, batch_size=1000)
    CredentialVersion.objects.bulk_create(map(_version, configs), batch_size=1000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE payments_credentialversion")
    return CredentialVersion.objects.count()


def _version(config: PaymentConfig) -> CredentialVersion:
    version = CredentialVersion(
        shop_id=config.shop_id,
        config=config,
        number=1,
        status=VersionStatus.CURRENT,
        created_by="bench",
    )
    version.secrets = _SECRETS
    return version


def _bare(count: int) -> None:
    """Open and seal with the bare cipher and write each row, as many a commit as rewrap does."""
    cipher, nonce, bound = AESGCM(os.urandom(32)), os.urandom(12), b"bench" * 20
    sealed = {name: cipher.encrypt(nonce, text.encode(), bound) for name, text in _SECRETS.items()}
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, secrets::text FROM payments_credentialversion ORDER BY id")
        rows = cursor.fetchall()
    for start in range(0, count, rewrapping.BATCH):
        with transaction.atomic(), connection.cursor() as cursor:
            for pk, secrets in rows[start : start + rewrapping.BATCH]:
                for text in sealed.values():
                    cipher.encrypt(os.urandom(12), cipher.decrypt(nonce, text, bound), bound)
                cursor.execute(
                    "UPDATE payments_credentialversion SET secrets = %s::jsonb WHERE id = %s",
                    [json.dumps(json.loads(secrets)), pk],
                )


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
