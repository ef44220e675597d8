"""What was asked of Safaricom and is answered later; read only, nothing is sent again from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from audit.masking import mask_emails
from payments.admin.filters import EnvironmentFilter
from payments.admin.looks import choice_badge
from payments.admin.request_tables import explanation_of
from payments.models import ProviderRequest
from payments.receipt_choices import RequestStatus
from tenants.admin_access import Fence
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE, shillings
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


@admin.register(ProviderRequest)
class ProviderRequestAdmin(ShopScopedModelAdmin):
    """Masked: no names, no balances; what a result told of them is not kept."""

    view_action = Action.VIEW_INBOX
    fence = Fence(branch="config__branch")
    change_list_template = "admin/payments/providerrequest/change_list.html"
    list_filter = [EnvironmentFilter, "kind", "status", ("shop", ScopedRelatedFilter)]
    list_select_related = ["shop", "config", "receipt"]
    search_fields = ["receipt_number"]
    search_help_text = gettext_lazy("Receipt number")
    sortable_by: list[str] = []

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("version__secrets")

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shop = ["shop"] if sees_several_shops(request) else []
        asked = ["what", "shown_status", "meaning", "asker", "requested_at"]
        return [*asked, *shop, "config_name"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        asked = ["what", "shown_status", "meaning", "result_code", "shown_amount", "receipt_link"]
        ids = ["conversation_id", "originator_conversation_id", "transaction_status"]
        return [*asked, *ids, "asker", "requested_at", "answered_at", "config_name", "shown_shop"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.get_fields(request, obj)

    @admin.display(description=gettext_lazy("request"))
    def what(self, row: ProviderRequest) -> str:
        return " ".join(filter(None, [str(row.get_kind_display()), row.receipt_number]))

    @admin.display(description=gettext_lazy("status"))
    def shown_status(self, row: ProviderRequest) -> str:
        return choice_badge(RequestStatus, row.status)

    @admin.display(description=gettext_lazy("result"))
    def meaning(self, row: ProviderRequest) -> str:
        return explanation_of(row) or NONE

    @admin.display(description=gettext_lazy("KES"))
    def shown_amount(self, row: ProviderRequest) -> str:
        return shillings(row.amount) if row.amount is not None else NONE

    @admin.display(description=gettext_lazy("status of the receipt"))
    def transaction_status(self, row: ProviderRequest) -> str:
        return str(row.result.get("transaction_status", "")) or NONE

    @admin.display(description=gettext_lazy("asked by"))
    def asker(self, row: ProviderRequest) -> str:
        return str(mask_emails(row.asked_by)) or NONE

    @admin.display(description=gettext_lazy("payment config"))
    def config_name(self, row: ProviderRequest) -> str:
        return row.config.name

    @admin.display(description=gettext_lazy("receipt"))
    def receipt_link(self, row: ProviderRequest) -> str:
        if row.receipt_id is None:
            return row.receipt_number or NONE
        url = reverse("admin:payments_receipt_change", args=[row.receipt_id])
        return format_html('<a href="{}">{}</a>', url, row.receipt_number)
