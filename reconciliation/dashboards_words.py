"""How the dashboards write rates, changes and times."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from tenants.admin_looks import NONE


def percent(rate: Decimal | None) -> str:
    return NONE if rate is None else f"{rate.normalize():f} %"


def change_of(now: Decimal | int, before: Decimal | int) -> str:
    """Say how much more or less it is than before, as part of what was before."""
    part = round(Decimal(100) * (Decimal(now) - Decimal(before)) / Decimal(before))
    return f"{part:+d} %".replace("-", "\u2212")


def compared(now: Decimal | int, before: Decimal | int, *, when: str) -> str:
    """Compare with what was before; when says which before, as in "a week before"."""
    if not before:
        return _("nothing %(when)s") % {"when": when}
    return _("%(change)s against %(when)s") % {"change": change_of(now, before), "when": when}


def clock(moment: datetime, *, now: datetime) -> str:
    """Write a time of today as a clock shows it, another day with its date."""
    local, today = localtime(moment), localtime(now)
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    return date_format(local, "SHORT_DATETIME_FORMAT")


def lasting(seconds: float | None) -> str:
    """Write a measured time: tenths of a second while they matter, later whole units."""
    if seconds is None:
        return NONE
    if seconds < 10:
        return _("%(count)s s") % {"count": f"{seconds:.1f}"}
    return length(timedelta(seconds=seconds))


def length(time: timedelta) -> str:
    """Write how long something takes or has been, in one unit."""
    seconds = int(time.total_seconds())
    if seconds < 120:
        return _("%(count)s s") % {"count": seconds}
    if seconds < 7_200:
        return _("%(count)s min") % {"count": seconds // 60}
    if seconds < 172_800:
        return _("%(count)s h") % {"count": seconds // 3600}
    return _("%(count)s days") % {"count": seconds // 86_400}
