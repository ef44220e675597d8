"""
A transcript as plain text, to be sent to Safaricom's support.

In English, in Nairobi's time, without the names of the shop's people, whoever exports it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.utils import translation

from audit.actions import AuditAction
from audit.actors import Actor
from audit.recording import record
from payments.models import Payment
from payments.services.stats import NAIROBI
from reconciliation.transcripts import Step, Transcript, Viewer, transcript_of

_RULE = "-" * 78


@transaction.atomic
def export_transcript(*, payment: Payment, viewer: Viewer, actor: Actor, now: datetime) -> str:
    """Write the transcript down for somebody outside, and that it was taken."""
    with translation.override("en"):
        transcript = transcript_of(payment=payment, viewer=replace(viewer, masks_people=True))
        text = as_text(transcript, now=now)
    record(AuditAction.TRANSCRIPT_EXPORTED, payment, shop_id=payment.shop_id, actor=actor, now=now)
    return text


def as_text(transcript: Transcript, *, now: datetime) -> str:
    """Lay a transcript out in lines; times are Nairobi's, to the millisecond."""
    return "\n".join([*_head(transcript, now), *_ids(transcript), *_steps(transcript), ""])


def _head(transcript: Transcript, now: datetime) -> Iterator[str]:
    yield "TRANSCRIPT OF A PAYMENT"
    yield f"Written {_time(now)}. Times are East Africa Time (UTC+3)."
    yield "Phone numbers are masked. In brackets: seconds since the step before."
    yield _RULE
    yield from (f"{label + ':':<22}{_line(value)}" for label, value in transcript.facts)


def _ids(transcript: Transcript) -> Iterator[str]:
    names = {
        "merchant_request_id": "MerchantRequestID",
        "checkout_request_id": "CheckoutRequestID",
        "conversation_id": "ConversationID",
        "originator_conversation_id": "OriginatorConversationID",
    }
    yield from ("", "REQUEST IDS", _RULE)
    for row in transcript.ids:
        yield _line(row["what"])
        yield from (
            f"    {name + ':':<26}{_line(row[key])}" for key, name in names.items() if row.get(key)
        )
    if not transcript.ids:
        yield "Safaricom was not asked for this payment."


def _steps(transcript: Transcript) -> Iterator[str]:
    yield from ("", "STEPS", _RULE)
    for number, step in enumerate(transcript.steps, start=1):
        yield f"{number:>3}  {_time(step.at)}  [+{step.waited:.1f} s]  {step.label}"
        yield from (f"     {line}" for line in _told(step))


def _told(step: Step) -> Iterator[str]:
    yield _line(step.summary)
    if step.meaning:
        yield f"= {_line(step.meaning)}"
    yield from (f"{label}: {_line(value)}" for label, value in step.facts)
    yield from (f"| {line}" for line in step.body.splitlines())


def _time(moment: datetime) -> str:
    return moment.astimezone(NAIROBI).isoformat(sep=" ", timespec="milliseconds")[:23]


def _line(text: str) -> str:
    return " ".join(str(text).split())
