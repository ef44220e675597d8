"""
A breaker per config: what keeps failing is left alone for a while, then one payment tries it.

Fed by what came of every prompt, and by questions that nobody answered. Only what is the config's
or the provider's fault counts; a customer's no, or a request that no config could have made, says
nothing. So many failures in a row open it for a cooling time. After that exactly one payment goes through to see (half open): its
success closes the breaker, its failure opens it for twice as long. Which payment that is, the
database decides: compare and set on the row that was read.

No transaction holds two breakers, and whoever takes one takes nothing but notices after it: no
circles.
"""

from __future__ import annotations

import enum
import logging
import math
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from payments.choices import BreakerState, NoticeCode
from payments.errors import (
    BreakerOpen,
    OutcomeUnknown,
    PaymentsError,
    ProviderUnreachable,
    RequestRefused,
)
from payments.models import Breaker, PaymentConfig
from payments.providers.base import PaymentAccepted
from payments.services import notices
from payments.services.tokens import TokenNotReady
from tenants import prepared

logger = logging.getLogger(__name__)

# However often it fails, somebody looks again at least this often.
LONGEST_COOLING = timedelta(minutes=15)
# A probe that nobody heard of again, because its process died, holds nobody up for longer: a token
# and a prompt, each with its time-out, are done by then.
PROBE_LEASE = timedelta(seconds=120)
# When a till should ask again while a probe is under way: most are answered by then.
_PROBE_ANSWERED_S = 10
_HIGHEST_COUNT = 1_000

# What closes it, or lets it forget what failed before: one statement, on every accepted prompt.
_WORKED = """
    UPDATE payments_breaker
    SET state = 'closed', failures = 0, opened_at = NULL, probe_at = NULL, last_error = '',
        changed_at = %(now)s::timestamptz
    WHERE config_id = %(config)s::uuid
      AND ((state = 'closed' AND failures > 0)
           OR (state = 'half_open' AND probe_at <= %(requested_at)s::timestamptz))
"""


class Sign(enum.Enum):
    """What an answer says of the config it came through."""

    WORKED = "worked"
    FAILED = "failed"
    NEITHER = "neither"


# The customer's, the request's or our own queue's doing; the config was not put to the test.
_NEITHER: tuple[type[PaymentsError], ...] = (RequestRefused, TokenNotReady)


def sign_of(answer: PaymentAccepted | PaymentsError) -> Sign:
    """Tell what an answer says of the config; what is not listed is a failure."""
    if isinstance(answer, PaymentAccepted):
        return Sign.WORKED
    return Sign.NEITHER if isinstance(answer, _NEITHER) else Sign.FAILED


def is_tripped(config: PaymentConfig) -> bool:
    """Tell whether the config's breaker is open or half open."""
    breaker: Breaker | None = getattr(config, "breaker", None)
    return breaker is not None and breaker.state != BreakerState.CLOSED


def wait_s(breaker: Breaker, *, now: datetime) -> int:
    """Return in how many seconds a tripped breaker lets a payment through to see; 0 for now."""
    return max(0, math.ceil((_next_probe(breaker) - now).total_seconds()))


def resting_until(config: PaymentConfig) -> datetime | None:
    """Return until when the config is left alone; None where payments go through it."""
    return _next_probe(config.breaker) if is_tripped(config) else None


def hint_s(breaker: Breaker, *, now: datetime) -> int:
    """Return when to ask again: a probe is mostly answered long before its lease ends."""
    left = wait_s(breaker, now=now)
    is_open = breaker.state == BreakerState.OPEN and left > 0
    return left if is_open else min(left or _PROBE_ANSWERED_S, _PROBE_ANSWERED_S)


def admit(*, config: PaymentConfig, now: datetime) -> None:
    """
    Let a payment through the config's breaker, in the payment's own transaction.

    Where the breaker is tripped and its time has come, this payment becomes the one that tries.

    :raises BreakerOpen: when it is not let through, with the seconds to wait.
    """
    if not is_tripped(config):
        return
    breaker = config.breaker
    if wait_s(breaker, now=now) or not _claim(breaker, now=now):
        raise BreakerOpen(retry_after=hint_s(breaker, now=now))


def note_answer(
    *,
    config: PaymentConfig,
    answer: PaymentAccepted | PaymentsError,
    requested_at: datetime,
    now: datetime,
) -> None:
    """Count what came of a prompt that was asked for at requested_at."""
    sign = sign_of(answer)
    if sign is Sign.WORKED:
        note_success(config=config, requested_at=requested_at, now=now)
    elif isinstance(answer, PaymentsError) and sign is Sign.FAILED:
        _note_failure(config, _name_of(answer), requested_at=requested_at, now=now)
    elif is_tripped(config):
        _give_back(config, requested_at=requested_at)


