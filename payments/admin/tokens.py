from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from payments.admin.keys import KeyPages
from payments.models import AccessToken
from payments.services import operating
from tenants.admin_base import PlatformModelAdmin
from tenants.admin_looks import badge, code
from tenants.admin_pages import become

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


@admin.register(AccessToken)
class AccessTokenAdmin(KeyPages, PlatformModelAdmin):
    """The state of each Daraja app's token, never the token; an operator sets its query budget."""

    add_action = None
    list_display = [
        "app",
        "environment",
        "state",
        "obtained_at",
        "expires_at",
        "query_paused_until",
    ]
    list_filter = ["environment"]
    fields = [
        "app",
        "environment",
        "state",
        "obtained_at",
        "expires_at",
        "refused_at",
        "query_paused_until",
        "query_budget_per_minute",
    ]
    readonly_fields = fields[:-1]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("token").order_by("-obtained_at", "pk")

    @admin.display(description=gettext_lazy("app"))
    def app(self, token: AccessToken) -> str:
        return code(f"{token.app_fingerprint[:12]}…")

    @admin.display(description=gettext_lazy("state"))
    def state(self, token: AccessToken) -> Any:
        if token.expires_at is None:
            return badge(_("None yet"))
        if token.expires_at <= timezone.now():
            return badge(_("Expired"), "warn")
        return badge(_("Valid"), "good")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        become(
            obj,
            operating.set_query_budget(
                token=obj,
                per_minute=obj.query_budget_per_minute,
                actor=Actor.from_user(request.user, request, role=request.user.platform_role),
                now=timezone.now(),
            ),
        )
