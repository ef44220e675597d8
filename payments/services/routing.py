"""
Which config takes a payment: the branch's own first, then the shop's, and why not the others.

One statement reads every config that could come into question together with what its limits have
left, because this runs on every sale (performance.md B6). It is SQL, because building the same
query through the ORM costs ten times what PostgreSQL needs to answer it. What qualifies and in
which order is decided here, in Python, so that every config that was passed over can say why.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from django.db import connection

from payments.choices import ConfigStatus
from payments.errors import DailyLimitReached, MonthlyLimitReached
from payments.models import Breaker, PaymentConfig
from payments.providers import registry
from payments.services import breakers
from payments.services.decisions import Resolution, ResolutionStep, Why

__all__ = ["Resolution", "ResolutionStep", "Why", "check_limits", "lock_limits", "resolve"]

NAIROBI = ZoneInfo("Africa/Nairobi")


# Columns, not c.*: a column more in the database must not shift what the model reads.
_CONCRETE = PaymentConfig._meta.concrete_fields  # noqa: SLF001 - Django's own documented name
_FIELDS = [field.attname for field in _CONCRETE]
_COLUMNS = ", ".join(f'c."{field.column}"' for field in _CONCRETE)
_BREAKER = [field.attname for field in Breaker._meta.concrete_fields]  # noqa: SLF001
_BREAKER_COLUMNS = ", ".join(f'b."{name}"' for name in _BREAKER)
# JSON comes from the cursor as text; the ORM would have these functions read it.
_READERS = [
    (number, field.from_db_value)
    for number, field in enumerate(_CONCRETE)
    if hasattr(field, "from_db_value")
]
# Completed and live, by the day they were asked for; CASE spares the sum where nothing limits.
_SPENT = """
    CASE WHEN c.{limit} IS NOT NULL AND c.is_active THEN (
        SELECT COALESCE(SUM(p.amount), 0) FROM payments_payment p
        WHERE p.config_id = c.id AND p.created_at >= %({since})s::timestamptz
          AND (p.status = 'completed'
               OR (p.status IN ('created', 'pending') AND p.expires_at > %(now)s::timestamptz))
    ) END
"""
_SUMS = (
    f"{_SPENT.format(limit='daily_limit', since='day')}, "
    f"{_SPENT.format(limit='monthly_limit', since='month')}"
)
_RESOLVE = f"""
    SELECT {_COLUMNS}, {_BREAKER_COLUMNS}, {_SUMS}
    FROM payments_paymentconfig c
    LEFT JOIN payments_breaker b ON b.config_id = c.id
    WHERE c.shop_id = %(shop_id)s::uuid AND c.environment = %(environment)s
      AND c.deleted_at IS NULL
      AND (c.branch_id IS NULL OR c.branch_id = %(branch_id)s::uuid)
      AND (%(provider)s::text IS NULL OR c.provider = %(provider)s::text)
    ORDER BY c.branch_id IS NULL,
        CASE WHEN %(purpose)s::text = '' THEN cardinality(c.purposes) > 0
             ELSE NOT %(purpose)s::text = ANY (c.purposes::text[]) END,
        c.priority, c.is_default DESC, c.created_at, c.id
