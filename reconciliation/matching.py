"""
Do the books agree? Our payments, Safaricom's receipts and its statements, day by day.

One statement (matching_sql.py) classifies every receipt, payment and line of a period; here its
sums are put together for each day of Nairobi, account and branch. A day no statement covers is
called so, and nothing in it is said to be ours alone.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils.translation import gettext_noop as _

from payments.choices import FAMILY_OF, ProviderFamily
from payments.errors import InvalidInput
from payments.models import PaymentConfig
from reconciliation import matching_sql, tariffs
from reconciliation.choices import StatementStatus
from reconciliation.matching_words import WRONG, DayVerdict, MatchState
from reconciliation.models import StatementImport
from tenants.models import Branch, Shop

NAIROBI = tariffs.NAIROBI
MOST_DAYS = 92
PAGE = 100
TOO_LONG = _("Choose at most 92 days.")
BACKWARDS = _("The last day is before the first.")
NO_SUCH_DAY = _("Choose days from 2007 to 2099.")
# M-Pesa began in March 2007.
_FIRST_YEAR, _LAST_YEAR = 2007, 2099
# A prompt is settled within 72 hours, or never (safety.md, I21).
_SETTLED_WITHIN = timedelta(days=4)
_NOTHING = Decimal(0)
_MPESA = [name for name, family in FAMILY_OF.items() if family == ProviderFamily.MPESA]
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Scope:
    """
    What is compared: days of Nairobi, both included, of one shop in one world.

    branches None is all of them, and what belongs to none.
    """

    shop: Shop
    environment: str
    since: date
    until: date
    config: PaymentConfig | None = None
    branches: Sequence[uuid.UUID] | None = None


@dataclass(frozen=True)
class Tally:
    """How many, and how much: amount is Safaricom's where it told one."""

    count: int = 0
    amount: Decimal = _NOTHING
    theirs: Decimal = _NOTHING
    ours: Decimal = _NOTHING


@dataclass
class MatchedDay:
    """One day of an account at a branch. expected is None where no tariff tells of any payment."""

    day: date
    config_id: uuid.UUID | None
    branch_id: uuid.UUID | None
    covered: DayVerdict
    tallies: dict[str, Tally] = field(default_factory=dict)
    expected: Decimal | None = None

    def tally(self, state: str) -> Tally:
        return self.tallies.get(state, Tally())

    @property
    def verdict(self) -> DayVerdict:
        if any(self.tally(state).count for state in WRONG):
            return DayVerdict.DIFFERS
        return self.covered

    @property
    def charged(self) -> Decimal:
        return self.tally(MatchState.CHARGE).amount


@dataclass(frozen=True)
class MatchedLine:
    """One receipt, payment or line; theirs and ours are None where one side has nothing."""

    number: str
    at: datetime
    day: date
    config_id: uuid.UUID | None
    branch_id: uuid.UUID | None
    state: str
    theirs: Decimal | None
    ours: Decimal | None
    expected: Decimal | None
    receipt_id: uuid.UUID | None
    payment_id: uuid.UUID | None


def scope(
    *,
    shop: Shop,
    environment: str,
    since: date,
    until: date,
    config: PaymentConfig | None = None,
    branch: Branch | None = None,
    branches: Iterable[uuid.UUID] | None = None,
) -> Scope:
    """
    Say what is compared; branch narrows branches, which is what a person may see.

    :raises InvalidInput: for a period that is backwards, longer than 92 days, or before M-Pesa.
    """
    if not (since.year >= _FIRST_YEAR and until.year <= _LAST_YEAR):
        raise InvalidInput(NO_SUCH_DAY, errors=[("until", "invalid", NO_SUCH_DAY)])
    if until < since:
        raise InvalidInput(BACKWARDS, errors=[("until", "invalid", BACKWARDS)])
    if until - since >= MOST_DAYS * _DAY:
        raise InvalidInput(TOO_LONG, errors=[("until", "invalid", TOO_LONG)])
    seen = None if branches is None else set(branches)
    if branch is not None:
        seen = {branch.pk} if seen is None or branch.pk in seen else set()
    return Scope(shop, environment, since, until, config, None if seen is None else sorted(seen))


