"""
What became of the payments of one stretch of time, and how it was spread.

Counted as in stats.py: by when a payment was asked for, takings whatever way they came, rates of
prompts alone. What nobody could tell us of (expired) and what is still open stand apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.db.models.functions import ExtractHour

from payments.choices import PaymentStatus
from payments.receipt_choices import PaymentOrigin
from payments.services.stats import Total, rate_of
from payments.services.tallies import DAYS, NAIROBI, counted
from payments.states import LIVE_STATUSES

Row = Mapping[str, Any]
_KIND = ("status", "origin")


@dataclass(frozen=True)
class Tally:
    """Money taken, and how many prompts were paid, failed, expired unknown, or are open."""

    taken: Total = field(default_factory=Total)
    paid: int = 0
    failed: int = 0
    expired: int = 0
    open: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.taken + other.taken,
            self.paid + other.paid,
            self.failed + other.failed,
            self.expired + other.expired,
            self.open + other.open,
        )

    @property
    def decided(self) -> int:
        return self.paid + self.failed + self.expired

    @property
    def rate(self) -> Decimal | None:
        """The success rate of `/payments/stats`."""
        return rate_of(self.paid, self.decided)


@dataclass(frozen=True)
class Spread:
    """The whole, and the same by hour (0 to 23), branch, config and whoever took it, by key."""

    whole: Tally = field(default_factory=Tally)
    by: dict[str, dict[Any, Tally]] = field(default_factory=dict)


def tally_of(rows: Q, *, since: datetime, until: datetime) -> Tally:
    """Tally the payments asked for from since on, before until; rows is as in tallies.counted."""
    return sum(map(_tally, counted(rows, *_KIND, since=since, until=until)), Tally())


def tallies_by_shop(rows: Q, *, since: datetime, until: datetime) -> dict[Any, Tally]:
    """Tally the payments of each shop."""
    found: dict[Any, Tally] = defaultdict(Tally)
    for row in counted(rows, "shop", *_KIND, since=since, until=until):
        found[row["shop"]] += _tally(row)
    return found


def spread_of(rows: Q, *, since: datetime, until: datetime) -> Spread:
    """Tally the payments of a stretch of time, whole and spread."""
    hour = ExtractHour("created_at", NAIROBI)  # type: ignore[arg-type]  # the stubs want a name
    by_hour = counted(rows, "branch", "config", *_KIND, since=since, until=until, hour=hour)
    by_person = counted(rows, "created_by", *_KIND, since=since, until=until, unit=DAYS)
    by = {name: _by(name, by_hour) for name in ("hour", "branch", "config")}
    return Spread(
        sum(map(_tally, by_hour), Tally()), {**by, "created_by": _by("created_by", by_person)}
    )


def _by(name: str, groups: Sequence[Row]) -> dict[Any, Tally]:
    found: dict[Any, Tally] = defaultdict(Tally)
    for group in groups:
        found[group[name]] += _tally(group)
    return dict(found)


def _tally(row: Row) -> Tally:
    """Turn one group into a tally: only prompts have an outcome, money counts however it came."""
    status, count = row["status"], row["count"]
    is_paid = status == PaymentStatus.COMPLETED
    is_prompt = row["origin"] == PaymentOrigin.PROMPT
    return Tally(
        taken=Total(row["total"], count) if is_paid else Total(),
        paid=count if is_paid and is_prompt else 0,
        failed=count if status == PaymentStatus.FAILED else 0,
        expired=count if status == PaymentStatus.EXPIRED and is_prompt else 0,
        open=count if status in LIVE_STATUSES else 0,
    )
