from __future__ import annotations

from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from tenants.choices import Environment as Environment  # noqa: PLC0414 - re-exported


class Provider(TextChoices):
    """The kind of account a payment config takes money through."""

    MPESA_PAYBILL = "mpesa_paybill", _("M-Pesa paybill")
    MPESA_TILL = "mpesa_till", _("M-Pesa till")
    AIRTEL_MONEY = "airtel_money", _("Airtel Money")
    BANK_TRANSFER = "bank_transfer", _("Bank transfer")
    CARD = "card", _("Card")


class ProviderFamily(TextChoices):
    """Whose receipt numbers: unique per family and environment, not per kind of account."""

    MPESA = "mpesa", _("M-Pesa")
    AIRTEL = "airtel", _("Airtel Money")
    BANK = "bank", _("Bank")
    CARD = "card", _("Card")


FAMILY_OF: dict[str, ProviderFamily] = {
    Provider.MPESA_PAYBILL: ProviderFamily.MPESA,
    Provider.MPESA_TILL: ProviderFamily.MPESA,
    Provider.AIRTEL_MONEY: ProviderFamily.AIRTEL,
    Provider.BANK_TRANSFER: ProviderFamily.BANK,
    Provider.CARD: ProviderFamily.CARD,
}


class ConfigStatus(TextChoices):
    DRAFT = "draft", _("Draft")
    PENDING = "pending", _("Being verified")
    VERIFIED = "verified", _("Verified")
    FAILED = "failed", _("Verification failed")
    SUSPENDED = "suspended", _("Suspended")
    EXPIRED = "expired", _("Expired")


class ConfigHealth(TextChoices):
    OK = "ok", _("Healthy")
    DEGRADED = "degraded", _("Degraded")
    DOWN = "down", _("Down")
    UNKNOWN = "unknown", _("Not known yet")


class VersionStatus(TextChoices):
    STAGED = "staged", _("Staged")
    CURRENT = "current", _("Current")
    ROTATED = "rotated", _("Rotated out")
    REJECTED = "rejected", _("Rejected")


class VerificationType(TextChoices):
    CREDENTIAL_TEST = "credential_test", _("Credential test")
    OAUTH_TOKEN = "oauth_token", _("OAuth token")
    STK_PUSH_TEST = "stk_push_test", _("STK push test")
    CALLBACK_TEST = "callback_test", _("Callback test")
    BALANCE_CHECK = "balance_check", _("Balance check")


class VerificationStage(TextChoices):
    """The doctor's probes, in the order in which they are made."""

    FIELDS = "fields", _("Fields and store number")
    BASE_URL = "base_url", _("Our own address")
    OAUTH = "oauth", _("Consumer key and secret")
    PASSKEY = "passkey", _("Passkey")
    CALLBACK = "callback", _("Callbacks reach us")
    URLS = "urls", _("C2B addresses")
    PROMPT = "prompt", _("KES 1 prompt to the owner")
    BALANCE = "balance", _("Account balance")


class RunStatus(TextChoices):
    RUNNING = "running", _("Running")
    WAITING = "waiting", _("Waiting for the provider")
    DONE = "done", _("Done")


class BreakerState(TextChoices):
    """Closed lets payments through, open none, half-open one to see."""

    CLOSED = "closed", _("Closed")
    OPEN = "open", _("Open")
    HALF_OPEN = "half_open", _("Half open")


class HealthReason(TextChoices):
    """Why a verified config is not quite healthy; all but the first leave it in use."""

    BREAKER_OPEN = "breaker_open", _("Left alone for a while: it failed again and again.")
    FAILURES = "failures", _("The last requests through it failed.")
    CALLBACKS_MISSING = (
        "callbacks_missing",
        _("No callback comes: payments are settled by asking, which takes longer."),
    )
    SUCCESS_DROPPED = "success_dropped", _("Far fewer payments succeed than usual.")
    LAST_TEST = "last_test", _("The last test did not succeed.")


