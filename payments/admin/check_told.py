"""What the page says of a check: one big word with its colour and sign, what to do, and the facts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.choices import Environment
from payments.receipt_choices import CheckAnswer, RequestStatus
from payments.services import check_asking, check_words, receipt_rows
from payments.services.receipt_checks import Checked
from tenants.admin_looks import badge, shillings
from tenants.roles import Role

if TYPE_CHECKING:
    from payments.admin.check_forms import ClaimForm
    from payments.models import Payment, ProviderRequest, Receipt

# Word, colour and sign of each answer; the sign stands for the colour where that is not seen.
_LOOKS: dict[str, tuple[Any, str, str]] = {
    CheckAnswer.GENUINE_UNCLAIMED: (gettext_lazy("Genuine"), "good", "✓"),
    CheckAnswer.ALREADY_USED: (gettext_lazy("Already used"), "bad", "✕"),
    CheckAnswer.AMOUNT_DIFFERS: (gettext_lazy("Another amount"), "warn", "≠"),
    CheckAnswer.REVERSED: (gettext_lazy("Taken back"), "bad", "↩"),
    CheckAnswer.NOT_SEEN_YET: (gettext_lazy("Not seen yet"), "wait", "…"),
    CheckAnswer.WRONG_BUSINESS: (gettext_lazy("Not this shop’s"), "bad", "↗"),  # noqa: RUF001
    CheckAnswer.LOOKS_FAKE: (gettext_lazy("Looks fake"), "bad", "!"),
}
_ASKED: dict[str, Any] = {
    RequestStatus.CREATED: gettext_lazy("Safaricom is being asked."),
    RequestStatus.ACCEPTED: gettext_lazy(
        "Safaricom was asked. Its answer takes up to two minutes."
    ),
    RequestStatus.UNKNOWN: gettext_lazy("Safaricom was asked, and gave no sign that it heard us."),
    RequestStatus.REFUSED: gettext_lazy("Safaricom did not take the question."),
    RequestStatus.TIMED_OUT: gettext_lazy("Safaricom is too busy to answer."),
    RequestStatus.SUCCEEDED: gettext_lazy(
        "Safaricom answered. The shop must look into this payment."
    ),
    RequestStatus.FAILED: gettext_lazy("Safaricom could not tell."),
}


def told_of(
    checked: Checked, *, again: str, now: datetime, claim: ClaimForm | None = None
) -> dict[str, Any]:
    """
    Return what the page shows of an answer.

    again is the token to look again with; claim is a claim that was refused, shown once more.
    """
    word, tone, sign = _LOOKS[checked.answer]
    what = check_words.what_of(checked.answer, checked.why)[0]
    is_genuine = checked.answer == CheckAnswer.GENUINE_UNCLAIMED
    is_unseen = checked.answer == CheckAnswer.NOT_SEEN_YET
    return {
        "word": word,
        "tone": tone,
        "sign": sign,
        "number": checked.number,
        "what": _(what) % checked.facts,
        "next": _(check_words.next_of(checked.answer, checked.why)[0]),
        "facts": _facts(checked.receipt) if checked.receipt else [],
        "steps": _steps(checked, now=now) if is_unseen else [],
        "is_live": is_unseen and _is_live(checked, now=now),
        "again": again if is_unseen else "",
        "receipt": checked.receipt if is_genuine else None,
        "claim": claim if is_genuine else None,
    }


def answer_badge(answer: str) -> str:
    """Draw an answer in the list of checks, in the colour it had on the page."""
    word, tone, _sign = _LOOKS[answer]
    return badge(word, tone)


def used_now(payment: Payment, number: str) -> dict[str, Any]:
    """Return what the page shows once a receipt was used for a sale."""
    facts = [
        (_("Amount"), f"KES {shillings(payment.amount)}"),
        (_("Order or bill number"), payment.order_ref),
    ]
    is_real = payment.environment != Environment.SANDBOX
    return {
        "word": _("Used for this sale"),
        "tone": "good",
        "sign": "✓",
        "number": number.upper(),
        "what": _("The payment belongs to this sale now. Nobody can use it again."),
        "next": _("Hand over the goods.") if is_real else _("Sandbox: no real money"),
        "facts": facts,
        "steps": [],
    }


def _facts(receipt: Receipt) -> list[tuple[str, Any]]:
    """Return what of the shop's own receipt helps at the counter."""
    payment, place = receipt.payment, receipt_rows.place_of(receipt)
    used_at = receipt.claimed_at or (payment.completed_at if payment else None)
    facts = [
        (_("Amount"), f"KES {shillings(receipt.amount)}"),
        (_("Paid"), _moment(receipt.paid_at)),
        (_("Payer"), receipt_rows.payer_of(receipt, role=Role.CASHIER)),
        (_("Account"), receipt.account_reference),
        (_("Branch"), place.name if place else ""),
        (_("Used"), _moment(used_at) if payment else ""),
        (_("Order or bill number"), payment.order_ref if payment else ""),
    ]
    return [(name, value) for name, value in facts if value]


def _is_live(checked: Checked, *, now: datetime) -> bool:
    is_pulled = checked.why == check_asking.PULLING
    return is_pulled or check_asking.is_waiting(checked.request, now=now)


def _steps(checked: Checked, *, now: datetime) -> list[dict[str, Any]]:
    """Return how far the search is, in order."""
    request = checked.request
    is_pulled = checked.why == check_asking.PULLING
    steps = [{"says": _("It is not among the payments Safaricom told us of."), "is_done": True}]
    if request is not None:
        steps.append(_asked(request, now=now))
    if is_pulled:
        says = _(
            "Safaricom is asked for all payments of the last hour. That takes up to two minutes."
        )
        steps.append({"says": says, "is_done": False})
    elif request is None:
        steps.append({"says": _("Safaricom tells us of payments by itself, mostly within a minute."),
                      "is_done": False})  # fmt: skip
    return steps


def _asked(request: ProviderRequest, *, now: datetime) -> dict[str, Any]:
    asked_at = localtime(request.requested_at)
    says = _("%(time)s: %(what)s") % {
        "time": date_format(asked_at, "H:i:s"),
        "what": _unknown()
        if check_asking.is_unknown_to_safaricom(request)
        else _ASKED[request.status],
    }
    return {"says": says, "is_done": not check_asking.is_waiting(request, now=now)}


def _unknown() -> str:
    return _("Safaricom knows no such payment to this shop.")


def _moment(moment: datetime | None) -> str:
    return date_format(localtime(moment), "j M Y, H:i") if moment else ""
