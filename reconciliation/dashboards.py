"""The numbers behind the back office's first page and the counts in its sidebar."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Case, Q, Value, When
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from payments.choices import ConfigStatus, Environment, NoticeCode, ReceiptStatus, ReviewCode
from payments.models import Notice, Payment, PaymentConfig, Receipt, Refund, Review
from payments.receipt_choices import RefundStatus
from payments.services import receipt_rows, stats, suspicions
from payments.services.notice_words import HEALTH
from payments.services.stats import shop_numbers
from payments.services.suspicion_rules import WATCHED
from reconciliation import exceptions
from tenants.admin_access import Fence, rows_for
from tenants.admin_looks import shillings
from tenants.roles import Action
from tenants.support import live_access

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from payments.services.stats import Day, Numbers
    from tenants.models import SupportAccess, User

__all__ = ["Attention", "Bar", "attention_for", "bars_of", "first_page", "shop_numbers", "waiting"]

CHART_DAYS = 14
CHART_HEIGHT = 120
BAR_STEP = 48
# Enough to say "a lot"; counting on would cost more than it tells.
MOST_COUNTED = 100
_MOST_LISTED = 5
_PAYMENT_FENCE = Fence(branch="branch", made_at="created_at")
_REVIEW_FENCE = Fence(branch="payment__branch", made_at="payment__created_at")
_CONFIG_FENCE = Fence(branch="branch")
_RECEIPT_FENCE = Fence(branch="place")
_REFUND_FENCE = Fence(branch="payment__branch")
_NOTICE_FENCE = Fence(branch="config__branch")
# Payments fail, or will, until somebody acts; the rest is a reminder.
_GRAVE_NOTICES = (NoticeCode.CREDENTIALS_REFUSED, NoticeCode.ROLLED_BACK, NoticeCode.TOKEN_WAR)
# Said above the page already.
_IN_BANNERS = (NoticeCode.REVERSED, *sorted(HEALTH))
_CALLBACK_CODES = (ReviewCode.DEAD_CALLBACK, ReviewCode.UNLISTED_SOURCE)
_EXCEPTIONS = "reconciliation.ExceptionItem"
_UNFINISHED = (ConfigStatus.DRAFT, ConfigStatus.PENDING, ConfigStatus.FAILED)


@dataclass(frozen=True)
class Bar:
    """One day of the chart, in its own units, and what a reader without eyes hears."""

    x: int
    y: int
    height: int
    label: str
    amount: str
    count: int
    failed: int
    is_today: bool


@dataclass(frozen=True)
class Attention:
    """One thing somebody should look at."""

    text: str
    detail: str
    url: str
    tone: str


def first_page(user: User, *, environment: str | None, now: datetime) -> dict[str, Any]:
    """Build what the first page shows this person, in one environment."""
    rows = rows_for(user, Action.VIEW_STATS, _PAYMENT_FENCE, now=now)
    if environment not in Environment.values:
        configs = _configs_in_sight(user, now=now)
        payments = Payment.objects.filter(rows)
        environment = stats.default_environment(configs=configs, payments=payments)
    numbers = stats.numbers_of(rows, environment=environment, now=now, days=CHART_DAYS)
    return {
        "environment": environment,
        "environments": _environment_links(environment),
        "is_sandbox": environment == Environment.SANDBOX,
        "cards": _cards(numbers, environment),
        "bars": bars_of(numbers.days),
        "chart_width": BAR_STEP * CHART_DAYS,
        "attention": attention_for(user, now=now),
    }


def waiting(user: User, *, now: datetime) -> dict[str, int]:
    """
    Count the work that waits, by the admin page where it is done; at most MOST_COUNTED.

    One statement for all: the sidebar is on every page.
    """
    reviews = _open_reviews(user, now=now)
    work = {
        "payments.Review": reviews,
        "payments.ProviderCallback": reviews.filter(code__in=_CALLBACK_CODES),
        "payments.PaymentConfig": _unfinished_configs(user, now=now),
        "payments.Refund": _asked_refunds(user, now=now),
        "payments.UnallocatedReceipt": _unallocated(user, now=now),
    }
    found = [_named(page, rows) for page, rows in work.items()]
    found += [_named(_EXCEPTIONS, rows) for rows in exceptions.waiting(user, now=now)]
    counted = Counter(row["page"] for row in found[0].union(*found[1:], all=True))
    return {page: counted[page] for page in (*work, _EXCEPTIONS)}


def _named(page: str, rows: QuerySet) -> QuerySet:
    """Take the first rows of work, each as the name of its page only."""
    return rows.order_by().annotate(page=Value(page)).values("page")[:MOST_COUNTED]


def attention_for(user: User, *, now: datetime) -> list[Attention]:
    """List what this person should look at, the gravest first."""
    reviews = _open_reviews(user, now=now).select_related("shop", "payment")
    newest = reviews.order_by("-blocking", "-opened_at")[:_MOST_LISTED]
    notices = _open_notices(user, now=now).select_related("shop", "config")[:_MOST_LISTED]
    configs = _unfinished_configs(user, now=now).select_related("shop")[:_MOST_LISTED]
    return [
        *map(_review_item, newest),
        *map(_notice_item, notices),
        *map(_config_item, configs),
        *map(_access_item, _open_access(user, now=now)),
    ]


def bars_of(days: list[Day]) -> list[Bar]:
    """Lay out the chart: the best day is full height, a day with money at least a sliver."""
    highest = max((day.taken.amount for day in days), default=0)
    return [
        _bar(day, place=place, highest=highest, is_today=place == len(days) - 1)
        for place, day in enumerate(days)
    ]


def _bar(day: Day, *, place: int, highest: Any, is_today: bool) -> Bar:
    height = round(CHART_HEIGHT * day.taken.amount / highest) if highest else 0
    height = max(height, 2) if day.taken.amount else 0
    return Bar(
        x=place * BAR_STEP,
        y=CHART_HEIGHT - height,
        height=height,
        label=f"{day.date.day}/{day.date.month}",
        amount=shillings(day.taken.amount),
        count=day.taken.count,
        failed=day.failed,
        is_today=is_today,
    )


def _cards(numbers: Numbers, environment: str) -> list[dict[str, Any]]:
    def page(name: str, period: str = "today") -> str:
        query = f"environment={environment}&period={period}"
        return f"{reverse(f'admin:reconciliation_{name}')}?{query}"

    rate = numbers.success_rate
    return [
        {
            "title": _("Taken today"),
            "value": f"KES {shillings(numbers.today.amount)}",
            "note": _payments(numbers.today.count),
            "url": page("overview"),
        },
        {
            "title": _("Success this month"),
            "value": "–" if rate is None else f"{rate.normalize():f} %",  # noqa: RUF001
            "note": _("KES %(amount)s this month") % {"amount": shillings(numbers.month.amount)},
            "url": page("overview", "month"),
        },
        {
            "title": _("Waiting"),
            "value": str(numbers.pending),
            "note": _("%(count)s of them with unknown outcome") % {"count": numbers.unknown},
            "url": page("stuck"),
        },
        {
            "title": _("Failed today"),
            "value": str(numbers.failed_today),
            "note": _("%(count)s this month") % {"count": numbers.failed},
            "url": page("failed"),
        },
    ]


def _payments(count: int) -> str:
    return ngettext("%(count)s payment", "%(count)s payments", count) % {"count": count}


def _environment_links(chosen: str) -> list[dict[str, Any]]:
    return [
        {"label": label, "url": f"?environment={value}", "is_chosen": value == chosen}
        for value, label in reversed(Environment.choices)
    ]


def _review_item(review: Review) -> Attention:
    named = ("payments_payment", review.payment_id) if review.payment_id else None
    page, key = named or ("payments_review", review.pk)
    return Attention(
        text=review.get_code_display(),
        detail=f"{review.shop} · {review.payment or ''}".strip(" ·"),
        url=reverse(f"admin:{page}_change", args=[key]),
        tone="bad" if review.blocking else "warn",
    )


def _notice_item(notice: Notice) -> Attention:
    pattern = suspicions.explained(notice)
    about = (notice.shop, pattern) if pattern else (notice.shop, notice.config, notice.subject)
    config = "change" if notice.config_id else "changelist"
    page = "payments_notice_change" if pattern else f"payments_paymentconfig_{config}"
    key = notice.pk if pattern else notice.config_id
    return Attention(
        text=notice.get_code_display(),
        detail=" · ".join(str(part) for part in about if part),
        url=reverse(f"admin:{page}", args=[key] if key else []),
        tone="bad" if notice.code in _GRAVE_NOTICES else "warn",
    )


def _config_item(config: PaymentConfig) -> Attention:
    return Attention(
        text=_("Payment config not verified: %(name)s") % {"name": config},
        detail=f"{config.shop} · {config.get_status_display()}",
        url=reverse("admin:payments_paymentconfig_change", args=[config.pk]),
        tone="wait",
    )


def _access_item(access: SupportAccess) -> Attention:
    until = date_format(timezone.localtime(access.expires_at), "SHORT_DATETIME_FORMAT")
    return Attention(
        text=_("Platform support may see the shop until %(time)s") % {"time": until},
        detail=f"{access.shop} · {access.reason}".strip(" ·"),
        url=reverse("admin:tenants_supportaccess_change", args=[access.pk]),
        tone="warn",
    )


def _open_access(user: User, *, now: datetime) -> list[SupportAccess]:
    """List who let support in, for the people of the shop: it must not be forgotten."""
    if user.platform_role:
        return []
    rows = rows_for(user, Action.VIEW_SUPPORT, Fence(), now=now)
    return list(live_access(now=now).filter(rows).select_related("shop")[:_MOST_LISTED])


def _open_reviews(user: User, *, now: datetime) -> QuerySet[Review]:
    rows = rows_for(user, Action.LIST_PAYMENTS, _REVIEW_FENCE, now=now)
    return Review.objects.filter(rows, resolved_at=None)


def _unallocated(user: User, *, now: datetime) -> QuerySet[Receipt]:
    rows = rows_for(user, Action.VIEW_INBOX, _RECEIPT_FENCE, now=now)
    receipts = receipt_rows.placed(Receipt.objects.filter(status=ReceiptStatus.UNALLOCATED))
    return receipts.filter(rows)


def _asked_refunds(user: User, *, now: datetime) -> QuerySet[Refund]:
    """Find what waits for this person's yes; his own he cannot approve."""
    rows = rows_for(user, Action.APPROVE_REFUND, _REFUND_FENCE, now=now)
    return Refund.objects.filter(rows, status=RefundStatus.ASKED).exclude(asked_by=user.pk)


