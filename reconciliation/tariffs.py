"""
What a payment costs the shop: tariffs by provider and bearer, in bands, from a date on.

A tariff says what Safaricom takes from the shop's account. A newer one begins later than all before
it, and one that has begun never changes: what was right yesterday stays right. Days are Nairobi's.

Who pays is a config's own, from a date on. Where nobody said: a till's charges are the merchant's,
because customers pay nothing at Buy Goods (Safaricom, Lipa na M-Pesa tariffs); a paybill may be on
the customer's, the business's or the shared tariff, so nothing is expected until somebody says.
No tariff comes with the product: what is published differs from source to source and from contract
to contract, and a wrong one would accuse Safaricom of wrong charges.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext_noop as _

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import Provider
from payments.errors import InvalidInput
from payments.models import PaymentConfig
from reconciliation.choices import Bearer
from reconciliation.models import ConfigBearer, Tariff, TariffBand

NAIROBI = ZoneInfo("Africa/Nairobi")
DEFAULT_BEARER: dict[str, Bearer] = {Provider.MPESA_TILL: Bearer.MERCHANT}
MOST_BANDS = 100
_CENT = Decimal("0.01")
_NOTHING = Decimal(0)
_FREE = [(_NOTHING, _NOTHING, _NOTHING)]

LATER = _("A tariff begins after the newest one: choose a later day.")
BEGUN = _("This tariff has begun: it no longer changes. Add a new one from a later day.")
BEARER_LATER = _("Choose a day after the last change, or today's change again.")
_BANDS_NEEDED = _("Give at least one band.")
_TOO_MANY = _("At most a hundred bands.")
_FROM_ZERO = _("The first band begins at 0 or 1.")
_TWICE = _("Two bands begin at the same amount.")
_NEGATIVE = _("Amounts and charges are not negative.")
_PERCENT = _("Give a percentage from 0 to 100.")


@dataclass(frozen=True)
class NewBand:
    """The charge for amounts from smallest up to the next band: charge KES and percent of it."""

    smallest: Decimal
    charge: Decimal
    percent: Decimal = _NOTHING


@dataclass(frozen=True)
class Period:
    """Bands (smallest, charge, percent) that hold from a day on, until the next period begins."""

    since: date
    bands: Sequence[tuple[Decimal, Decimal, Decimal]]


class Schedule:
    """What one config is charged over time; made once, asked for many payments."""

    def __init__(self, periods: Sequence[Period]) -> None:
        self.periods = sorted(periods, key=lambda period: period.since)

    def expected(self, amount: Decimal, at: datetime) -> Decimal | None:
        """Return the charge in KES for an amount paid at a moment, None where nothing tells."""
        day = at.astimezone(NAIROBI).date()
        begun = [period for period in self.periods if period.since <= day]
        bands = [band for band in begun[-1].bands if band[0] <= amount] if begun else []
        if not bands:
            return None
        _smallest, charge, percent = max(bands)
        return (charge + amount * percent / 100).quantize(_CENT, rounding=ROUND_HALF_UP)


def expected_charge(config: PaymentConfig, amount: Decimal, at: datetime) -> Decimal | None:
    """Return what a payment costs the shop; for many payments make one schedule_of."""
    return schedule_of(config).expected(amount, at)


def schedule_of(config: PaymentConfig) -> Schedule:
    """Return what the config is charged over time."""
    return schedules_of([config])[config.pk]


def schedules_of(configs: Iterable[PaymentConfig]) -> dict[Any, Schedule]:
    """Return what each config is charged over time, in three statements for all of them."""
    configs = list(configs)
    bearers: dict[Any, list[tuple[date, str]]] = {}
    for row in ConfigBearer.objects.filter(config__in=configs):
        bearers.setdefault(row.config_id, []).append((row.effective_from, row.bearer))
    tariffs = list(Tariff.objects.prefetch_related("bands"))
    return {
        config.pk: Schedule(_periods(config, sorted(bearers.get(config.pk, [])), tariffs))
        for config in configs
    }


def bearer_at(config: PaymentConfig, day: date) -> str:
    """Return who pays the config's charges on a day, "" where nobody said and none is usual."""
    rows = ConfigBearer.objects.filter(config=config, effective_from__lte=day)
    found = rows.order_by("-effective_from").values_list("bearer", flat=True).first()
    return str(found or DEFAULT_BEARER.get(config.provider, ""))


def check_bands(bands: Sequence[NewBand]) -> None:
    """
    Check the bands of a tariff.

    :raises InvalidInput: with what is wrong.
    """
    starts = [band.smallest for band in bands]
    wrong = [
        (not bands, _BANDS_NEEDED),
        (len(bands) > MOST_BANDS, _TOO_MANY),
        (bool(bands) and min(starts, default=_NOTHING) > 1, _FROM_ZERO),
        (len(set(starts)) < len(starts), _TWICE),
        (any(min(band.smallest, band.charge) < 0 for band in bands), _NEGATIVE),
        (any(not 0 <= band.percent <= 100 for band in bands), _PERCENT),
    ]
    for is_wrong, detail in wrong:
        if is_wrong:
            raise InvalidInput(detail, errors=[("bands", "invalid", detail)])


