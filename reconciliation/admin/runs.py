"""The record of reconciliation: what each pass asked, found and changed, and how long it took."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from payments.admin.filters import EnvironmentFilter
from reconciliation import runs
from reconciliation.choices import RunOutcome
from reconciliation.models import Run
from tenants.admin_access import Fence
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE, badge
from tenants.roles import Action

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest

_TONES = {RunOutcome.DONE: "good", RunOutcome.FAILED: "bad", RunOutcome.RUNNING: "wait"}
_COUNTS = ["asked", "found", "changed", "reviews"]


@admin.register(Run)
class RunAdmin(ShopScopedModelAdmin):
    """Read only. Passes over all shops at once are the platform's."""

    view_action = Action.VIEW_INBOX
    fence = Fence(branch="config__branch")
    change_list_template = "admin/reconciliation/run/change_list.html"
    list_filter = [
        EnvironmentFilter,
        "kind",
        "outcome",
        ("shop", ScopedRelatedFilter),
        ("config", ScopedRelatedFilter),
    ]
    list_select_related = ["shop", "config"]
    sortable_by: list[str] = []

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shop = ["shop"] if sees_several_shops(request) else []
        return [
            "started_at",
            "shown_kind",
            "shown_status",
            "config_name",
            "window",
            *_COUNTS,
            "took",
            "shown_problem",
            *shop,
        ]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        when = ["shown_kind", "shown_status", "started_at", "took", "window"]
        return [*when, "config_name", *_COUNTS, "unlisted", "shown_problem", "shown_shop"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.get_fields(request, obj)

    @admin.display(description=gettext_lazy("kind"))
    def shown_kind(self, run: Run) -> str:
        is_nightly = bool(run.detail.get("nightly"))
        return (
            f"{run.get_kind_display()}, {_('at night')}" if is_nightly else run.get_kind_display()
        )

    @admin.display(description=gettext_lazy("status"))
    def shown_status(self, run: Run) -> str:
        return badge(run.get_outcome_display(), _TONES.get(RunOutcome(run.outcome), "quiet"))

    @admin.display(description=gettext_lazy("payment config"))
    def config_name(self, run: Run) -> str:
        return str(run.config) if run.config else NONE

    @admin.display(description=gettext_lazy("period"))
    def window(self, run: Run) -> str:
        if run.since is None or run.until is None:
            return NONE
        return f"{_written(run.since)} – {_written(run.until)}"  # noqa: RUF001 - a dash

    @admin.display(description=gettext_lazy("took"))
    def took(self, run: Run) -> str:
        if run.finished_at is None:
            return NONE
        return _length(run.finished_at - run.started_at)

    @admin.display(description=gettext_lazy("problem"))
    def shown_problem(self, run: Run) -> str:
        said = runs.problems_of(run)
        return format_html_join(" ", "<span>{}</span>", ((each,) for each in said)) or NONE

    @admin.display(description=gettext_lazy("not listed"))
    def unlisted(self, run: Run) -> str:
        count = len(run.detail.get("missing", []))
        words = ngettext("%(count)s receipt of ours", "%(count)s receipts of ours", count)
        return words % {"count": count} if count else NONE

    @admin.display(description=gettext_lazy("shop"))
    def shown_shop(self, run: Run) -> str:
        return str(run.shop) if run.shop else _("All shops")


def _written(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT")


def _length(took: timedelta) -> str:
    """Write a length of time as a person says it."""
    seconds = took.total_seconds()
    if seconds < 1:
        return _("under a second")
    if seconds < 120:
        return _("%(count)s s") % {"count": round(seconds)}
    return _("%(count)s min") % {"count": round(seconds / 60)}
