"""What an owner asks first: does money come in, what is wrong, what is to be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from payments.choices import PaymentStatus
from payments.models import PaymentConfig
from reconciliation import exceptions
from reconciliation.dashboards_words import clock, length
from tenants.admin_looks import shillings
from tenants.roles import Action, may

if TYPE_CHECKING:
    from datetime import datetime

    from payments.services.stats import Numbers
    from reconciliation.dashboards_frame import Place


@dataclass(frozen=True)
class Line:
    """One answer; url leads to where one acts on it, "" for nowhere."""

    tone: str
    text: str
    detail: str = ""
    url: str = ""


def lines_of(place: Place, numbers: Numbers, trouble: list[dict[str, str]]) -> list[Line]:
    """Answer in this order: money, what is wrong here, what waits for a person."""
    wrong = [Line("bad", each["text"], each["link"], each["url"]) for each in trouble]
    return [_money(place, numbers), *wrong, *_to_decide(place), *_failed(place, numbers)]


def _money(place: Place, numbers: Numbers) -> Line:
    last = _last_paid(place)
    if last is None:
        return _nothing_yet(place)
    ago = {"time": length(place.now - last), "at": clock(last, now=place.now)}
    detail = _("The last payment came %(time)s ago (%(at)s).") % ago
    if not numbers.today.count:
        return Line("warn", _("Nothing was paid today yet."), detail)
    said = ngettext(
        "KES %(amount)s came in today by %(count)s payment.",
        "KES %(amount)s came in today by %(count)s payments.",
        numbers.today.count,
    )
    given = {"amount": shillings(numbers.today.amount), "count": numbers.today.count}
    return Line("good", said % given, detail)


def _last_paid(place: Place) -> datetime | None:
    paid = place.payments().filter(status=PaymentStatus.COMPLETED, completed_at__isnull=False)
    newest = paid.order_by("-created_at", "-id").values_list("completed_at", flat=True)
    found: datetime | None = newest.first()
    return found


def _nothing_yet(place: Place) -> Line:
    """Tell a new shop the first step."""
    text = _("No payment was paid here yet.")
    if PaymentConfig.objects.usable().filter(**place.where()).exists():
        return Line("wait", text, _("The till is ready: ask a customer for the first payment."))
    role = place.user.role_in(place.shop.pk)
    if not may(role, Action.MANAGE_CONFIGS):
        return Line("wait", text, _("A shop admin must set up a payment config first."))
    url = reverse("admin:payments_paymentconfig_changelist")
    return Line("wait", text, _("First set up a payment config, verify it and switch it on."), url)


def _to_decide(place: Place) -> list[Line]:
    """Count the open exceptions of the shop, as far as they are this person's."""
    rows = [
        part.filter(**place.where()).values("pk")[: exceptions.MOST_COUNTED]
        for part in exceptions.waiting(place.user, now=place.now)
    ]
    count = rows[0].union(*rows[1:], all=True).count()
    if not count:
        return []
    asked = urlencode({"environment": place.environment, "shop": place.shop.pk})
    text = ngettext(
        "%(count)s case waits for your decision.", "%(count)s cases wait for your decision.", count
    )
    url = f"{reverse('admin:reconciliation_exceptionitem_changelist')}?{asked}"
    return [Line("warn", text % {"count": count}, _("What holds goods comes first."), url)]


def _failed(place: Place, numbers: Numbers) -> list[Line]:
    if not numbers.failed_today:
        return []
    text = ngettext(
        "%(count)s payment was not paid today.",
        "%(count)s payments were not paid today.",
        numbers.failed_today,
    )
    url = f"{reverse('admin:reconciliation_failed')}?{place.query(period='today')}"
    detail = _("See why, whom to call, and where a new prompt helps.")
    return [Line("wait", text % {"count": numbers.failed_today}, detail, url)]
