"""Asking the customer again from the payment's page: the same service as the API's retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from audit.actors import Actor
from payments.choices import PaymentStatus, Submission
from payments.errors import PaymentsError
from payments.receipt_choices import PaymentOrigin
from payments.services import retrying
from tenants.admin_actions import ObjectAction
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from payments.models import Payment

RETRY = ObjectAction(
    "retry",
    gettext_lazy("Send a new prompt"),
    Action.TAKE_PAYMENTS,
    gettext_lazy(
        "The customer's phone gets a new M-Pesa prompt for the same amount. Safaricom is asked "
        "about the last one first: if it was paid, or may still be paid, no new one goes out. "
        "Three prompts per payment at most."
    ),
    when=lambda payment: (
        payment.origin == PaymentOrigin.PROMPT and payment.status in retrying.RETRIED
    ),
)
#: What the service refuses with, for whoever translates.
_REFUSALS = (
    gettext_noop("At most 3 attempts. Start a new payment."),
    gettext_noop("A review is open: the customer may have paid."),
    gettext_noop("The last prompt is still being processed."),
    gettext_noop("Nobody can tell yet whether the last prompt reached the customer."),
    gettext_noop("The provider does not answer just now."),
    gettext_noop("Safaricom refuses a repeat this soon."),
    gettext_noop("The phone number is no longer kept."),
    gettext_noop("The payment's config is no longer in use. Start a new payment."),
    gettext_noop("The customer was asked again meanwhile."),
    gettext_noop("The order has a live payment."),
    gettext_noop("The phone has a live prompt."),
    gettext_noop("The order has a completed payment."),
    gettext_noop("The order is paid by money that was split between orders."),
    gettext_noop("The query budget of this account is spent."),
)


class AsksCustomers:
    """Does what the button says, for an admin of payments."""

    def retry(self, request: HttpRequest, payment: Payment, *, reason: str) -> HttpResponse | str:
        role = request.user.role_in(payment.shop_id)
        actor = Actor.from_user(request.user, request, role=role, reason=reason)
        try:
            payment, is_sent = retrying.retry_payment(
                payment=payment, actor=actor, now=timezone.now()
            )
        except PaymentsError as error:
            level, text = messages.ERROR, _refusal(error)
        else:
            level, text = _outcome(payment, is_sent=is_sent)
        self.message_user(request, text, level)
        return HttpResponseRedirect(self.page_of(payment))


def _refusal(error: PaymentsError) -> str:
    said = _("No new prompt went out. %(why)s") % {"why": _(str(error))}
    if error.retry_after is None:
        return said
    return f"{said} " + _("Try again in %(seconds)s s.") % {"seconds": error.retry_after}


def _outcome(payment: Payment, *, is_sent: bool) -> tuple[int, str]:
    """Say what is known of the new prompt, and no more than that."""
    if not is_sent:
        return messages.SUCCESS, _("No new prompt went out: Safaricom says that it is paid.")
    last = payment.attempts.order_by("-number")[0]
    if last.submission == Submission.SENT and payment.status != PaymentStatus.FAILED:
        return messages.SUCCESS, _(
            "Safaricom took the new prompt. The customer is asked now; wait for the answer."
        )
    if last.submission == Submission.REFUSED:
        return messages.ERROR, _("Safaricom refused the new prompt: the customer was not asked.")
    return messages.WARNING, _(
        "Nobody knows yet whether the new prompt reached the customer. Ask nobody to pay twice."
    )
