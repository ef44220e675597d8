"""Named locks for the length of a transaction, where a row to lock does not exist yet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tenants import prepared

if TYPE_CHECKING:
    from payments.models import Payment


def lock(*names: str) -> None:
    """Take the locks of these names, in one order for everybody, until the transaction ends."""
    keys = sorted({_key(name) for name in names})
    if keys:
        with prepared.cursor() as cursor:
            # In the order of the array: whoever locks the same names queues behind the first.
            cursor.execute("SELECT pg_advisory_xact_lock(k) FROM unnest(%s::bigint[]) AS k", [keys])


def lock_orders(payments: Iterable[Payment]) -> None:
    lock(*(order_name(p.shop_id, p.environment, p.order_ref) for p in payments))


def order_name(shop_id: object, environment: str, order_ref: str) -> str:
    return f"order:{shop_id}:{environment}:{order_ref}"


def phone_name(shop_id: object, environment: str, phone_index: str) -> str:
    return f"phone:{shop_id}:{environment}:{phone_index}"


def _key(name: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True
    )
