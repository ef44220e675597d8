from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from tenants import support
from tenants.admin_access import Fence
from tenants.admin_actions import ObjectAction
from tenants.admin_base import ReasonedModelForm, ShopScopedModelAdmin
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import badge
from tenants.admin_pages import become
from tenants.models import SupportAccess
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest

_HOURS = (1, 4, 8, 24, support.LONGEST_HOURS)


class SupportAccessForm(ReasonedModelForm):
    """For how long; what for is worth writing down, but nobody has to."""

    hours = forms.TypedChoiceField(
        label=gettext_lazy("For how long"),
        coerce=int,
        initial=4,
        choices=[
            (hours, ngettext_lazy("%(count)s hour", "%(count)s hours", hours) % {"count": hours})
            for hours in _HOURS
        ],
        help_text=gettext_lazy("You can end it at any moment."),
    )

    class Meta:
        model = SupportAccess
        fields = ["shop", "reason"]
        labels = {"shop": gettext_lazy("Shop")}


@admin.register(SupportAccess)
class SupportAccessAdmin(ShopScopedModelAdmin):
    """Who let platform support look, until when; support sees nothing of a shop without it."""

    view_action = Action.VIEW_SUPPORT
    add_action = Action.GRANT_SUPPORT
    fence = Fence(branch="")
    form = SupportAccessForm
    list_display = ["shop", "state", "granted_at", "expires_at", "granted_by", "reason"]
    list_filter = [("shop", ScopedRelatedFilter)]
    list_select_related = ["shop", "granted_by"]
    search_fields = ["reason", "granted_by__email"]
    search_help_text = gettext_lazy("Reason, or email of who granted it")
    sortable_by: list[str] = []
    object_actions = (
        ObjectAction(
            "revoke",
            gettext_lazy("End access"),
            Action.GRANT_SUPPORT,
            gettext_lazy("From the next click on, support sees nothing of the shop."),
            danger=True,
            when=support.is_live,
        ),
    )

    @admin.display(description=gettext_lazy("state"))
    def state(self, access: SupportAccess) -> str:
        if access.revoked_at:
            return badge(_("Ended by the shop"), "quiet")
        return badge(_("Open"), "warn") if support.is_live(access) else badge(_("Over"), "quiet")

    @admin.display(description=gettext_lazy("granted by"))
    def granter(self, access: SupportAccess) -> str:
        return str(access.granted_by)

    def get_fields(self, request: HttpRequest, obj: SupportAccess | None = None) -> list[str]:
        if obj is None:
            return ["shop", "hours", "reason"]
        return ["shown_shop", "state", "granter", "reason", *self._times(obj)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.get_fields(request, obj) if obj else []

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        # Here the reason is a column of the row, not the why of an edit.
        return [(None, {"fields": self.get_fields(request, obj)})]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = form.cleaned_data
        access = support.grant_support_access(
            shop=given["shop"],
            hours=given["hours"],
            granted_by=request.user,
            now=timezone.now(),
            by=self.by(request, given.get("reason", "")),
        )
        become(obj, access)

    def revoke(self, request: HttpRequest, access: SupportAccess, *, reason: str) -> str:
        support.revoke_support_access(
            access=access, now=timezone.now(), by=self.by(request, reason)
        )
        return _("Support sees nothing of the shop any more.")

    def _times(self, access: SupportAccess) -> list[str]:
        return ["granted_at", "expires_at", *(["revoked_at"] if access.revoked_at else [])]
