"""
What the doctor can find, in plain words: the result, what it means, and what to do next.

One row a finding; a stage names the row, the row says the rest. failed is a definite no that fails
a config; error and timeout say that nothing is known yet. Words are English here and translated
where they are shown. To add a finding: a row, and a test that provokes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_noop as _

from payments.choices import VerificationResult

_OK, _NO = VerificationResult.SUCCESS, VerificationResult.FAILED
_ERROR, _LATE = VerificationResult.ERROR, VerificationResult.TIMEOUT
_WAITS = VerificationResult.PENDING

_AGAIN = _("Verify again in a few minutes.")
_COPY = _("Copy it again from the Daraja portal, save it and verify again.")
_OPERATOR = _("Tell whoever runs Malipo: the platform's own address needs mending.")
_FREE_URLS = _(
    "In the M-Pesa organisation portal two operators delete it under Self Services, URL Management,"
    " or write to apisupport@safaricom.co.ke. Then register again: it needs a verified config."
)


@dataclass(frozen=True)
class Finding:
    """One row: what was found, and what the shop's admin should do."""

    result: VerificationResult
    message: str
    next_action: str = ""


@dataclass(frozen=True)
class StageResult:
    """What a stage found. Only codes, ids and durations go in: never a secret or a token."""

    name: str
    code: str = ""
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def finding(self) -> Finding:
        return FINDINGS[self.name]

    @property
    def result(self) -> VerificationResult:
        return self.finding.result


