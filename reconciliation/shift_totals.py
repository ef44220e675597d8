"""
What a shift took, by how well it is proven.

A payment counts for the moment it was asked for, as in payments/services/stats.py, and its takings
are the same to the cent: proven, provisional, from receipts, by hand and under review together are
what stats calls taken.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet, Sum, TextChoices
from django.utils.translation import gettext_lazy as _

from payments.choices import PaymentStatus
from payments.models import Payment, Review
from payments.receipt_choices import PaymentOrigin
from payments.services.stats import Total

_CENTS = Decimal("0.01")


class Proof(TextChoices):
    """How well it is proven that the money is the shop's."""

    PROVEN = "proven", _("Proven by a receipt")
    PROVISIONAL = "provisional", _("Paid, receipt awaited")
    CLAIMED = "claimed", _("From a receipt that was shown or allocated")
    MANUAL = "manual", _("Written down by hand")
    DOUBTED = "doubted", _("Paid, but under review")
    UNKNOWN = "unknown", _("Unknown: expired or still open")
    REVERSED = "reversed", _("Taken back")
    FAILED = "failed", _("Failed")


#: What stats counts as taken; everything else is not the shop's money, or not known to be.
TAKEN = (Proof.PROVEN, Proof.PROVISIONAL, Proof.CLAIMED, Proof.MANUAL, Proof.DOUBTED)
_OF_STATUS = {PaymentStatus.REVERSED: Proof.REVERSED, PaymentStatus.FAILED: Proof.FAILED}
_OF_ORIGIN = {PaymentOrigin.RECEIPT: Proof.CLAIMED, PaymentOrigin.MANUAL: Proof.MANUAL}
Cells = dict[str, Total]


@dataclass
class Totals:
    """The whole, what was written down by method, and the whole split by cashier, branch, config."""

    whole: Cells = field(default_factory=lambda: defaultdict(Total))
    manual: Cells = field(default_factory=lambda: defaultdict(Total))
    by: dict[str, dict[str, Cells]] = field(
        default_factory=lambda: {name: {} for name in ("cashier", "branch", "config")}
    )

    @property
    def taken(self) -> Total:
        return taken_of(self.whole)

    def as_data(self) -> dict[str, Any]:
        """Return plain JSON: amounts as strings of two decimals, everything in a fixed order."""
        return {
            "whole": _data(self.whole),
            "manual": {key: _cell(self.manual[key]) for key in sorted(self.manual)},
            "by": {
                name: {key: _data(split[key]) for key in sorted(split)}
                for name, split in self.by.items()
            },
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Totals:
        """Read what as_data wrote; a word of an older snapshot that is missing counts nothing."""
        totals = cls()
        totals.whole.update(_cells(data.get("whole", {})))
        totals.manual.update(_cells(data.get("manual", {})))
        for name, split in data.get("by", {}).items():
            totals.by[name] = {key: _cells(cells) for key, cells in split.items()}
        return totals


def totals_of(payments: QuerySet[Payment]) -> Totals:
    """Add the payments up in one query."""
    doubts = Review.objects.filter(payment=OuterRef("pk"), blocking=True, resolved_at=None)
    groups = (
        payments.order_by()
        .annotate(is_doubted=Exists(doubts))
        .values(
            "status", "origin", "method", "receipt_pending", "is_doubted",
            "created_by", "branch__name", "config__name", "config__shortcode",
        )
        .annotate(total=Sum("amount"), count=Count("pk"))
    )  # fmt: skip
    totals = Totals()
    for row in groups:
        _add(totals, {**row})
    return totals


def taken_of(cells: Cells) -> Total:
    return sum((cells.get(proof, Total()) for proof in TAKEN), Total())


def digest_of(data: dict[str, Any]) -> str:
    """Return what tells two snapshots apart."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]


def _add(totals: Totals, row: dict[str, Any]) -> None:
    proof, total = _proof_of(row), Total(row["total"], row["count"])
    config = " ".join(filter(None, [row["config__name"], row["config__shortcode"]]))
    keys = {"cashier": row["created_by"], "branch": row["branch__name"] or "", "config": config}
    totals.whole[proof] += total
    for name, key in keys.items():
        cells = totals.by[name].setdefault(key, defaultdict(Total))
        cells[proof] += total
    if proof == Proof.MANUAL:
        totals.manual[row["method"]] += total


def _proof_of(row: dict[str, Any]) -> str:
    """Tell how well a group is proven; what is not completed is never counted as taken."""
    if row["status"] != PaymentStatus.COMPLETED:
        return _OF_STATUS.get(row["status"], Proof.UNKNOWN)
    if row["is_doubted"]:
        return Proof.DOUBTED
    if row["origin"] in _OF_ORIGIN:
        return _OF_ORIGIN[row["origin"]]
    return Proof.PROVISIONAL if row["receipt_pending"] else Proof.PROVEN


def _data(cells: Cells) -> dict[str, Any]:
    return {proof.value: _cell(cells.get(proof, Total())) for proof in Proof}


def _cell(total: Total) -> dict[str, Any]:
    return {"amount": str(Decimal(total.amount).quantize(_CENTS)), "count": total.count}


def _cells(data: dict[str, Any]) -> Cells:
    return {key: Total(Decimal(cell["amount"]), int(cell["count"])) for key, cell in data.items()}
