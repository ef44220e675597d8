"""
The transcript of a payment: every call, answer, callback, decision and person, in order.

Told from the same entries as the API's timeline, with the time between steps, what a code means,
and the bodies of callbacks. Fields are let through by name, numbers and names of customers are
masked; what a role may not see is not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from audit.actions import AuditAction
from audit.actors import ActorKind
from audit.masking import mask_emails
from audit.models import AuditEntry
from payments.admin.bodies import masked_text, shown_body
from payments.choices import CallbackKind, PaymentStatus
from payments.models import Payment, ProviderCallback
from payments.msisdn import mask_checkout_request_id
from payments.providers.daraja import result_codes
from payments.services import request_words
from payments.services.decisions import Why
from payments.services.stats import NAIROBI
from payments.services.timeline import Entry, Rows, entries_of, in_order
from reconciliation.models import StatementLine
from reconciliation.transcript_words import FACTS, KINDS, facts_of
from tenants.roles import Action, Grant, Role, grant, may

# Bodies are long and strangers can send them; the others stay in the inbox.
MOST_BODIES = 30
_PEOPLE = (ActorKind.USER, ActorKind.API_KEY)
_MOST_ACTS = 200
# Safaricom finds its own log lines by these: they are shown as they are.
_WHOLE = frozenset({"merchant_request_id", "conversation_id", "originator_conversation_id"})


@dataclass(frozen=True)
class Viewer:
    """What of a transcript somebody sees."""

    whole_ids: bool = False
    shows_acts: bool = False
    shows_bodies: bool = False
    masks_people: bool = True

    @classmethod
    def of(cls, role: str) -> Viewer:
        return cls(
            whole_ids=role == Role.ADMIN,
            shows_acts=may(role, Action.VIEW_AUDIT),
            shows_bodies=may(role, Action.VIEW_INBOX),
            masks_people=grant(role, Action.VIEW_STATS) is Grant.MASKED,
        )

    def text(self, value: Any) -> str:
        """Return a line as it may be shown: numbers masked, emails where people are."""
        shown = masked_text(str(value), whole_ids=self.whole_ids)
        return str(mask_emails(shown)) if self.masks_people else shown


@dataclass(frozen=True)
class Step:
    """One line; waited is in seconds since the one before, elapsed since the first."""

    at: datetime
    waited: float
    elapsed: float
    kind: str
    label: str
    summary: str
    facts: list[tuple[str, str]]
    meaning: str = ""
    body: str = ""
    note: str = ""


@dataclass(frozen=True)
class Transcript:
    """A payment's story; ids are what Safaricom asks for, one row for each request."""

    payment: Payment
    facts: list[tuple[str, str]]
    ids: list[dict[str, str]]
    steps: list[Step] = field(default_factory=list)


def transcript_of(*, payment: Payment, viewer: Viewer) -> Transcript:
    """Tell the payment's story as this viewer may see it, in the language that is active."""
    rows = Rows.of(payment, with_bodies=viewer.shows_bodies)
    entries = [
        *entries_of(rows, whole=viewer.whole_ids),
        *_statement_lines(payment),
        *(_acts(rows) if viewer.shows_acts else ()),
    ]
    return Transcript(
        payment=payment,
        facts=[(label, viewer.text(value)) for label, value in facts_of(payment)],
        ids=list(_ids(rows, viewer)),
        steps=list(_steps(sorted(entries, key=in_order), viewer)),
    )


def _steps(entries: Iterable[Entry], viewer: Viewer) -> Iterator[Step]:
    first = before = None
    bodies = 0
    for entry in entries:
        first, before = first or entry.at, before or entry.at
        body = note = ""
        if viewer.shows_bodies and isinstance(entry.row, ProviderCallback):
            bodies += 1
            body, note = _body(entry.row, viewer, is_shown=bodies <= MOST_BODIES)
        yield Step(
            at=entry.at,
            waited=(entry.at - before).total_seconds(),
            elapsed=(entry.at - first).total_seconds(),
            kind=entry.kind,
            label=str(KINDS.get(entry.kind, entry.kind)),
            summary=viewer.text(_summary(entry)),
            facts=list(_facts(entry, viewer)),
            meaning=_meaning(entry),
            body=body,
            note=note,
        )
        before = entry.at


def _summary(entry: Entry) -> str:
    """Return the entry's summary; of a move in the words of the pages."""
    if entry.kind != "transition":
        return entry.summary
    move = entry.row
    to = PaymentStatus(move.to_status).label
    moved = f"{PaymentStatus(move.from_status).label} → {to}" if move.from_status else str(to)
    return " · ".join(filter(None, [moved, move.why]))


