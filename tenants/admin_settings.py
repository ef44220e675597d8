"""What a shop's own admins decide of their shop."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants import services
from tenants.admin_access import Fence
from tenants.admin_base import ReasonedModelForm, ShopScopedModelAdmin
from tenants.admin_looks import NONE, shillings
from tenants.admin_pages import become
from tenants.models import Shop, ShopSettings
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


CONTACT = ("owner_name", "business_type", "contact_email", "contact_phone")


class SettingsForm(ReasonedModelForm):
    def clean_two_people_above(self) -> Decimal | None:
        limit: Decimal | None = self.cleaned_data["two_people_above"]
        if limit is not None and limit < 0:
            raise forms.ValidationError(_("Give an amount like 1500 or 1500.50."))
        return limit


@admin.register(ShopSettings)
class ShopSettingsAdmin(ShopScopedModelAdmin):
    """
    Whom the platform turns to, and from which amount on two people decide.

    Name and address of a shop are the platform's.
    """

    view_action = change_action = Action.MANAGE_SHOP
    fence = Fence(shop="pk")
    form = SettingsForm
    list_display = ["name", "above"]
    search_fields = ["name"]
    search_help_text = gettext_lazy("Name")

    def get_fields(self, request: HttpRequest, obj: Shop | None = None) -> list[str]:
        return ["name", *CONTACT, "two_people_above"]

    def get_readonly_fields(self, request: HttpRequest, obj: Shop | None = None) -> list[str]:
        return ["name"]

    def shop_id_of(self, obj: Any) -> Any:
        return obj.pk

    @admin.display(description=gettext_lazy("two people decide above"))
    def above(self, shop: Shop) -> str:
        limit = shop.two_people_above
        return NONE if limit is None else f"KES {shillings(limit)}"

    def save_model(self, request: HttpRequest, obj: Shop, form: Any, change: bool) -> None:
        by = self.by(request, form.cleaned_data.get("reason", ""))
        given = {name: getattr(obj, name) for name in CONTACT}
        if not given.keys().isdisjoint(form.changed_data):
            become(obj, services.describe_shop(shop=obj, **given, by=by))
        if "two_people_above" in form.changed_data:
            above = form.cleaned_data["two_people_above"]
            become(obj, services.let_two_people_decide(shop=obj, above=above, by=by))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Lead to the shop's own history: it is the same row."""
        obj = self.get_permitted(request, object_id, Action.VIEW_AUDIT)
        log = reverse("admin:audit_auditentry_changelist")
        query = urlencode({"object": f"{Shop._meta.label_lower}:{obj.pk}"})  # noqa: SLF001
        return HttpResponseRedirect(f"{log}?{query}")
