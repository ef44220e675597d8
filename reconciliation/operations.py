"""
Tell whether the process is alive, and whether it is fit to take money.

`/healthz` asks nobody: a process that answers is alive, and restarting it would not mend a
database. `/readyz` asks everything a payment needs; each check answers "ok" or what is wrong.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from payments import encryption
from payments.errors import CannotOpen
from payments.services import rewrapping
from reconciliation.models import SweepState

logger = logging.getLogger(__name__)

OK = "ok"
# Some sweep is due every ten seconds; the slowest machine gets through one in this time.
HEARTBEAT_WITHIN = timedelta(minutes=3)
_PROBE_CONTEXT = ("readyz", "probe")
_GOOD_FOR_S = 60.0


class _Until:
    """Until when (monotonic clock) a good answer is believed."""

    until = 0.0


_credentials_ok = _Until()


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer: there is a process here."""
    del request
    return _answer({"status": OK}, status=200)


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 where a payment could be taken and settled, else 503 with what is in the way."""
    del request
    checks = {name: _checked(name, check) for name, check in CHECKS.items()}
    is_ready = all(found == OK for found in checks.values())
    body = {"status": "ready" if is_ready else "not_ready", "checks": checks}
    return _answer(body, status=200 if is_ready else 503)


def check_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return OK


def check_durability() -> str:
    """Refuse to lose in a power cut what was acknowledged (safety.md R12)."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        value = cursor.fetchone()[0]
    return OK if value != "off" or settings.DEBUG else "synchronous_commit is off"


def check_migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(missing)} not applied" if missing else OK


def check_keys() -> str:
    for name in ("FIELD_ENCRYPTION_KEYS", "CALLBACK_MAC_KEYS"):
        ring = encryption.ring_of(getattr(settings, name))
        sealed = ring.seal(b"probe", context=_PROBE_CONTEXT)
        if ring.open(sealed, context=_PROBE_CONTEXT) != b"probe":
            return f"{name} does not open what it sealed"
    return OK


def check_credentials() -> str:
    """Miss a key that payment credentials are sealed with: no payment opens without it."""
    if time.monotonic() < _credentials_ok.until:
        return OK
    if missing := rewrapping.missing_keys(rewrapping.credential_columns()):
        return f"FIELD_ENCRYPTION_KEYS lacks {', '.join(sorted(missing))}"
    # All credentials are read for this, and whoever balances load asks every few seconds.
    _credentials_ok.until = time.monotonic() + _GOOD_FOR_S
    return OK


def check_sweep() -> str:
    """Without sweeps, a payment whose callback is lost stays open for ever."""
    newest = SweepState.objects.aggregate(newest=Max("finished_at"))["newest"]
    if newest is None:
        return "no sweep ever ran"
    age = timezone.now() - newest
    return (
        OK if age <= HEARTBEAT_WITHIN else f"the last sweep ended {age.total_seconds():.0f} s ago"
    )


CHECKS: dict[str, Callable[[], str]] = {
    "database": check_database,
    "durability": check_durability,
    "migrations": check_migrations,
    "keys": check_keys,
    "credentials": check_credentials,
    "sweep": check_sweep,
}


def _checked(name: str, check: Callable[[], str]) -> str:
    try:
        return check()
    except (Error, CannotOpen):
        # The error may name hosts and users, and this page is open to all.
        logger.warning("readiness check failed", extra={"check": name}, exc_info=True)
        return "failed"


def _answer(body: dict[str, object], *, status: int) -> JsonResponse:
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})
