"""Sending the KES 1 that proves control of a shortcode; what becomes of it is told by proofs.py."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from payments.callback_urls import proof_callback_url
from payments.choices import VerificationResult, VerificationStage
from payments.models import CredentialVersion, VerificationLog
from payments.providers.base import PaymentRequest
from payments.services.connections import connect
from payments.services.findings import StageResult
from payments.services.proofs import AMOUNT
from payments.services.shortcodes import is_taken

# How long a prompt may stand on a phone; a second one would time the first out.
OPEN_FOR = timedelta(minutes=2)
REFERENCE = "MALIPO"
DESCRIPTION = "Proof"


def send(
    *, version: CredentialVersion, log: VerificationLog, msisdn: str, now: datetime
) -> StageResult:
    """
    Send the prompt; its log row is committed already, because the callback may come first.

    :raises ProviderError: when it was not sent, or nobody knows.
    """
    config = version.config
    if not msisdn:
        return StageResult("phone_required", "phone_number_required")
    if _open_ones(log, now=now).exists():
        return StageResult("prompt_open", "prompt_open")
    # Asked last, so that nobody learns of others' numbers without working credentials.
    if is_taken(config):
        return StageResult("shortcode_claimed", "shortcode_claimed")
    request = PaymentRequest(
        amount=AMOUNT,
        msisdn=msisdn,
        account_reference=(config.account_prefix + REFERENCE)[:12],
        description=DESCRIPTION,
        callback_url=proof_callback_url(log.pk),
        requested_at=now,
    )
    connection = connect(config=config, version=version, now=now)
    accepted = connection.request_payment(request, now=now)
    VerificationLog.objects.filter(pk=log.pk).update(
        checkout_request_id=accepted.checkout_request_id
    )
    return StageResult("prompt_sent", accepted.response_code)


def _open_ones(log: VerificationLog, *, now: datetime) -> QuerySet[VerificationLog]:
    prompts = VerificationLog.objects.filter(
        config=log.config_id,
        stage=VerificationStage.PROMPT,
        result=VerificationResult.PENDING,
        created_at__gt=now - OPEN_FOR,
    )
    return prompts.exclude(pk=log.pk)
