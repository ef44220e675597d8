"""
Which clock pulled rows are written in: Nairobi's, or London's three hours behind it.

Daraja ends trxDate in "Z" and nobody has published what it means. We take it for Nairobi's, like
every other time of Daraja's, and compare: receipts that callbacks told us of carry a time that is
certain. Where all of them differ by three hours, the rows are in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from payments.providers.base import ArrivedMoney, TakenBack

UTC_IS_LATE = timedelta(hours=3)
# The clocks of two systems, and what is rounded to minutes.
SLACK = timedelta(minutes=10)
_NONE = timedelta(0)


def shift_from(pairs: Iterable[tuple[datetime | None, datetime | None]]) -> timedelta | None:
    """Return by how much pulled times are early, from (ours, pulled) pairs; None where none tells."""
    gaps = [ours - pulled for ours, pulled in pairs if ours is not None and pulled is not None]
    for shift in (_NONE, UTC_IS_LATE):
        if gaps and all(abs(gap - shift) <= SLACK for gap in gaps):
            return shift
    return None


def shift_of_row(at: datetime | None, *, since: datetime, until: datetime) -> timedelta:
    """Return by how much one row's time is early, judged by the window it was asked for with."""
    if at is None or since - SLACK <= at <= until + SLACK:
        return _NONE
    is_utc = since - SLACK <= at + UTC_IS_LATE <= until + SLACK
    return UTC_IS_LATE if is_utc else _NONE


def put_right(money: ArrivedMoney, shift: timedelta) -> ArrivedMoney:
    """Return the money with the time it was paid at by Nairobi's clock."""
    return replace(money, paid_at=money.paid_at + shift) if money.paid_at and shift else money


def moment_of(row: ArrivedMoney | TakenBack) -> datetime | None:
    return row.paid_at if isinstance(row, ArrivedMoney) else row.at
