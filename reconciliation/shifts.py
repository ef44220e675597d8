"""
Closing a shift: what one cashier, branch or config took in a period, signed off.

The numbers of a signed shift never change. What becomes of its payments later stands beside them
as adjustments, each with the payment and the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from audit.actions import AuditAction
from audit.actors import Actor
from audit.recording import record
from payments.choices import PaymentStatus
from payments.models import Payment, PaymentConfig, Receipt, Review, Transition
from payments.services.locks import lock
from payments.services.stats import Total
from reconciliation.models import Shift
from reconciliation.shift_totals import Proof, Totals, digest_of, totals_of
from tenants.models import Branch, Shop

LONGEST = timedelta(days=31)
MOST_CHANGES = 200


class ShiftRefused(Exception):
    """A shift cannot be signed; the text is English and translated where it is shown."""


@dataclass(frozen=True)
class Scope:
    """What a shift answers for: a period from since on, before until; empty means all of it."""

    shop: Shop
    environment: str
    since: datetime
    until: datetime
    branch: Branch | None = None
    config: PaymentConfig | None = None
    cashier: str = ""

    @classmethod
    def of(cls, shift: Shift) -> Scope:
        names = ("shop", "environment", "since", "until", "branch", "config", "cashier")
        return cls(**{name: getattr(shift, name) for name in names})

    def whose(self) -> dict[str, Any]:
        """Return what two shifts must share to be of the same people and accounts."""
        return {
            "shop": self.shop,
            "environment": self.environment,
            "branch": self.branch,
            "config": self.config,
            "cashier": self.cashier,
        }

    def payments(self) -> QuerySet[Payment]:
        found = {name: value for name, value in self.whose().items() if value}
        if cashier := found.pop("cashier", ""):
            found["created_by"] = cashier
        return Payment.objects.filter(
            **found, created_at__gte=self.since, created_at__lt=self.until
        )


@dataclass(frozen=True)
class Adjustment:
    """One kind of proof, when it was signed and as it is now."""

    proof: str
    was: Total
    now: Total

    @property
    def amount(self) -> Decimal:
        return self.now.amount - self.was.amount

    @property
    def count(self) -> int:
        return self.now.count - self.was.count


@dataclass(frozen=True)
class Change:
    """What happened to one payment after the shift was signed."""

    at: datetime
    payment: Payment
    what: str
    who: str = ""


def preview(scope: Scope, *, now: datetime) -> Totals:
    """
    Add up what a shift would be signed with.

    :raises ShiftRefused: for a period that ends before it begins, or later than now, or is too long.
    """
    _check_period(scope, now=now)
    return totals_of(scope.payments())


def close_shift(
    *,
    scope: Scope,
    reported: Decimal | None,
    note: str,
    seen: str,
    actor: Actor,
    now: datetime,
) -> Shift:
    """
    Sign a shift with the numbers of this moment; seen is the digest of those the person saw.

    :raises ShiftRefused: for a bad period, numbers that changed meanwhile, or a shift of the same
        scope that covers part of the period.
    """
    _check_period(scope, now=now)
    with transaction.atomic():
        lock(f"shift:{scope.shop.pk}:{scope.environment}")
        _check_overlap(scope)
        totals = totals_of(scope.payments()).as_data()
        if digest_of(totals) != seen:
            raise ShiftRefused(
                gettext_noop("The numbers have changed since you looked. Look again, then sign.")
            )
        shift: Shift = Shift.objects.create(
            **scope.whose(),
            since=scope.since,
            until=scope.until,
            totals=totals,
            reported=reported,
            note=note.strip()[:300],
            signed_by=actor.label[:254],
            signed_at=now,
        )
        record(
            AuditAction.SHIFT_CLOSED,
            shift,
            shop_id=scope.shop.pk,
            actor=actor,
            now=now,
            changes=[{"field": "totals", "old": None, "new": totals["whole"]}],
            reason=shift.note,
        )
    return shift


def difference_of(shift: Shift) -> Decimal | None:
    """Return what the till reports less what Malipo counted as taken; None where nobody said."""
    if shift.reported is None:
        return None
    return shift.reported - Totals.from_data(shift.totals).taken.amount


def adjustments_of(shift: Shift) -> list[Adjustment]:
    """Return the kinds of proof whose sum or number is not what was signed any more."""
    was, is_now = Totals.from_data(shift.totals), totals_of(Scope.of(shift).payments())
    rows = [
        Adjustment(proof, was.whole.get(proof, Total()), is_now.whole.get(proof, Total()))
        for proof in Proof
    ]
    return [row for row in rows if row.was != row.now]


def changes_of(shift: Shift) -> list[Change]:
    """Return what happened to the shift's payments after it was signed, in order."""
    rows = Scope.of(shift).payments()
    changes = [*_moves(shift, rows), *_receipts(shift, rows), *_doubts(shift, rows)]
    return sorted(changes, key=lambda change: change.at)


def _moves(shift: Shift, rows: QuerySet[Payment]) -> Iterator[Change]:
    moves = Transition.objects.filter(payment__in=rows, at__gt=shift.signed_at)
    for move in moves.select_related("payment").order_by("at")[:MOST_CHANGES]:
        to = str(PaymentStatus(move.to_status).label)
        before = PaymentStatus(move.from_status).label if move.from_status else _("New")
        what = " · ".join(filter(None, [f"{before} → {to}", move.why]))
        yield Change(move.at, move.payment, what, move.actor_label)


def _receipts(shift: Shift, rows: QuerySet[Payment]) -> Iterator[Change]:
    """Tell which receipts came later: they make a payment proven, and move no status."""
    came = Receipt.objects.filter(payment__in=rows, created_at__gt=shift.signed_at)
    for receipt in came.select_related("payment").order_by("created_at")[:MOST_CHANGES]:
        what = _("Receipt %(receipt)s came") % {"receipt": receipt.number}
        yield Change(receipt.created_at, receipt.payment, what, str(receipt.get_channel_display()))


def _doubts(shift: Shift, rows: QuerySet[Payment]) -> Iterator[Change]:
    since = shift.signed_at
    reviews = Review.objects.filter(
        Q(opened_at__gt=since) | Q(resolved_at__gt=since), payment__in=rows, blocking=True
    )
    for review in reviews.select_related("payment").order_by("opened_at")[:MOST_CHANGES]:
        named = {"why": review.get_code_display()}
        if review.opened_at > since:
            yield Change(review.opened_at, review.payment, _("Review opened: %(why)s") % named)
        if review.resolved_at and review.resolved_at > since:
            what = _("Review resolved: %(why)s") % named
            yield Change(review.resolved_at, review.payment, what, review.resolved_by)


def _check_period(scope: Scope, *, now: datetime) -> None:
    if scope.since >= scope.until:
        raise ShiftRefused(gettext_noop("The period ends before it begins."))
    if scope.until > now:
        raise ShiftRefused(gettext_noop("The period is not over yet: it must end now or earlier."))
    if scope.until - scope.since > LONGEST:
        raise ShiftRefused(gettext_noop("A shift is at most 31 days."))


def _check_overlap(scope: Scope) -> None:
    same = Shift.objects.filter(**scope.whose())
    if same.filter(since__lt=scope.until, until__gt=scope.since).exists():
        raise ShiftRefused(
            gettext_noop("A signed shift of the same scope covers part of this period already.")
        )
