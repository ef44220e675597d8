"""Money to be given back: who asked, who says yes, what became of it."""

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
from payments.admin.refund_acts import ask_about
from payments.admin.request_tables import explanation_of, requests_of
from payments.choices import Environment
from payments.errors import PaymentsError
from payments.models import Refund
from payments.receipt_choices import RefundStatus
from payments.services import refund_outcomes, refunds
from tenants.admin_access import Fence
from tenants.admin_actions import ObjectAction
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE, badge, shillings
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest


def _waits(refund: Refund) -> bool:
    return refund.status == RefundStatus.ASKED


APPROVE = ObjectAction(
    "approve",
    gettext_lazy("Approve"),
    Action.APPROVE_REFUND,
    gettext_lazy(
        "You are the second person. With an initiator the order goes to Safaricom at once, and only"
        " once; without one you reverse it on the M-Pesa organisation portal."
    ),
    when=_waits,
)
DECLINE = ObjectAction(
    "decline",
    gettext_lazy("Decline"),
    Action.APPROVE_REFUND,
    gettext_lazy("Nothing is sent. The reason is shown to whoever asked."),
    danger=True,
    asks_reason=True,
    when=_waits,
)
IT_WENT_BACK = ObjectAction(
    "settle_reversed",
    gettext_lazy("It went back"),
    Action.APPROVE_REFUND,
    gettext_lazy(
        "The M-Pesa portal shows the reversal: the payment becomes reversed by your word. Say what"
        " you saw, and when."
    ),
    danger=True,
    asks_reason=True,
    when=refund_outcomes.may_be_settled,
)
IT_STAYED = ObjectAction(
    "settle_not_reversed",
    gettext_lazy("It did not"),
    Action.APPROVE_REFUND,
    gettext_lazy(
        "The M-Pesa portal shows no reversal: the refund ends as failed, and may be asked for again."
        " Say what you saw."
    ),
    asks_reason=True,
    when=refund_outcomes.may_be_settled,
)
ASK_ABOUT = ObjectAction(
    "ask_safaricom",
    gettext_lazy("Ask Safaricom"),
    Action.ASK_PROVIDER,
    gettext_lazy("Only a question: the refund itself is not sent again."),
    when=lambda refund: (
        refund.status == RefundStatus.UNKNOWN and refunds.can_be_sent(refund.receipt)
    ),
)
_OF_A_SECOND_PERSON = (APPROVE, DECLINE, IT_WENT_BACK, IT_STAYED)


@admin.register(Refund)
class RefundAdmin(ShopScopedModelAdmin):
    """Read only, with buttons: two people give money back, and nobody edits what they said."""

    view_action = Action.ASK_REFUND
    fence = Fence(branch="payment__branch")
    change_list_template = "admin/payments/refund/change_list.html"
    list_filter = [EnvironmentFilter, "status", ("shop", ScopedRelatedFilter)]
    list_select_related = ["shop", "receipt", "payment"]
    search_fields = ["receipt__number"]
    search_help_text = gettext_lazy("Receipt number")
    sortable_by: list[str] = []
    expected_errors = (PaymentsError,)
    object_actions = (*_OF_A_SECOND_PERSON, ASK_ABOUT)

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shop = ["shop"] if sees_several_shops(request) else []
        facts = ["shown_receipt", "shown_status", "shown_amount", "shown_reason"]
        return [*facts, *shop, "asked_by_label", "asked_at", "decider"]

    @admin.display(description=gettext_lazy("receipt"))
    def shown_receipt(self, refund: Refund) -> str:
        return refund.receipt.number

    @admin.display(description=gettext_lazy("status"))
    def shown_status(self, refund: Refund) -> str:
        return choice_badge(RefundStatus, refund.status)

    @admin.display(description=gettext_lazy("KES"))
    def shown_amount(self, refund: Refund) -> str:
        return shillings(refund.amount)

    @admin.display(description=gettext_lazy("reason"))
    def shown_reason(self, refund: Refund) -> str:
        return refund.reason

    @admin.display(description=gettext_lazy("decided by"))
    def decider(self, refund: Refund) -> str:
        return refund.decided_by_label or NONE

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> TemplateResponse:
        """Show one refund and what is to be decided; POST here has no meaning."""
        refund = self.get_permitted(request, object_id, self.view_action)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": refund,
            "title": f"KES {shillings(refund.amount)}",
            "subtitle": refund.receipt.number,
            "crumb": refund.receipt.number,
            "buttons": self.buttons(request, refund),
            "badges": _badges(refund),
            "said": said_of(refund, is_own=not refunds.may_decide(refund, request.user)),
            "is_blocked": refund.status in {RefundStatus.UNKNOWN, RefundStatus.FAILED},
            "facts": _facts(refund),
            "tables": requests_of(refund.receipt),
        }
        return TemplateResponse(request, "admin/payments/refund/detail.html", context)

    def buttons(self, request: HttpRequest, obj: Refund) -> list[dict[str, Any]]:
        """Offer no decision to whoever asked: his page says who decides instead."""
        buttons = super().buttons(request, obj)
        if refunds.may_decide(obj, request.user):
            return buttons
        hidden = {self._action_url(obj, spec) for spec in _OF_A_SECOND_PERSON}
        return [button for button in buttons if button["url"] not in hidden]

    def approve(self, request: HttpRequest, refund: Refund, *, reason: str) -> str:
        done = refunds.approve(
            refund=refund, note=reason, user=request.user, **_who(request, refund, reason)
        )
        return _("Approved. The refund is: %(status)s.") % {"status": done.get_status_display()}

    def decline(self, request: HttpRequest, refund: Refund, *, reason: str) -> str:
        refunds.decline(
            refund=refund, note=reason, user=request.user, **_who(request, refund, reason)
        )
        return _("Declined. Nothing was sent.")

    def settle_reversed(self, request: HttpRequest, refund: Refund, *, reason: str) -> str:
        return self._settle(request, refund, was_reversed=True, reason=reason)

    def settle_not_reversed(self, request: HttpRequest, refund: Refund, *, reason: str) -> str:
        return self._settle(request, refund, was_reversed=False, reason=reason)

    def ask_safaricom(self, request: HttpRequest, refund: Refund, *, reason: str) -> str:
        return ask_about(request, refund.receipt, reason=reason)

    def _settle(
        self, request: HttpRequest, refund: Refund, *, was_reversed: bool, reason: str
    ) -> str:
        refund_outcomes.settle_by_hand(
            refund=refund,
            was_reversed=was_reversed,
            reason=reason,
            user=request.user,
            **_who(request, refund, reason),
        )
        return _("Settled by your word.")


