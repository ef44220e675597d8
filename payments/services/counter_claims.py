"""
Claiming a receipt at the counter, written down beside the checks: who tried, where, and how it went.

The note outlives a refusal, which rolls the claim itself back; shown again and again, used and
invented codes are what tells the shop that somebody tries (suspicions.py).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from audit.actors import Actor
from payments.errors import (
    AmountDiffers,
    InvalidTransition,
    NotFound,
    OrderAlreadyPaid,
    PaymentsError,
    ReceiptAlreadyUsed,
)
from payments.models import IdempotencyKey, Payment
from payments.receipt_choices import CheckAnswer
from payments.services import receipt_acts, receipt_checks
from payments.services.check_answers import held_by
from tenants.models import Branch, Shop

_ANSWERS: dict[type[PaymentsError], str] = {
    ReceiptAlreadyUsed: CheckAnswer.ALREADY_USED,
    AmountDiffers: CheckAnswer.AMOUNT_DIFFERS,
    InvalidTransition: CheckAnswer.REVERSED,
    NotFound: CheckAnswer.NOT_SEEN_YET,
    OrderAlreadyPaid: CheckAnswer.GENUINE_UNCLAIMED,
}


def claim(
    *,
    shop: Shop,
    environment: str,
    branch: Branch | None,
    receipt_number: str,
    order_ref: str,
    amount: Decimal,
    idempotency_key: IdempotencyKey | None,
    actor: Actor,
    now: datetime,
) -> Payment:
    """Let a receipt pay for an order, as receipt_acts.claim, which it raises the errors of."""

    def note(answer: str, why: str) -> None:
        is_seen = answer != CheckAnswer.NOT_SEEN_YET
        receipt_checks.note_claim(
            shop=shop,
            environment=environment,
            branch=branch,
            number=receipt_number.upper(),
            receipt=held_by(shop, environment, branch, receipt_number) if is_seen else None,
            answer=answer,
            why=why,
            actor=actor,
            now=now,
        )

    try:
        payment = receipt_acts.claim(
            shop=shop,
            environment=environment,
            branch=branch,
            receipt_number=receipt_number,
            order_ref=order_ref,
            amount=amount,
            idempotency_key=idempotency_key,
            actor=actor,
            now=now,
        )
    except PaymentsError as error:
        if answer := _ANSWERS.get(type(error)):
            note(answer, error.code)
        raise
    note(CheckAnswer.GENUINE_UNCLAIMED, "claimed")
    return payment
