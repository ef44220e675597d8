"""
From what the stages found to the config's status: one rule, whoever found it and in which order.

Which stages are required is data. They count from the last whole run on, the one that brought the
config to pending; while it is pending nobody can change what they were tried with.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import ConfigStatus, Environment, VerificationResult, VerificationStage
from payments.models import CredentialVersion, PaymentConfig, VerificationLog, VerificationRun
from payments.services import breakers, config_trail, credentials_health
from payments.services.config_moves import move_config

_S = VerificationStage
# Whose C2B addresses are registered is asked and told, and holds nothing back: prompts do without,
# and only a verified config may register ours. A config that failed by it could never mend it.
TOLD = frozenset({_S.URLS})
BASICS = frozenset({_S.FIELDS, _S.BASE_URL, _S.OAUTH, _S.PASSKEY, _S.CALLBACK}) | TOLD
REQUIRED: dict[str, frozenset[str]] = {
    Environment.SANDBOX: BASICS - TOLD,
    # Real customers: whoever sets it up shows that the money arrives where he says.
    Environment.PRODUCTION: (BASICS - TOLD) | {_S.PROMPT},
}
# Where nobody can be asked, nothing but what was typed can be looked at.
NO_API = frozenset({_S.FIELDS})


def required_stages(config: PaymentConfig) -> frozenset[str]:
    """Return the stages a config must pass; what is proven once stays proven."""
    if not config.has_api:
        return NO_API
    required = REQUIRED[config.environment]
    return required - {_S.PROMPT} if config.proven_at else required


def usual_stages(config: PaymentConfig) -> frozenset[str]:
    """Return what a visit asks where nobody chose: what must be passed, and what is only told."""
    required = required_stages(config)
    return required | TOLD if config.has_api else required


def word_of(logs: list[VerificationLog]) -> VerificationLog:
    """Return the row that says how a visit ended: the last one that counts."""
    counted = [log for log in logs if log.stage not in TOLD]
    return (counted or logs)[-1]


def is_whole(stages: Iterable[str]) -> bool:
    """Tell whether a run asked all there is to ask without reaching a customer."""
    return set(stages) >= BASICS


def may_move(config: PaymentConfig, stages: Iterable[str]) -> bool:
    """Tell whether a run of these stages may move this config."""
    return is_whole(stages) if config.has_api else set(stages) == NO_API


def note_test(config: PaymentConfig, logs: Iterable[VerificationLog], *, now: datetime) -> None:
    """Write the last test down on the config; what is optional says nothing of its health."""
    counted = [log for log in logs if log.stage in REQUIRED[config.environment]]
    if not counted or counted[-1].result == VerificationResult.PENDING:
        return
    last = counted[-1]
    PaymentConfig.objects.filter(pk=config.pk).update(
        last_tested_at=now,
        last_test_result=last.result,
        last_test_error=last.error_details[:300],
        updated_at=now,
    )
    config.refresh_from_db()


def close_breaker_if_flawless(
    run: VerificationRun, logs: Iterable[VerificationLog], *, now: datetime
) -> None:
    """
    Put a config back in use that passed whatever counts just now, whatever failed before.

    Called outside the transaction that ends the run: whoever takes a breaker takes no more.
    """
    results = {log.result for log in logs if log.stage not in TOLD}
    if is_whole(run.stages) and results == {VerificationResult.SUCCESS}:
        breakers.reset_breaker(config=run.config, now=now)


def settle(
    config: PaymentConfig, version: CredentialVersion, *, actor: Actor, now: datetime
) -> PaymentConfig:
    """
    Move a pending config to verified or failed if its stages say so; in a transaction.

    The caller holds the config's lock.
    """
    if config.status != ConfigStatus.PENDING:
        return config
    results = _results(config, version)
    if VerificationResult.FAILED in results.values():
        before = config_trail.state_of(config)
        move_config(config=config, to=ConfigStatus.FAILED, now=now)
        act = AuditAction.CONFIG_VERIFICATION_FAILED
        config_trail.record(act, config, before=before, actor=actor, now=now)
    elif all(results.get(s) == VerificationResult.SUCCESS for s in required_stages(config)):
        _verify(config, version, actor=actor, now=now)
    return config


def _results(config: PaymentConfig, version: CredentialVersion) -> dict[str, str]:
    """Return the newest result of each required stage since the last whole run began."""
    runs = VerificationRun.objects.filter(config=config, version=version).order_by("-started_at")
    basis = next((run for run in runs[:50] if may_move(config, run.stages)), None)
    if basis is None:
        return {}
    logs = VerificationLog.objects.filter(config=config, version=version)
    rows = logs.filter(created_at__gte=basis.started_at).order_by("created_at", "pk")
    newest = dict(rows.values_list("stage", "result"))
    return {stage: newest[stage] for stage in required_stages(config) if stage in newest}


def _verify(
    config: PaymentConfig, version: CredentialVersion, *, actor: Actor, now: datetime
) -> None:
    before = config_trail.state_of(config)
    proof = {"verified_at": now, "verified_by": actor.label, "suspended_reason": ""}
    move_config(config=config, to=ConfigStatus.VERIFIED, now=now, **proof)
    CredentialVersion.objects.filter(pk=version.pk, activated_at=None).update(activated_at=now)
    credentials_health.note_proven(config=config, version=version, now=now)
    config_trail.record(AuditAction.CONFIG_VERIFIED, config, before=before, actor=actor, now=now)
    if config.auto_activate and config.environment == Environment.SANDBOX:
        before = config_trail.state_of(config)
        config.is_active = True
        config.save(update_fields=["is_active"])
        act = AuditAction.CONFIG_ACTIVATED
        config_trail.record(act, config, before=before, actor=actor, now=now)
