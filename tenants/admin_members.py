from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants import people, services
from tenants.admin_actions import ObjectAction, Refused
from tenants.admin_base import ShopScopedModelAdmin
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_forms import MemberForm, MemberInviteForm
from tenants.admin_pages import become, invitation_page, is_active_badge
from tenants.models import Membership
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


@admin.register(Membership)
class MembershipAdmin(ShopScopedModelAdmin):
    view_action = add_action = change_action = Action.MANAGE_SHOP
    list_display = ["person", "shop", "role", "of_branches", is_active_badge]
    list_filter = ["role", "is_active", ("shop", ScopedRelatedFilter)]
    list_select_related = ["shop", "user"]
    search_fields = ["user__email", "user__name"]
    search_help_text = gettext_lazy("Email or name")
    expected_errors = (Refused,)
    object_actions = (
        ObjectAction(
            "invite_again",
            gettext_lazy("New invitation link"),
            Action.MANAGE_SHOP,
            gettext_lazy("The next page shows a link at which this person sets a password."),
            when=lambda member: people.may_be_invited_again(membership=member),
        ),
        ObjectAction(
            "remove",
            gettext_lazy("Remove from the shop"),
            Action.MANAGE_SHOP,
            gettext_lazy("From the next click on, this person sees nothing of the shop."),
            danger=True,
            when=lambda member: member.is_active,
        ),
        ObjectAction(
            "let_back",
            gettext_lazy("Let back in"),
            Action.MANAGE_SHOP,
            gettext_lazy("With the role and branches of before."),
            when=lambda member: not member.is_active,
        ),
    )

    @admin.display(description=gettext_lazy("person"), ordering="user__email")
    def person(self, member: Membership) -> str:
        return (
            f"{member.user.name} · {member.user.email}" if member.user.name else member.user.email
        )

    @admin.display(description=gettext_lazy("branches"))
    def of_branches(self, member: Membership) -> str:
        return ", ".join(branch.name for branch in member.branches.all()) or _("All branches")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("branches")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.is_active)

    def get_fields(self, request: HttpRequest, obj: Membership | None = None) -> list[str]:
        shown = ["person", "shown_shop"] if obj else ["shop", "email", "name"]
        return [*shown, "role", "branches"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["person", "shown_shop"] if obj else []

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["form"] = MemberForm if obj else MemberInviteForm
        return super().get_form(request, obj, change=change, **kwargs)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        given = form.cleaned_data
        if change:
            services.grant_role(
                user=obj.user,
                shop=obj.shop,
                role=given["role"],
                branches=given["branches"],
                by=self.by(request, given.get("reason", "")),
            )
            return
        member, request.invitation = people.invite_member(
            shop=given["shop"],
            email=given["email"],
            name=given["name"],
            role=given["role"],
            branches=given["branches"],
            by=self.by(request, given.get("reason", "")),
        )
        become(obj, member)

    def response_add(self, request: HttpRequest, obj: Any, *args: Any, **kwargs: Any) -> Any:
        if request.invitation is None:
            return super().response_add(request, obj, *args, **kwargs)
        return invitation_page(self, request, obj, request.invitation)

    def invite_again(self, request: HttpRequest, member: Membership, *, reason: str) -> Any:
        by = self.by(request, reason)
        invitation = people.invite_again(user=member.user, membership=member, by=by)
        return invitation_page(self, request, member, invitation)

    def remove(self, request: HttpRequest, member: Membership, *, reason: str) -> str:
        if member.user_id == request.user.pk:
            raise Refused(gettext_lazy("Nobody removes himself: ask another admin."))
        people.end_membership(membership=member, by=self.by(request, reason))
        return _("Done.")

    def let_back(self, request: HttpRequest, member: Membership, *, reason: str) -> str:
        people.restore_membership(membership=member, by=self.by(request, reason))
        return _("Done.")
