"""
The one queue of what people must decide: doubts, money without an owner, refunds on their way.

Three tables, read as one list: each gives its open rows in the same few columns, narrowed before
they are put together, so that a page costs the same whatever is in the ledger. A doubt whose money
is being given back stands there as its refund, and so does money to be given back.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import (
    BooleanField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    UUIDField,
    Value,
)
from django.db.models.functions import Coalesce, Greatest

from payments.choices import ReceiptStatus
from payments.models import Receipt, Refund, Review
from payments.models.requests import OPEN_REFUNDS
from payments.receipt_choices import UnallocatedReason
from payments.services import receipt_rows
from payments.services.review_steps import Resolution
from reconciliation.exception_filters import AGES, ME, NOBODY, Asked
from reconciliation.exception_kinds import ItemKind
from reconciliation.models import Handling
from tenants.admin_access import Fence, rows_for
from tenants.roles import Action

if TYPE_CHECKING:
    from tenants.models import User

FENCE = Fence(branch="place")
PER_PAGE = 25
# Enough to say "a lot"; a longer queue is narrowed, not paged through.
MOST_COUNTED = 1_000
_COLUMNS = ("pk", "item", "at", "stake", "holds_goods", "holder")
_ORDER = ("-holds_goods", "at", "pk")
_OPEN_REFUNDS = sorted(OPEN_REFUNDS)
Row = Review | Receipt | Refund


@dataclass(frozen=True)
class Entry:
    """One line of the queue; row is the review, receipt or refund itself."""

    kind: str
    row: Any
    at: datetime
    stake: Decimal | None
    holds_goods: bool
    holder_id: uuid.UUID | None


@dataclass(frozen=True)
class Page:
    """Some entries, the number of all there are (capped at MOST_COUNTED), and where we are."""

    entries: list[Entry]
    count: int
    number: int

    @property
    def is_capped(self) -> bool:
        return self.count > MOST_COUNTED

    @property
    def pages(self) -> int:
        return max(1, -(-min(self.count, MOST_COUNTED) // PER_PAGE))


def page_of(user: User, asked: Asked, *, environment: str, number: int, now: datetime) -> Page:
    """Return a page of the queue: what holds goods first, then the oldest."""
    parts = _parts(user, asked, environment=environment, now=now)
    count = _union(part[: MOST_COUNTED + 1] for part in parts).count()
    number = max(1, min(number, max(1, -(-min(count, MOST_COUNTED) // PER_PAGE))))
    first = (number - 1) * PER_PAGE
    # No part gives more than the page could show of it.
    most = first + PER_PAGE
    found = _union(part.order_by(*_ORDER)[:most] for part in parts).order_by(*_ORDER)[first:most]
    return Page(_entries(list(found)), min(count, MOST_COUNTED + 1), number)


def waiting(user: User, *, now: datetime) -> list[QuerySet[Any]]:
    """Return what is open for this person in both worlds, as parts to be counted."""
    return [_OPEN[kind](source(user, now).order_by()) for kind, source in _SOURCES.items()]


def next_after(
    user: User, row: Row, asked: Asked, *, environment: str, now: datetime
) -> uuid.UUID | None:
    """Return the first of the queue that is not this one, None where nothing else waits."""
    parts = [
        part.exclude(pk=row.pk) for part in _parts(user, asked, environment=environment, now=now)
    ]
    first = _union(part.order_by(*_ORDER)[:1] for part in parts).order_by(*_ORDER).first()
    return first[0] if first else None


def find(user: User, item_id: uuid.UUID, *, now: datetime) -> Row | None:
    """Return an item in this person's sight, open or not; None where there is none."""
    for kind, source in _SOURCES.items():
        rows = source(user, now).filter(pk=item_id)
        if (row := rows.select_related(*_RELATED[kind]).first()) is not None:
            return row
    return None


