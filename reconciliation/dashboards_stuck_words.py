"""What happens by itself with a payment that has no end yet, said to whoever waits for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from payments.states import LIVE_STATUSES
from reconciliation.dashboards_words import clock

if TYPE_CHECKING:
    from payments.models import Attempt, Payment

# A sweep asks every two minutes at the latest; what waits longer was forgotten.
FORGOTTEN = timedelta(minutes=5)


def next_of(payment: Payment, last: Attempt | None, now: datetime) -> str:
    """Say what happens by itself, and when."""
    said = []
    if payment.status in LIVE_STATUSES:
        said.append(_expiry(payment, now))
    if last is None or last.next_ask_at is None:
        said.append(_("Nobody asks any more: a person must look."))
    elif is_forgotten(last, now):
        since = clock(last.next_ask_at, now=now)
        said.append(_("Should have been asked about at %(time)s.") % {"time": since})
    elif last.checkout_request_id:
        at = clock(last.next_ask_at, now=now)
        said.append(_("Safaricom is asked at %(time)s.") % {"time": at})
    else:
        said.append(_("Safaricom gave no id to ask about: only its callback can tell."))
    return " ".join(said)


def _expiry(payment: Payment, now: datetime) -> str:
    at = clock(payment.expires_at, now=now)
    if payment.expires_at <= now:
        return _("Its time was over at %(time)s.") % {"time": at}
    return _("Expires at %(time)s.") % {"time": at}


def asked_of(last: Attempt | None) -> str:
    """Say how far up the ladder of questions it is."""
    if last is None:
        return ""
    asked = ngettext("asked %(count)s time", "asked %(count)s times", last.asked_count)
    return asked % {"count": last.asked_count}


def is_forgotten(last: Attempt | None, now: datetime) -> bool:
    return bool(last and last.next_ask_at and last.next_ask_at < now - FORGOTTEN)