"""  # noqa: S608 - column names from the model, values as parameters
_SPENT_BY_ONE = f"SELECT {_SUMS} FROM payments_paymentconfig c WHERE c.id = %(id)s::uuid"  # noqa: S608


def resolve(
    *,
    shop_id: uuid.UUID,
    environment: str,
    branch_id: uuid.UUID | None = None,
    provider: str | None = None,
    amount: Decimal | None = None,
    purpose: str = "",
    down: Collection[uuid.UUID] = (),
    now: datetime,
) -> Resolution:
    """
    Find the configs a payment could go through, best first, and say of each one why.

    down names configs that are taken for broken, for whoever asks "what if".
    """
    parameters = {
        "shop_id": shop_id,
        "environment": environment,
        "branch_id": branch_id,
        "provider": provider,
        "purpose": purpose,
        **_since(now),
    }
    connection.ensure_connection()
    # Django's own cursors bind on the client and cannot prepare; planning takes thrice the doing.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_RESOLVE, parameters, prepare=True)
        rows = cursor.fetchall()
    return Resolution(list(_steps(rows, amount=amount, purpose=purpose, down=down, now=now)))


def lock_limits(config: PaymentConfig) -> None:
    """
    Make payments through a limited config queue up until the end of this transaction.

    Without it two tills would both see room for the last payment of the day.
    """
    if config.daily_limit is None and config.monthly_limit is None:
        return
    with connection.cursor() as cursor:
        # The low 62 bits of a UUIDv7 are random; a collision merely queues two shops.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [config.pk.int & (1 << 62) - 1])


def check_limits(config: PaymentConfig, *, amount: Decimal, now: datetime) -> None:
    """
    Count again under lock_limits, before the payment's row is inserted.

    :raises DailyLimitReached: when today's completed and live payments leave no room.
    :raises MonthlyLimitReached: when this month's leave none.
    """
    if config.daily_limit is None and config.monthly_limit is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(_SPENT_BY_ONE, {"id": config.pk, **_since(now)})
        today, this_month = cursor.fetchone() or (None, None)
    if _is_spent(config.daily_limit, today, amount):
        raise DailyLimitReached
    if _is_spent(config.monthly_limit, this_month, amount):
        raise MonthlyLimitReached


def _since(now: datetime) -> dict[str, datetime]:
    day = now.astimezone(NAIROBI).replace(hour=0, minute=0, second=0, microsecond=0)
    return {"now": now, "day": day, "month": day.replace(day=1)}


def _steps(
    rows: list[Any],
    *,
    amount: Decimal | None,
    purpose: str,
    down: Collection[uuid.UUID],
    now: datetime,
) -> Iterator[ResolutionStep]:
    is_found = False
    for *values, today, this_month in rows:
        config = _config_of(values)
        is_held = breakers.is_tripped(config) and breakers.wait_s(config.breaker, now=now) > 0
        why = _why_not(config, amount, purpose) or _why_no_room(config, amount, today, this_month)
        if why is None and (is_held or config.pk in down):
            why = Why.BREAKER_OPEN
        chosen = why is None and not is_found
        is_found = is_found or chosen
        why = why or (Why.CHOSEN if chosen else Why.LOWER_PRIORITY)
        retry_after = breakers.hint_s(config.breaker, now=now) if is_held else None
        yield ResolutionStep(config, config.level, chosen, why, retry_after)


def _config_of(values: list[Any]) -> PaymentConfig:
    """Make the config of a row, with its breaker beside it or the knowledge that it has none."""
    values, breaker = values[: len(_FIELDS)], values[len(_FIELDS) :]
    for number, read in _READERS:
        values[number] = read(values[number], None, connection)
    config = PaymentConfig.from_db(connection.alias, _FIELDS, values)
    has_breaker = breaker[0] is not None
    config._state.fields_cache["breaker"] = (  # noqa: SLF001 - where select_related puts it
        Breaker.from_db(connection.alias, _BREAKER, breaker) if has_breaker else None
    )
    return config


def _why_not(config: PaymentConfig, amount: Decimal | None, purpose: str) -> Why | None:
    """Tell what is wrong with the config itself, in the order in which one would put it right."""
    if not config.has_api:
        return Why.NO_API
    if not registry.supports(config.provider, "request_payment"):
        return Why.NO_ADAPTER
    if config.status != ConfigStatus.VERIFIED:
        is_suspended = config.status == ConfigStatus.SUSPENDED
        return Why.SUSPENDED if is_suspended else Why.NOT_VERIFIED
    if not config.is_active:
        return Why.INACTIVE
    if purpose and config.purposes and purpose not in config.purposes:
        return Why.OTHER_PURPOSE
    if amount is not None and amount < config.min_amount:
        return Why.AMOUNT_BELOW_MINIMUM
    if amount is not None and amount > config.max_amount:
        return Why.AMOUNT_ABOVE_MAXIMUM
    return None


def _why_no_room(
    config: PaymentConfig, amount: Decimal | None, today: Decimal | None, month: Decimal | None
) -> Why | None:
    if _is_spent(config.daily_limit, today, amount):
        return Why.DAILY_LIMIT_REACHED
    if _is_spent(config.monthly_limit, month, amount):
        return Why.MONTHLY_LIMIT_REACHED
    return None


def _is_spent(limit: Decimal | None, spent: Decimal | None, amount: Decimal | None) -> bool:
    if limit is None:
        return False
    # Where no amount is named, one shilling must fit.
    return (spent or Decimal(0)) + (Decimal(1) if amount is None else amount) > limit
