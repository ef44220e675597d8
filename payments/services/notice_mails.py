"""
Notices by mail to a shop's admins, once for each notice and once more for each rung of a reminder.

The notice's row is the queue: what was mailed is written there before the mail goes, so that two
sweeps send one mail, and taken back where the mail server refused it, so that the next one tries.
"""

from __future__ import annotations

import logging
import smtplib
import uuid
from datetime import datetime

from django.core.mail import EmailMessage
from django.db import transaction
from django.utils.translation import gettext as _

from payments.choices import NoticeCode
from payments.models import Notice
from tenants.models import Membership
from tenants.roles import Role

logger = logging.getLogger(__name__)

# A breaker opens and closes by itself; it stands on the page alone.
_MAILED = frozenset(NoticeCode.values) - {NoticeCode.BREAKER_OPEN}


def send_due(*, now: datetime) -> int:
    """Mail the open notices that nobody was mailed about yet; return how many mails went out."""
    del now
    waiting = Notice.objects.filter(closed_at=None, code__in=_MAILED)
    return sum(_send(notice) for notice in waiting.order_by("opened_at") if not _is_mailed(notice))


def _is_mailed(notice: Notice) -> bool:
    return bool(notice.data.get("mailed") == _rung_of(notice))


def _rung_of(notice: Notice) -> str:
    """Name what a mail is due for: the notice itself, or the rung its reminder has come to."""
    return str(notice.data.get("rung", "opened"))


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
        _put_mailed(claimed, "")
        return False
    return True


@transaction.atomic
def _claim(notice: Notice) -> Notice | None:
    """Mark the notice as mailed; None where another sweep has just done it."""
    rows = Notice.objects.select_for_update(of=("self",), skip_locked=True)
    open_ones = rows.select_related("shop", "config").filter(pk=notice.pk, closed_at=None)
    row: Notice | None = open_ones.first()
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
    said = notice.get_code_display()
    lines = [said, "", f"{notice.shop}", *([str(notice.config)] if notice.config else [])]
    if due := notice.data.get("due"):
        lines.append(_("Date: %(date)s") % {"date": due})
    if version := notice.data.get("version"):
        lines.append(_("Credentials: version %(number)s") % {"number": version})
    if first := notice.data.get("first_seen"):
        lines.append(_("First seen: %(time)s") % {"time": first})
    lines += ["", _("Open the back office: the first page shows what needs attention.")]
    return EmailMessage(subject=f"{said}: {notice.shop}", body="\n".join(lines), bcc=addresses)
