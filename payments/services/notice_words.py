"""
What is said of a notice: one sentence with its numbers, and one of what to do.

Said by the pages and by the mails alike. A notice's data holds the numbers; moments in it are ISO
text in UTC and are said in Nairobi's time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from payments.choices import NoticeCode
from payments.models import Notice
from payments.services import suspicions


@dataclass(frozen=True)
class Words:
    """says has the names of the data in it; never takes its place where `at` is unknown."""

    says: Any
    what_to_do: Any
    never: Any = ""


HEALTH: Mapping[str, Words] = {
    NoticeCode.CALLBACKS_SILENT: Words(
        _(
            "Since %(at)s no callback has come from Safaricom: %(expected)s were expected, and "
            "%(waiting)s payments still wait."
        ),
        _(
            "Look whether this server is reached from outside; until then press “Ask again” before "
            "goods leave."
        ),
        _(
            "No callback has ever come from Safaricom: %(expected)s were expected, and %(waiting)s "
            "payments still wait."
        ),
    ),
    NoticeCode.C2B_SILENT: Words(
        _(
            "Since %(at)s Safaricom has told of no payment by hand; the longest pause of the last "
            "two weeks was %(hours)s hours."
        ),
        _(
            "Pay KES 1 to the number by hand. If it does not appear here within a minute, ask "
            "Safaricom which addresses are registered."
        ),
    ),
    NoticeCode.C2B_UNREGISTERED: Words(
        _("Since %(at)s the number is in use, but its C2B addresses were never registered."),
        _("Open the config and register the addresses: until then nobody tells us of such money."),
    ),
    NoticeCode.TOKEN_REFUSED: Words(
        _("Since %(at)s Safaricom gives no access token for the credentials in use."),
        _("Look in the Daraja portal whether the app is still active, and verify the config."),
    ),
    NoticeCode.STATEMENT_OVERDUE: Words(
        _("The last statement ends on %(at)s; what came since was compared with nothing."),
        _("Fetch the statement in the M-Pesa organisation portal and upload it."),
    ),
    NoticeCode.REVIEWS_AGEING: Words(
        _("%(count)s reviews hold goods back; the oldest waits since %(at)s."),
        _("Open the reviews and decide each of them, the oldest first."),
    ),
    NoticeCode.PAYMENTS_STUCK: Words(
        _(
            "%(count)s payments have no end: Safaricom was asked for three days and did not tell; "
            "the oldest is of %(at)s."
        ),
        _("Compare them with the statement, then decide their reviews."),
    ),
}
WEBHOOKS: Mapping[str, Words] = {
    NoticeCode.WEBHOOK_FAILING: Words(
        _(
            "Since %(at)s %(host)s takes no webhooks: an event was tried for more than a day and "
            "given up."
        ),
        _(
            "Open the webhook: its last answer says what is wrong. Send again what failed, or read "
            "it with GET /events."
        ),
    ),
    NoticeCode.WEBHOOK_GONE: Words(
        _("%(host)s answered that it is gone for good (410): nothing is sent there any more."),
        _("Switch the webhook on again if that was a mistake, or delete it."),
    ),
}
_WORDS: Mapping[str, Words] = {**HEALTH, **WEBHOOKS}
_DATES_ALONE = frozenset({NoticeCode.STATEMENT_OVERDUE})


def sentence_of(notice: Notice) -> str:
    """Say in one sentence what is wrong and since when; "" for notices that have no sentence."""
    words = _WORDS.get(notice.code)
    if words is None:
        return suspicions.explained(notice)
    at = notice.data.get("at")
    says = words.never if words.never and not at else words.says
    return str(says) % {**notice.data, "at": _moment(at, notice)}


def what_to_do_about(notice: Notice) -> str:
    """Say in one sentence what helps; "" where nothing is known."""
    if words := _WORDS.get(notice.code):
        return str(words.what_to_do)
    rule = suspicions.rule_of(notice)
    return str(rule.what_to_do) if rule else ""


def _moment(text: str | None, notice: Notice) -> str:
    at = datetime.fromisoformat(text) if text else notice.opened_at
    is_date = notice.code in _DATES_ALONE
    how = "SHORT_DATE_FORMAT" if is_date else "SHORT_DATETIME_FORMAT"
    return date_format(timezone.localtime(at), how)