def check_day(*, provider: str, bearer: str, day: date, tariff: Tariff | None = None) -> None:
    """
    Check that a tariff begins after all others of its kind.

    :raises InvalidInput: when it does not.
    """
    others = Tariff.objects.filter(provider=provider, bearer=bearer)
    others = others.exclude(pk=tariff.pk) if tariff else others
    if others.filter(effective_from__gte=day).exists():
        raise InvalidInput(LATER, errors=[("effective_from", "invalid", LATER)])


def may_change(tariff: Tariff, *, now: datetime) -> bool:
    """Tell whether a tariff has not begun yet."""
    return bool(tariff.effective_from > _today(now))


@transaction.atomic
def save_tariff(
    *,
    tariff: Tariff | None = None,
    provider: str,
    bearer: str,
    effective_from: date,
    source: str,
    bands: Sequence[NewBand],
    actor: Actor,
    now: datetime,
) -> Tariff:
    """
    Add a tariff, or change one that has not begun.

    :raises InvalidInput: for bands or a day that do not fit.
    """
    if tariff is not None:
        tariff = Tariff.objects.select_for_update().get(pk=tariff.pk)
        if not may_change(tariff, now=now):
            raise InvalidInput(BEGUN)
    check_bands(bands)
    check_day(provider=provider, bearer=bearer, day=effective_from, tariff=tariff)
    before = _described(tariff) if tariff else {}
    row = tariff or Tariff(created_by=actor.label[:254], created_at=now)
    row.provider, row.bearer = provider, bearer
    row.effective_from, row.source = effective_from, source.strip()[:200]
    row.save()
    row.bands.all().delete()
    TariffBand.objects.bulk_create(
        TariffBand(tariff=row, smallest=band.smallest, charge=band.charge, percent=band.percent)
        for band in sorted(bands, key=lambda band: band.smallest)
    )
    recording.record(
        AuditAction.TARIFF_CHANGED,
        row,
        shop_id=None,
        actor=actor,
        now=now,
        changes=recording.changes_between(before, _described(row)),
        previous_state=before,
    )
    return row


def check_bearer_day(*, config: PaymentConfig, day: date, now: datetime) -> None:
    """
    Check that who pays changes after the last change, or corrects one whose day is not over.

    :raises InvalidInput: when it does not.
    """
    last = _last_bearer(config)
    is_correction = last is not None and last.effective_from == day >= _today(now)
    if last is not None and day <= last.effective_from and not is_correction:
        raise InvalidInput(BEARER_LATER, errors=[("effective_from", "invalid", BEARER_LATER)])


@transaction.atomic
def set_bearer(
    *, config: PaymentConfig, bearer: str, effective_from: date, actor: Actor, now: datetime
) -> ConfigBearer:
    """
    Say who pays a config's charges from a day on.

    :raises InvalidInput: for a day before the last change, which would rewrite what was.
    """
    PaymentConfig.objects.select_for_update().get(pk=config.pk)
    check_bearer_day(config=config, day=effective_from, now=now)
    last = _last_bearer(config)
    before = {"bearer": last.bearer} if last else {}
    row, _is_new = ConfigBearer.objects.update_or_create(
        config=config,
        effective_from=effective_from,
        defaults={"shop_id": config.shop_id, "bearer": bearer},
    )
    after = {"bearer": bearer, "effective_from": effective_from.isoformat()}
    recording.record(
        AuditAction.TARIFF_CHANGED,
        config,
        shop_id=config.shop_id,
        actor=actor,
        now=now,
        changes=recording.changes_between(before, after),
        previous_state=before,
    )
    return row


def _last_bearer(config: PaymentConfig) -> ConfigBearer | None:
    return ConfigBearer.objects.filter(config=config).order_by("-effective_from").first()


def _today(now: datetime) -> date:
    return now.astimezone(NAIROBI).date()


def _periods(
    config: PaymentConfig, bearers: list[tuple[date, str]], tariffs: list[Tariff]
) -> list[Period]:
    """Lay bearers over tariffs: each stretch of days with the bands that hold in it."""
    said = [(date.min, str(DEFAULT_BEARER.get(config.provider, ""))), *bearers]
    own = [tariff for tariff in tariffs if tariff.provider == config.provider]
    days = sorted({day for day, _bearer in said} | {tariff.effective_from for tariff in own})
    return [Period(day, _bands_on(day, said, own)) for day in days]


def _bands_on(
    day: date, said: list[tuple[date, str]], tariffs: list[Tariff]
) -> Sequence[tuple[Decimal, Decimal, Decimal]]:
    bearer = [each for since, each in said if since <= day][-1]
    if bearer == Bearer.CUSTOMER:
        # The customer pays it beside the amount: nothing is taken from the shop.
        return _FREE
    begun = [t for t in tariffs if t.bearer == bearer and t.effective_from <= day]
    newest = max(begun, key=lambda tariff: tariff.effective_from, default=None)
    if newest is None:
        return []
    return [(band.smallest, band.charge, band.percent) for band in newest.bands.all()]


def _described(tariff: Tariff) -> dict[str, Any]:
    bands = tariff.bands.order_by("smallest")
    return {
        "provider": tariff.provider,
        "bearer": tariff.bearer,
        "effective_from": str(tariff.effective_from),
        "source": tariff.source,
        "bands": "; ".join(f"{b.smallest}: {b.charge} + {b.percent} %" for b in bands),
    }