class NoticeCode(TextChoices):
    """What a shop is told on its first page until it is over."""

    ROTATION_DUE = "rotation_due", _("Credentials are due for rotation")
    ROLLED_BACK = "rolled_back", _("New credentials were rolled back")
    TOKEN_WAR = "token_war", _("Another system uses the same Daraja app")
    CREDENTIALS_REFUSED = "credentials_refused", _("Safaricom refuses the credentials")
    CREDENTIALS_EXPIRE = "credentials_expire", _("Credentials expire soon")
    APPROVAL_WAITS = "approval_waits", _("A payment config waits for approval")
    BREAKER_OPEN = "breaker_open", _("A payment config is out of use for now")
    REVERSED = "reversed", _("A customer took money back")
    FAILURES_OF_PHONE = "failures_of_phone", _("One phone fails again and again")
    FAILURES_OF_CASHIER = "failures_of_cashier", _("One cashier's prompts fail again and again")
    USED_CODES = "used_codes", _("Used or invented receipts are shown again and again")
    SAME_AMOUNTS = "same_amounts", _("Many payments of the same amount")
    UNUSUAL_AMOUNT = "unusual_amount", _("A payment far above what is usual")
    CLAIMED_ELSEWHERE = "claimed_elsewhere", _("A receipt was shown at two branches")
    PULL_REFUSED = "pull_refused", _("Safaricom gives no list of transactions")
    CALLBACKS_SILENT = "callbacks_silent", _("No callbacks while payments wait")
    C2B_SILENT = "c2b_silent", _("Payments by hand are no longer told")
    C2B_UNREGISTERED = "c2b_unregistered", _("Payments by hand are told to nobody")
    TOKEN_REFUSED = "token_refused", _("Safaricom gives no access token")
    STATEMENT_OVERDUE = "statement_overdue", _("A statement is overdue")
    REVIEWS_AGEING = "reviews_ageing", _("Reviews wait too long")
    PAYMENTS_STUCK = "payments_stuck", _("Payments nobody can tell the end of")
    WEBHOOK_FAILING = "webhook_failing", _("A webhook does not get through")
    WEBHOOK_GONE = "webhook_gone", _("A webhook was switched off by its own answer")


def notice_codes() -> list[tuple[str, Any]]:
    """Return the choices as a function: a new code must not ask for a migration."""
    return list(NoticeCode.choices)


class VerificationResult(TextChoices):
    PENDING = "pending", _("Waiting for an answer")
    SUCCESS = "success", _("Success")
    FAILED = "failed", _("Failed")
    TIMEOUT = "timeout", _("Timed out")
    ERROR = "error", _("Error")


class PaymentStatus(TextChoices):
    CREATED = "created", _("Created")
    PENDING = "pending", _("Waiting")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    EXPIRED = "expired", _("Expired")
    REVERSED = "reversed", _("Reversed")


class AttemptStatus(TextChoices):
    CREATED = "created", _("Created")
    SUBMITTED = "submitted", _("Submitted")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    REFUSED = "refused", _("Refused")


class Submission(TextChoices):
    """What we know of whether the provider has the request."""

    UNSENT = "unsent", _("Not sent")
    SENT = "sent", _("Accepted by the provider")
    UNKNOWN = "unknown", _("Sent, outcome unknown")
    REFUSED = "refused", _("Refused before any prompt")


class EvidenceSource(TextChoices):
    STK_CALLBACK = "stk_callback", _("STK callback")
    STK_QUERY = "stk_query", _("STK query")
    C2B_CONFIRMATION = "c2b_confirmation", _("C2B confirmation")
    PULL = "pull", _("Pull transactions")
    TRANSACTION_STATUS = "transaction_status", _("Transaction status")
    STATEMENT = "statement", _("Statement")
    REVERSAL = "reversal", _("Reversal")
    STAFF = "staff", _("Staff")


class OutcomeVerdict(TextChoices):
    """The small vocabulary every provider's words are translated into."""

    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    PENDING = "pending", _("Not settled")
    REVERSED = "reversed", _("Reversed")


