"""
Running stages and keeping the log: each row is there before its stage begins, and completed after.

What a row stores goes through the allow-list of StageResult: never a secret, a token or a number.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from audit.actors import Actor
from payments.choices import VerificationResult
from payments.errors import PaymentsError
from payments.models import VerificationLog, VerificationRun
from payments.services.findings import StageResult
from payments.services.verification_stages import Stage, Visit, probe
from payments.services.verification_verdict import TOLD

logger = logging.getLogger(__name__)

_SUCCESS, _PENDING = VerificationResult.SUCCESS, VerificationResult.PENDING


def visit(
    stages: list[Stage], on: Visit, *, run: VerificationRun | None, actor: Actor
) -> list[VerificationLog]:
    """
    Run stages in order, up to the first that neither succeeds nor waits; return their rows.

    What is only told stops nothing.
    """
    logs: list[VerificationLog] = []
    for stage in stages:
        logs.append(_try(stage, on, run=run, actor=actor))
        if logs[-1].result not in {_SUCCESS, _PENDING} and stage.name not in TOLD:
            break
    return logs


def _try(stage: Stage, on: Visit, *, run: VerificationRun | None, actor: Actor) -> VerificationLog:
    """Probe; the row is there before, for the page that looks on and for the prompt's callback."""
    log = _open_log(stage, on, run=run, actor=actor)
    started = time.monotonic()
    try:
        found = probe(stage, replace(on, log=log))
    except PaymentsError as error:
        found = StageResult("not_asked", error.code)
    except Exception:
        logger.exception("a stage of a verification broke", extra={"stage": stage.name})
        found = StageResult("broken")
    close_log(log, found, duration_ms=round((time.monotonic() - started) * 1000))
    return log


def _open_log(
    stage: Stage, on: Visit, *, run: VerificationRun | None, actor: Actor
) -> VerificationLog:
    config = on.config
    return VerificationLog.objects.create(
        shop_id=config.shop_id,
        config=config,
        version=on.version,
        run=run,
        type=stage.kind,
        stage=stage.name,
        result=_PENDING,
        request_payload={"stage": stage.name, "environment": config.environment},
        initiated_by=actor.label,
        ip_address=actor.ip,
        user_agent=actor.user_agent,
        created_at=on.now,
    )


def close_log(log: VerificationLog, found: StageResult, *, duration_ms: int) -> None:
    """Write what was found, unless a prompt's callback was quicker than its sender."""
    finding = found.finding
    is_bad = found.result not in {_SUCCESS, _PENDING}
    VerificationLog.objects.filter(pk=log.pk, result=_PENDING).update(
        result=found.result,
        response_code=found.code[:40],
        response_message=finding.message,
        next_action=finding.next_action,
        error_details=finding.message if is_bad else "",
        duration_ms=duration_ms,
        response_payload={"finding": found.name, **found.answer},
    )
    version = log.version
    log.refresh_from_db()
    log.version = version
