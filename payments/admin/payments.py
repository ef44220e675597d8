from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Exists, OuterRef
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from audit.actors import Actor
from payments.admin.filters import EnvironmentFilter, MethodFilter
from payments.admin.history import Story, said
from payments.admin.looks import choice_badge
from payments.admin.manual import VOID, ManualPages
from payments.admin.refund_acts import ASK_REFUND, AsksForRefunds, repeat_payer_note
from payments.admin.retrying import RETRY, AsksCustomers
from payments.admin.revealing import REVEAL_PHONE, RevealsPhone
from payments.admin.search import payments_found_by
from payments.admin.tables import tables_of
from payments.choices import Environment, NextStep, PaymentStatus
from payments.errors import PaymentsError
from payments.models import Payment, Review
from payments.receipt_choices import PaymentOrigin
from payments.services import checking
from payments.services.representation import explanation_of, is_blocked
from payments.states import LIVE_STATUSES
from tenants.admin_access import Fence
from tenants.admin_actions import ObjectAction
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE, badge, shillings
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

# A completed or reversed payment has its answer; of the others Safaricom may know more than we.
_ASKABLE = LIVE_STATUSES | {PaymentStatus.EXPIRED, PaymentStatus.FAILED}


@admin.register(Payment)
class PaymentAdmin(AsksCustomers, AsksForRefunds, RevealsPhone, ManualPages, ShopScopedModelAdmin):
    """The ledger: read only, for no form may make a payment paid."""

    view_action = Action.LIST_PAYMENTS
    fence = Fence(branch="branch", made_at="created_at")
    list_filter = [
        EnvironmentFilter,
        "status",
        "origin",
        ("method", MethodFilter),
        "created_at",
        ("shop", ScopedRelatedFilter),
        ("branch", ScopedRelatedFilter),
        ("config", ScopedRelatedFilter),
    ]
    list_select_related = ["shop", "branch", "config"]
    search_fields = ["receipt_number"]
    search_help_text = gettext_lazy(
        "Receipt, order, account reference, checkout request id or whole phone number"
    )
    # Sorting a ledger by any other column means reading all of it.
    sortable_by: list[str] = []
    expected_errors = (PaymentsError,)
    object_actions = (
        ObjectAction(
            "ask_again",
            gettext_lazy("Ask Safaricom again"),
            Action.ASK_PROVIDER,
            gettext_lazy(
                "The answer is applied like a callback's. No prompt goes to the customer."
            ),
            when=lambda payment: (
                payment.origin == PaymentOrigin.PROMPT and payment.status in _ASKABLE
            ),
        ),
        RETRY,
        ASK_REFUND,
        REVEAL_PHONE,
        VOID,
    )

    def get_list_display(self, request: HttpRequest) -> list[str]:
        columns = ["reference", "created_at", "shown_status", "shown_amount", "shown_phone"]
        shop = ["shop"] if sees_several_shops(request) else []
        return [*columns, "shown_receipt", *shop, "branch_name", "config_name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        doubts = Review.objects.filter(payment=OuterRef("pk"), resolved_at=None)
        rows = super().get_queryset(request).defer("phone", "metadata", "resolution")
        return rows.annotate(in_doubt=Exists(doubts))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        if search_term.strip():
            queryset = queryset.filter(pk__in=payments_found_by(search_term, queryset))
        return queryset, False

    @admin.display(description=gettext_lazy("reference"))
    def reference(self, payment: Payment) -> str:
        typed = payment.order_ref or payment.account_reference or payment.external_reference
        return typed or payment.get_method_display() or payment.receipt_number

    @admin.display(description=gettext_lazy("status"))
    def shown_status(self, payment: Payment) -> str:
        status = choice_badge(PaymentStatus, payment.status)
        return status + badge(_("Review"), "warn") if payment.in_doubt else status

    @admin.display(description=gettext_lazy("KES"))
    def shown_amount(self, payment: Payment) -> str:
        return shillings(payment.amount)

    @admin.display(description=gettext_lazy("phone"))
    def shown_phone(self, payment: Payment) -> str:
        return payment.phone_masked or NONE

    @admin.display(description=gettext_lazy("receipt"))
    def shown_receipt(self, payment: Payment) -> str:
        return payment.receipt_number or NONE

    @admin.display(description=gettext_lazy("branch"))
    def branch_name(self, payment: Payment) -> str:
        return payment.branch.name if payment.branch else NONE

    @admin.display(description=gettext_lazy("config"))
    def config_name(self, payment: Payment) -> str:
        if payment.config:
            return payment.config.name
        return payment.get_method_display() or NONE

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> TemplateResponse:
        """Show one payment; POST here has no meaning, so the page takes none."""
        payment = self.get_permitted(request, object_id, self.view_action)
        story = Story.of(payment, request)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": payment,
            "title": f"KES {shillings(payment.amount)}",
            "subtitle": self.reference(payment),
            "crumb": self.reference(payment),
            "buttons": self.buttons(request, payment),
            "badges": _badges(payment, story),
            "what_now": _what_now(payment, story),
            "is_blocked": is_blocked(story.reviews),
            "facts": _facts(payment),
            "moments": story.moments(),
            "tables": tables_of(story),
        }
        return TemplateResponse(request, "admin/payments/payment/detail.html", context)

    def buttons(self, request: HttpRequest, obj: Payment) -> list[dict[str, Any]]:
        buttons = super().buttons(request, obj)
        if self.may_do(request, Action.VIEW_STATS, obj):
            # By name: the page stands one floor higher.
            url = f"{reverse('admin:reconciliation_transcript')}?payment={obj.pk}"
            buttons.append({"label": _("Transcript"), "quiet": True, "url": url})
        return buttons

    def ask_again(self, request: HttpRequest, payment: Payment, *, reason: str) -> str:
        actor = Actor.from_user(request.user, request, role=request.user.role_in(payment.shop_id))
        checking.ask_now(payment=payment, actor=actor, now=timezone.now())
        payment.refresh_from_db(fields=["status"])
        return _("Asked. The payment is: %(status)s.") % {"status": payment.get_status_display()}


