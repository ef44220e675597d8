"""The numbers transactions are pulled for: one row of work for each, however many configs it has."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from payments.choices import FAMILY_OF, ConfigStatus, NoticeCode, ProviderFamily
from payments.models import Notice, PaymentConfig, ReceiptCheck
from payments.services import check_asking, pull_registration
from reconciliation import runs
from reconciliation.choices import RunKind, RunOutcome
from reconciliation.models import Run

EVERY = timedelta(minutes=15)
# Whoever tries codes at a counter costs the app one question a minute.
WANTED_EVERY = timedelta(minutes=1)
RECENT = timedelta(hours=1)
# Daraja lists 48 hours; one of them is for clocks that differ and passes that wait.
LONGEST = timedelta(hours=47)
# As long as one call may take, twice over.
LEASE = timedelta(minutes=2)
_NAIROBI = ZoneInfo("Africa/Nairobi")
_NIGHT_BEGINS = 2
_MPESA = [name for name, family in FAMILY_OF.items() if family == ProviderFamily.MPESA]


@dataclass(frozen=True)
class Account:
    """A number of one shop; config is the one whose app is asked, config_ids all it has."""

    config: PaymentConfig
    number: str
    config_ids: tuple[uuid.UUID, ...]


def accounts() -> list[Account]:
    """Return the numbers to ask about, of all shops."""
    asking = PaymentConfig.objects.not_deleted().filter(
        pull_enabled=True,
        has_api=True,
        status=ConfigStatus.VERIFIED,
        provider__in=_MPESA,
        shop__is_active=True,
    )
    first: dict[tuple[uuid.UUID, str, str], PaymentConfig] = {}
    for config in asking.select_related("shop").order_by("pull_registered_at", "pk"):
        if pull_registration.can_pull(config):
            first.setdefault(_key(config), config)
    siblings = _configs_by_number({config.shop_id for config in first.values()})
    return [Account(config, key[2], tuple(siblings[key])) for key, config in first.items()]


def begin_recent(account: Account, *, now: datetime) -> Run | None:
    """
    Begin a pass over the last hour, or since the last one that ended well; None if not due.

    Due every quarter of an hour, and within the minute where somebody waits at a counter.
    """
    last = _runs_of(account).order_by("-started_at").first()
    if (
        last is not None
        and last.started_at > now - EVERY
        and not _is_wanted(account, last, now=now)
    ):
        return None
    if _is_refused(account):
        return None
    done = _runs_of(account).filter(outcome=RunOutcome.DONE).order_by("-until").first()
    since = now - RECENT
    if done is not None and done.until is not None:
        # What broken passes left out is made up for; half an hour is seen twice, money comes late.
        since = min(since, done.until - RECENT / 2)
    return _begin(account, since=max(since, now - LONGEST), now=now)


def begin_nightly(account: Account, *, now: datetime) -> Run | None:
    """Begin the pass over 47 hours, once after two o'clock at night in Nairobi; None if not due."""
    local = now.astimezone(_NAIROBI)
    if local.hour < _NIGHT_BEGINS:
        return None
    night = local.replace(hour=_NIGHT_BEGINS, minute=0, second=0, microsecond=0)
    done = _runs_of(account).filter(detail__nightly=True, started_at__gte=night)
    # One that failed is tried again with the next bell, an hour later.
    done = done.exclude(outcome=RunOutcome.FAILED, started_at__lte=now - RECENT)
    if done.exists():
        return None
    return _begin(account, since=now - LONGEST, now=now, nightly=True)


def _begin(
    account: Account, *, since: datetime, now: datetime, nightly: bool = False
) -> Run | None:
    """Write the pass down with its first lease; None where another one is under way."""
    detail = {"nightly": True} if nightly else {}
    try:
        with transaction.atomic():
            return runs.begin(
                kind=RunKind.PULL,
                config=account.config,
                environment=account.config.environment,
                since=since,
                until=now,
                next_at=now + LEASE,
                detail=detail,
                now=now,
            )
    except IntegrityError:
        return None


def _runs_of(account: Account) -> QuerySet[Run]:
    return Run.objects.filter(config__in=account.config_ids, kind=RunKind.PULL)


def _is_wanted(account: Account, last: Run, *, now: datetime) -> bool:
    """Tell whether a receipt was shown since the last pass that only another one may find."""
    if last.started_at > now - WANTED_EVERY:
        return False
    shop_id, environment = account.config.shop_id, account.config.environment
    checks = ReceiptCheck.objects.filter(
        shop=shop_id, environment=environment, why=check_asking.PULLING, at__gt=last.started_at
    )
    return checks.exists()


def _is_refused(account: Account) -> bool:
    """Tell whether the app lacks the product; then the night asks, and nobody in between."""
    open_ones = Notice.objects.filter(code=NoticeCode.PULL_REFUSED, closed_at=None)
    return open_ones.filter(config__in=account.config_ids).exists()


def _configs_by_number(
    shop_ids: set[uuid.UUID],
) -> dict[tuple[uuid.UUID, str, str], list[uuid.UUID]]:
    """Return the configs of each number, deleted ones too: their money is still on it."""
    found = defaultdict(list)
    rows = PaymentConfig.objects.filter(shop__in=shop_ids, provider__in=_MPESA).order_by("pk")
    for config in rows:
        found[_key(config)].append(config.pk)
    return found


def _key(config: PaymentConfig) -> tuple[uuid.UUID, str, str]:
    return (config.shop_id, config.environment, pull_registration.number_of(config))
