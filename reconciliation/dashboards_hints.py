"""What helps with a failed payment, said to the person at the till; and the newest of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from payments.choices import Fault, NextStep, PaymentStatus
from payments.models import Payment
from payments.providers.daraja.status_messages import explain_payment
from payments.receipt_choices import PaymentOrigin
from tenants.admin_access import grant_in
from tenants.admin_looks import shillings
from tenants.roles import Action, Grant, may

if TYPE_CHECKING:
    from payments.providers.daraja.explanations import ResultCode
    from reconciliation.dashboards_frame import Place

MOST_NEWEST = 20
_RETRIED = (NextStep.RETRY, NextStep.RETRY_LATER)


@dataclass(frozen=True)
class Advice:
    """What a reason means, whose fault it is, what to do and whether to call the customer."""

    message: str
    fault: str
    whose: str
    next_step: str
    who: str
    contact: str


@dataclass(frozen=True)
class Failed:
    """One failed payment, and what this person may do about it."""

    payment: Payment
    advice: Advice
    url: str
    ask_url: str
    # Where a new prompt is confirmed; "" where it would not help, or is not this person's to send.
    retry_url: str = ""

    @property
    def amount(self) -> str:
        return shillings(self.payment.amount)


def advice_of(row: ResultCode, status: str) -> Advice:
    """Put an explanation into the reader's language."""
    is_swahili = (get_language() or "").startswith("sw")
    return Advice(
        message=row.message.sw if is_swahili else row.message.en,
        fault=row.fault or "",
        whose=str(Fault(row.fault).label) if row.fault else _("Not known"),
        next_step=str(row.next_step.label),
        who=str(row.who_acts.label),
        contact=_contact(row, status),
    )


def newest_failed(place: Place) -> list[Failed]:
    """List the newest that this person may see, in the period."""
    span = place.period.span
    rows = place.payments(Action.LIST_PAYMENTS).filter(
        status__in=(PaymentStatus.FAILED, PaymentStatus.EXPIRED),
        created_at__gte=span.since,
        created_at__lt=span.until,
    )
    rows = rows.defer("phone", "metadata", "resolution").select_related("config", "branch")
    role = place.user.role_in(place.shop.pk)
    return [_failed(row, role) for row in rows[:MOST_NEWEST]]


def _failed(payment: Payment, role: str) -> Failed:
    row = explain_payment(
        status=payment.status,
        environment=payment.environment,
        result_code=payment.result_code,
    )
    is_prompt = payment.origin == PaymentOrigin.PROMPT
    is_askable = is_prompt and may(role, Action.ASK_PROVIDER)
    may_prompt = grant_in(role, Action.TAKE_PAYMENTS, payment) is not Grant.NO
    is_retried = is_prompt and may_prompt and row.next_step in _RETRIED
    return Failed(
        payment=payment,
        advice=advice_of(row, payment.status),
        url=reverse("admin:payments_payment_change", args=[payment.pk]),
        ask_url=ask_url(payment) if is_askable else "",
        retry_url=_act_url(payment, "retry") if is_retried else "",
    )


def ask_url(payment: Payment) -> str:
    """Return where "ask Safaricom again" is pressed."""
    return _act_url(payment, "ask_again")


def _act_url(payment: Payment, act: str) -> str:
    return reverse("admin:payments_payment_do", args=[payment.pk, act])


def _contact(row: ResultCode, status: str) -> str:
    """Say whether and how to speak with the customer; never to ask twice for what may be paid."""
    if status == PaymentStatus.EXPIRED:
        return _("Ask Safaricom first; only then ask the customer whether a message came.")
    hints: dict[Any, str] = {
        NextStep.TOP_UP: _("Tell the customer: top up M-Pesa, or pay a part."),
        NextStep.CHANGE_AMOUNT: _("Tell the customer that the amount is beyond M-Pesa's limit."),
        NextStep.USE_OTHER_PHONE: _("Ask the customer for another phone to pay from."),
        NextStep.FIX_CONFIG: _(
            "Do not call the customer: the payment config must be mended first."
        ),
        NextStep.PAY_BY_TILL: _("Ask the customer to pay to the till by hand."),
        NextStep.RETRY: _("Ask the customer to have the phone at hand, then send a new prompt."),
        NextStep.RETRY_LATER: _("Tell the customer to wait some minutes, then send a new prompt."),
    }
    return hints.get(row.next_step, _("Do not ask the customer to pay again yet."))
