"""
Everything that happened to a payment, in order, with nothing in it that must not leave.

The one source: the API's timeline and the transcript (reconciliation/transcripts.py) are told from
the same entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from payments.choices import AttemptStatus, Submission
from payments.models import (
    Attempt,
    Payment,
    ProviderCallback,
    ProviderRequest,
    ReceiptCheck,
    Refund,
)
from payments.msisdn import mask_checkout_request_id
from payments.services import decisions, timeline_money
from payments.services.representation import moment, money
from payments.services.timeline_money import Entry
from tenants.roles import Action, Role, may

__all__ = ["Entry", "Rows", "entries_of", "in_order", "timeline_of"]

MOST_ROWS = 200
# What comes first of things that are written down at the same moment.
_ORDER = ("routing", "attempt", "answer", "request", "callback", "evidence", "receipt")


@dataclass(frozen=True)
class Rows:
    """What a payment's story is read from, each kind in one query."""

    payment: Payment
    attempts: list[Attempt]
    receipts: list[Any]
    requests: list[ProviderRequest]
    refunds: list[Any]
    checks: list[ReceiptCheck]
    callbacks: list[ProviderCallback]

    @classmethod
    def of(cls, payment: Payment, *, with_bodies: bool = False) -> Rows:
        """Read the rows; of callbacks and checks, which strangers can make, the first MOST_ROWS."""
        receipts = list(payment.receipts.all())
        requests = list(
            ProviderRequest.objects.filter(Q(payment=payment) | Q(receipt__in=receipts))
            .select_related("config", "version")
            .order_by("requested_at")
        )
        return cls(
            payment=payment,
            attempts=list(payment.attempts.select_related("config", "version")),
            receipts=receipts,
            requests=requests,
            refunds=list(Refund.objects.filter(Q(payment=payment) | Q(receipt__in=receipts))),
            checks=list(
                ReceiptCheck.objects.filter(receipt__in=receipts).order_by("at")[:MOST_ROWS]
            ),
            callbacks=list(
                ProviderCallback.objects.filter(
                    Q(payment=payment) | Q(subject_id__in=[row.pk for row in requests])
                )
                .defer(*(() if with_bodies else ("body",)))
                .order_by("received_at")[:MOST_ROWS]
            ),
        )


def timeline_of(*, payment: Payment, role: str) -> list[dict[str, Any]]:
    """
    List what happened as the API tells it.

    The checkout ids are whole for the admin alone; which configs a shop has is not a cashier's.
    """
    hidden = frozenset() if may(role, Action.VIEW_EVENTS) else frozenset({"resolution"})
    return [
        {
            "at": moment(e.at),
            "kind": e.kind,
            "summary": e.summary,
            "data": {name: value for name, value in e.data.items() if name not in hidden},
        }
        for e in entries_of(Rows.of(payment), whole=role == Role.ADMIN)
    ]


def entries_of(rows: Rows, *, whole: bool) -> list[Entry]:
    """Return choices, calls, answers, callbacks, evidence, moves, money, doubts by their time."""
    entries = [
        *_routing(rows),
        *_attempts(rows, whole=whole),
        *timeline_money.requests(rows.requests),
        *_callbacks(rows),
        *_evidence(rows.payment),
        *timeline_money.receipts(rows.receipts),
        *_transitions(rows.payment),
        *_reviews(rows.payment),
        *timeline_money.refunds(rows.refunds),
        *timeline_money.checks(rows.checks),
    ]
    return sorted(entries, key=in_order)


def in_order(entry: Entry) -> tuple[datetime, int]:
    """Return what to sort by: the time, then what led to what; a payment is made before all else."""
    if entry.kind == "transition" and entry.data["from"] is None:
        return entry.at, -1
    return entry.at, _ORDER.index(entry.kind) if entry.kind in _ORDER else len(_ORDER)


def _transitions(payment: Payment) -> Iterator[Entry]:
    for row in payment.transitions.all():
        summary = f"{row.from_status or 'new'} → {row.to_status}: {row.why}".rstrip(": ")
        data = {
            "from": row.from_status or None,
            "to": row.to_status,
            "actor": {"kind": row.actor_kind, "label": row.actor_label},
        }
        yield Entry(row.at, "transition", summary, data, row)


def _routing(rows: Rows) -> Iterator[Entry]:
    """Tell which configs came into question, and why one moved on to the next."""
    payment = rows.payment
    if payment.resolution:
        chosen = next((s["name"] for s in payment.resolution if s["chosen"]), _("no config"))
        data = {"resolution": payment.resolution}
        summary = _("Chose %(config)s") % {"config": chosen}
        yield Entry(payment.created_at, "routing", summary, data, payment)
    for refused, following in decisions.moves_on(rows.attempts):
        names = {"config": refused.config.name, "next": following.config.name}
        why = {"why": refused.result_code or None, "attempt": str(refused.pk)}
        at = refused.answered_at or following.requested_at
        yield Entry(at, "routing", _("Moved on from %(config)s to %(next)s") % names, why, payment)


def _attempts(rows: Rows, *, whole: bool) -> Iterator[Entry]:
    for row in rows.attempts:
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
        named = {"number": row.number, "submission": row.get_submission_display()}
        summary = _("Prompt %(number)s sent: %(submission)s") % named
        yield Entry(row.requested_at, "attempt", summary, data, row)
        if row.answered_at:
            yield Entry(row.answered_at, "answer", _answered(row), _answer(row), row)


def _answered(row: Attempt) -> str:
    named = {"number": row.number, "code": row.result_code}
    if row.submission == Submission.UNKNOWN:
        return _("Prompt %(number)s: no clear answer") % named
    if row.submission == Submission.REFUSED or row.status == AttemptStatus.REFUSED:
        return _("Prompt %(number)s refused: %(code)s") % named
    return _("Prompt %(number)s accepted by Safaricom") % named


def _answer(row: Attempt) -> dict[str, Any]:
    is_refused = row.status == AttemptStatus.REFUSED
    return {
        "attempt": str(row.pk),
        "answer_ms": row.answer_ms,
        # Of a prompt that went out, the code is what became of it later, and no answer to it.
        "result_code": (row.result_code or None) if is_refused else None,
    }


def _callbacks(rows: Rows) -> Iterator[Entry]:
    for row in rows.callbacks:
        data = {
            "callback": str(row.pk),
            "callback_kind": row.kind,
            "status": row.status,
            "source_ip": row.source_ip,
            "result_code": row.result_code or None,
            "bytes": row.size,
            "problem": row.problem or None,
        }
        named = {"status": row.get_status_display(), "said": row.result_desc}
        summary = (_("Callback %(status)s: %(said)s") % named).rstrip(": ")
        yield Entry(row.received_at, "callback", summary, data, row)


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
        yield Entry(row.recorded_at, "evidence", summary.strip(), data, row)


def _reviews(payment: Payment) -> Iterator[Entry]:
    for row in payment.reviews.all():
        named = {"why": row.get_code_display()}
        data = {"code": row.code, "blocking": row.blocking, "resolved_at": moment(row.resolved_at)}
        yield Entry(row.opened_at, "review", _("Review opened: %(why)s") % named, data, row)
        if row.resolved_at:
            told = {**data, "resolution": row.resolution, "by": row.resolved_by}
            summary = _("Review resolved: %(why)s") % named
            yield Entry(row.resolved_at, "review", summary, told, row)