class ReceiptStatus(TextChoices):
    UNALLOCATED = "unallocated", _("Unallocated")
    HELD = "held", _("Held")
    IN_REVIEW = "in_review", _("In review")
    CREDITED = "credited", _("Credited")
    REVERSED = "reversed", _("Reversed")


class ReceiptChannel(TextChoices):
    STK = "stk", _("STK push")
    C2B = "c2b", _("C2B")
    PULL = "pull", _("Pull")
    STATEMENT = "statement", _("Statement")
    MANUAL = "manual", _("Manual")


class ReviewCode(TextChoices):
    """Why a person must look; safety.md section 5.8 says which of them block."""

    AMOUNT_MISMATCH = "AMOUNT_MISMATCH", _("The amount paid is not the amount asked")
    DUPLICATE_RECEIPT = "DUPLICATE_RECEIPT", _("The receipt belongs to another payment")
    UNLISTED_SOURCE = "UNLISTED_SOURCE", _("Callback from an unlisted address")
    ORDER_PAID_TWICE = "ORDER_PAID_TWICE", _("The order is already paid")
    REVERSED_AFTER_RELEASE = "REVERSED_AFTER_RELEASE", _("Taken back after release")
    CONFLICT = "CONFLICT", _("The provider said both no and yes")
    SURPLUS = "SURPLUS", _("Paid more than once")
    UNRESOLVED = "UNRESOLVED", _("Nobody told what became of it")
    DEAD_CALLBACK = "DEAD_CALLBACK", _("A callback could not be applied")
    NOT_AT_SAFARICOM = "NOT_AT_SAFARICOM", _("Safaricom does not list the receipt")


class CallbackStatus(TextChoices):
    NEW = "new", _("New")
    APPLIED = "applied", _("Applied")
    DUPLICATE = "duplicate", _("Duplicate")
    QUARANTINED = "quarantined", _("Quarantined")
    DEAD = "dead", _("Could not be applied")


class CallbackKind(TextChoices):
    STK = "stk", _("STK result")
    PROOF = "proof", _("Proof of control")
    C2B = "c2b", _("C2B confirmation")
    C2B_VALIDATION = "c2b_ask", _("C2B validation")
    RESULT = "result", _("Result of a request")
    QUEUE_TIMEOUT = "timeout", _("Time-out of a request")
    BANK = "bank", _("Notice of a bank")


def callback_kinds() -> list[tuple[str, Any]]:
    """Return the choices as a function: a new kind must not ask for a migration."""
    return list(CallbackKind.choices)


class Finality(TextChoices):
    FINAL = "final", _("Final")
    SOFT = "soft", _("Not final")


class Fault(TextChoices):
    CUSTOMER = "customer", _("Customer")
    SHOP = "shop", _("Shop")
    PLATFORM = "platform", _("Platform")
    SAFARICOM = "safaricom", _("Safaricom")


class NextStep(TextChoices):
    """What the person at the till should do now."""

    WAIT = "wait", _("Wait")
    RETRY = "retry", _("Try again")
    RETRY_LATER = "retry_later", _("Try again later")
    CHANGE_AMOUNT = "change_amount", _("Change the amount")
    USE_OTHER_PHONE = "use_other_phone", _("Use another phone")
    TOP_UP = "top_up", _("Top up")
    PAY_BY_TILL = "pay_by_till", _("Pay to the till by hand")
    ASK_SUPPORT = "ask_support", _("Ask support")
    FIX_CONFIG = "fix_config", _("Fix the payment config")
    RELEASE = "release", _("Release the goods")
    NONE = "none", _("Nothing")


class WhoActs(TextChoices):
    CUSTOMER = "customer", _("Customer")
    CASHIER = "cashier", _("Cashier")
    SHOP_ADMIN = "shop_admin", _("Shop admin")
    SUPPORT = "support", _("Support")
    NOBODY = "nobody", _("Nobody")
