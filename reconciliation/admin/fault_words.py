"""What "not found" means, by what was looked for; and what to ask the customer."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from reconciliation.fault_finding import DAYS_OF_AMOUNTS, Found
from tenants.admin_looks import shillings


def nowhere(found: Found, *, is_todays_only: bool) -> dict[str, Any]:
    """Say what it means that no payment and no receipt was found, and what else was seen."""
    return {
        "meaning": _meaning(found, is_todays_only=is_todays_only),
        "seen": [*_lines(found), *_checks(found), *_callbacks(found)],
        "ask": _ask(found),
    }


def _meaning(found: Found, *, is_todays_only: bool) -> str:
    if found.lines:
        return _("A statement of Safaricom has this receipt; Malipo was never told of it.")
    if is_todays_only:
        return _("Nothing of today in your branch has this. A manager sees other days too.")
    if found.sought.kind == "amount" and found.sought.day is None:
        days = {"days": DAYS_OF_AMOUNTS}
        return _("No payment of this amount in the last %(days)s days. Say the day.") % days
    return {
        "phone": _("This phone was never asked here, and no money came from it by hand."),
        "receipt": _(
            "No payment, receipt or statement line of this shop has this number: the money went"
            " elsewhere, or Safaricom has not told us yet."
        ),
        "checkout": _("No prompt of this shop has this CheckoutRequestID."),
        "amount": _("No payment of this amount came then."),
    }.get(found.sought.kind, _("No order, account or reference of this shop is written like this."))


def _ask(found: Found) -> list[str]:
    """Return what to ask the customer for, the surest first."""
    receipt = _("The whole M-Pesa message: the receipt is its first ten letters and digits.")
    number = _("Which till or paybill the message names: it may be another shop's.")
    return {
        "phone": [receipt, _("Whether another phone paid."), number],
        "receipt": [number, _("The receipt again, letter by letter: O and 0 look alike.")],
        "amount": [receipt, _("The phone that paid."), _("The day and the time in the message.")],
    }.get(found.sought.kind, [receipt, _("The phone that paid."), number])


def _lines(found: Found) -> list[str]:
    return [
        _("Statement line of %(when)s: KES %(amount)s, %(state)s.")
        % {
            "when": f"{line.completed_at:%Y-%m-%d}",
            "amount": shillings(line.paid_in or line.withdrawn),
            "state": line.get_state_display(),
        }
        for line in found.lines
    ]


def _checks(found: Found) -> list[str]:
    return [
        _("It was checked on %(when)s: %(answer)s.")
        % {"when": f"{check.at:%Y-%m-%d}", "answer": check.get_answer_display()}
        for check in found.checks
    ]


def _callbacks(found: Found) -> list[str]:
    if not found.callbacks:
        return []
    return [_("Callbacks of these days were not believed; one may be about this money.")]