def match_days(wanted: Scope) -> list[MatchedDay]:
    """Compare a period; the newest day first, then by account and branch."""
    covered = coverage(wanted)
    found: dict[tuple[date, Any, Any], MatchedDay] = {}
    for day, config_id, branch_id, state, *sums in _ask(matching_sql.DAYS, wanted):
        word = covered.get(config_id, {}).get(day, DayVerdict.NOT_COVERED)
        key = (day, config_id, branch_id)
        row = found.setdefault(key, MatchedDay(day, config_id, branch_id, word))
        count, amount, theirs, ours, expected, has_expected = sums
        row.tallies[state] = Tally(count, amount, theirs or _NOTHING, ours or _NOTHING)
        if has_expected:
            row.expected = (row.expected or _NOTHING) + expected
    return list(found.values())


def match_lines(
    wanted: Scope, *, state: str = "", page: int = 1, size: int = PAGE
) -> tuple[list[MatchedLine], bool]:
    """Return a page of what the sums are made of, newest first, and whether another follows."""
    more = {"state": state, "limit": size + 1, "offset": (page - 1) * size}
    rows = [MatchedLine(*row) for row in _ask(matching_sql.LINES, wanted, **more)]
    return rows[:size], len(rows) > size


def coverage(wanted: Scope) -> dict[uuid.UUID, dict[date, DayVerdict]]:
    """Tell of each account and day whether applied statements span it, wholly or in part."""
    configs = list(_configs(wanted))
    since, until = _bounds(wanted)
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    applied = StatementImport.objects.filter(
        shop=wanted.shop,
        environment=wanted.environment,
        status=StatementStatus.APPLIED,
        since__lt=until,
        until__gte=since,
    )
    for shortcode, begin, end in applied.values_list("config__shortcode", "since", "until"):
        spans.setdefault(shortcode, []).append((begin, end))
    days = [wanted.since + n * _DAY for n in range((wanted.until - wanted.since).days + 1)]
    return {
        config.pk: {day: _covered(day, spans.get(config.shortcode, [])) for day in days}
        for config in configs
    }


def _covered(day: date, spans: list[tuple[datetime, datetime]]) -> DayVerdict:
    begin, end = _midnight(day), _midnight(day + _DAY)
    inside = sorted(span for span in spans if span[0] < end and span[1] >= begin)
    if not inside:
        return DayVerdict.NOT_COVERED
    reached = begin
    for since, until in inside:
        # A statement's period ends with its last second or minute.
        if since <= reached + timedelta(minutes=1):
            reached = max(reached, until)
    whole = reached >= end - timedelta(minutes=1)
    return DayVerdict.AGREES if whole else DayVerdict.PARTLY


def _ask(sql: str, wanted: Scope, **more: Any) -> list[tuple[Any, ...]]:
    since, until = _bounds(wanted)
    config = wanted.config
    values = {
        "shop": wanted.shop.pk,
        "environment": wanted.environment,
        "since": since,
        "until": until,
        "made_since": since - _SETTLED_WITHIN,
        "bands": json.dumps(_bands(wanted), default=str),
        "configs": _siblings(wanted, config) if config else None,
        "branches": None if wanted.branches is None else list(wanted.branches),
        **more,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def _siblings(wanted: Scope, config: PaymentConfig) -> list[uuid.UUID]:
    """Return the configs of the chosen one's number: their money is on one statement."""
    return [each.pk for each in _configs(wanted) if each.shortcode == config.shortcode]


def _configs(wanted: Scope) -> Iterable[PaymentConfig]:
    rows = PaymentConfig.objects.filter(shop=wanted.shop, environment=wanted.environment)
    return rows.filter(provider__in=_MPESA).order_by("pk")


def _bands(wanted: Scope) -> list[dict[str, Any]]:
    """Lay out what each account is charged, one row a band and period, for the statement."""
    return [
        {"config": config_id, **row}
        for config_id, schedule in tariffs.schedules_of(_configs(wanted)).items()
        for row in _band_rows(schedule)
    ]


def _band_rows(schedule: tariffs.Schedule) -> Iterator[dict[str, Any]]:
    periods = schedule.periods
    ends = [*(period.since for period in periods[1:]), None]
    for period, end in zip(periods, ends, strict=True):
        bands = sorted(period.bands)
        for place, (smallest, charge, percent) in enumerate(bands, start=1):
            below = bands[place][0] if place < len(bands) else None
            row = {"since": period.since, "until": end, "smallest": smallest, "below": below}
            yield {**row, "charge": charge, "percent": percent}


def _bounds(wanted: Scope) -> tuple[datetime, datetime]:
    return _midnight(wanted.since), _midnight(wanted.until + _DAY)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=NAIROBI)
