"""All a shop holds about one number, as JSON with a plain word on each part."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.debug import sensitive_variables

from audit.actions import AuditAction
from audit.actors import Actor
from audit.recording import record
from payments.services.configs import check_reason
from reconciliation.persons import Holdings, Person

_Rows = Callable[[Holdings], Iterable[Any]]

# Name, what it is, where its rows come from, and what is told of each.
_SECTIONS: tuple[tuple[str, str, _Rows, tuple[str, ...]], ...] = (
    (
        "payments",
        gettext_noop("Payments this number was asked for, and what became of them."),
        lambda held: held.payments.select_related("branch"),
        (
            "id",
            "environment",
            "created_at",
            "completed_at",
            "status",
            "amount",
            "currency",
            "receipt_number",
            "order_ref",
            "account_reference",
            "description",
            "purpose",
            "label",
            "note",
            "metadata",
            "phone_masked",
            "branch",
        ),
    ),
    (
        "receipts",
        gettext_noop("M-Pesa receipts paid from this number. Of the name only initials are kept."),
        lambda held: held.receipts,
        (
            "number",
            "environment",
            "amount",
            "status",
            "paid_at",
            "account_reference",
            "payer_initials",
            "payer_masked",
            "reversed_at",
        ),
    ),
    (
        "prompts",
        gettext_noop("Prompts sent to this number. The end of their id is the number itself."),
        lambda held: held.attempts,
        ("requested_at", "status", "checkout_request_id", "result_code", "result_desc"),
    ),
    (
        "messages",
        gettext_noop("Messages of Safaricom's about these payments; bodies are kept for a time."),
        lambda held: held.callbacks,
        ("kind", "received_at", "status", "result_code", "result_desc", "size"),
    ),
    (
        "receipt_checks",
        gettext_noop("Questions of cashiers about these receipts. The message shown is not kept."),
        lambda held: held.checks,
        ("at", "answer", "code_masked", "is_claim"),
    ),
    (
        "statement_lines",
        gettext_noop("Lines about these payments in statements the shop uploaded."),
        lambda held: held.lines,
        (
            "receipt_number",
            "completed_at",
            "paid_in",
            "withdrawn",
            "details",
            "account_reference",
            "payer_initials",
            "payer_masked",
        ),
    ),
    (
        "refunds",
        gettext_noop("Money that was to be given back."),
        lambda held: held.refunds,
        ("amount", "status", "reason", "asked_at", "ended_at"),
    ),
    (
        "flags",
        gettext_noop("Doubts and warnings about these payments or this number."),
        lambda held: [*held.reviews, *held.warnings],
        ("code", "opened_at", "resolved_at", "closed_at", "resolution"),
    ),
)


@sensitive_variables()
@transaction.atomic
def export(*, person: Person, reason: str, actor: Actor, now: datetime) -> dict[str, Any]:
    """
    Return all the shop holds about the person, fit for JSON; that it was handed out is written down.

    :raises InvalidInput: without a reason.
    """
    check_reason(reason)
    holdings = Holdings(person)
    sections = [_section(holdings, *each) for each in _SECTIONS]
    record(
        AuditAction.PERSON_EXPORTED,
        person.shop,
        shop_id=person.shop.pk,
        actor=actor,
        now=now,
        changes=[
            {"field": each["name"], "old": None, "new": len(each["rows"])}
            for each in sections
            if each["rows"]
        ],
        previous_state={"person": person.mark},
        reason=reason,
    )
    return {
        "about": _(
            "Everything this shop holds in Malipo about the number below. Whole numbers are sealed "
            "and shown masked; times are UTC; amounts are Kenya shillings."
        ),
        "shop": person.shop.name,
        "phone_number": person.msisdn,
        "made_at": now,
        "sections": sections,
    }


def _section(
    holdings: Holdings, name: str, what: str, rows: _Rows, fields: tuple[str, ...]
) -> dict[str, Any]:
    return {"name": name, "what": _(what), "rows": [_row(each, fields) for each in rows(holdings)]}


def _row(row: Any, fields: tuple[str, ...]) -> dict[str, Any]:
    told = {name: getattr(row, name) for name in fields if hasattr(row, name)}
    if told.get("branch") is not None:
        told["branch"] = str(told["branch"])
    return {name: value for name, value in told.items() if value not in (None, "", {})}
