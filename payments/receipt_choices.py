"""The words of money nobody asked for: receipts, account rules, requests, refunds, by hand."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class PaymentOrigin(TextChoices):
    """How a payment came to be: asked for, found in a receipt, or written down by a person."""

    PROMPT = "prompt", _("Asked for")
    RECEIPT = "receipt", _("From a receipt")
    MANUAL = "manual", _("By hand")


class ManualMethod(TextChoices):
    """How money came that no provider told us of."""

    CASH = "cash", _("Cash")
    MPESA = "mpesa", _("M-Pesa")
    AIRTEL_MONEY = "airtel_money", _("Airtel Money")
    BANK_TRANSFER = "bank_transfer", _("Bank transfer")
    CARD = "card", _("Card")
    OTHER = "other", _("Other")


class UnallocatedReason(TextChoices):
    """Why money that arrived belongs to no payment yet, or what a person said of it."""

    NO_REFERENCE = "no_reference", _("No reference was given")
    NO_SUCH_REFERENCE = "no_such_reference", _("No payment has this reference")
    AMOUNT_DIFFERS = "amount_differs", _("The amount differs from the payment's")
    ALREADY_PAID = "already_paid", _("The payment with this reference is paid already")
    SEVERAL_CANDIDATES = "several_candidates", _("Several payments fit")
    AWAITS_RECEIPT = "awaits_receipt", _("A paid prompt still waits for its receipt")
    RELEASED = "released", _("An assignment was undone")
    REFUND_NEEDED = "refund_needed", _("To be given back")
    PROOF = "proof", _("The KES 1 of a verification")


class RuleKind(TextChoices):
    """How an account rule fits a typed reference; the first kind that fits wins."""

    EXACT = "exact", _("Exactly")
    PREFIX = "prefix", _("Begins with")
    DEFAULT = "default", _("Everything else")


class RequestKind(TextChoices):
    """What we ask Safaricom that is answered later, at an address of its own."""

    STATUS = "status", _("Transaction status")
    REVERSAL = "reversal", _("Reversal")
    BALANCE = "balance", _("Account balance")


class RequestStatus(TextChoices):
    """How far an asynchronous request is; unknown and timed out are no refusals."""

    CREATED = "created", _("Created")
    ACCEPTED = "accepted", _("Accepted, result awaited")
    UNKNOWN = "unknown", _("Sent, outcome unknown")
    REFUSED = "refused", _("Refused")
    TIMED_OUT = "timed_out", _("Timed out in Safaricom's queue, outcome unknown")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")


class RefundStatus(TextChoices):
    ASKED = "asked", _("Waits for approval")
    DECLINED = "declined", _("Declined")
    APPROVED = "approved", _("Approved")
    SENT = "sent", _("Sent, result awaited")
    UNKNOWN = "unknown", _("Outcome unknown")
    DONE = "done", _("Money is back")
    FAILED = "failed", _("Refused by Safaricom")


class CheckAnswer(TextChoices):
    """What a cashier is told of a receipt somebody shows."""

    GENUINE_UNCLAIMED = "genuine_unclaimed", _("Genuine and unused")
    ALREADY_USED = "already_used", _("Already used")
    AMOUNT_DIFFERS = "amount_differs", _("The amount differs")
    REVERSED = "reversed", _("Taken back")
    NOT_SEEN_YET = "not_seen_yet", _("Not seen yet")
    WRONG_BUSINESS = "wrong_business", _("Paid to another business")
    LOOKS_FAKE = "looks_fake", _("Looks fake")


class BalanceSource(TextChoices):
    C2B = "c2b", _("C2B confirmation")
    ASKED = "asked", _("Account balance request")
