"""
The proof of control: a prompt of KES 1 to the owner's phone, and what became of it.

It has an address of its own, so it never becomes a shop's payment: its result completes the row of
the verification log that was committed before the prompt went out. Where no callback comes the
sweep asks Safaricom; where nobody tells within ten minutes the row says timeout.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from audit.actors import Actor
from payments.choices import (
    Fault,
    OutcomeVerdict,
    RunStatus,
    VerificationResult,
)
from payments.errors import ShortcodeClaimed
from payments.models import PaymentConfig, VerificationLog, VerificationRun
from payments.providers.base import Outcome
from payments.providers.daraja import result_codes
from payments.services import claims, verification_verdict
from payments.services.findings import StageResult

AMOUNT = 1
# Codes that say the store number and the till are not one another's.
_WRONG_TILL = frozenset({"2028", "SFC_IC0003"})
GIVE_UP_AFTER = timedelta(minutes=10)
_SAFARICOM = "Safaricom"


def settle_prompt(*, log: VerificationLog, outcome: Outcome, now: datetime) -> bool:
    """
    Write down what became of a prompt, and move its config; tell whether that was news.

    A success corrects an earlier "nobody told"; nothing corrects a success.
    """
    if outcome.verdict not in {OutcomeVerdict.SUCCEEDED, OutcomeVerdict.FAILED}:
        return False
    with transaction.atomic():
        config = PaymentConfig.objects.select_for_update(of=("self",)).get(pk=log.config_id)
        row = VerificationLog.objects.select_for_update(of=("self",)).get(pk=log.pk)
        row.config = config
        is_success = outcome.verdict == OutcomeVerdict.SUCCEEDED
        if row.result == VerificationResult.SUCCESS or not (
            is_success or row.result == VerificationResult.PENDING
        ):
            return False
        found = _proof(config, outcome, now=now) if is_success else _failure(outcome)
        complete(row, found, now=now, checkout_request_id=outcome.checkout_request_id)
    return True


def complete(
    log: VerificationLog, found: StageResult, *, now: datetime, checkout_request_id: str = ""
) -> None:
    """Put what was told into its row, end its run, and move the config; locks are held."""
    finding = found.finding
    log.result = found.result
    log.response_code = found.code[:40]
    log.response_message = finding.message
    log.next_action = finding.next_action
    log.error_details = "" if found.result == VerificationResult.SUCCESS else finding.message
    log.response_payload = {**log.response_payload, "finding": found.name, **found.answer}
    log.checkout_request_id = log.checkout_request_id or checkout_request_id[:64]
    log.duration_ms = max(0, round((now - log.created_at).total_seconds() * 1000))
    log.save()
    waits = VerificationLog.objects.filter(run=log.run_id, result=VerificationResult.PENDING)
    if log.run_id and not waits.exists():
        done = {"status": RunStatus.DONE, "finished_at": now, "msisdn": ""}
        VerificationRun.objects.filter(pk=log.run_id, status=RunStatus.WAITING).update(**done)
    # Who asked for the proof is who verified it, whoever told that it came.
    actor = Actor(**log.run.actor) if log.run is not None else Actor.provider(_SAFARICOM)
    config = log.config
    verification_verdict.note_test(config, [log], now=now)
    if log.version is not None:
        verification_verdict.settle(config, log.version, actor=actor, now=now)


def give_up(log: VerificationLog, *, now: datetime) -> bool:
    """End a prompt nobody tells about any more; tell whether it was ended."""
    if log.created_at > now - GIVE_UP_AFTER:
        return False
    with transaction.atomic():
        config = PaymentConfig.objects.select_for_update(of=("self",)).get(pk=log.config_id)
        row = VerificationLog.objects.select_for_update(of=("self",)).get(pk=log.pk)
        row.config = config
        if row.result != VerificationResult.PENDING:
            return False
        complete(row, StageResult("prompt_late"), now=now)
    return True


def _proof(config: PaymentConfig, outcome: Outcome, *, now: datetime) -> StageResult:
    # A query tells no amount; what was asked is what was paid (safety.md section 5.3).
    if outcome.amount is not None and outcome.amount != AMOUNT:
        return StageResult("wrong_amount", outcome.result_code)
    try:
        claims.claim_shortcode(config=config, now=now)
    except ShortcodeClaimed as error:
        return StageResult("shortcode_claimed", error.code)
    PaymentConfig.objects.filter(pk=config.pk).update(proven_at=now)
    config.proven_at = now
    # Kept, so that the shilling is known for what it is when statements bring its receipt.
    receipt = {"receipt_number": outcome.receipt_number} if outcome.receipt_number else {}
    return StageResult("proven", outcome.result_code, receipt)


def _failure(outcome: Outcome) -> StageResult:
    if outcome.result_code in _WRONG_TILL:
        return StageResult("wrong_till", outcome.result_code)
    is_ours = result_codes.explain(outcome.result_code).fault == Fault.SHOP
    return StageResult("prompt_refused" if is_ours else "prompt_declined", outcome.result_code)
