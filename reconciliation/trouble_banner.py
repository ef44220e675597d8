"""The banner "something is wrong": what, since when and what to do, for whoever can do it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Case, Q, When
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from payments.choices import NoticeCode
from payments.models import Notice
from payments.services import notice_words, suspicions
from reconciliation import health
from tenants.admin_access import Fence, rows_for
from tenants.roles import Action, may

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tenants.models import User

_FENCE = Fence(branch="config__branch")
_MOST_SHOWN = 3
# Money is late, or will be, until somebody acts; the rest only ages.
GRAVE = (NoticeCode.CALLBACKS_SILENT, NoticeCode.TOKEN_REFUSED, NoticeCode.C2B_SILENT)


@dataclass(frozen=True)
class Told:
    """One trouble as it is said; url leads to where more is known, "" for nowhere."""

    what: str
    sentence: str
    what_to_do: str
    where: str = ""
    url: str = ""
    is_grave: bool = False


@dataclass(frozen=True)
class Troubles:
    """What the banner shows, and how many more there are."""

    shown: list[Told]
    more: int = 0

    def __bool__(self) -> bool:
        return bool(self.shown)


def troubles_for(user: User, *, branch_id: Any = None, now: datetime) -> Troubles:
    """List what is wrong as far as it is this person's; of one branch where a page is about it."""
    if not user.is_active:
        return Troubles([])
    rows = list(_open_notices(user, branch_id=branch_id, now=now)[: _MOST_SHOWN + 50])
    shown = [_told(row) for row in rows[:_MOST_SHOWN]]
    return Troubles([*_standstill(user, now=now), *shown], more=max(0, len(rows) - _MOST_SHOWN))


def _open_notices(user: User, *, branch_id: Any, now: datetime) -> QuerySet[Notice]:
    mine = rows_for(user, Action.VIEW_CONFIGS, _FENCE, now=now)
    rows = Notice.objects.filter(
        mine, suspicions.heard(now), code__in=sorted(notice_words.HEALTH), closed_at=None
    )
    if branch_id is not None:
        rows = rows.filter(Q(config__branch=None) | Q(config__branch=branch_id))
    grave = Case(When(code__in=GRAVE, then=0), default=1)
    return rows.select_related("shop", "config").order_by(grave, "-opened_at")


def _told(notice: Notice) -> Told:
    return Told(
        what=notice.get_code_display(),
        sentence=notice_words.sentence_of(notice),
        what_to_do=notice_words.what_to_do_about(notice),
        where=" · ".join(str(part) for part in (notice.shop, notice.config) if part),
        url=reverse("admin:payments_notice_change", args=[notice.pk]),
        is_grave=notice.code in GRAVE,
    )


def _standstill(user: User, *, now: datetime) -> list[Told]:
    """Tell of sweeps that stand still: to everybody when all do, else to whoever runs the place."""
    is_operator = may(user.platform_role, Action.OPERATE_PLATFORM)
    found = health.standstill(now=now)
    if found is None or (found.names and not is_operator):
        return []
    if found.names:
        sentence = _("These sweeps are late or fail: %(names)s.") % {"names": _few(found.names)}
    elif found.since is None:
        sentence = _("No sweep has ever run: lost callbacks are made up for by nobody.")
    else:
        at = date_format(timezone.localtime(found.since), "SHORT_DATETIME_FORMAT")
        sentence = _("Since %(at)s no sweep has run: lost callbacks are made up for by nobody.")
        sentence %= {"at": at}
    help_ = _("Look whether worker and beat run, and what the log says of them.")
    if not is_operator:
        help_ = _("Press “Ask again” at payments that wait, and tell whoever runs Malipo.")
    url = reverse("admin:reconciliation_sweepstate_changelist") if is_operator else ""
    what = _("Background work stands still")
    return [Told(what, sentence, help_, url=url, is_grave=not found.names)]


def _few(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_MOST_SHOWN])
    return shown if len(names) <= _MOST_SHOWN else f"{shown} …"
