"""
Does the config work? A visit of the doctor: ask stage by stage, and write down what was said.

A visit is a VerificationRun, committed before anything is asked: whoever took it performs it (the
request itself over REST, a worker or a thread for the admin's page, the sweep where both died). Each
stage is a row of the log, there while it runs and completed after. A stage says success, a definite
no (failed), or nothing certain (timeout, error); verification_verdict.py moves the config. The
stages themselves: verification_stages.py. HTTP happens between transactions, never in one.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from audit.actions import AuditAction
from audit.actors import Actor
from payments import msisdn as numbers
from payments.choices import (
    ConfigStatus,
    RunStatus,
    VerificationResult,
    VerificationStage,
)
from payments.errors import ShortcodeClaimed
from payments.models import CredentialVersion, PaymentConfig, VerificationLog, VerificationRun
from payments.services import (
    config_trail,
    verification_basis,
    verification_verdict,
    verification_visit,
)
from payments.services.config_moves import lock_config, move_config, refused
from payments.services.configs import check_reason
from payments.services.findings import StageResult
from payments.services.verification_stages import STAGES, Visit

logger = logging.getLogger(__name__)

_SUCCESS, _FAILED = VerificationResult.SUCCESS, VerificationResult.FAILED
_PENDING = VerificationResult.PENDING
# A worker is rung at once; a run nobody took by then is the sweep's.
NOT_TAKEN_AFTER = timedelta(seconds=15)
# Longer than all stages may take together; whoever took it is dead.
DEAD_AFTER = timedelta(minutes=4)
# A verified config is asked again without losing anything; the others go through pending.
_STARTS_FROM = frozenset({ConfigStatus.DRAFT, ConfigStatus.FAILED, ConfigStatus.SUSPENDED})
_STAYS_IN = frozenset({ConfigStatus.PENDING, ConfigStatus.VERIFIED})
# Silence proves nothing, so it is in the verification log alone.
_RECORDED: dict[str, str] = {
    _SUCCESS: AuditAction.CONFIG_VERIFIED,
    _FAILED: AuditAction.CONFIG_VERIFICATION_FAILED,
}


@dataclass(frozen=True)
class Verification:
    """What one visit did: its log rows in order, and the config as it is now."""

    config: PaymentConfig
    logs: list[VerificationLog]

    @property
    def result(self) -> str:
        return verification_verdict.word_of(self.logs).result


def verify_config(
    *,
    config: PaymentConfig,
    stages: Iterable[str] | None = None,
    phone_number: str = "",
    actor: Actor,
    now: datetime,
) -> Verification:
    """
    Try the config against its provider, here and now; without stages, all that are usual.

    A run of some stages only writes its log: it neither verifies nor fails the config, save that
    the proof of control completes what an earlier whole run left pending.

    :raises InvalidInput: for a stage or a phone number that does not exist.
    :raises CredentialsRequired: when a credential is missing.
    :raises InvalidTransition: when the status does not allow it, or a visit is under way.
    :raises VerificationFailed: when no adapter speaks to the provider.
    :raises ShortcodeClaimed: when another business proved control of the shortcode.
    """
    run = start_run(
        config=config, stages=stages, phone_number=phone_number, taken=True, actor=actor, now=now
    )
    logs = perform(run=run, now=now)
    config.refresh_from_db()
    if logs[-1].response_code == ShortcodeClaimed.code:
        raise ShortcodeClaimed(next_action=logs[-1].next_action)
    return Verification(config, logs)


def start_run(
    *,
    config: PaymentConfig,
    stages: Iterable[str] | None = None,
    phone_number: str = "",
    taken: bool = False,
    actor: Actor,
    now: datetime,
) -> VerificationRun:
    """Commit a visit, to be performed by whoever takes it; raises what verify_config raises."""
    msisdn = numbers.normalise(phone_number) if phone_number else ""
    chosen = verification_basis.chosen_stages(config, stages, has_phone=bool(msisdn))
    version = verification_basis.version_to_try(config, actor=actor, now=now)
    _end_dead_runs(VerificationRun.objects.filter(version=version), now=now)
    run = VerificationRun(
        shop_id=config.shop_id,
        config=config,
        version=version,
        stages=chosen,
        phone_number=numbers.mask(msisdn) if msisdn else "",
        actor=asdict(actor),
        started_at=now,
        taken_at=now if taken else None,
    )
    run.msisdn = msisdn
    try:
        with transaction.atomic():
            if verification_verdict.may_move(config, chosen):
                _start(config, actor=actor, now=now)
            run.save(force_insert=True)
    except IntegrityError as error:
        if "verification_one_run" not in str(error):
            raise
        config.refresh_from_db()
        raise refused(config, "The config is being verified right now.") from error
    return run


def take_run(*, run_id: uuid.UUID, now: datetime) -> VerificationRun | None:
    """Return the run for the caller to perform, or None where somebody else has it."""
    rows = VerificationRun.objects.filter(pk=run_id, status=RunStatus.RUNNING, taken_at=None)
    if not rows.update(taken_at=now):
        return None
    run: VerificationRun = VerificationRun.objects.select_related("config", "version").get(
        pk=run_id
    )
    return run


def perform(*, run: VerificationRun, now: datetime) -> list[VerificationLog]:
    """Run a taken visit's stages in order, up to the first that stops it; return its rows."""
    version = run.version
    version.config = run.config
    msisdn = run.msisdn.reveal() if run.msisdn else ""
    actor = Actor(**run.actor)
    visit = Visit(version=version, run_id=run.pk, now=now, msisdn=msisdn)
    logs = verification_visit.visit(
        [STAGES[name] for name in run.stages], visit, run=run, actor=actor
    )
    _conclude(run, logs, actor=actor, now=now)
    verification_verdict.close_breaker_if_flawless(run, logs, now=now)
    return logs