def _open_notices(user: User, *, now: datetime) -> QuerySet[Notice]:
    """List what nobody muted: of configs to who sees them, of patterns to who reads the trail."""
    of_configs = rows_for(user, Action.VIEW_CONFIGS, _NOTICE_FENCE, now=now)
    of_patterns = rows_for(user, Action.VIEW_AUDIT, _NOTICE_FENCE, now=now)
    is_pattern = Q(code__in=sorted(WATCHED))
    grave = Case(When(code__in=_GRAVE_NOTICES, then=0), default=1)
    notices = Notice.objects.filter(
        (of_patterns & is_pattern) | (of_configs & ~is_pattern),
        suspicions.heard(now),
        closed_at=None,
    ).exclude(code__in=_IN_BANNERS)
    return notices.exclude(config__deleted_at__isnull=False).order_by(grave, "-opened_at")


def _unfinished_configs(user: User, *, now: datetime) -> QuerySet[PaymentConfig]:
    rows = rows_for(user, Action.VIEW_CONFIGS, _CONFIG_FENCE, now=now)
    return PaymentConfig.objects.not_deleted().filter(rows, status__in=_UNFINISHED)


def _configs_in_sight(user: User, *, now: datetime) -> QuerySet[PaymentConfig]:
    fence = Fence(branch=None)
    return PaymentConfig.objects.filter(rows_for(user, Action.VIEW_STATS, fence, now=now))
