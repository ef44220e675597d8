"""Everything that happened to a payment, in order, with nothing in it that must not leave."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from payments.models import Payment
from payments.msisdn import mask_checkout_request_id
from payments.services import decisions
from payments.services.representation import moment, money
from tenants.roles import Role

Entry = tuple[datetime, str, str, dict[str, Any]]


def timeline_of(*, payment: Payment, role: str) -> list[dict[str, Any]]:
    """List choices, transitions, calls, callbacks, evidence and reviews by their time."""
    entries = [
        *_routing(payment),
        *_attempts(payment, whole=role == Role.ADMIN),
        *_callbacks(payment),
        *_evidence(payment),
        *_transitions(payment),
        *_reviews(payment),
    ]
    return [
        {"at": moment(at), "kind": kind, "summary": summary, "data": data}
        for at, kind, summary, data in sorted(entries, key=lambda entry: entry[0])
    ]


def _transitions(payment: Payment) -> Iterator[Entry]:
    for row in payment.transitions.all():
        summary = f"{row.from_status or 'new'} → {row.to_status}: {row.why}".rstrip(": ")
        data = {
            "from": row.from_status or None,
            "to": row.to_status,
            "actor": {"kind": row.actor_kind, "label": row.actor_label},
        }
        yield row.at, "transition", summary, data


def _routing(payment: Payment) -> Iterator[Entry]:
    """Tell which configs came into question, and why one moved on to the next."""
    if payment.resolution:
        chosen = next((s["name"] for s in payment.resolution if s["chosen"]), "no config")
        data = {"resolution": payment.resolution}
        yield payment.created_at, "routing", f"Chose {chosen}", data
    for refused, following in decisions.moves_on(payment.attempts.select_related("config")):
        summary = f"Moved on from {refused.config.name} to {following.config.name}"
        data = {"why": refused.result_code or None, "attempt": str(refused.pk)}
        yield refused.answered_at or following.requested_at, "routing", summary, data


def _attempts(payment: Payment, *, whole: bool) -> Iterator[Entry]:
    for row in payment.attempts.select_related("config", "version"):
        checkout = row.checkout_request_id or ""
        data = {
            "attempt": str(row.pk),
            "number": row.number,
            "config": row.config.name,
            "credential_version": row.version.number,
            "submission": row.submission,
            "answer_ms": row.answer_ms,
            "checkout_request_id": checkout if whole else mask_checkout_request_id(checkout),
            "merchant_request_id": row.merchant_request_id or None,
        }
        yield row.requested_at, "attempt", f"Prompt {row.number} sent: {row.submission}", data


def _callbacks(payment: Payment) -> Iterator[Entry]:
    for row in payment.callbacks.defer("body"):
        data = {
            "callback": str(row.pk),
            "status": row.status,
            "source_ip": row.source_ip,
            "result_code": row.result_code or None,
            "bytes": row.size,
            "problem": row.problem or None,
        }
        yield row.received_at, "callback", f"Callback {row.status}: {row.result_desc}", data


def _evidence(payment: Payment) -> Iterator[Entry]:
    for row in payment.evidence.all():
        data = {
            "source": row.source,
            "verdict": row.verdict,
            "result_code": row.result_code or None,
            "amount": money(row.amount),
            "receipt_number": row.receipt_number or None,
        }
        summary = f"{row.get_source_display()}: {row.get_verdict_display()} {row.result_code}"
        yield row.recorded_at, "evidence", summary.strip(), data


def _reviews(payment: Payment) -> Iterator[Entry]:
    for row in payment.reviews.all():
        data = {"code": row.code, "blocking": row.blocking, "resolved_at": moment(row.resolved_at)}
        yield row.opened_at, "review", f"Review opened: {row.get_code_display()}", data
