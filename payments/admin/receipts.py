"""The ledger of money that arrived, and one receipt with everything that was done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from payments.admin.filters import EnvironmentFilter
from payments.admin.looks import choice_badge
from payments.admin.receipt_deciding import DecidesReceipts
from payments.admin.receipt_tables import badges_of, facts_of, tables_of
from payments.admin.refund_acts import ASK_REFUND, ASK_SAFARICOM, AsksForRefunds
from payments.choices import ReceiptStatus
from payments.errors import PaymentsError
from payments.models import Receipt
from payments.services import receipt_acts, receipt_release, receipt_rows
from tenants.admin_access import Fence
from tenants.admin_actions import ObjectAction
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE, badge, shillings
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

# The first three signs of M-Pesa's are the date: fewer than these would match months of receipts.
_WHOLE_DAY = 5

MARK_REFUND = ObjectAction(
    "mark_refund",
    gettext_lazy("Refund needed"),
    Action.RESOLVE_REVIEWS,
    gettext_lazy(
        "Nobody can claim the receipt any more. Nothing is sent: a refund is asked for, and"
        " approved by a second person, on its own page."
    ),
    asks_reason=True,
    when=lambda receipt: receipt.status == ReceiptStatus.UNALLOCATED,
)
RELEASE = ObjectAction(
    "release",
    gettext_lazy("Undo"),
    Action.RESOLVE_REVIEWS,
    gettext_lazy(
        "The receipt is unallocated again. A payment that has nothing else to show for itself"
        " becomes reversed: do not release goods for it."
    ),
    danger=True,
    asks_reason=True,
    when=receipt_release.may_be_released,
)


class KnowsThePlace(admin.ModelAdmin):
    """Lets the fence of a receipt be its place: its own branch, its payment's or its config's."""

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return receipt_rows.placed(super().get_queryset(request))


@admin.register(Receipt)
class ReceiptAdmin(AsksForRefunds, DecidesReceipts, ShopScopedModelAdmin, KnowsThePlace):
    """Read only: money is given to payments by buttons whose every press is on the trail."""

    view_action = Action.VIEW_STATS
    fence = Fence(branch="place")
    list_filter = [
        EnvironmentFilter,
        "status",
        "reason",
        "channel",
        "created_at",
        ("shop", ScopedRelatedFilter),
        ("branch", ScopedRelatedFilter),
        ("config", ScopedRelatedFilter),
    ]
    list_select_related = ["shop", "branch", "config__branch", "payment__branch"]
    search_fields = ["number"]
    search_help_text = gettext_lazy("Receipt number, or at least its first 5 signs")
    sortable_by: list[str] = []
    expected_errors = (PaymentsError,)
    object_actions = (MARK_REFUND, ASK_REFUND, ASK_SAFARICOM, RELEASE)

    def get_list_display(self, request: HttpRequest) -> list[str]:
        payer = "masked_payer" if request.user.platform_role else "payer"
        columns = ["number", "shown_status", "shown_amount", "paid_at", payer, "typed"]
        shop = ["shop"] if sees_several_shops(request) else []
        return [*columns, "shown_payment", "shown_channel", *shop, "branch_name"]

    def get_ordering(self, request: HttpRequest) -> list[str]:
        return ["-created_at", "-id"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        if term := search_term.strip().upper()[:32]:
            how = "startswith" if len(term) >= _WHOLE_DAY else "exact"
            queryset = queryset.filter(**{f"number__{how}": term})
        return queryset, False

    @admin.display(description=gettext_lazy("status"))
    def shown_status(self, receipt: Receipt) -> str:
        return choice_badge(ReceiptStatus, receipt.status)

    @admin.display(description=gettext_lazy("KES"))
    def shown_amount(self, receipt: Receipt) -> str:
        return shillings(receipt.amount)

    @admin.display(description=gettext_lazy("payer"))
    def payer(self, receipt: Receipt) -> str:
        return " ".join(filter(None, [receipt.payer_initials, receipt.payer_masked])) or NONE

    @admin.display(description=gettext_lazy("payer"))
    def masked_payer(self, receipt: Receipt) -> str:
        return receipt.payer_masked or NONE

    @admin.display(description=gettext_lazy("account reference"))
    def typed(self, receipt: Receipt) -> str:
        """Show what was typed, and the label the shop's rules or a person gave it."""
        reference = receipt.account_reference or NONE
        return format_html("{} {}", reference, badge(receipt.label)) if receipt.label else reference

    @admin.display(description=gettext_lazy("channel"))
    def shown_channel(self, receipt: Receipt) -> str:
        return str(receipt.get_channel_display())

    @admin.display(description=gettext_lazy("branch"))
    def branch_name(self, receipt: Receipt) -> str:
        branch = receipt_rows.place_of(receipt)
        return branch.name if branch else NONE

    @admin.display(description=gettext_lazy("payment, or why none"))
    def shown_payment(self, receipt: Receipt) -> str:
        if receipt.payment is None:
            return str(receipt.get_reason_display()) or NONE
        url = reverse("admin:payments_payment_change", args=[receipt.payment_id])
        name = receipt.payment.order_ref or receipt.payment.account_reference or _("Sale")
        return format_html('<a href="{}">{}</a>', url, name)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> TemplateResponse:
        """Show one receipt, and what can be decided about it; POST here has no meaning."""
        receipt = self.get_permitted(request, object_id, self.view_action)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": receipt,
            "title": f"KES {shillings(receipt.amount)}",
            "subtitle": receipt.number,
            "crumb": receipt.number,
            "buttons": self.buttons(request, receipt),
            "badges": badges_of(receipt),
            "facts": facts_of(receipt, request, payment=self.shown_payment(receipt)),
            "tables": tables_of(
                receipt, request, shows_acts=self.may_do(request, Action.VIEW_AUDIT, receipt)
            ),
            **self.deciding(request, receipt),
        }
        return TemplateResponse(request, "admin/payments/receipt/detail.html", context)

    def mark_refund(self, request: HttpRequest, receipt: Receipt, *, reason: str) -> str:
        receipt_acts.mark_refund(receipt=receipt, reason=reason, **self.who(request, receipt))
        return _("%(receipt)s waits to be given back.") % {"receipt": receipt.number}

    def release(self, request: HttpRequest, receipt: Receipt, *, reason: str) -> str:
        receipt_acts.release(
            receipt=receipt, reason=reason, **self.who(request, receipt, reason=reason)
        )
        return _("Undone: %(receipt)s is unallocated again.") % {"receipt": receipt.number}

    def who(self, request: HttpRequest, receipt: Receipt, reason: str = "") -> dict[str, Any]:
        role = request.user.role_in(receipt.shop_id)
        actor = Actor.from_user(request.user, request, role=role, reason=reason)
        return {"actor": actor, "now": timezone.now()}
