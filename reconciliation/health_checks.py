"""
What may be wrong with a config or a shop: each check looks over all shops at once.

The numbers that make something wrong stand at the top. A check finds what is wrong now; when that
began and when it was told is the business of health.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, Subquery
from django.db.models.expressions import Window
from django.db.models.functions import Lag

from payments.choices import (
    CallbackKind,
    Environment,
    NoticeCode,
    Provider,
    ReceiptChannel,
    ReviewCode,
    Submission,
    VersionStatus,
)
from payments.models import (
    AccessToken,
    Attempt,
    CredentialVersion,
    Notice,
    Payment,
    PaymentConfig,
    ProviderCallback,
    Receipt,
    Review,
)
from payments.states import LIVE_STATUSES
from reconciliation.choices import StatementStatus
from reconciliation.models import StatementImport

# A callback comes within seconds of the customer's answer, and a prompt is over after two minutes.
CALLBACK_TAKES = timedelta(minutes=5)
CALLBACKS_WITHIN = timedelta(minutes=30)
LEAST_EXPECTED = 3
# Payments by hand: silent for longer than the longest pause of two weeks, and by how much.
C2B_HABIT = timedelta(days=14)
C2B_LEAST_PAUSE = timedelta(hours=3)
C2B_LEAST_SEEN = 14
C2B_LEAST_DAYS = 5
C2B_TIMES_THE_PAUSE = 1.5
# A config that is just being set up is no fault.
REGISTERED_WITHIN = timedelta(days=1)
TOKEN_LATE = timedelta(minutes=10)
TOKEN_REFUSALS = 2
STATEMENT_EVERY = timedelta(days=10)
REVIEW_WITHIN = timedelta(days=1)
LEAST_STUCK = 3

_TOLD_BY_HAND = (Provider.MPESA_PAYBILL, Provider.MPESA_TILL)


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong now; data are the numbers of its sentence (notice_words.py)."""

    code: NoticeCode
    shop_id: uuid.UUID
    config_id: uuid.UUID | None = None
    subject: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.shop_id, self.config_id, str(self.code), self.subject)


def callbacks_silent(now: datetime) -> Iterator[Trouble]:
    """Find configs whose prompts are not called back while payments wait; until one is."""
    came = ProviderCallback.objects.filter(kind=CallbackKind.STK, subject_id=OuterRef("pk"))
    prompts = Attempt.objects.filter(
        # By the payment, whose index begins with the config.
        payment__config__in=PaymentConfig.objects.usable(),
        payment__created_at__gt=now - CALLBACKS_WITHIN,
        config=F("payment__config"),
        submission=Submission.SENT,
        requested_at__lte=now,
    ).annotate(has_come=Exists(came), is_due=Q(requested_at__lte=now - CALLBACK_TAKES))
    seen = prompts.order_by().values("config", "config__shop", "config__last_callback_at")
    counted = seen.annotate(
        came=Count("pk", filter=Q(has_come=True)),
        expected=Count("pk", filter=Q(is_due=True)),
        waiting=Count("payment", filter=Q(payment__status__in=LIVE_STATUSES), distinct=True),
    )
    found = {
        row["config"]: Trouble(
            NoticeCode.CALLBACKS_SILENT,
            row["config__shop"],
            row["config"],
            data={
                "at": _iso(row["config__last_callback_at"]),
                "expected": row["expected"],
                "waiting": row["waiting"],
            },
        )
        for row in counted.filter(came=0, expected__gte=LEAST_EXPECTED, waiting__gt=0)
    }
    yield from found.values()
    yield from _still_silent(set(found))


def _still_silent(found: set[uuid.UUID]) -> Iterator[Trouble]:
    """Go on until a callback comes: a quiet hour mends nothing."""
    told = Notice.objects.filter(code=NoticeCode.CALLBACKS_SILENT, closed_at=None)
    rows = told.filter(config__in=PaymentConfig.objects.usable()).exclude(config__in=found)
    unheard = Q(config__last_callback_at=None) | Q(config__last_callback_at__lte=F("opened_at"))
    for notice in rows.filter(unheard):
        yield Trouble(NoticeCode.CALLBACKS_SILENT, notice.shop_id, notice.config_id)


def c2b_silent(now: datetime) -> Iterator[Trouble]:
    """Find registered numbers whose customers used to pay by hand, and of which nothing is told."""
    newest = Receipt.objects.filter(config=OuterRef("pk"), channel=ReceiptChannel.C2B).order_by(
        "-created_at"
    )
    configs = PaymentConfig.objects.usable().filter(c2b_registered_at__isnull=False)
    quiet = configs.annotate(last=Subquery(newest.values("created_at")[:1])).filter(
        last__lte=now - C2B_LEAST_PAUSE
    )
    for config in quiet:
        pause = _usual_pause(config)
        if pause is not None and now - config.last > C2B_TIMES_THE_PAUSE * pause:
            hours = max(1, round(pause / timedelta(hours=1)))
            data = {"at": _iso(config.last), "hours": hours}
            yield Trouble(NoticeCode.C2B_SILENT, config.shop_id, config.pk, data=data)


