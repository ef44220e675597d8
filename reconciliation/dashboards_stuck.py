"""Payments nobody has told the end of: the oldest first, what happens next, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Exists, OuterRef, Prefetch, Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from payments.choices import PaymentStatus, ReviewCode, Submission
from payments.models import Attempt, Payment, Review
from payments.receipt_choices import PaymentOrigin
from payments.services.attempts import LADDER_S
from payments.states import LIVE_STATUSES
from reconciliation.dashboards_hints import ask_url
from reconciliation.dashboards_stuck_words import FORGOTTEN, asked_of, is_forgotten, next_of
from reconciliation.dashboards_words import length
from tenants.admin_access import Fence, rows_for
from tenants.admin_looks import shillings
from tenants.roles import Action, may

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from reconciliation.dashboards_frame import Place

MOST_SHOWN = 50
# The last rung of the ladder, and time for the prompts that were sent again.
HORIZON = timedelta(seconds=LADDER_S[-1]) + timedelta(days=1)
# Of the open and of the late: how many, and how many are unknown, forgotten, past their time.
Counts = dict[str, dict[str, int]]
_REVIEW_FENCE = Fence(branch="payment__branch", made_at="payment__created_at")


@dataclass(frozen=True)
class Stuck:
    """One payment without an end: how old, what next, and whether somebody must act."""

    payment: Payment
    age: str
    next: str
    step: str
    is_unknown: bool
    is_forgotten: bool
    url: str
    ask_url: str

    @property
    def amount(self) -> str:
        return shillings(self.payment.amount)


def stuck_of(place: Place) -> dict[str, Any]:
    """Build the page of payments that are open, or expired while we still ask."""
    live, late = _live(place), _late(place)
    counts = {"open": _counts(live, place), "late": _counts(late, place)}
    may_ask = may(place.user.role_in(place.shop.pk), Action.ASK_PROVIDER)
    oldest = sorted([*_oldest(live), *_oldest(late)], key=lambda row: (row.created_at, row.pk))
    shown = [_stuck(row, place.now, may_ask=may_ask) for row in oldest[:MOST_SHOWN]]
    return {
        "rows": shown,
        "cards": _cards(counts, _unresolved(place), place),
        "trouble": _trouble(counts),
        "more": counts["open"]["all"] + counts["late"]["all"] - len(shown),
        "is_empty": not shown,
        "ladder": [length(timedelta(seconds=step)) for step in LADDER_S],
    }


def _live(place: Place) -> QuerySet[Payment]:
    return place.payments(Action.LIST_PAYMENTS).filter(status__in=sorted(LIVE_STATUSES))


def _late(place: Place) -> QuerySet[Payment]:
    """Find the expired ones that are asked about still; apart, for each half has its index."""
    asked = Attempt.objects.filter(shop=place.shop.pk, next_ask_at__isnull=False).order_by()
    return place.payments(Action.LIST_PAYMENTS).filter(
        status=PaymentStatus.EXPIRED,
        created_at__gte=place.now - HORIZON,
        pk__in=asked.values("payment"),
    )


def _counts(rows: QuerySet[Payment], place: Place) -> dict[str, int]:
    attempts = Attempt.objects.filter(payment=OuterRef("pk"))
    unknown = attempts.filter(submission=Submission.UNKNOWN)
    forgotten = attempts.filter(next_ask_at__lt=place.now - FORGOTTEN)
    return rows.order_by().aggregate(
        all=Count("pk"),
        unknown=Count("pk", filter=Q(Exists(unknown))),
        forgotten=Count("pk", filter=Q(Exists(forgotten))),
        overdue=Count("pk", filter=Q(expires_at__lt=place.now - FORGOTTEN)),
    )


def _oldest(rows: QuerySet[Payment]) -> QuerySet[Payment]:
    attempts = Prefetch("attempts", Attempt.objects.order_by("number"))
    lean = rows.defer("phone", "metadata", "resolution").select_related("config", "branch")
    return lean.prefetch_related(attempts).order_by("created_at", "pk")[:MOST_SHOWN]


def _unresolved(place: Place) -> int:
    rows = rows_for(place.user, Action.LIST_PAYMENTS, _REVIEW_FENCE, now=place.now)
    found = Review.objects.filter(
        rows, resolved_at=None, code=ReviewCode.UNRESOLVED, **place.where()
    )
    if place.branch:
        found = found.filter(payment__branch=place.branch.pk)
    return found.order_by().count()


def _stuck(payment: Payment, now: datetime, *, may_ask: bool) -> Stuck:
    attempts = list(payment.attempts.all())
    last = attempts[-1] if attempts else None
    can_ask = may_ask and payment.origin == PaymentOrigin.PROMPT
    can_ask = can_ask and any(each.checkout_request_id for each in attempts)
    return Stuck(
        payment=payment,
        age=length(now - payment.created_at),
        next=next_of(payment, last, now),
        step=asked_of(last),
        is_unknown=any(each.submission == Submission.UNKNOWN for each in attempts),
        is_forgotten=is_forgotten(last, now),
        url=reverse("admin:payments_payment_change", args=[payment.pk]),
        ask_url=ask_url(payment) if can_ask else "",
    )


def _trouble(counts: Counts) -> list[dict[str, str]]:
    live, expired = counts["open"], counts["late"]
    late = max(live["forgotten"], live["overdue"]) + expired["forgotten"]
    if not late:
        return []
    said = ngettext(
        "%(count)s payment should have been asked about or expired minutes ago: the sweep does not"
        " run. Tell whoever runs the platform.",
        "%(count)s payments should have been asked about or expired minutes ago: the sweep does not"
        " run. Tell whoever runs the platform.",
        late,
    )
    return [{"text": said % {"count": late}, "link": "", "url": ""}]


def _cards(counts: Counts, reviews: int, place: Place) -> list[dict[str, Any]]:
    queue = f"{reverse('admin:payments_review_changelist')}?environment={place.environment}"
    return [
        {
            "title": _("Open"),
            "value": str(counts["open"]["all"]),
            "note": _("the customer, or Safaricom, has not answered yet"),
        },
        {
            "title": _("Prompt not known to be sent"),
            "value": str(counts["open"]["unknown"]),
            "note": _("never send them again by hand before they expire"),
        },
        {
            "title": _("Expired, still asked about"),
            "value": str(counts["late"]["all"]),
            "note": _("for three days; a late yes still counts"),
        },
        {
            "title": _("Waiting for a person"),
            "value": str(reviews),
            "note": _("nobody told what became of them"),
            "url": queue,
        },
    ]
