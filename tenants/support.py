"""
Platform support inside a shop: only while the shop lets it, and never unseen.

The shop grants some hours and may end them at any moment. Meanwhile support sees masked rows, and
each page of them it opens is told like an act.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from tenants.models import Shop, SupportAccess, User
from tenants.roles import Role
from tenants.signals import By, tell, values_of

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

LONGEST_HOURS = 72


@transaction.atomic
def grant_support_access(
    *, shop: Shop, hours: int, granted_by: User, now: datetime, by: By
) -> SupportAccess:
    """
    Let platform support see the shop's masked rows for some hours.

    :raises ValueError: unless hours is 1 to LONGEST_HOURS.
    """
    if not 1 <= hours <= LONGEST_HOURS:
        raise ValueError(f"Give 1 to {LONGEST_HOURS} hours.")
    access = SupportAccess.objects.create(
        shop=shop,
        granted_by=granted_by,
        reason=by.reason,
        granted_at=now,
        expires_at=now + timedelta(hours=hours),
    )
    after = values_of(access, "expires_at")
    tell("support_access.granted", access, shop_id=shop.pk, by=by, after=after)
    return access


@transaction.atomic
def revoke_support_access(*, access: SupportAccess, now: datetime, by: By) -> SupportAccess:
    """
    End a grant at once, and every other that is open in the shop: no means no.

    Ending it again changes nothing.
    """
    open_ones = SupportAccess.objects.filter(
        shop=access.shop_id, revoked_at=None, expires_at__gt=now
    )
    for each in open_ones.select_for_update(of=("self",)).order_by("pk"):
        each.revoked_at = now
        each.save(update_fields=["revoked_at"])
        before, after = {"revoked_at": None}, {"revoked_at": now}
        shop_id = each.shop_id
        tell("support_access.revoked", each, shop_id=shop_id, by=by, before=before, after=after)
    access.refresh_from_db(fields=["revoked_at"])
    return access


def live_access(*, now: datetime) -> QuerySet[SupportAccess]:
    """Return the grants that count now."""
    return SupportAccess.objects.filter(revoked_at=None, granted_at__lte=now, expires_at__gt=now)


def is_live(access: SupportAccess) -> bool:
    """Tell whether a grant counts now."""
    return access.revoked_at is None and access.granted_at <= timezone.now() < access.expires_at


def note_read(request: HttpRequest, obj: Model, *, shop_id: Any, page: str) -> None:
    """Tell the shop that support opened a page of its rows; nobody else's reading is told."""
    if shop_id is not None and is_support(request.user):
        by, after = By.request_of(request), {"page": page}
        tell("support_access.read", obj, shop_id=shop_id, by=by, after=after)


def note_list_read(request: HttpRequest, shop_ids: Iterable[Any], *, page: str) -> None:
    """Tell every shop whose rows stood in a list that support saw; in one order, as all lock."""
    if is_support(request.user):
        ids = {shop_id for shop_id in shop_ids if shop_id is not None}
        with transaction.atomic():
            for shop in Shop.objects.filter(pk__in=ids).order_by("pk"):
                note_read(request, shop, shop_id=shop.pk, page=page)


def is_support(user: Any) -> bool:
    return getattr(user, "platform_role", "") == Role.SUPPORT
