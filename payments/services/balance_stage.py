"""Asking for the balance to try an initiator; the result is taken by balances.py."""

from __future__ import annotations

from datetime import datetime

from audit.actors import Actor
from payments.errors import CredentialsRequired
from payments.models import CredentialVersion, VerificationLog
from payments.services import request_sending, requests
from payments.services.findings import StageResult


def ask(*, version: CredentialVersion, log: VerificationLog, now: datetime) -> StageResult:
    """
    Ask with the version under trial; Safaricom looks at the initiator only when it answers.

    :raises ProviderError: when the question was not taken, or nobody knows.
    """
    actor = Actor(**log.run.actor) if log.run else Actor.system(log.initiated_by)
    try:
        row = requests.create_balance_probe(version=version, log=log, actor=actor, now=now)
    except CredentialsRequired as error:
        return StageResult("balance_without_initiator", error.code)
    request_sending.send(row, now=now)
    return StageResult("balance_asked", "0")