def _body(callback: ProviderCallback, viewer: Viewer, *, is_shown: bool) -> tuple[str, str]:
    if not is_shown:
        return "", _("More callbacks came than are shown here; their bodies are in the inbox.")
    return shown_body(callback, whole_ids=viewer.whole_ids)


def _facts(entry: Entry, viewer: Viewer) -> Iterator[tuple[str, str]]:
    """Return what is known of a step, by the names in FACTS; nothing else leaves."""
    for step in entry.data.get("resolution") or () if entry.kind == "routing" else ():
        yield viewer.text(step["name"]), viewer.text(_why(step))
    for name, value in {**entry.data, **_more(entry)}.items():
        if name in FACTS and value not in (None, "", [], {}):
            shown = str(value) if name in _WHOLE else viewer.text(value)
            yield str(FACTS[name]), shown
    actor = entry.data.get("actor")
    if isinstance(actor, dict) and actor.get("label"):
        yield str(FACTS["by"]), viewer.text(actor["label"])


def _more(entry: Entry) -> dict[str, Any]:
    """Return more of a row than the timeline's data have, where it was known at that moment."""
    row, names = entry.row, []
    if entry.kind in {"attempt", "callback"}:
        names.append("merchant_request_id")
    if entry.data.get("result_code"):
        names.append("result_desc")
    if entry.kind == "refund" or "resolution" in entry.data:
        names += ["reason", "note"]
    found = {name: getattr(row, name, "") for name in names}
    if entry.kind in {"attempt", "request"}:
        found["shortcode"] = row.config.shortcode
    if entry.kind == "receipt":
        found["channel"] = row.get_channel_display()
        found["paid_at"] = row.paid_at and f"{row.paid_at.astimezone(NAIROBI):%Y-%m-%d %H:%M:%S}"
    return found


def _why(step: dict[str, Any]) -> str:
    why = step.get("why", "")
    label = str(Why(why).label) if why in Why.values else str(why)
    return " · ".join(filter(None, [label, str(step.get("outcome") or "")]))


def _meaning(entry: Entry) -> str:
    """Say in plain words what a result code means; success here is not yet "paid"."""
    code = str(entry.data.get("result_code") or "")
    if not code:
        return ""
    if _is_of_request(entry):
        return _(words) if (words := request_words.explained(code)) else ""
    if code == result_codes.SUCCESS_CODE:
        return _("Safaricom reports success.")
    if not result_codes.is_known(code):
        return ""
    message = result_codes.explain(code).message
    return message.sw if (get_language() or "").startswith("sw") else message.en


def _is_of_request(entry: Entry) -> bool:
    is_result = isinstance(entry.row, ProviderCallback) and entry.row.kind != CallbackKind.STK
    return entry.kind == "request" or is_result


def _statement_lines(payment: Payment) -> Iterator[Entry]:
    lines = StatementLine.objects.filter(payment=payment).select_related("statement")
    for line in lines:
        data = {
            "receipt_number": line.receipt_number,
            "amount": line.paid_in or line.withdrawn,
            "state": line.get_state_display(),
        }
        named = {"number": line.line_number, "file": line.statement.filename}
        summary = _("Line %(number)s of the statement %(file)s") % named
        yield Entry(line.completed_at, "statement", summary, data)


def _acts(rows: Rows) -> Iterator[Entry]:
    """Tell what people did to the payment and what belongs to it, from the audit trail."""
    objects = {
        "payments.payment": [rows.payment.pk],
        "payments.receipt": [row.pk for row in rows.receipts],
        "payments.refund": [row.pk for row in rows.refunds],
        "payments.review": list(rows.payment.reviews.values_list("pk", flat=True)),
    }
    found = Q(pk__in=[])
    for object_type, ids in objects.items():
        found |= Q(object_type=object_type, object_id__in=[str(each) for each in ids])
    acts = AuditEntry.objects.filter(
        found, shop=rows.payment.shop_id, actor_kind__in=_PEOPLE
    ).order_by("at")
    for act in acts[:_MOST_ACTS]:
        known = act.action in AuditAction.values
        summary = str(AuditAction(act.action).label) if known else act.action
        data = {"by": act.actor_label, "role": act.actor_role, "reason": act.reason}
        yield Entry(act.at, "act", summary, data)


def _ids(rows: Rows, viewer: Viewer) -> Iterator[dict[str, str]]:
    for attempt in rows.attempts:
        checkout = attempt.checkout_request_id or ""
        yield {
            "what": _("Prompt %(number)s") % {"number": attempt.number},
            "merchant_request_id": attempt.merchant_request_id,
            "checkout_request_id": (
                checkout if viewer.whole_ids else mask_checkout_request_id(checkout)
            ),
        }
    for request in rows.requests:
        yield {
            "what": str(request.get_kind_display()),
            "conversation_id": request.conversation_id,
            "originator_conversation_id": request.originator_conversation_id,
        }
