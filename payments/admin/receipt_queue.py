"""The queue of unallocated money: oldest first, each with what can be done about it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy

from payments.admin.filters import EnvironmentFilter
from payments.admin.receipts import ReceiptAdmin
from payments.choices import ReceiptStatus
from payments.models import Receipt, UnallocatedReceipt
from payments.receipt_choices import PaymentOrigin, UnallocatedReason
from payments.services import receipt_rows
from tenants.admin_access import rows_for
from tenants.admin_base import sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import shillings
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

_LATELY = timedelta(days=2)
_MOST_HANDLED = 10
# A till's claim is a sale and no decision of this page; what is made here has no order of its own.
_DECIDED_HERE = Q(payment__origin=PaymentOrigin.PROMPT) | Q(payment__order_ref="")


@admin.register(UnallocatedReceipt)
class UnallocatedReceiptAdmin(ReceiptAdmin):
    """Managers and admins decide here; support looks on, masked; cashiers do not come here."""

    view_action = Action.VIEW_INBOX
    change_list_template = "admin/payments/unallocatedreceipt/change_list.html"
    # Each row asks the ledger what fits it.
    list_per_page = 10
    list_filter = [
        EnvironmentFilter,
        "reason",
        ("shop", ScopedRelatedFilter),
        ("branch", ScopedRelatedFilter),
        ("config", ScopedRelatedFilter),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).filter(status=ReceiptStatus.UNALLOCATED)

    def get_ordering(self, request: HttpRequest) -> list[str]:
        return ["created_at", "id"]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        response = super().changelist_view(request, extra_context)
        data = getattr(response, "context_data", None)
        if data and "cl" in data:
            rows = data["cl"].result_list
            data["items"] = [self._item(request, receipt) for receipt in rows]
            data["handled"] = self._handled(request, environment=_environment_of(data["cl"]))
        return response

    def page_of(self, obj: Receipt) -> str:  # type: ignore[override]
        """Lead back to the queue of the same world: what was decided is no longer in it."""
        queue = reverse("admin:payments_unallocatedreceipt_changelist")
        return f"{queue}?environment={obj.environment}"

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Lead to what the audit log has of the receipt itself."""
        receipt = self.get_permitted(request, object_id, Action.VIEW_AUDIT)
        return HttpResponseRedirect(reverse("admin:payments_receipt_history", args=[receipt.pk]))

    def _item(self, request: HttpRequest, receipt: Receipt) -> dict[str, Any]:
        may_decide = self.may_do(request, Action.RESOLVE_REVIEWS, receipt)
        is_staff = bool(request.user.platform_role)
        return {
            "receipt": receipt,
            "amount": shillings(receipt.amount),
            "payer": self.masked_payer(receipt) if is_staff else self.payer(receipt),
            "shop": receipt.shop if sees_several_shops(request) else "",
            "branch": receipt_rows.place_of(receipt),
            "urls": self.urls_of(receipt),
            "may_decide": may_decide,
            "suggestions": self.suggestions(request, receipt) if may_decide else [],
        }

    def _handled(self, request: HttpRequest, *, environment: str) -> list[dict[str, Any]]:
        """List what was decided lately, for whom may undo it."""
        now = timezone.now()
        rows = rows_for(request.user, Action.RESOLVE_REVIEWS, self.fence, now=now)
        given = Q(_DECIDED_HERE, status=ReceiptStatus.CREDITED, claimed_at__gte=now - _LATELY)
        marked = Q(status=ReceiptStatus.IN_REVIEW, reason=UnallocatedReason.REFUND_NEEDED)
        # What an index can find; whether it was decided here is then asked of those few.
        lately = Q(claimed_at__gte=now - _LATELY) | Q(status=ReceiptStatus.IN_REVIEW)
        receipts = receipt_rows.placed(Receipt.objects.all()).filter(
            rows, lately, given | marked, environment=environment
        )
        newest = receipts.select_related("payment").order_by("-claimed_at", "-created_at")
        return [self._handled_item(receipt) for receipt in newest[:_MOST_HANDLED]]

    def _handled_item(self, receipt: Receipt) -> dict[str, Any]:
        return {
            "receipt": receipt,
            "amount": shillings(receipt.amount),
            "became": self.shown_payment(receipt) if receipt.payment else gettext_lazy("Refund"),
            "page": reverse("admin:payments_receipt_change", args=[receipt.pk]),
            "undo": reverse("admin:payments_receipt_do", args=[receipt.pk, "release"]),
        }


def _environment_of(changelist: Any) -> str:
    """Return the world the list shows."""
    specs = (spec for spec in changelist.filter_specs if isinstance(spec, EnvironmentFilter))
    return next(specs).chosen
