"""
A past for the demo shops: any number of payments over the last year, made by the database itself.

Row by row through the services a million would take hours. Here every payment still has what its
status demands (attempt, callback, evidence, receipt, transitions, event), so that `audit_money`
stays clean; whole phone numbers and bodies are missing, as after their retention. Some money came
without an owner, and some doubts are open. Made in slices, the oldest first, as it would have been,
and added to what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from payments.choices import Environment
from payments.models import PaymentConfig
from payments.msisdn import mask
from payments.services import tallies
from payments.services.demo_history_sql import RECEIPT, STATEMENTS, UUID7
from payments.services.initiation import phone_index
from tenants.models import Shop

SLICE = 20_000
PAYERS = 20_000
PAYMENTS_A_PAYER = 50
# The customers' numbers go on from here.
FIRST_PAYER = 254_710_000_000
YEAR = timedelta(days=365)
# Nothing of the past is still open.
_YOUNGEST = timedelta(hours=2)

# A shop's day in Nairobi: the hours of 1,000 payments, from midnight on.
_HOURS = (2, 1, 1, 1, 2, 8, 25, 55, 70, 65, 60, 68, 80, 75, 62, 58, 66, 85, 90, 62, 36, 18, 7, 3)
# Of 1,000 payments: how they ended, the code, the words; the rest was paid.
_ENDS = (
    (60, "failed", "1032", "Request cancelled by user."),
    (22, "failed", "1", "The balance is insufficient for the transaction."),
    (9, "failed", "2001", "The initiator information is invalid."),
    (6, "failed", "1019", "Transaction has expired"),
    (38, "expired", "1037", "DS timeout user cannot be reached"),
    (7, "expired", "", ""),
)


def seed_payments(count: int, *, now: datetime) -> Iterator[int]:
    """
    Add payments of the last year to the demo shops' sandbox configs; yield how many are done.

    Each slice is committed by itself. Finally the sums are made anew, for no trigger was told, and
    the planner is told what it will meet.
    """
    configs, payers = _configs(), min(PAYERS, max(1, count // PAYMENTS_A_PAYER))
    _make_functions(payers)
    first, done = _already_made(), 0
    while done < count:
        size = min(SLICE, count - done)
        stretch = {
            "first": first + done,
            "slice": size,
            "payers": payers,
            "newest": now - _YOUNGEST - YEAR * (count - done - size) / count,
            "span": YEAR * size / count,
            "edge": now - _YOUNGEST,
        }
        with transaction.atomic(), connection.cursor() as cursor:
            _trust_ourselves(cursor)
            parameters: dict[str, Any] = stretch | _fates(configs)
            for statement in STATEMENTS:
                cursor.execute(statement, parameters)
        done += size
        yield done
    tallies.rebuild()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if not connection.in_atomic_block else "ANALYZE")


def _trust_ourselves(cursor: Any) -> None:
    """
    Let the database not look up every foreign key again, where we may ask it that.

    It is two thirds of the time, and all keys are selected from the tables they point to.
    """
    cursor.execute("SELECT usesuper FROM pg_user WHERE usename = current_user")
    if cursor.fetchone()[0]:
        cursor.execute("SET LOCAL session_replication_role = replica")


def _configs() -> list[object]:
    shops = Shop.objects.filter(slug__in=["duka-la-njeri", "soko-mart"])
    rows = PaymentConfig.objects.usable().filter(shop__in=shops, environment=Environment.SANDBOX)
    return list(rows.order_by("created_at").values_list("pk", flat=True))


def _already_made() -> int:
    """Return how many of our own are there: references and receipts go on from it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM payments_attempt WHERE checkout_request_id LIKE 'ws_CO_past%%'"
        )
        return int(cursor.fetchone()[0])


def _make_functions(payers: int) -> None:
    """Make the helpers of this connection, and the people who pay."""
    numbers = [f"{number}" for number in range(FIRST_PAYER, FIRST_PAYER + payers)]
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION IF EXISTS pg_temp.id_at, pg_temp.receipt_at")
        cursor.execute("DROP TABLE IF EXISTS past_payers")
        cursor.execute(UUID7)
        cursor.execute(RECEIPT)
        cursor.execute(
            "CREATE TEMP TABLE past_payers AS SELECT * FROM unnest(%s::int[], %s::text[], %s::text[])"
            " AS p (number, phone_index, phone_masked)",
            [
                list(range(1, payers + 1)),
                [phone_index(number) for number in numbers],
                [mask(number) for number in numbers],
            ],
        )


def _fates(configs: list[object]) -> dict[str, object]:
    """Return what is drawn from: configs, hours of the day, and ends."""
    hours = [hour for hour, share in enumerate(_HOURS) for _ in range(share)]
    upto = [sum(share for share, *_rest in _ENDS[: place + 1]) for place in range(len(_ENDS))]
    return {
        "configs": configs,
        "count": len(configs),
        "hours": hours,
        "upto": upto,
        "froms": [0, *upto[:-1]],
        "statuses": [status for _share, status, _code, _said in _ENDS],
        "codes": [code for _share, _status, code, _said in _ENDS],
        "words": [said for _share, _status, _code, said in _ENDS],
    }