FINDINGS: dict[str, Finding] = {
    # fields
    "fields_ok": Finding(_OK, _("Fields and credentials are complete.")),
    "fields_no_api": Finding(
        _OK, _("The fields are complete. Malipo asks nobody: money is known by hand or statement.")
    ),
    "fields_invalid": Finding(
        _NO, _("A detail does not fit this provider."), _("Correct the details and verify again.")
    ),
    "missing_store_number": Finding(
        _NO,
        _("The till has no store number, or the till number stands in its place."),
        _("Enter the store (head office) number Safaricom gave with the till."),
    ),
    "sandbox_shortcode": Finding(
        _NO,
        _("This is Safaricom's test number; it exists in the sandbox only."),
        _("Enter the shop's own number, or make this a sandbox config."),
    ),
    # base_url
    "base_url_ok": Finding(_OK, _("Our address is one Safaricom accepts.")),
    "base_url_not_https": Finding(_NO, _("Our address is not https."), _OPERATOR),
    "base_url_not_public": Finding(_NO, _("Our address is not a public one."), _OPERATOR),
    "base_url_forbidden_word": Finding(
        _NO, _("Our address holds a word Safaricom forbids."), _OPERATOR
    ),
    "base_url_tunnel": Finding(
        _NO, _("Our address is a test tunnel, which Safaricom refuses in production."), _OPERATOR
    ),
    # oauth
    "oauth_ok": Finding(_OK, _("An access token was granted.")),
    "wrong_key": Finding(_NO, _("The provider refused the consumer key or secret."), _COPY),
    "other_environment": Finding(
        _NO,
        _("The consumer key and secret belong to the other environment."),
        _("Enter the credentials of the app that went live, or change the environment."),
    ),
    # passkey
    "passkey_ok": Finding(_OK, _("The passkey was not refused.")),
    "wrong_passkey": Finding(
        _NO,
        _("Safaricom refused the passkey for this number."),
        _("Copy the passkey again from Safaricom's mail; it belongs to one number alone."),
    ),
    "unknown_merchant": Finding(
        _NO,
        _("Safaricom does not know this number. For a till it is the store number that is asked."),
        _("Check the shortcode; for a till, check the store (head office) number."),
    ),
    "no_product": Finding(
        _NO,
        _("The Daraja app may not send prompts: it lacks the product."),
        _("Add M-Pesa Express to the app in the Daraja portal, or finish its go-live."),
    ),
    "token_refused": Finding(
        _ERROR,
        _("A fresh access token was refused."),
        _(
            "Another system may use the same Daraja app, or its go-live is not through yet. Verify"
            " again in an hour."
        ),
    ),
    "passkey_not_asked": Finding(
        _ERROR, _("Safaricom would not say anything of the passkey."), _AGAIN
    ),
    # callback
    "callback_ok": Finding(_OK, _("A call to our own address came back signed by us.")),
    "callback_unreachable": Finding(_ERROR, _("Our own address could not be reached."), _OPERATOR),
    "callback_late": Finding(_LATE, _("Our own address did not answer in time."), _OPERATOR),
    "callback_redirected": Finding(
        _NO, _("Our address sends callers elsewhere; Safaricom does not follow."), _OPERATOR
    ),
    "callback_blocked": Finding(
        _NO, _("Somebody else answers at our address, or a firewall blocks calls."), _OPERATOR
    ),
    # urls
    "urls_ours": Finding(_OK, _("The C2B addresses registered are ours.")),
    "urls_unknown": Finding(
        _OK,
        _("Nobody registered C2B addresses through Malipo yet."),
        _("Register them once the config is verified, so that payments by hand are seen."),
    ),
    "urls_elsewhere": Finding(
        _NO, _("Somebody else's C2B addresses are registered for this number."), _FREE_URLS
    ),
    "urls_moved": Finding(
        _NO, _("The C2B addresses registered are those of our old host."), _FREE_URLS
    ),
    # prompt
    "prompt_sent": Finding(
        _WAITS, _("A prompt of KES 1 is on the phone."), _("Enter the M-Pesa PIN on that phone.")
    ),
    "proven": Finding(_OK, _("KES 1 arrived: control of the number is proven.")),
    "phone_required": Finding(
        _ERROR,
        _("The proof of control was not asked for: no phone number was given."),
        _("Verify again with the owner's phone at hand and its number filled in."),
    ),
    "prompt_open": Finding(
        _ERROR, _("A prompt is still open on a phone."), _("Answer it, or wait two minutes.")
    ),
    "prompt_unsure": Finding(
        _WAITS, _("Safaricom did not say whether it sent the prompt."), _("Look at the phone.")
    ),
    "prompt_declined": Finding(
        _ERROR,
        _("The prompt was not paid."),
        _("Send it again and enter the PIN; the phone needs KES 1."),
    ),
    "prompt_late": Finding(
        _LATE, _("Nobody told what became of the prompt."), _("Send the prompt again.")
    ),
    "prompt_refused": Finding(
        _NO, _("Safaricom refused to send the prompt."), _("Check number and passkey.")
    ),
    "wrong_till": Finding(
        _NO,
        _("Store number and till do not belong together."),
        _("Check the store (head office) number of this till."),
    ),
    "wrong_amount": Finding(
        _NO, _("Another amount than KES 1 arrived."), _("Send the prompt again.")
    ),
    "shortcode_claimed": Finding(
        _NO,
        _("Another business proved control of this number before."),
        _("Contact support: only platform staff can mark a number as shared."),
    ),
    # balance
    "balance_without_initiator": Finding(
        _ERROR,
        _("The balance was not asked: it needs the initiator's name and password."),
        _("Nothing is wrong. Enter an initiator only if balances shall be shown."),
    ),
    "balance_asked": Finding(
        _WAITS,
        _("Safaricom was asked for the balance; it answers within minutes."),
        _("Wait a moment and look again."),
    ),
    "balance_ok": Finding(_OK, _("The initiator works: Safaricom told the balance.")),
    "balance_wrong_initiator": Finding(
        _NO,
        _("Safaricom does not accept the initiator's name or password."),
        _(
            "Enter the name and password of an API operator of this number. Do not try often: a few"
            " wrong ones lock the operator."
        ),
    ),
    "balance_locked": Finding(
        _NO,
        _("The initiator is locked, mostly after wrong passwords."),
        _(
            "The business administrator unlocks the operator on the M-Pesa organisation portal and"
            " sets a password; enter it here."
        ),
    ),
    "balance_not_permitted": Finding(
        _NO,
        _("The initiator may not ask for the balance."),
        _("Give the operator the role Balance Query ORG API on the M-Pesa organisation portal."),
    ),
    "balance_refused": Finding(_ERROR, _("Safaricom would not tell the balance."), _AGAIN),
    "balance_late": Finding(_LATE, _("Safaricom never told the balance."), _AGAIN),
    # any stage
    "busy": Finding(_ERROR, _("The provider asks to slow down. Try again later."), _AGAIN),
    "unreachable": Finding(_ERROR, _("The provider could not be reached."), _AGAIN),
    "no_answer": Finding(_LATE, _("The provider gave no readable answer in time."), _AGAIN),
    "not_asked": Finding(_ERROR, _("The provider could not be asked."), _AGAIN),
    "broken": Finding(_ERROR, _("The check itself broke; it says nothing of the config."), _AGAIN),
}
