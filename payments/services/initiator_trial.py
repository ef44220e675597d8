"""
Is a rotation's new initiator any good? Only Safaricom's answer tells, and it comes by callback.

So he is tried once, by the doctor's question for the balance, when his version has just gone in
use: prompts never wait for him. Refused within the version's first hour, the version before comes
back (credentials_health.py); a locked or unpermitted one stays, since going back mends neither.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from audit.actors import Actor
from payments.choices import VerificationStage
from payments.models import CredentialVersion, VerificationLog
from payments.services import config_secrets, credentials_health, verification


def try_new_initiator(*, version: CredentialVersion, actor: Actor, now: datetime) -> bool:
    """Ask for the balance where a version's initiator is another than before; tell whether it was."""
    previous = credentials_health.version_before(version)
    if previous is None or not config_secrets.has_other_initiator(version, previous):
        return False
    verification.try_version(
        version=version, stages=[VerificationStage.BALANCE], actor=actor, now=now
    )
    return True


def last_trials(versions: Iterable[CredentialVersion]) -> dict[uuid.UUID | None, VerificationLog]:
    """Return the newest word on the initiator of each version, by its primary key."""
    logs = VerificationLog.objects.filter(
        version__in=list(versions), stage=VerificationStage.BALANCE
    )
    return {log.version_id: log for log in logs.order_by("created_at", "pk")}