def kind_of(row: Row) -> ItemKind:
    if isinstance(row, Review):
        return ItemKind.REVIEW
    return ItemKind.RECEIPT if isinstance(row, Receipt) else ItemKind.REFUND


def is_open(row: Row) -> bool:
    """Tell whether a person's decision is still awaited."""
    if isinstance(row, Review):
        return row.resolved_at is None and row.resolution != Resolution.REFUND
    if isinstance(row, Refund):
        return row.status in OPEN_REFUNDS
    is_marked = row.reason == UnallocatedReason.REFUND_NEEDED
    is_loose = row.status == ReceiptStatus.UNALLOCATED
    return is_loose or (row.status == ReceiptStatus.IN_REVIEW and is_marked and not _refund(row))


def holder_of(row: Row) -> Any:
    """Return who looks at an item, or None."""
    if isinstance(row, Review):
        return row.assigned_to
    handling = Handling.objects.select_related("assigned_to").filter(item_id=row.pk).first()
    return handling.assigned_to if handling else None


def _refund(receipt: Receipt) -> bool:
    return receipt.refunds.filter(status__in=_OPEN_REFUNDS).exists()


def _reviews(user: User, now: datetime) -> QuerySet[Review]:
    place = Coalesce("payment__branch", "receipt__branch", "receipt__config__branch")
    rows = Review.objects.alias(place=place, account=_ACCOUNT)
    return rows.filter(rows_for(user, Action.VIEW_INBOX, FENCE, now=now))


def _receipts(user: User, now: datetime) -> QuerySet[Receipt]:
    rows = receipt_rows.placed(Receipt.objects.all()).alias(account=F("config"))
    return rows.filter(rows_for(user, Action.VIEW_INBOX, FENCE, now=now))


def _refunds(user: User, now: datetime) -> QuerySet[Refund]:
    place = Coalesce("payment__branch", "receipt__branch", "receipt__config__branch")
    rows = Refund.objects.alias(place=place, account=F("receipt__config"))
    return rows.filter(rows_for(user, Action.ASK_REFUND, FENCE, now=now))


_ACCOUNT = Coalesce("payment__config", "receipt__config")
_SOURCES: dict[str, Callable[[Any, datetime], QuerySet[Any]]] = {
    ItemKind.REVIEW: _reviews,
    ItemKind.RECEIPT: _receipts,
    ItemKind.REFUND: _refunds,
}
_OF_RECEIPT = ("receipt__config__branch", "receipt__branch", "receipt__payment__branch")
_RELATED: dict[str, tuple[str, ...]] = {
    ItemKind.REVIEW: (
        "shop", "payment__branch", "payment__config", "assigned_to", "callback", *_OF_RECEIPT,
    ),
    ItemKind.RECEIPT: ("shop", "branch", "config__branch", "payment__branch"),
    ItemKind.REFUND: ("shop", "payment__branch", "payment__config", *_OF_RECEIPT),
}  # fmt: skip
# The most that was told of a payment: where the amounts differ, that is what is at stake.
_TOLD = Subquery(
    Receipt.objects.filter(payment=OuterRef("payment"))
    .order_by(F("amount").desc(nulls_last=True))
    .values("amount")[:1]
)


