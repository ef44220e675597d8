"""B6 and B7: single calls in this process, ours and the floor in turns."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import connection
from django.utils import timezone

from bench import counting, world
from bench.plan import Plan
from bench.results import Goal, Row, median
from payments.choices import Environment
from payments.fields import field_ring
from payments.services import routing

_CREDENTIAL = b"x" * 64
_CONTEXT = ("payments_credentialversion", "secrets", "0197", "sandbox", "mpesa_till", "174379")
# A clock reads to a fraction of a microsecond; so short a call is timed in hundreds.
_BUNDLE = 200

Call = Callable[[], object]


def resolving(plan: Plan) -> list[Row]:
    """Measure B6: the active config among many shops."""
    shops = world.make_crowd(plan.many_shops)
    now = timezone.now()

    def resolve() -> object:
        shop = random.choice(shops)  # noqa: S311 - spreads, hides nothing
        return routing.resolve(shop_id=shop.pk, environment=Environment.SANDBOX, now=now)

    def select_one() -> object:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone()

    ours, floor = _in_turns(resolve, select_one, plan=plan)
    with counting.statements() as seen:
        resolve()
    return [
        _row("B6", f"Active config among {len(shops):,} shops", ours, floor, 4),
        Row("B6", "its statements", str(len(seen)), "1", len(seen), Goal("=", 1)),
    ]


def sealing(plan: Plan) -> list[Row]:
    """Measure B7: seal and open a credential against the bare cipher with a kept key."""
    ring = field_ring()
    cipher = AESGCM(next(iter(settings.FIELD_ENCRYPTION_KEYS.values())))
    bound = "|".join(_CONTEXT).encode()
    token = ring.seal(_CREDENTIAL, context=_CONTEXT)
    nonce = os.urandom(12)
    sealed = cipher.encrypt(nonce, _CREDENTIAL, bound)

    def bare_seal() -> bytes:
        return cipher.encrypt(os.urandom(12), _CREDENTIAL, bound)

    pairs = {
        "Seal a credential": (lambda: ring.seal(_CREDENTIAL, context=_CONTEXT), bare_seal),
        "Open a credential": (
            lambda: ring.open(token, context=_CONTEXT),
            lambda: cipher.decrypt(nonce, sealed, bound),
        ),
    }
    rows = []
    for what, (ours, floor) in pairs.items():
        timed = _in_turns(_bundle(ours), _bundle(floor), plan=plan)
        rows.append(_row("B7", what, *[[t / _BUNDLE for t in times] for times in timed], 1.5))
    return rows


def _bundle(call: Call) -> Call:
    def many() -> None:
        for _ in range(_BUNDLE):
            call()

    return many


def _in_turns(ours: Call, floor: Call, *, plan: Plan) -> tuple[list[float], list[float]]:
    """Return the seconds of each call; one of ours, one of the floor's, and so on."""
    times: tuple[list[float], list[float]] = ([], [])
    for call in (ours, floor):
        call()
    for _ in range(plan.calls * plan.rounds):
        for call, taken in zip((ours, floor), times, strict=True):
            started = time.perf_counter()
            call()
            taken.append(time.perf_counter() - started)
    return times


def _row(number: str, what: str, ours: list[float], floor: list[float], bound: float) -> Row:
    one, other = median(ours), median(floor)
    return Row(number, what, _micro(one), _micro(other), one / other, Goal("≤", bound))


def _micro(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} µs"
