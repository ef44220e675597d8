"""
Notices by mail to a shop's admins: once each, once more for each rung of a reminder, once at the end.

The notice's row is the queue: what was mailed is written there before the mail goes, so that two
sweeps send one mail, and taken back where the mail server refused it, so that the next one tries.
"""

from __future__ import annotations

import logging
import smtplib
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from payments.choices import NoticeCode
from payments.models import Notice
from payments.services import notice_words, suspicions
from tenants.models import Membership
from tenants.roles import Role

logger = logging.getLogger(__name__)

# A breaker opens and closes by itself; it stands on the page alone.
_MAILED = frozenset(NoticeCode.values) - {NoticeCode.BREAKER_OPEN}
# Of these the end is news too; later than this it no longer is.
_ENDS_TOLD = frozenset({**notice_words.HEALTH, **notice_words.WEBHOOKS})
_END_IS_NEWS = timedelta(days=1)
_OVER = "over"


def send_due(*, now: datetime) -> int:
    """Mail the notices nobody was mailed about, and nobody muted; return how many went out."""
    waiting = Notice.objects.filter(suspicions.heard(now), closed_at=None, code__in=_MAILED)
    ended = Notice.objects.filter(
        suspicions.heard(now), closed_at__gt=now - _END_IS_NEWS, code__in=_ENDS_TOLD
    )
    due = [*waiting.order_by("opened_at"), *ended.order_by("closed_at")]
    return sum(_send(notice) for notice in due if not _is_mailed(notice))


def _is_mailed(notice: Notice) -> bool:
    """Tell whether a mail went for what the notice has come to; of an untold one no end is told."""
    mailed = notice.data.get("mailed")
    return bool(mailed == _rung_of(notice) or (notice.closed_at and not mailed))


def _rung_of(notice: Notice) -> str:
    """Name what a mail is due for: the notice, the rung its reminder has come to, or its end."""
    return _OVER if notice.closed_at else str(notice.data.get("rung", "opened"))


def _send(notice: Notice) -> bool:
    claimed = _claim(notice)
    if claimed is None:
        return False
    branch_id = claimed.config.branch_id if claimed.config else None
    addresses = admins_of(claimed.shop_id, branch_id=branch_id)
    if not addresses:
        return False
    try:
        _message(claimed, addresses).send()
    except (OSError, smtplib.SMTPException):
        logger.warning("a notice was not mailed", extra={"notice": str(claimed.pk)}, exc_info=True)
        _put_mailed(claimed, notice.data.get("mailed", ""))
        return False
    return True


@transaction.atomic
def _claim(notice: Notice) -> Notice | None:
    """Mark the notice as mailed; None where another sweep has just done it."""
    rows = Notice.objects.select_for_update(of=("self",), skip_locked=True)
    # One that ended meanwhile is the next sweep's: its words are others.
    found = rows.select_related("shop", "config").filter(pk=notice.pk, closed_at=notice.closed_at)
    row: Notice | None = found.first()
    if row is None or _is_mailed(row):
        return None
    _put_mailed(row, _rung_of(row))
    return row


def _put_mailed(notice: Notice, rung: str) -> None:
    notice.data = {**notice.data, "mailed": rung}
    Notice.objects.filter(pk=notice.pk).update(data=notice.data)


def admins_of(shop_id: uuid.UUID, *, branch_id: uuid.UUID | None = None) -> list[str]:
    """List the addresses of a shop's active admins; one bound to branches hears of those alone."""
    rows = Membership.objects.filter(
        shop=shop_id, role=Role.ADMIN, is_active=True, user__is_active=True
    )
    rows = rows.select_related("user").prefetch_related("branches").order_by("user__email")
    return [
        row.user.email for row in rows if not row.branch_ids or branch_id in set(row.branch_ids)
    ]


def _message(notice: Notice, addresses: list[str]) -> EmailMessage:
    """Write the mail; every admin gets it without learning of the others."""
    subject = f"{_headline(notice)}: {notice.shop}"
    body = "\n".join(_lines(notice))
    if notice.code in _ENDS_TOLD:
        # Who must act at once reads it in the language he reads faster.
        with translation.override("sw"):
            body = "\n".join([body, "", "--", *_lines(notice)])
    return EmailMessage(subject=subject, body=body, bcc=addresses)


def _headline(notice: Notice) -> str:
    said = notice.get_code_display()
    return _("All is well again: %(what)s") % {"what": said} if notice.closed_at else said


def _lines(notice: Notice) -> list[str]:
    lines = [_headline(notice), "", f"{notice.shop}"]
    lines += [str(notice.config)] if notice.config else []
    if notice.closed_at:
        return [*lines, _("It is over; nothing has to be done any more.")]
    if due := notice.data.get("due"):
        lines.append(_("Date: %(date)s") % {"date": due})
    if version := notice.data.get("version"):
        lines.append(_("Credentials: version %(number)s") % {"number": version})
    if first := notice.data.get("first_seen"):
        lines.append(_("First seen: %(time)s") % {"time": first})
    sentence = notice_words.sentence_of(notice)
    lines += [sentence] if sentence else _taken_back(notice.data)
    if notice.code in _ENDS_TOLD:
        lines.append(notice_words.what_to_do_about(notice))
    return [*lines, "", _("Open the back office: the first page shows what needs attention.")]


def _taken_back(data: dict[str, Any]) -> list[str]:
    """Say of money a customer took back which it was, where it was taken and by whom."""
    said = [
        ("receipt", _("Receipt: %(value)s")),
        ("amount", _("Amount: KES %(value)s")),
        ("branch", _("Branch: %(value)s")),
        ("cashier", _("Taken by: %(value)s")),
    ]
    return [text % {"value": data[name]} for name, text in said if data.get(name)]
