"""Expired means "not known to be paid": we stop waiting, not asking."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from audit.actors import Actor
from payments.choices import PaymentStatus
from payments.models import Payment
from payments.services.transitions import Change, write_changes
from payments.states import LIVE_STATUSES
from tenants import prepared

ACTOR = Actor.system("expiry")
_IN_THE_WAY = """
    SELECT EXISTS (
        SELECT FROM payments_payment p
        WHERE p.shop_id = %(shop_id)s AND p.environment = %(environment)s AND p.id <> %(id)s
          AND p.phone_index = %(phone_index)s
          AND p.status = ANY (%(live)s) AND p.expires_at <= %(now)s
    ) OR EXISTS (
        SELECT FROM payments_payment p
        WHERE %(order_ref)s::text <> '' AND p.order_ref = %(order_ref)s::text
          AND p.order_ref <> '' AND p.shop_id = %(shop_id)s AND p.environment = %(environment)s
          AND p.id <> %(id)s AND p.status = ANY (%(live)s) AND p.expires_at <= %(now)s
    )
"""


def expire_overdue(*, now: datetime, limit: int = 500) -> int:
    """Expire payments past their time, oldest first; return how many."""
    with transaction.atomic():
        rows = _overdue(now).select_for_update(of=("self",), skip_locked=True)
        return _expire(list(rows.order_by("expires_at")[:limit]), now=now)


def expire_in_the_way(payment: Payment, *, now: datetime) -> None:
    """
    Expire, in the caller's transaction, what blocks a new prompt though its time is over.

    A row in other hands is left alone: evidence locks rows first and orders second, we hold the
    order already, and whoever has the row is settling it.
    """
    if not _is_something_in_the_way(payment, now=now):
        return
    rows = _overdue(now).filter(shop_id=payment.shop_id, environment=payment.environment)
    rows = rows.select_for_update(of=("self",), skip_locked=True).exclude(pk=payment.pk)
    blocking = {row.pk: row for row in rows.filter(phone_index=payment.phone_index).order_by("pk")}
    if payment.order_ref:
        same_order = rows.filter(order_ref=payment.order_ref).order_by("pk")
        blocking |= {row.pk: row for row in same_order}
    _expire(list(blocking.values()), now=now)


def _is_something_in_the_way(payment: Payment, *, now: datetime) -> bool:
    """Look before asking for locks: nearly always there is nothing."""
    parameters = {
        "shop_id": payment.shop_id,
        "environment": payment.environment,
        "id": payment.pk,
        "phone_index": payment.phone_index,
        "order_ref": payment.order_ref,
        "live": sorted(map(str, LIVE_STATUSES)),
        "now": now,
    }
    with prepared.cursor() as cursor:
        cursor.execute(_IN_THE_WAY, parameters)
        return bool(cursor.fetchone()[0])


def _overdue(now: datetime) -> QuerySet[Payment]:
    rows = Payment.objects.filter(status__in=LIVE_STATUSES, expires_at__lte=now)
    return rows.select_related("config", "branch")


def _expire(payments: list[Payment], *, now: datetime) -> int:
    changes = [
        Change(
            payment=payment,
            attempts=list(payment.attempts.all()),
            reviews=list(payment.reviews.all()),
            actor=ACTOR,
            path=[PaymentStatus.EXPIRED],
            why="Nobody said yes in time.",
        )
        for payment in payments
    ]
    if changes:
        write_changes(changes, now=now)
    return len(changes)
