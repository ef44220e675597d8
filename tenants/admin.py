from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants import admin_members, admin_settings, admin_support, people, services
from tenants.admin_actions import ObjectAction
from tenants.admin_base import PlatformModelAdmin, ShopScopedModelAdmin
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_forms import ApiKeyForm, BranchForm, UserForm
from tenants.admin_looks import badge, code
from tenants.admin_pages import become, invitation_page, is_active_badge, once_page
from tenants.admin_settings import CONTACT
from tenants.models import ApiKey, Branch, Shop, User
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

__all__ = [
    "ApiKeyAdmin",
    "BranchAdmin",
    "ShopAdmin",
    "UserAdmin",
    "admin_members",
    "admin_settings",
    "admin_support",
]

admin.site.unregister(Group)  # roles are the matrix; Django's groups would say nothing


@admin.register(Shop)
class ShopAdmin(PlatformModelAdmin):
    list_display = ["name", "slug", "owner_name", "contact_phone", is_active_badge, "created_at"]
    list_filter = ["is_active"]
    search_fields = ["name", "slug", "owner_name", "contact_email"]
    search_help_text = gettext_lazy("Name, slug, owner or e-mail")
    fields = ["name", "slug", *CONTACT, "is_active", "created_at"]
    prepopulated_fields = {"slug": ["name"]}
    object_actions = (
        ObjectAction(
            "switch_off",
            gettext_lazy("Switch off"),
            Action.OPERATE_PLATFORM,
            gettext_lazy(
                "Its people and keys are shut out at once. Payments under way are still settled."
            ),
            danger=True,
            asks_reason=True,
            when=lambda shop: shop.is_active,
        ),
        ObjectAction(
            "switch_on",
            gettext_lazy("Switch on"),
            Action.OPERATE_PLATFORM,
            gettext_lazy("Its people and keys work again at once."),
            asks_reason=True,
            when=lambda shop: not shop.is_active,
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Shop | None = None) -> list[str]:
        return ["is_active", "created_at", *(["slug"] if obj else [])]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Shop | None = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def switch_off(self, request: HttpRequest, shop: Shop, *, reason: str) -> str:
        return self._switch(request, shop, is_active=False, reason=reason)

    def switch_on(self, request: HttpRequest, shop: Shop, *, reason: str) -> str:
        return self._switch(request, shop, is_active=True, reason=reason)

    def save_model(self, request: HttpRequest, obj: Shop, form: Any, change: bool) -> None:
        by = self.by(request)
        contact = {name: getattr(obj, name) for name in CONTACT}
        if not change:
            become(obj, services.create_shop(name=obj.name, slug=obj.slug, by=by))
        elif "name" in form.changed_data:
            become(obj, services.update_shop(shop=obj, name=obj.name, by=by))
        if not contact.keys().isdisjoint(form.changed_data):
            become(obj, services.describe_shop(shop=obj, **contact, by=by))

    def _switch(self, request: HttpRequest, shop: Shop, *, is_active: bool, reason: str) -> str:
        services.switch_shop(shop=shop, is_active=is_active, by=self.by(request, reason))
        return _("Done.")


@admin.register(Branch)
class BranchAdmin(ShopScopedModelAdmin):
    view_action = add_action = change_action = Action.MANAGE_SHOP
    form = BranchForm
    list_display = ["name", "code", "shop", is_active_badge]
    list_filter = ["is_active", ("shop", ScopedRelatedFilter)]
    list_select_related = ["shop"]
    search_fields = ["name", "code"]
    search_help_text = gettext_lazy("Name or code")

    def get_fields(self, request: HttpRequest, obj: Branch | None = None) -> list[str]:
        return ["shown_shop" if obj else "shop", "name", "code", "is_active"]

    def get_readonly_fields(self, request: HttpRequest, obj: Branch | None = None) -> list[str]:
        return ["shown_shop", "code"] if obj else []

    def save_model(self, request: HttpRequest, obj: Branch, form: Any, change: bool) -> None:
        by = self.by(request, form.cleaned_data.get("reason", ""))
        given = {"name": obj.name, "is_active": obj.is_active, "by": by}
        if change:
            become(obj, services.update_branch(branch=obj, **given))
        else:
            become(obj, services.add_branch(shop=obj.shop, code=obj.code, **given))


@admin.register(ApiKey)
class ApiKeyAdmin(ShopScopedModelAdmin):
    view_action = add_action = Action.MANAGE_SHOP
    form = ApiKeyForm
    list_display = ["name", "shown_prefix", "shop", "branch", "role", "environment", "state"]
    list_filter = ["environment", "role", ("shop", ScopedRelatedFilter)]
    list_select_related = ["shop", "branch"]
    search_fields = ["name", "prefix"]
    search_help_text = gettext_lazy("Name, or the twelve characters after mlp_live_ or mlp_test_")
    object_actions = (
        ObjectAction(
            "revoke",
            gettext_lazy("Revoke"),
            Action.MANAGE_SHOP,
            gettext_lazy("Tills with this key are refused from the next request on, for ever."),
            danger=True,
            when=lambda key: key.revoked_at is None,
        ),
    )

    @admin.display(description=gettext_lazy("key"))
    def shown_prefix(self, key: ApiKey) -> str:
        return code(f"{key.display_prefix}_…")

    @admin.display(description=gettext_lazy("status"))
    def state(self, key: ApiKey) -> str:
        if key.revoked_at:
            return badge(_("Revoked"), "bad")
        return (
            badge(_("Active"), "good")
            if key.is_usable(timezone.now())
            else badge(_("Expired"), "warn")
        )

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> list[str]:
        given = ["shop", "name", "environment", "role", "branch", "expires_at"]
        if obj is None:
            return given
        facts = ["shown_shop", "name", "environment", "role", "shown_branch", "expires_at"]
        return [*facts, "shown_prefix", "state", "last_used_at", "revoked_at", "maker"]

    @admin.display(description=gettext_lazy("made by"))
    def maker(self, key: ApiKey) -> str:
        return str(key.created_by or "")

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        given = {name: form.cleaned_data[name] for name in self.get_fields(request)}
        by = self.by(request, form.cleaned_data.get("reason", ""))
        key, request.issued_key = services.issue_api_key(**given, by=by)
        become(obj, key)

    def response_add(self, request: HttpRequest, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Show the key in the answer itself: kept nowhere, not even in the session."""
        return once_page(
            self,
            request,
            obj,
            title=_("The new API key"),
            text=request.issued_key,
            hint=_("Copy it now: it is not kept and cannot be shown again."),
        )

    def revoke(self, request: HttpRequest, key: ApiKey, *, reason: str) -> str:
        services.revoke_api_key(key=key, now=timezone.now(), by=self.by(request, reason))
        return _("The key is revoked.")


@admin.register(User)
class UserAdmin(PlatformModelAdmin):
    form = UserForm
    list_display = ["email", "name", "platform_role", "of_shops", is_active_badge, "last_login"]
    list_filter = ["platform_role", "is_active"]
    search_fields = ["email", "name"]
    search_help_text = gettext_lazy("Email or name")
    fields = ["email", "name", "platform_role", "is_active"]
    object_actions = (
        ObjectAction(
            "invite_again",
            gettext_lazy("New invitation link"),
            Action.OPERATE_PLATFORM,
            gettext_lazy("The next page shows a link at which this person sets a password."),
            asks_reason=True,
            when=lambda user: user.is_active,
        ),
    )

    @admin.display(description=gettext_lazy("shops"))
    def of_shops(self, user: User) -> str:
        return ", ".join(member.shop.name for member in user.memberships.all())

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("memberships__shop")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return ["is_active"]
        # Whoever could switch himself off might be the last who can switch anybody on.
        return ["email", "platform_role", "is_active"] if obj == request.user else ["email"]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        given = {"name": obj.name, "platform_role": obj.platform_role, "by": self.by(request)}
        if change:
            become(obj, people.update_user(user=obj, is_active=obj.is_active, **given))
            return
        user, request.invitation = people.invite_user(email=obj.email, **given)
        become(obj, user)

    def response_add(self, request: HttpRequest, obj: Any, *args: Any, **kwargs: Any) -> Any:
        return invitation_page(self, request, obj, request.invitation)

    def invite_again(self, request: HttpRequest, user: User, *, reason: str) -> Any:
        invitation = people.invite_again(user=user, by=self.by(request, reason))
        return invitation_page(self, request, user, invitation)
