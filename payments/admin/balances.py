"""What a shop's accounts hold, as Safaricom told it last; for shop admins only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from payments.errors import PaymentsError
from payments.models import AccountBalance, PaymentConfig
from payments.receipt_choices import RequestStatus
from payments.services import requests
from tenants.admin_access import Fence, rows_for
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE, shillings
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern


class AskForm(forms.Form):
    """Which account is asked about."""

    config = forms.ModelChoiceField(
        PaymentConfig.objects.none(),
        label=gettext_lazy("Payment config"),
        empty_label=None,
        help_text=gettext_lazy("Those whose credentials have an initiator."),
    )

    def __init__(self, *args: Any, configs: QuerySet[PaymentConfig], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["config"].queryset = configs


@admin.register(AccountBalance)
class AccountBalanceAdmin(ShopScopedModelAdmin):
    """Read only: the newest word of Safaricom's, never a ledger."""

    view_action = Action.VIEW_BALANCE
    fence = Fence(branch="config__branch")
    change_list_template = "admin/payments/accountbalance/change_list.html"
    list_filter = ["source", ("shop", ScopedRelatedFilter), ("config", ScopedRelatedFilter)]
    list_select_related = ["shop", "config"]
    sortable_by: list[str] = []
    _facts = ["account", "shown_current", "shown_available", "config_name", "source", "at"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.ask_view)
        return [path("ask/", view, name="payments_accountbalance_ask"), *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> list[str]:
        return [*self._facts, *(["shop"] if sees_several_shops(request) else [])]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*self._facts, "shown_shop"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.get_fields(request, obj)

    @admin.display(description=gettext_lazy("KES"))
    def shown_current(self, row: AccountBalance) -> str:
        return shillings(row.current)

    @admin.display(description=gettext_lazy("available"))
    def shown_available(self, row: AccountBalance) -> str:
        return NONE if row.available is None else shillings(row.available)

    @admin.display(description=gettext_lazy("payment config"))
    def config_name(self, row: AccountBalance) -> str:
        return str(row.config)

    def ask_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for the balances of one config now; the answer comes within minutes."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        configs = _configs_to_ask(request)
        form = AskForm(request.POST if request.method == "POST" else None, configs=configs)
        back = reverse("admin:payments_accountbalance_changelist")
        if form.is_valid():
            self._ask(request, form.cleaned_data["config"])
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": _("Ask now"),
            "title": _("Ask for balances"),
            "form": form if configs.exists() else None,
            "back": back,
        }
        return TemplateResponse(request, "admin/payments/accountbalance/ask.html", context)

    def _ask(self, request: HttpRequest, config: PaymentConfig) -> None:
        role, now = request.user.role_in(config.shop_id), timezone.now()
        actor = Actor.from_user(request.user, request, role=role)
        try:
            row = requests.ask_balance(config=config, purpose="page", actor=actor, now=now)
        except PaymentsError as error:
            messages.error(request, _(error.detail))
            return
        if row.status == RequestStatus.REFUSED:
            messages.error(request, _("Safaricom did not take the question."))
        else:
            messages.success(request, _("Asked. The answer comes within minutes."))


def _configs_to_ask(request: HttpRequest) -> QuerySet[PaymentConfig]:
    fence = Fence(branch="branch")
    rows = rows_for(request.user, Action.VIEW_BALANCE, fence, now=timezone.now())
    return requests.configs_with_initiator().filter(rows).order_by("name")
