"""Whose production shortcode is whose: platform staff share a number, or release it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from payments.admin.tables import Table, table
from payments.errors import PaymentsError
from payments.models import ShortcodeClaim
from payments.services import claims, unproven
from tenants.admin_actions import ObjectAction
from tenants.admin_base import PlatformModelAdmin
from tenants.admin_looks import NONE, yes_no
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_MOST_UNPROVEN = 100


@admin.register(ShortcodeClaim)
class ShortcodeClaimAdmin(PlatformModelAdmin):
    """Read only, with two buttons: a claim is made by proving control, never by typing."""

    add_action = change_action = None
    change_list_template = "admin/payments/shortcodeclaim/change_list.html"
    list_display = ["shortcode", "family", "shop", "config_name", "shared", "claimed_at"]
    list_filter = ["family", "is_shared"]
    list_select_related = ["shop", "config"]
    search_fields = ["shortcode", "shop__name"]
    search_help_text = gettext_lazy("Shortcode or shop")
    sortable_by: list[str] = []
    expected_errors = (PaymentsError,)
    object_actions = (
        ObjectAction(
            "share",
            gettext_lazy("Mark the number as shared"),
            Action.OPERATE_PLATFORM,
            gettext_lazy("Other shops that prove control of the number may use it too."),
            asks_reason=True,
            when=lambda claim: not claim.is_shared,
        ),
        ObjectAction(
            "release",
            gettext_lazy("Release the number"),
            Action.OPERATE_PLATFORM,
            gettext_lazy(
                "Another shop may then prove control of it. This shop's config must be switched off,"
                " and its last payment 72 hours old; before it is used again it is verified, proven"
                " and approved anew."
            ),
            danger=True,
            asks_reason=True,
        ),
    )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show beside what was proven what two shops wrote down and nobody proved."""
        context = {**(extra_context or {}), "unproven": _unproven()}
        return super().changelist_view(request, context)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["shortcode", "family", "shop", "config_name", "shared", "claimed_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.get_fields(request, obj)

    @admin.display(description=gettext_lazy("payment config"))
    def config_name(self, claim: ShortcodeClaim) -> str:
        return claim.config.name

    @admin.display(description=gettext_lazy("shared"))
    def shared(self, claim: ShortcodeClaim) -> str:
        return yes_no(claim.is_shared)

    def share(self, request: HttpRequest, claim: ShortcodeClaim, *, reason: str) -> str:
        claims.share_claim(claim=claim, reason=reason, **_who(request, reason))
        return _("The number is shared.")

    def release(self, request: HttpRequest, claim: ShortcodeClaim, *, reason: str) -> HttpResponse:
        claims.release_claim(claim=claim, reason=reason, **_who(request, reason))
        self.message_user(request, _("The number is free: who proves control of it has it."))
        return HttpResponseRedirect(reverse("admin:payments_shortcodeclaim_changelist"))


def _unproven() -> Table:
    columns = [_("Shortcode"), _("Provider"), _("Shop"), _("Payment config"), _("Verified")]
    rows = [
        [
            config.shortcode,
            config.get_provider_display(),
            config.shop.name,
            config.name,
            config.verified_at or NONE,
        ]
        for config in unproven.written_twice()[:_MOST_UNPROVEN]
    ]
    return table(_("Written down by two shops, proven by none"), columns, rows)


def _who(request: HttpRequest, reason: str) -> dict[str, Any]:
    role = request.user.platform_role
    actor = Actor.from_user(request.user, request, role=role, reason=reason)
    return {"actor": actor, "now": timezone.now()}
