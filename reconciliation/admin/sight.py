"""What of the money somebody has in sight: his shops, his branches, a cashier's today."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils import timezone

from payments.models import Payment
from tenants import support
from tenants.admin_access import Fence, rows_for
from tenants.roles import Action, may

if TYPE_CHECKING:
    from django.db.models import Q
    from django.http import HttpRequest

    from tenants.models import User

PAYMENT_FENCE = Fence(branch="branch", made_at="created_at")
# A cashier finds what came today, like his payments.
RECEIPT_TODAY_FENCE = Fence(branch="place", made_at="created_at")


def payments_of(user: User, *, now: datetime) -> Q:
    """Return the filter of the payments the person may list."""
    return rows_for(user, Action.LIST_PAYMENTS, PAYMENT_FENCE, now=now)


def permitted_payment(request: HttpRequest, asked: Any, action: Action, *, page: str) -> Payment:
    """
    Return a payment in sight; what support opens is told to its shop.

    Answers 404 for one out of sight as for none, 403 where the role there may not do the action.
    """
    rows = Payment.objects.filter(payments_of(request.user, now=timezone.now()))
    found: Payment | None = (
        rows.filter(pk=uuid_of(asked)).select_related("shop", "branch", "config").first()
    )
    if found is None:
        raise Http404
    if not may(request.user.role_in(found.shop_id), action):
        raise PermissionDenied
    support.note_read(request, found, shop_id=found.shop_id, page=page)
    return found


def uuid_of(text: Any) -> uuid.UUID:
    """Read an id from an address; what is none names no row, so it answers 404."""
    try:
        return uuid.UUID(str(text))
    except ValueError as error:
        raise Http404 from error
