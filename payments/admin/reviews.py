from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.admin.filters import EnvironmentFilter, OpenFilter
from payments.admin.review_pages import ReviewPages, proposal_of
from payments.models import Review
from payments.services.review_steps import Resolution, receipt_of
from tenants.admin_access import Fence
from tenants.admin_base import ShopScopedModelAdmin
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE, badge, shillings
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest


@admin.register(Review)
class ReviewAdmin(ReviewPages, ShopScopedModelAdmin):
    """What a person must decide, on a page of its own: no form closes a review by editing its row."""

    view_action = Action.LIST_PAYMENTS
    fence = Fence(branch="payment__branch", made_at="payment__created_at")
    list_display = ["why", "state", "weight", "payment_link", "shop", "opened_at"]
    list_filter = [EnvironmentFilter, OpenFilter, "code", ("shop", ScopedRelatedFilter)]
    list_select_related = ["shop", "payment"]
    sortable_by: list[str] = []

    @admin.display(description=gettext_lazy("reason"))
    def why(self, review: Review) -> str:
        return review.get_code_display()

    @admin.display(description=gettext_lazy("state"))
    def state(self, review: Review) -> str:
        if review.resolved_at:
            return badge(_("Resolved"), "good")
        if review.resolution == Resolution.REFUND:
            return badge(_("Refund under way"), "wait")
        if review.proposal:
            return badge(_("Second person needed"), "warn")
        return badge(_("Open"), "warn")

    @admin.display(description=gettext_lazy("weight"))
    def weight(self, review: Review) -> str:
        return badge(_("Holds the goods"), "bad") if review.blocking else badge(_("Note"))

    @admin.display(description=gettext_lazy("payment"))
    def payment_link(self, review: Review) -> str:
        if review.payment is None:
            return NONE
        url = reverse("admin:payments_payment_change", args=[review.payment_id])
        return format_html('<a href="{}">{}</a>', url, review.payment)

    @admin.display(description=gettext_lazy("receipt"))
    def receipt(self, review: Review) -> str:
        receipt = receipt_of(review)
        return f"{receipt} · KES {shillings(receipt.amount)}" if receipt else NONE

    @admin.display(description=gettext_lazy("looked at by"))
    def looked_at_by(self, review: Review) -> str:
        return str(review.assigned_to or NONE)

    @admin.display(description=gettext_lazy("proposal"))
    def proposed(self, review: Review) -> str:
        return proposal_of(review) or NONE

    @admin.display(description=gettext_lazy("resolution"))
    def how(self, review: Review) -> str:
        known = review.resolution in Resolution.values
        return str(Resolution(review.resolution).label) if known else review.resolution or NONE

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        facts = ["why", "state", "weight", "payment_link", "receipt", "shown_shop", "subject"]
        open_ones = ["opened_at", "looked_at_by", "proposed"]
        return [*facts, *open_ones, "resolved_at", "resolved_by", "how", "reason"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.get_fields(request, obj)
