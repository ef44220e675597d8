"""Who asked to go live, and what was said: a list to find them; decided on the config's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import F
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy

from payments.admin.doctor_tables import decision_badge
from payments.models import GoLiveApproval
from tenants.admin_access import Fence
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE
from tenants.roles import Action

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet
    from django.http import HttpRequest

_STATES: dict[str, dict[str, Any]] = {
    "open": {"decided_at": None},
    "approved": {"is_approved": True},
    "refused": {"is_approved": False},
}


class DecisionFilter(admin.SimpleListFilter):
    title = gettext_lazy("decision")
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        words = gettext_lazy("Waits"), gettext_lazy("Approved"), gettext_lazy("Refused")
        return list(zip(_STATES, words, strict=True))

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(**_STATES.get(self.value() or "", {}))


@admin.register(GoLiveApproval)
class GoLiveApprovalAdmin(ShopScopedModelAdmin):
    """Read only: a request is decided where the config can be looked at, on its set-up page."""

    view_action = Action.MANAGE_CONFIGS
    fence = Fence(branch="config__branch")
    change_list_template = "admin/payments/goliveapproval/change_list.html"
    list_filter = [DecisionFilter, ("shop", ScopedRelatedFilter)]
    list_select_related = ["shop", "config", "decided_by"]
    search_fields = ["config__name", "config__shortcode", "asked_by_label"]
    search_help_text = gettext_lazy("Config, shortcode, or who asked")
    sortable_by: list[str] = []

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shop = ["shown_shop"] if sees_several_shops(request) else []
        return ["decision", "setup_link", *shop, "asker", "decider", "said"]

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        """Put what waits first, the longest-waiting at its head; then the newest decisions."""
        return [F("decided_at").desc(nulls_first=True), "asked_at"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["decision", "setup_link", "shown_shop", "asker", "decider", "said"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.get_fields(request, obj)

    @admin.display(description=gettext_lazy("decision"))
    def decision(self, approval: GoLiveApproval) -> str:
        return decision_badge(approval.is_approved)

    @admin.display(description=gettext_lazy("payment config"))
    def setup_link(self, approval: GoLiveApproval) -> str:
        config = approval.config
        if config.deleted_at is not None:
            return str(config)
        url = reverse("admin:payments_paymentconfig_setup", args=[config.pk])
        return format_html('<a href="{}">{}</a>', url, config)

    @admin.display(description=gettext_lazy("asked by"))
    def asker(self, approval: GoLiveApproval) -> str:
        return _act(approval.asked_by_label, approval.asked_at)

    @admin.display(description=gettext_lazy("decided by"))
    def decider(self, approval: GoLiveApproval) -> str:
        if approval.decided_at is None:
            return NONE
        return _act(str(approval.decided_by or NONE), approval.decided_at)

    @admin.display(description=gettext_lazy("note"))
    def said(self, approval: GoLiveApproval) -> str:
        return approval.note or NONE


def _act(who: str, at: datetime) -> str:
    when = date_format(localtime(at), "DATETIME_FORMAT")
    return format_html("{}<br><small>{}</small>", who, when)