def said_of(refund: Refund, *, is_own: bool) -> str:
    """Say in a sentence how a refund stands, and who does what now."""
    if refund.status == RefundStatus.ASKED and is_own:
        return _("You asked for this refund; another person must approve it.")
    if refund.status == RefundStatus.DECLINED:
        return _("Declined: %(note)s") % {"note": refund.note}
    if refund.status == RefundStatus.FAILED:
        told = explanation_of(refund.request) if refund.request else ""
        return _("The money did not go back. %(why)s") % {"why": told or refund.note}
    return str(_SAID[refund.status])


_SAID = {
    RefundStatus.ASKED: gettext_lazy("It waits for the yes of somebody else than who asked."),
    RefundStatus.APPROVED: gettext_lazy(
        "No initiator is set, so nothing was sent. Reverse the receipt on the M-Pesa organisation"
        " portal (Search transaction, Reverse), then say here what the portal shows."
    ),
    RefundStatus.SENT: gettext_lazy("Safaricom has the order; its result is awaited."),
    RefundStatus.UNKNOWN: gettext_lazy(
        "Nobody knows whether Safaricom carried it out. It is never sent again by itself: ask about"
        " the receipt, or look at the M-Pesa organisation portal and say what it shows."
    ),
    RefundStatus.DONE: gettext_lazy("The money is back with who paid it."),
}


def _badges(refund: Refund) -> list[Any]:
    badges = [choice_badge(RefundStatus, refund.status)]
    if refund.environment == Environment.SANDBOX:
        badges.append(choice_badge(Environment, refund.environment))
    if refund.status == RefundStatus.UNKNOWN:
        badges.append(badge(_("Not sent again by itself"), "warn"))
    return badges


def _facts(refund: Refund) -> list[tuple[Any, Any]]:
    return [
        (_("Amount"), f"KES {shillings(refund.amount)}"),
        (_("Why"), refund.reason),
        (_("Receipt"), _link("receipt", refund.receipt_id, refund.receipt.number)),
        (_("Payment"), _link("payment", refund.payment_id, refund.payment)),
        (_("Asked by"), refund.asked_by_label),
        (_("Asked"), refund.asked_at),
        (_("Decided by"), refund.decided_by_label or NONE),
        (_("Decided"), refund.decided_at or NONE),
        (_("Note"), refund.note or NONE),
        (_("Ended"), refund.ended_at or NONE),
        (_("Shop"), refund.shop),
    ]


def _link(page: str, key: Any, name: Any) -> str:
    if key is None:
        return NONE
    url = reverse(f"admin:payments_{page}_change", args=[key])
    return format_html('<a href="{}">{}</a>', url, name)


def _who(request: HttpRequest, refund: Refund, reason: str) -> dict[str, Any]:
    role = request.user.role_in(refund.shop_id)
    actor = Actor.from_user(request.user, request, role=role, reason=reason)
    return {"actor": actor, "now": timezone.now()}