@transaction.atomic
def note_unanswered(*, config: PaymentConfig, error: PaymentsError, now: datetime) -> None:
    """
    Count a question about a prompt that nobody answered: 5xx, cut off, or no way there.

    "Being processed", a customer's no, 4xx and throttling are answers. It opens a closed breaker,
    where failures follow each other; whether an open one may close, prompts alone tell.
    """
    if not _is_silence(error):
        return
    row = _locked(config, now=now)
    if row.state != BreakerState.CLOSED:
        return
    if now - row.changed_at > LONGEST_COOLING:
        row.failures = 0  # hours apart they are no row
    _add_failure(row, config, _name_of(error), now=now)
    row.save()


def note_success(*, config: PaymentConfig, requested_at: datetime, now: datetime) -> None:
    """Forget earlier failures; close a breaker whose probe this was."""
    given: dict[str, Any] = {"config": config.pk, "requested_at": requested_at, "now": now}
    with prepared.cursor() as cursor:
        cursor.execute(_WORKED, given)
        changed = cursor.rowcount
    if changed:
        notices.close_notices(config=config, code=NoticeCode.BREAKER_OPEN, now=now)


def reset_breaker(*, config: PaymentConfig, now: datetime) -> None:
    """Close the breaker by hand, or because the config was proven good in another way."""
    Breaker.objects.filter(config=config).update(
        state=BreakerState.CLOSED,
        failures=0,
        opened_at=None,
        probe_at=None,
        last_error="",
        changed_at=now,
    )
    notices.close_notices(config=config, code=NoticeCode.BREAKER_OPEN, now=now)


def _next_probe(breaker: Breaker) -> datetime:
    if breaker.state == BreakerState.OPEN and breaker.opened_at is not None:
        return breaker.opened_at + cooling_of(breaker.failures)
    # Half open without a probe: the last one said nothing and gave its place back.
    return breaker.changed_at if breaker.probe_at is None else breaker.probe_at + PROBE_LEASE


def cooling_of(failures: int) -> timedelta:
    """Return how long so many failures in a row keep a breaker open: each doubles the time."""
    doublings = min(max(0, failures - settings.BREAKER_FAILURES), 16)
    cooling_s: int = settings.BREAKER_COOLING_S * 2**doublings
    return min(timedelta(seconds=cooling_s), LONGEST_COOLING)


def _claim(seen: Breaker, *, now: datetime) -> bool:
    """Take the one probe; whoever reads the same row a moment later finds it changed."""
    rows = Breaker.objects.filter(
        pk=seen.pk,
        state=seen.state,
        failures=seen.failures,
        opened_at=seen.opened_at,
        probe_at=seen.probe_at,
    )
    return rows.update(state=BreakerState.HALF_OPEN, probe_at=now, changed_at=now) == 1


def _give_back(config: PaymentConfig, *, requested_at: datetime) -> None:
    """Let the next payment try: this one's answer says nothing of the config."""
    probes = Breaker.objects.filter(config=config, state=BreakerState.HALF_OPEN)
    probes.filter(probe_at__lte=requested_at).update(probe_at=None)


@transaction.atomic
def _note_failure(
    config: PaymentConfig, error: str, *, requested_at: datetime, now: datetime
) -> None:
    row = _locked(config, now=now)
    if not _counts(row, requested_at=requested_at):
        return
    _add_failure(row, config, error, now=now)
    row.save()


def _locked(config: PaymentConfig, *, now: datetime) -> Breaker:
    Breaker.objects.bulk_create([Breaker(config=config, changed_at=now)], ignore_conflicts=True)
    row: Breaker = Breaker.objects.select_for_update().get(config=config)
    return row


def _add_failure(row: Breaker, config: PaymentConfig, error: str, *, now: datetime) -> None:
    row.failures = min(row.failures + 1, _HIGHEST_COUNT)
    row.last_error, row.changed_at = error, now
    is_probe = row.state == BreakerState.HALF_OPEN
    if is_probe or row.failures >= settings.BREAKER_FAILURES:
        _open(row, config, now=now)


def _is_silence(error: PaymentsError) -> bool:
    if isinstance(error, TokenNotReady):
        return False
    if isinstance(error, OutcomeUnknown):
        return error.http_status is None or error.http_status >= 500
    return isinstance(error, ProviderUnreachable)


def _counts(row: Breaker, *, requested_at: datetime) -> bool:
    """Leave out what was on its way when the breaker opened: only the probe's answer is news."""
    if row.state == BreakerState.CLOSED:
        return True
    is_probing = row.state == BreakerState.HALF_OPEN and row.probe_at is not None
    return is_probing and row.probe_at is not None and requested_at >= row.probe_at


def _open(row: Breaker, config: PaymentConfig, *, now: datetime) -> None:
    row.failures = max(row.failures, settings.BREAKER_FAILURES)
    row.state, row.opened_at, row.probe_at = BreakerState.OPEN, now, None
    logger.warning(
        "breaker opened",
        extra={"config": str(config.pk), "failures": row.failures, "error": row.last_error},
    )
    notices.open_notice(
        shop_id=config.shop_id,
        config=config,
        code=NoticeCode.BREAKER_OPEN,
        data={"error": row.last_error, "opened_at": now.isoformat()},
        now=now,
    )


def _name_of(error: PaymentsError) -> str:
    named = error.data.get("result_code") or getattr(error, "error_code", "")
    return str(named or type(error).__name__)[:60]