def perform_waiting(*, now: datetime) -> int:
    """Perform visits nobody took in time, end those whose worker died; return how many."""
    done = _end_dead_runs(VerificationRun.objects.all(), now=now)
    late = VerificationRun.objects.filter(
        status=RunStatus.RUNNING, taken_at=None, started_at__lte=now - NOT_TAKEN_AFTER
    )
    for run_id in list(late.order_by("started_at").values_list("pk", flat=True)[:20]):
        run = take_run(run_id=run_id, now=now)
        done += run is not None and _performed(run, now=now)
    return done


def try_version(
    *, version: CredentialVersion, stages: Iterable[str], actor: Actor, now: datetime
) -> list[VerificationLog]:
    """
    Try a version that is not in use yet, up to the first stage that does not succeed.

    It writes its log and moves neither the version nor its config.
    """
    wanted = set(stages)
    chosen = [stage for stage in STAGES.values() if stage.name in wanted]
    visit = Visit(version=version, run_id=version.pk, now=now)
    return verification_visit.visit(chosen, visit, run=None, actor=actor)


def restore_config(
    *, config: PaymentConfig, reason: str, actor: Actor, now: datetime
) -> PaymentConfig:
    """
    Bring a suspended config back by verifying it again; it is not switched on by that.

    :raises InvalidInput: without a reason.
    :raises InvalidTransition: unless it is suspended.
    """
    run = start_restoring(config=config, reason=reason, taken=True, actor=actor, now=now)
    perform(run=run, now=now)
    config.refresh_from_db()
    return config


def start_restoring(
    *, config: PaymentConfig, reason: str, taken: bool = False, actor: Actor, now: datetime
) -> VerificationRun:
    """Commit the visit that brings a suspended config back; raises what restore_config raises."""
    check_reason(reason)
    if config.status != ConfigStatus.SUSPENDED:
        raise refused(config, "Only a suspended config is restored.")
    return start_run(config=config, taken=taken, actor=replace(actor, reason=reason), now=now)


def _start(config: PaymentConfig, *, actor: Actor, now: datetime) -> None:
    """Move a config to pending; a restored one with an entry on the trail."""
    if config.status in _STAYS_IN:
        return
    if config.status not in _STARTS_FROM:
        raise refused(config, f"A config that is {config.status} needs new credentials first.")
    is_restored = config.status == ConfigStatus.SUSPENDED
    before = config_trail.state_of(config) if is_restored else {}
    move_config(config=config, to=ConfigStatus.PENDING, now=now, updated_by=actor.label)
    if is_restored:
        act = AuditAction.CONFIG_RESTORED
        config_trail.record(act, config, before=before, actor=actor, now=now)


@transaction.atomic
def _conclude(
    run: VerificationRun, logs: list[VerificationLog], *, actor: Actor, now: datetime
) -> None:
    """End the visit and move the config, unless somebody changed that meanwhile."""
    config = lock_config(run.config)
    waits = VerificationLog.objects.filter(pk__in=[log.pk for log in logs], result=_PENDING)
    status = RunStatus.WAITING if waits.exists() else RunStatus.DONE
    VerificationRun.objects.filter(pk=run.pk, status=RunStatus.RUNNING).update(
        status=status, finished_at=now if status == RunStatus.DONE else None, msisdn=""
    )
    verification_verdict.note_test(config, logs, now=now)
    before = config_trail.state_of(config)
    was_verified = config.status == ConfigStatus.VERIFIED
    verification_verdict.settle(config, run.version, actor=actor, now=now)
    if was_verified and verification_verdict.may_move(config, run.stages):
        act = _RECORDED.get(verification_verdict.word_of(logs).result)
        if act:
            config_trail.record(act, config, before=before, actor=actor, now=now)


def _performed(run: VerificationRun, *, now: datetime) -> bool:
    try:
        perform(run=run, now=now)
    except Exception:
        # One config's trouble must not hold the others up; the run is ended as dead later.
        logger.exception("a verification broke", extra={"run": str(run.pk)})
        return False
    return True


def _end_dead_runs(runs: QuerySet[VerificationRun], *, now: datetime) -> int:
    """End visits whose worker died, so that a new one can be made; return how many."""
    dead = runs.filter(status=RunStatus.RUNNING, taken_at__lte=now - DEAD_AFTER)
    unfinished = VerificationLog.objects.filter(run__in=list(dead), result=_PENDING)
    for log in unfinished.exclude(stage=VerificationStage.PROMPT):
        verification_visit.close_log(log, StageResult("broken"), duration_ms=0)
    return dead.update(status=RunStatus.DONE, finished_at=now, msisdn="")