def _usual_pause(config: Any) -> timedelta | None:
    """Return the longest pause of the two weeks before it fell silent; None without a habit."""
    rows = Receipt.objects.filter(
        config=config,
        channel=ReceiptChannel.C2B,
        created_at__gt=config.last - C2B_HABIT,
        created_at__lte=config.last,
    )
    habit = rows.order_by().aggregate(
        seen=Count("pk"), days=Count("created_at__date", distinct=True)
    )
    if habit["seen"] < C2B_LEAST_SEEN or habit["days"] < C2B_LEAST_DAYS:
        return None
    before = Window(Lag("created_at"), order_by=F("created_at").asc())
    pauses = rows.annotate(pause=F("created_at") - before).order_by().values_list("pause")
    longest: timedelta = max((pause for (pause,) in pauses if pause), default=timedelta())
    return max(longest, C2B_LEAST_PAUSE)


def c2b_unregistered(now: datetime) -> Iterator[Trouble]:
    """Find live numbers in use for a day to which customers can pay by hand, unheard by us."""
    rows = PaymentConfig.objects.usable().filter(
        environment=Environment.PRODUCTION,
        provider__in=_TOLD_BY_HAND,
        has_api=True,
        c2b_registered_at=None,
        verified_at__lte=now - REGISTERED_WITHIN,
    )
    for config in rows:
        data = {"at": _iso(config.verified_at)}
        yield Trouble(NoticeCode.C2B_UNREGISTERED, config.shop_id, config.pk, data=data)


def token_refused(now: datetime) -> Iterator[Trouble]:
    """Find configs in use for which Safaricom gives no token, though they had one."""
    tokens = AccessToken.objects.filter(pk=OuterRef("app_fingerprint"))
    versions = CredentialVersion.objects.filter(
        status=VersionStatus.CURRENT, config__in=PaymentConfig.objects.usable()
    ).exclude(app_fingerprint="")
    rows = versions.annotate(
        ended=Subquery(tokens.values("expires_at")[:1]),
        doubted=Subquery(tokens.values("doubted_at")[:1]),
    ).filter(
        Q(ended__lte=now - TOKEN_LATE)
        | Q(doubted__lte=now - TOKEN_LATE)
        | Q(refused_count__gte=TOKEN_REFUSALS)
    )
    for version in rows.defer("secrets"):
        since = version.doubted or (version.ended if version.ended and version.ended < now else now)
        data = {"at": _iso(since)}
        yield Trouble(NoticeCode.TOKEN_REFUSED, version.shop_id, version.config_id, data=data)


def statement_overdue(now: datetime) -> Iterator[Trouble]:
    """Find configs whose statements used to be uploaded, and whose last one is long ago."""
    rows = StatementImport.objects.filter(
        status=StatementStatus.APPLIED, config__in=PaymentConfig.objects.usable()
    )
    ends = rows.order_by().values("shop", "config").annotate(last=Max("until"))
    for row in ends.filter(last__lte=now - STATEMENT_EVERY):
        data = {"at": _iso(row["last"])}
        yield Trouble(NoticeCode.STATEMENT_OVERDUE, row["shop"], row["config"], data=data)


def reviews_ageing(now: datetime) -> Iterator[Trouble]:
    """Find shops where reviews hold goods back for longer than a day."""
    rows = Review.objects.filter(
        resolved_at=None, blocking=True, opened_at__lte=now - REVIEW_WITHIN
    )
    counted = rows.order_by().values("shop", "environment")
    for row in counted.annotate(count=Count("pk"), oldest=Min("opened_at")):
        data = {"count": row["count"], "at": _iso(row["oldest"]), "environment": row["environment"]}
        subject = row["environment"]
        yield Trouble(NoticeCode.REVIEWS_AGEING, row["shop"], subject=subject, data=data)


def payments_stuck(now: datetime) -> Iterator[Trouble]:
    """Find configs with payments that nobody could tell the end of, at the end of the ladder."""
    doubts = Review.objects.filter(
        code=ReviewCode.UNRESOLVED, resolved_at=None, opened_at__lte=now, payment__isnull=False
    )
    rows = Payment.objects.filter(pk__in=doubts.values("payment"), config__isnull=False)
    counted = rows.exclude(status="completed").order_by().values("shop", "config")
    stuck = counted.annotate(count=Count("pk"), oldest=Min("created_at"))
    for row in stuck.filter(count__gte=LEAST_STUCK):
        data = {"count": row["count"], "at": _iso(row["oldest"])}
        yield Trouble(NoticeCode.PAYMENTS_STUCK, row["shop"], row["config"], data=data)


CHECKS: tuple[Callable[[datetime], Iterable[Trouble]], ...] = (
    callbacks_silent,
    c2b_silent,
    c2b_unregistered,
    token_refused,
    statement_overdue,
    reviews_ageing,
    payments_stuck,
)


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