def _open_reviews(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.filter(resolved_at=None).exclude(resolution=Resolution.REFUND).annotate(
        item=Value(str(ItemKind.REVIEW)),
        at=F("opened_at"),
        stake=Greatest("payment__amount", "receipt__amount", _TOLD),
        holds_goods=F("blocking"),
        holder=F("assigned_to"),
        why=F("code"),
    )  # fmt: skip


def _open_receipts(rows: QuerySet[Any]) -> QuerySet[Any]:
    marked = Q(status=ReceiptStatus.IN_REVIEW, reason=UnallocatedReason.REFUND_NEEDED)
    on_its_way = Refund.objects.filter(receipt=OuterRef("pk"), status__in=_OPEN_REFUNDS)
    open_ones = rows.filter(Q(status=ReceiptStatus.UNALLOCATED) | marked & ~Exists(on_its_way))
    return _with_holder(open_ones, ItemKind.RECEIPT, at="created_at", why="reason")


def _open_refunds(rows: QuerySet[Any]) -> QuerySet[Any]:
    open_ones = rows.filter(status__in=_OPEN_REFUNDS)
    return _with_holder(open_ones, ItemKind.REFUND, at="asked_at", why="status")


_OPEN: dict[str, Callable[[QuerySet[Any]], QuerySet[Any]]] = {
    ItemKind.REVIEW: _open_reviews,
    ItemKind.RECEIPT: _open_receipts,
    ItemKind.REFUND: _open_refunds,
}


def _with_holder(rows: QuerySet[Any], kind: str, *, at: str, why: str) -> QuerySet[Any]:
    held = Handling.objects.filter(item_id=OuterRef("pk")).values("assigned_to")[:1]
    return rows.annotate(
        item=Value(str(kind)),
        at=F(at),
        stake=F("amount"),
        holds_goods=Value(value=False, output_field=BooleanField()),
        holder=Subquery(held, output_field=UUIDField()),
        why=F(why),
    )


def _parts(user: User, asked: Asked, *, environment: str, now: datetime) -> list[QuerySet[Any]]:
    parts = []
    for kind, source in _SOURCES.items():
        rows = _OPEN[kind](source(user, now).order_by())
        if environment:
            rows = rows.filter(environment=environment)
        rows = rows.filter(_narrowed(asked, user, kind, now=now))
        if asked.term:
            rows = rows.filter(_bearing(asked.term, kind))
        parts.append(rows.values_list(*_COLUMNS))
    return parts


def _narrowed(asked: Asked, user: User, kind: str, *, now: datetime) -> Q:
    """Turn what was asked into a filter over the columns all parts have."""
    if asked.kind and asked.kind != kind:
        return Q(pk__in=[])
    wanted = {
        "why": asked.reason or None,
        "holds_goods": asked.blocking,
        "at__lte": now - AGES[asked.age][1] if asked.age else None,
        "stake__gte": asked.smallest,
        "stake__lte": asked.largest,
        "shop": asked.shop,
        "place": asked.branch,
        "account": asked.config,
        "at__gte": asked.since,
        "at__lt": asked.before,
    }
    rows = Q(**{name: value for name, value in wanted.items() if value is not None})
    if asked.held_by:
        holder = {ME: user.pk, NOBODY: None}.get(asked.held_by, asked.held_by)
        rows &= Q(holder=holder)
    return rows


def _bearing(term: str, kind: str) -> Q:
    """Find by whole order, reference or receipt number."""
    found = Q(payment__order_ref=term) | Q(payment__account_reference=term)
    found |= Q(payment__receipt_number=term.upper())
    own = "" if kind == ItemKind.RECEIPT else "receipt__"
    found |= Q(**{f"{own}number": term.upper()}) | Q(**{f"{own}account_reference": term})
    return found | Q(subject=term) if kind == ItemKind.REVIEW else found


def _union(parts: Any) -> QuerySet[Any]:
    first, *others = parts
    return first.union(*others, all=True)


def _entries(found: list[tuple[Any, ...]]) -> list[Entry]:
    """Read the rows behind the lines, each kind in one statement."""
    rows: dict[uuid.UUID, Any] = {}
    models: dict[str, Any] = {
        ItemKind.REVIEW: Review.objects,
        ItemKind.RECEIPT: Receipt.objects,
        ItemKind.REFUND: Refund.objects,
    }
    for kind, manager in models.items():
        ids = [pk for pk, item, *_rest in found if item == kind]
        if ids:
            related = manager.select_related(*_RELATED[kind])
            rows |= {row.pk: row for row in related.filter(pk__in=ids)}
    return [
        Entry(item, rows[pk], at, stake, holds_goods, holder)
        for pk, item, at, stake, holds_goods, holder in found
        if pk in rows
    ]
