"""The red banner: money a customer took back, for the people of the branch that handed goods over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.urls import reverse

from audit.masking import mask_emails
from payments.choices import NoticeCode
from payments.models import Notice
from tenants.admin_access import Fence, rows_for
from tenants.admin_looks import shillings
from tenants.roles import Action, Role

if TYPE_CHECKING:
    from tenants.models import User

_FENCE = Fence(branch=None, made_at="opened_at")
_MOST_READ = 50
_MOST_SHOWN = 3


@dataclass(frozen=True)
class TakenBack:
    """One reversal; at is when it was seen, cashier who took the payment."""

    receipt: str
    amount: str
    branch: str
    cashier: str
    at: datetime
    url: str


def reversals_for(user: User, *, now: datetime) -> list[TakenBack]:
    """List what this person must know was taken back, the newest first; muted ones are left out."""
    if not user.is_active:
        return []
    rows = rows_for(user, Action.LIST_PAYMENTS, _FENCE, now=now)
    awake = Q(muted_until=None) | Q(muted_until__lte=now)
    notices = Notice.objects.filter(rows, awake, code=NoticeCode.REVERSED, closed_at=None)
    newest = notices.order_by("-opened_at")[:_MOST_READ]
    return [_shown(row, user) for row in newest if _is_of_his_branch(row, user)][:_MOST_SHOWN]


def _is_of_his_branch(notice: Notice, user: User) -> bool:
    if user.platform_role:
        return True
    branch = str(notice.data.get("branch_id", ""))
    return any(
        not membership.branch_ids or branch in map(str, membership.branch_ids)
        for membership in user.active_memberships
        if membership.shop_id == notice.shop_id
    )


def _shown(notice: Notice, user: User) -> TakenBack:
    said: dict[str, Any] = notice.data
    cashier = str(said.get("cashier", ""))
    page = ("payment", said["payment_id"]) if said.get("payment_id") else None
    kind, key = page or ("receipt", said.get("receipt_id", ""))
    return TakenBack(
        receipt=notice.subject,
        amount=shillings(Decimal(said["amount"]) if said.get("amount") else None),
        branch=str(said.get("branch", "")),
        cashier=str(mask_emails(cashier)) if user.platform_role == Role.SUPPORT else cashier,
        at=notice.opened_at,
        url=reverse(f"admin:payments_{kind}_change", args=[key]),
    )
