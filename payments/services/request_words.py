"""
What the result codes of asynchronous requests mean, for the people of a shop.

English here, translated where it is shown. A code that is not in the table is shown as Safaricom
wrote it. To add a code: one row, with its source in a comment.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

# Codes that say the operator himself was refused (Daraja 3.0 portal, AccountBalance and Reversal;
# 8006 recorded in the live sandbox, 2026-10-06). Asked on, a wrong password locks him.
WRONG_INITIATOR = frozenset({"2001", "18", "20"})
LOCKED_INITIATOR = frozenset({"8006"})
NOT_PERMITTED = frozenset({"21", "22"})
OPERATOR_CODES = WRONG_INITIATOR | LOCKED_INITIATOR | NOT_PERMITTED

_WRONG = _("Safaricom does not accept the initiator's name or password.")
_MAY_NOT = _("The initiator lacks the role for this on the M-Pesa portal.")

_EXPLAINED: dict[str, str] = {
    "0": _("Carried out."),
    "1": _("The account that pays it back holds too little money."),
    "11": _("One of the two accounts is in a state that allows no payment."),
    "18": _WRONG,
    "20": _WRONG,
    "21": _MAY_NOT,
    "22": _MAY_NOT,
    "26": _("Safaricom was too busy."),
    "2001": _WRONG,
    "2006": _("The account's state does not allow this."),
    "2028": _("This account's product does not allow this."),
    # NM, live sandbox 2026-10-06; too young, or another organisation's.
    "2032": _("Safaricom knows no such receipt, or not yet."),
    "8006": _(
        "The initiator is locked; the business administrator unlocks him on the M-Pesa portal."
    ),
    # Daraja 3.0 portal, Reversal.
    "R000001": _("The receipt was reversed before; its money is not ours to give back twice."),
    "R000002": _("Safaricom finds no receipt of this number that can be reversed."),
    # Our own words for what kept a request from being sent.
    "ProviderUnreachable": _("Safaricom could not be reached; nothing was sent."),
    "CredentialsRefused": _("Safaricom refused the consumer key or secret; nothing was sent."),
    "OutcomeUnknown": _("Safaricom gave no readable answer when it was sent."),
}


def explained(result_code: str) -> str:
    """Return what a code means in plain English, "" where no table says it."""
    return _EXPLAINED.get(result_code, "")
