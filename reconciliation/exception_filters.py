"""What the queue of exceptions can be narrowed by: read from an address, unknown values ignored."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _

from payments.choices import ReviewCode
from payments.receipt_choices import RefundStatus, UnallocatedReason
from tenants.admin_access import NAIROBI

ME, NOBODY = "me", "nobody"
AGES: dict[str, tuple[Any, timedelta]] = {
    "hour": (_("Over an hour"), timedelta(hours=1)),
    "day": (_("Over a day"), timedelta(days=1)),
    "week": (_("Over a week"), timedelta(days=7)),
}
_REFUNDS = (RefundStatus.ASKED, RefundStatus.APPROVED, RefundStatus.SENT, RefundStatus.UNKNOWN)
_LARGEST = Decimal(10) ** 10


def reasons() -> dict[str, dict[str, Any]]:
    """Return every reason by its value in an address, grouped by what the item is."""
    return {
        _("Doubts"): {f"review:{code}": label for code, label in ReviewCode.choices},
        _("Money without an owner"): {
            f"receipt:{code}": label for code, label in UnallocatedReason.choices if code != "proof"
        },
        _("Refunds"): {f"refund:{each.value}": each.label for each in _REFUNDS},
    }


@dataclass(frozen=True)
class Asked:
    """
    One look at the queue; empty fields narrow nothing.

    kind and reason are of `reasons`, held_by is "me", "nobody" or a person's id, age one of AGES,
    since and until days in Nairobi, both included.
    """

    kind: str = ""
    reason: str = ""
    blocking: bool | None = None
    held_by: str = ""
    age: str = ""
    smallest: Decimal | None = None
    largest: Decimal | None = None
    shop: uuid.UUID | None = None
    branch: uuid.UUID | None = None
    config: uuid.UUID | None = None
    since: datetime | None = None
    before: datetime | None = None
    term: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        """Read an address; what it says that nobody understands narrows nothing."""
        kind, _colon, reason = query.get("reason", "").partition(":")
        known = any(query.get("reason") in group for group in reasons().values())
        return cls(
            kind=kind if known else "",
            reason=reason if known else "",
            blocking={"yes": True, "no": False}.get(query.get("blocking", "")),
            held_by=_holder(query.get("held_by", "")),
            age=query.get("age", "") if query.get("age") in AGES else "",
            smallest=_amount(query.get("smallest", "")),
            largest=_amount(query.get("largest", "")),
            shop=_id(query.get("shop", "")),
            branch=_id(query.get("branch", "")),
            config=_id(query.get("config", "")),
            since=_day(query.get("since", "")),
            before=_day(query.get("until", ""), days_later=1),
            term=query.get("q", "").replace("\x00", "").strip()[:64],
        )

    @property
    def narrows(self) -> bool:
        return self != Asked()


def _holder(text: str) -> str:
    return text if text in {ME, NOBODY} else str(_id(text) or "")


def _id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text.replace(",", "").strip()[:20])
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < _LARGEST else None


def _day(text: str, *, days_later: int = 0) -> datetime | None:
    try:
        day = parse_date(text)
        moved = day + timedelta(days=days_later) if day else None
    except (ValueError, OverflowError):
        return None
    return datetime.combine(moved, time.min, NAIROBI) if moved else None
