"""What pages about all of a shop's configs share: whose they are, who may, how they look."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from payments.choices import Environment
from payments.models import PaymentConfig
from tenants.admin_access import branches_with, is_bound, shops_with
from tenants.admin_base import reason_field
from tenants.models import Branch, Shop
from tenants.roles import Action, Grant, grant, may

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

_TEMPLATE = "admin/payments/paymentconfig/page.html"


class ShopForm(forms.Form):
    """Whose configs; only for people of several shops."""

    shop = forms.ModelChoiceField(Shop.objects.none(), label=gettext_lazy("Shop"))

    def __init__(self, *args: Any, shops: QuerySet[Shop], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["shop"].queryset = shops.order_by("name")


def pick_shop(request: HttpRequest, action: Action) -> Shop | None:
    """
    Return the shop the page is about: the one named, or the person's only one; None to ask.

    Answers 404 for a shop out of sight, and 403 where the role there may not do the action.
    """
    shops = _shops_in_sight(request, action)
    named = request.POST.get("shop") or request.GET.get("shop")
    if named:
        shop = shops.filter(pk=_uuid(named)).first()
        if shop is None:
            raise Http404
    else:
        found = list(shops[:2])
        shop = found[0] if len(found) == 1 else None
    if shop is not None and not may(request.user.role_in(shop.pk), action):
        raise PermissionDenied
    return shop


def may_open(request: HttpRequest, action: Action) -> bool:
    """Tell whether the person may do the action in any shop, and sees configs whole."""
    user = request.user
    is_status_only = grant(user.platform_role, Action.VIEW_CONFIGS) is Grant.STATUS_ONLY
    may_see = user.may_anywhere(Action.VIEW_CONFIGS) and user.may_anywhere(action)
    return bool(user.is_active) and may_see and not is_status_only


def branches_of(request: HttpRequest, shop: Shop) -> QuerySet[Branch]:
    """Return the branches of the shop this person has to do with."""
    rows = branches_with(request.user, Action.VIEW_CONFIGS, now=timezone.now())
    return rows.filter(shop=shop).order_by("name")


def branch_ids_of(request: HttpRequest, shop: Shop) -> set[uuid.UUID] | None:
    """Return the branches a person is bound to in the shop, None for all and the shop itself."""
    if not is_bound(request.user, shop.pk):
        return None
    return set(branches_of(request, shop).values_list("pk", flat=True))


def configs_of(request: HttpRequest, shop: Shop) -> QuerySet[PaymentConfig]:
    """Return the shop's configs this person sees."""
    rows = PaymentConfig.objects.not_deleted().filter(shop=shop)
    rows = rows.select_related("branch", "breaker").order_by("environment", "priority", "name")
    bound_to = branch_ids_of(request, shop)
    return rows if bound_to is None else rows.filter(branch__in=bound_to)


def environment_of(request: HttpRequest, shop: Shop) -> str:
    """Return the world asked for; else the real one, once the shop has configs there."""
    asked = request.GET.get("environment", "")
    if asked in Environment.values:
        return asked
    rows = PaymentConfig.objects.not_deleted().filter(shop=shop)
    is_live = rows.filter(environment=Environment.PRODUCTION).exists()
    return str(Environment.PRODUCTION if is_live else Environment.SANDBOX)


def asks_reason(request: HttpRequest, shop: Shop, action: Action) -> bool:
    return grant(request.user.role_in(shop.pk), action) is Grant.WITH_REASON


def add_reason(form: forms.Form, request: HttpRequest, shop: Shop, action: Action) -> None:
    """Ask why, of those who act with a reason only."""
    if asks_reason(request, shop, action):
        form.fields["reason"] = reason_field(required=True)


def who(request: HttpRequest, shop: Shop, reason: str = "") -> dict[str, Any]:
    role = request.user.role_in(shop.pk)
    actor = Actor.from_user(request.user, request, role=role, reason=reason)
    return {"actor": actor, "now": timezone.now()}


def page(model_admin: Any, request: HttpRequest, shop: Shop | None, **more: Any) -> Any:
    """Draw a page about a shop's configs; without a shop it asks which."""
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "original": more.get("title"),
        "subtitle": shop and str(shop),
        "shop": shop,
        **more,
    }
    if shop is None:
        context["form"] = ShopForm(shops=shops_with(request.user, Action.VIEW_CONFIGS))
        context |= {"method": "get", "submit": gettext_lazy("Next"), "tables": []}
    return TemplateResponse(request, _TEMPLATE, context)


def environment_links(request: HttpRequest, shop: Shop, chosen: str) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "url": f"?shop={shop.pk}&environment={value}",
            "is_chosen": value == chosen,
        }
        for value, label in reversed(Environment.choices)
    ]


def _shops_in_sight(request: HttpRequest, action: Action) -> QuerySet[Shop]:
    if not may_open(request, action):
        raise PermissionDenied
    return shops_with(request.user, Action.VIEW_CONFIGS)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise Http404 from error
