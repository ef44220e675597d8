"""The words of reconciliation: runs, statements, lines, tariffs, shifts."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class RunKind(TextChoices):
    PULL = "pull", _("Pull transactions")
    QUERIES = "queries", _("Questions about prompts")
    STATEMENT = "statement", _("Statement")
    REPLAY = "replay", _("Callbacks processed again")


class RunOutcome(TextChoices):
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


class StatementStatus(TextChoices):
    """How far an uploaded statement is."""

    UPLOADED = "uploaded", _("Waiting to be read")
    READING = "reading", _("Being read")
    REFUSED = "refused", _("Refused")
    READ = "read", _("Read, not applied yet")
    APPLYING = "applying", _("Being applied")
    APPLIED = "applied", _("Applied")
    DISCARDED = "discarded", _("Discarded")


class LineKind(TextChoices):
    """What a line of a statement is, by its reason type; the raw text is kept beside it."""

    PAYMENT = "payment", _("Payment")
    CHARGE = "charge", _("Charge")
    REVERSAL = "reversal", _("Reversal")
    SETTLEMENT = "settlement", _("Settlement")
    OTHER = "other", _("Other")


class LineState(TextChoices):
    """What comparing a line with our books has shown."""

    NEW = "new", _("Not compared yet")
    MATCHED = "matched", _("Agrees")
    ONLY_SAFARICOM = "only_safaricom", _("Only Safaricom has it")
    AMOUNT_DIFFERS = "amount_differs", _("The amount differs")
    REVERSED = "reversed", _("Taken back")
    CHARGE = "charge", _("Charge")
    SETTLEMENT = "settlement", _("Settlement")
    CONFLICT = "conflict", _("Contradicts an earlier line")
    IGNORED = "ignored", _("No payment")


class Bearer(TextChoices):
    """Who pays Safaricom's charge."""

    CUSTOMER = "customer", _("Customer")
    MERCHANT = "merchant", _("Merchant")
    SHARED = "shared", _("Shared")


class DataKind(TextChoices):
    """What is kept for a time only."""

    RAW_BODIES = "raw_bodies", _("Bodies of callbacks")
    STATEMENT_FILES = "statement_files", _("Uploaded statement files")
    RECEIPT_CHECKS = "receipt_checks", _("Receipt checks")
    IDEMPOTENCY_KEYS = "idempotency_keys", _("Idempotency keys")
    PHONE_NUMBERS = "phone_numbers", _("Whole phone numbers of payments")
    RUNS = "runs", _("Reconciliation runs")
    WEBHOOK_DELIVERIES = "webhook_deliveries", _("Webhook deliveries")
