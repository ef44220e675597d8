"""
Reading receipts: who sees which rows, and a receipt as the outside sees it (api.md).

A receipt's place is its own branch, else its payment's, else its config's. Who is bound to a
branch lists the receipts of that place. At the till he is told a little more, or a receipt used
in the next branch would be "not seen yet" in his: see receipts_at_till.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from payments.models import Receipt
from payments.services.representation import moment, money
from tenants.roles import Action, Grant, grant

_PLACE = Coalesce("branch_id", "payment__branch_id", "config__branch_id")


def placed(rows: QuerySet[Receipt]) -> QuerySet[Receipt]:
    """Let rows be filtered by `place`: the id of the branch a receipt belongs to, if any."""
    return rows.alias(place=_PLACE)


def visible_receipts(
    *, shop_id: uuid.UUID, environment: str, branch_id: uuid.UUID | None
) -> QuerySet[Receipt]:
    """Return the rows a key may list: its shop, environment and, where bound, branch."""
    rows = placed(Receipt.objects.filter(shop_id=shop_id, environment=environment))
    if branch_id is not None:
        rows = rows.filter(Q(place=branch_id))
    return rows.select_related("branch", "payment__branch", "config__branch")


def receipts_at_till(
    *, shop_id: uuid.UUID, environment: str, branch_id: uuid.UUID | None
) -> QuerySet[Receipt]:
    """
    Return the rows that count where somebody shows a receipt, to check or to claim it.

    For a bound key: those of its branch, those of no branch yet, and those that came through an
    account all branches share and are used, wherever that was.
    """
    rows = visible_receipts(shop_id=shop_id, environment=environment, branch_id=None)
    if branch_id is None:
        return rows
    is_shared = Q(config__branch=None)
    is_used = Q(payment__isnull=False) | Q(claimed_at__isnull=False)
    return rows.filter(Q(place=branch_id) | Q(place=None) | (is_shared & is_used))


def with_number(rows: QuerySet[Receipt], number: str) -> QuerySet[Receipt]:
    """Find a receipt as it was typed: M-Pesa's are capitals, whatever the till sends."""
    return rows.filter(number__in={number, number.upper()})


def place_of(receipt: Receipt) -> Any:
    """Return the branch a receipt belongs to, or None where it is the whole shop's."""
    of_payment = receipt.payment.branch if receipt.payment else None
    of_config = receipt.config.branch if receipt.config else None
    return receipt.branch or of_payment or of_config


def describe_receipt(receipt: Receipt, *, role: str) -> dict[str, Any]:
    """
    Describe a receipt; the payer as initials and masked number, and no balance, ever.

    A role that sees masked rows (platform support) is not told the initials either.
    """
    branch = place_of(receipt)
    return {
        "id": str(receipt.pk),
        "receipt_number": receipt.number,
        "amount": money(receipt.amount),
        "status": receipt.status,
        "payment": str(receipt.payment_id) if receipt.payment_id else None,
        "channel": receipt.channel,
        "account_reference": receipt.account_reference or None,
        "payer": payer_of(receipt, role=role),
        "paid_at": moment(receipt.paid_at),
        "claimed_at": moment(receipt.claimed_at),
        "label": receipt.label or None,
        "branch": branch and {"id": str(branch.pk), "code": branch.code, "name": branch.name},
        "reason": receipt.reason or None,
    }


def payer_of(receipt: Receipt, *, role: str) -> str | None:
    """Write the payer as "J. W. 2547*****678", as much of it as is known and may be told."""
    is_masked = grant(role, Action.VIEW_STATS) is Grant.MASKED
    initials = "" if is_masked else receipt.payer_initials
    return " ".join(filter(None, [initials, receipt.payer_masked])) or None