def _badges(payment: Payment, story: Story) -> list[str]:
    badges = [choice_badge(PaymentStatus, payment.status)]
    if payment.environment == Environment.SANDBOX:
        badges.append(choice_badge(Environment, payment.environment))
    if payment.late:
        badges.append(badge(_("Late"), "warn"))
    if payment.receipt_pending:
        badges.append(badge(_("Receipt awaited"), "wait"))
    if repeated := repeat_payer_note(payment):
        badges.append(badge(repeated, "bad"))
    if is_blocked(story.reviews):
        badges.append(badge(_("Do not release the goods: under review"), "bad"))
    return badges


def _what_now(payment: Payment, story: Story) -> dict[str, Any]:
    row = explanation_of(payment, story.attempts, story.reviews)
    message = row.message.sw if (get_language() or "").startswith("sw") else row.message.en
    is_over = row.next_step == NextStep.NONE
    next_step = "" if is_over else f"{row.next_step.label} ({row.who_acts.label})"
    return {"message": message, "next_step": next_step}


def _facts(payment: Payment) -> list[tuple[Any, Any]]:
    return [
        (_("Receipt"), payment.receipt_number or NONE),
        (_("Phone"), payment.phone_masked or NONE),
        (_("Order reference"), payment.order_ref or NONE),
        (_("Account reference"), payment.account_reference or NONE),
        (_("Shop"), payment.shop),
        (_("Branch"), payment.branch or NONE),
        (_("Payment config"), payment.config or NONE),
        (_("Provider"), payment.get_provider_display() or NONE),
        *_by_hand(payment),
        (_("Taken by"), payment.created_by or NONE),
        (_("Created"), payment.created_at),
        (_("Expires"), payment.expires_at),
        (_("Completed"), payment.completed_at or NONE),
        (_("Result"), said(payment.result_code, payment.result_desc) or NONE),
    ]


def _by_hand(payment: Payment) -> list[tuple[Any, Any]]:
    """Tell how it came, of what was not asked for."""
    if payment.origin == PaymentOrigin.PROMPT:
        return []
    facts: list[tuple[Any, Any]] = [(_("Origin"), payment.get_origin_display())]
    if payment.origin == PaymentOrigin.MANUAL:
        facts += [
            (_("How the money came"), payment.get_method_display()),
            (_("Receipt or reference"), payment.external_reference or NONE),
            (_("Why it is written down"), payment.note or NONE),
        ]
    return facts
