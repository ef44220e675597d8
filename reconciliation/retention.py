"""
How long what names people is kept, as data: a term for each kind, changed by whoever runs the place.

What stays for ever are facts: amounts, receipts, statuses, evidence, digests and the audit trail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.errors import InvalidInput
from reconciliation.choices import DataKind
from reconciliation.models import RetentionRule

_FIELDS = ("kind", "days")


@dataclass(frozen=True)
class Term:
    """default, least and most are days; sweep is the one that obeys (upkeep_sweeps.py)."""

    default: int
    least: int
    most: int
    sweep: str
    says: Any


TERMS: Mapping[str, Term] = {
    DataKind.RAW_BODIES: Term(
        90,
        7,
        365,
        "purge_raw_bodies",
        _("What Safaricom sent, sealed. Digest, size and verdict stay with the payment."),
    ),
    DataKind.STATEMENT_FILES: Term(
        30,
        1,
        365,
        "purge_statement_files",
        _("Files as they were uploaded, once they were applied. Their lines stay, masked."),
    ),
    DataKind.RECEIPT_CHECKS: Term(
        365,
        30,
        1095,
        "purge_receipt_checks",
        _("Who asked about which receipt at the counter, and the answer."),
    ),
    DataKind.IDEMPOTENCY_KEYS: Term(
        7,
        7,
        90,
        "purge_idempotency_keys",
        _("Answers kept for tills that ask twice. Below seven days a sale could be asked twice."),
    ),
    DataKind.PHONE_NUMBERS: Term(
        400,
        30,
        3650,
        "forget_phone_numbers",
        _("The whole number of who paid. Its mask stays, and the index by which it is found."),
    ),
    DataKind.RUNS: Term(
        365,
        30,
        1095,
        "purge_runs",
        _("What each pass of reconciliation asked and found. What it changed stays."),
    ),
    DataKind.WEBHOOK_DELIVERIES: Term(
        30,
        7,
        365,
        "purge_webhook_deliveries",
        _("What was pushed to shops' own systems, and how they answered. The events stay."),
    ),
}


def default_of(kind: str) -> int:
    """Return a kind's days where nobody set any; for bodies the environment may say."""
    is_set = kind == DataKind.RAW_BODIES
    return int(settings.RAW_BODY_RETENTION_DAYS) if is_set else TERMS[kind].default


def days_of(kind: str) -> int:
    """Return how many days a kind is kept."""
    rule = RetentionRule.objects.filter(pk=kind).first()
    return rule.days if rule else default_of(kind)


def limit_of(kind: str, *, now: datetime) -> datetime:
    """Return before when a kind's rows are past their time."""
    return now - timedelta(days=days_of(kind))


@transaction.atomic
def change_rule(*, kind: str, days: int, reason: str, actor: Actor, now: datetime) -> RetentionRule:
    """
    Keep a kind for so many days from now on; the next sweep obeys.

    :raises InvalidInput: for days outside the kind's bounds, or without a reason.
    """
    term = TERMS[kind]
    if not term.least <= days <= term.most:
        detail = f"Give {term.least} to {term.most} days."
        raise InvalidInput(detail, errors=[("days", "out_of_range", detail)])
    if not reason.strip():
        raise InvalidInput("Give a reason.", errors=[("reason", "required", "Give a reason.")])
    defaults = {"days": default_of(kind), "changed_at": now}
    rule, _is_new = RetentionRule.objects.select_for_update().get_or_create(
        kind=kind, defaults=defaults
    )
    before = recording.state_of(rule, _FIELDS)
    rule.days, rule.changed_by, rule.changed_at = days, actor.label[:254], now
    rule.save()
    recording.record_change(
        AuditAction.RETENTION_CHANGED,
        rule,
        shop_id=None,
        before=before,
        actor=actor,
        now=now,
        reason=reason,
    )
    return rule
