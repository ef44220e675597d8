"""The buttons by which a refund begins, on a payment and on a receipt; and asking about a receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from payments.choices import ReceiptStatus
from payments.models import Payment, Receipt
from payments.receipt_choices import RequestStatus
from payments.services import radar, refunds, requests
from tenants.admin_actions import ObjectAction
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_EXPLAINED = gettext_lazy(
    "The whole amount goes back to who paid it. Nothing is sent before another person approves it."
)


def credited_receipt(payment: Payment) -> Receipt | None:
    """Return the receipt a payment was paid by, where one is known."""
    rows = payment.receipts.filter(status=ReceiptStatus.CREDITED)
    found: Receipt | None = rows.select_related("payment", "config").first()
    return found


def _may_refund(subject: Payment | Receipt) -> bool:
    receipt = subject if isinstance(subject, Receipt) else credited_receipt(subject)
    if receipt is None or refunds.obstacle_to(receipt):
        return False
    return refunds.open_refund(receipt) is None


def _may_be_asked_about(receipt: Receipt) -> bool:
    return receipt.config is not None and requests.has_initiator(receipt.config)


ASK_REFUND = ObjectAction(
    "ask_refund",
    gettext_lazy("Ask for a refund"),
    Action.ASK_REFUND,
    _EXPLAINED,
    danger=True,
    asks_reason=True,
    when=_may_refund,
)
ASK_SAFARICOM = ObjectAction(
    "ask_safaricom",
    gettext_lazy("Ask Safaricom"),
    Action.ASK_PROVIDER,
    gettext_lazy("Safaricom says within minutes whether the money is still there."),
    when=_may_be_asked_about,
)


class AsksForRefunds:
    """Does what the buttons say; the page is an admin of payments or of receipts."""

    def ask_refund(
        self, request: HttpRequest, subject: Payment | Receipt, *, reason: str
    ) -> HttpResponse | str:
        receipt = subject if isinstance(subject, Receipt) else credited_receipt(subject)
        if receipt is None:
            return ""
        who = _who(request, receipt.shop_id, reason)
        refund = refunds.ask_refund(receipt=receipt, reason=reason, user=request.user, **who)
        self.message_user(request, _("The refund waits for another person's yes."), "success")
        return HttpResponseRedirect(reverse("admin:payments_refund_change", args=[refund.pk]))

    def ask_safaricom(self, request: HttpRequest, receipt: Receipt, *, reason: str) -> str:
        return ask_about(request, receipt, reason=reason)


def ask_about(request: HttpRequest, receipt: Receipt, *, reason: str = "") -> str:
    """Ask what became of a receipt and say how the asking went."""
    assert receipt.config is not None  # noqa: S101 - the button's own condition
    asked = requests.ask_status(
        config=receipt.config,
        receipt_number=receipt.number,
        receipt=receipt,
        payment=receipt.payment,
        purpose="page",
        **_who(request, receipt.shop_id, reason),
    )
    if asked.status == RequestStatus.REFUSED:
        return _("Safaricom did not take the question. Try again in a minute.")
    return _("Asked. The answer comes within minutes; look at this page again.")


def repeat_payer_note(subject: Payment | Receipt) -> str:
    """Say that this payer took money back before, "" where he did not, or nobody knows."""
    payer = subject.payer_index if isinstance(subject, Receipt) else subject.phone_index
    if not payer:
        receipt = subject if isinstance(subject, Receipt) else credited_receipt(subject)
        payer = radar.payer_of(receipt) if receipt else ""
    is_known = radar.is_repeat_payer(shop_id=subject.shop_id, payer_index=payer)
    return _("Took money back before") if is_known else ""


def _who(request: HttpRequest, shop_id: Any, reason: str) -> dict[str, Any]:
    role = request.user.role_in(shop_id)
    actor = Actor.from_user(request.user, request, role=role, reason=reason)
    return {"actor": actor, "now": timezone.now()}
