"""Payments that were asked for, and money that arrives, for tests of who gets what."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from audit.actors import Actor
from payments.choices import AttemptStatus, OutcomeVerdict, Submission
from payments.models import Attempt, CredentialVersion, Payment, PaymentConfig
from payments.providers.base import ArrivedMoney, Outcome
from payments.services.callbacks import apply_rows, receive
from payments.services.evidence import Applied, NewEvidence, apply_evidence
from payments.services.initiation import NewPayment, new_payment
from payments.services.transitions import Change, move_payment, record_creation
from tests.daraja import SAFARICOM_ADDRESS

ACTOR = Actor.system("tests")
MSISDN = "254712345678"
RECEIPT = "TKA1234567"
QUERY_YES = Outcome(OutcomeVerdict.SUCCEEDED, result_code="0", is_final=True)
NO = Outcome(OutcomeVerdict.FAILED, result_code="1032", is_final=True)


def ask(
    config: PaymentConfig,
    *,
    now: datetime,
    amount: int = 150,
    msisdn: str = MSISDN,
    submission: str = Submission.SENT,
    **asked: Any,
) -> Payment:
    """Make a payment whose prompt is out since now."""
    payment = new_payment(
        shop=config.shop,
        environment=config.environment,
        branch=None,
        config=config,
        asked=NewPayment(amount=amount, msisdn=msisdn, **asked),
        actor=ACTOR,
        now=now,
    )
    payment.save(force_insert=True)
    record_creation(Change(payment, [], [], ACTOR), now=now)
    is_refused = submission == Submission.REFUSED
    attempt = Attempt.objects.create(
        shop=config.shop,
        payment=payment,
        config=config,
        version=CredentialVersion.objects.get(config=config),
        number=1,
        status=AttemptStatus.REFUSED if is_refused else AttemptStatus.SUBMITTED,
        submission=submission,
        checkout_request_id=None if is_refused else f"ws_CO_{payment.pk.hex[:20]}",
        requested_at=now,
    )
    path = ["failed"] if is_refused else ["pending"]
    return move_payment(Change(payment, [attempt], [], ACTOR, path=path), now=now)


def say(
    payment: Payment, outcome: Outcome, *, now: datetime, source: str = "stk_callback"
) -> Applied:
    attempt = payment.attempts.get()
    told = replace(outcome, checkout_request_id=attempt.checkout_request_id or "")
    evidence = NewEvidence(payment.pk, attempt.pk, source, told, ACTOR, heard_at=now)
    return apply_evidence(evidence, now=now)


def yes(receipt_number: str = RECEIPT, amount: str = "150.00") -> Outcome:
    return Outcome(
        OutcomeVerdict.SUCCEEDED,
        result_code="0",
        is_final=True,
        receipt_number=receipt_number,
        amount=Decimal(amount),
    )


def money(config: PaymentConfig, *, now: datetime, **changes: Any) -> ArrivedMoney:
    """KES 150 without a reference, paid half a minute after now."""
    told: dict[str, Any] = {
        "receipt_number": RECEIPT,
        "amount": Decimal("150.00"),
        "shortcode": config.shortcode,
        "transaction_type": "Customer Merchant Payment",
        "paid_at": now + timedelta(seconds=30),
        "payer_name": "JABALI WAKESHO",
    }
    return ArrivedMoney(**told | changes)


def body(config: PaymentConfig, *, now: datetime, **changes: Any) -> dict[str, Any]:
    """A C2B confirmation of KES 150 as Safaricom writes it."""
    paid_at = (now + timedelta(hours=3)).strftime("%Y%m%d%H%M%S")
    return {
        "TransactionType": "Pay Bill",
        "TransID": RECEIPT,
        "TransTime": paid_at,
        "TransAmount": "150.00",
        "BusinessShortCode": config.shortcode,
        "BillRefNumber": "",
        "InvoiceNumber": "",
        "OrgAccountBalance": "49197.00",
        "ThirdPartyTransID": "",
        "MSISDN": "2547 ***** 678",
        "FirstName": "JABALI",
    } | changes


def confirm(
    config: PaymentConfig,
    content: dict[str, Any] | bytes,
    *,
    now: datetime,
    source_ip: str = SAFARICOM_ADDRESS,
    kind: str = "c2b",
) -> Any:
    """Keep a body at the config's address, apply it, and return its row's id."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    row_id = receive(
        kind=kind,
        subject_id=config.pk,
        body=raw,
        content_type="application/json",
        source_ip=source_ip,
        now=now,
    )
    assert apply_rows([row_id], now=now) == 1
    return row_id
