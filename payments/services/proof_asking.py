"""Asking Safaricom about KES 1 prompts of which no callback told; the answer goes to proofs.py."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from payments.choices import VerificationResult, VerificationStage
from payments.errors import PaymentsError, ProviderBusy
from payments.models import VerificationLog
from payments.services import checking, proofs, upstream
from payments.services.connections import connect

logger = logging.getLogger(__name__)

# Seconds after the prompt; payments need the app's query budget more. A step is as wide as the
# sweep's interval and a little more, so that none is missed.
ASK_AT_S = (40, 90, 180, 300, 540)
_STEP_WIDTH_S = 20


def ask_waiting(*, now: datetime, limit: int = 50) -> int:
    """Ask about prompts whose result is overdue, end those nobody tells about; return how many."""
    waiting = VerificationLog.objects.filter(
        stage=VerificationStage.PROMPT,
        result=VerificationResult.PENDING,
        created_at__lte=now - timedelta(seconds=ASK_AT_S[0]),
    ).select_related("config", "version")
    settled = 0
    for log in list(waiting.order_by("created_at")[:limit]):
        settled += _ask(log, now=now) or proofs.give_up(log, now=now)
    return settled


def _ask(log: VerificationLog, *, now: datetime) -> bool:
    if not log.checkout_request_id or log.version is None or not _is_due(log, now=now):
        return False
    fingerprint = log.version.app_fingerprint
    if checking.try_budget(fingerprint, now=now):
        return False
    try:
        with upstream.upstream_slot():
            connection = connect(config=log.config, version=log.version, now=now)
            outcome = connection.query_payment(log.checkout_request_id, now=now)
    except ProviderBusy:
        checking.pause(fingerprint, now=now)
        return False
    except PaymentsError as error:
        logger.info("a proof could not be asked about: %s", error.code)
        return False
    return proofs.settle_prompt(log=log, outcome=outcome, now=now)


def _is_due(log: VerificationLog, *, now: datetime) -> bool:
    age_s = (now - log.created_at).total_seconds()
    return any(0 <= age_s - step < _STEP_WIDTH_S for step in ASK_AT_S)
