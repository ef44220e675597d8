"""
Does the config work? Ask the provider, stage by stage, and write down what it said.

Each stage is a row of STAGES: what it tries, and a function that does it. A stage says success, a
definite no (failed), or nothing certain (timeout, error); only a definite no fails a config, and
only a run of all REQUIRED stages verifies one. HTTP happens between transactions, never in one.
To add a stage: a function and a row; what it stores goes through the allow-list of StageResult.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import ConfigStatus, VerificationResult, VerificationType
from payments.errors import (
    CredentialsRequired,
    InvalidInput,
    OutcomeUnknown,
    ProviderBusy,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
    VerificationFailed,
)
from payments.models import CredentialVersion, PaymentConfig, VerificationLog
from payments.providers import registry
from payments.services import config_secrets, config_trail, tokens
from payments.services.config_moves import move_config, refused
from payments.services.config_rules import ConfigFields, check_fields, missing_secrets
from payments.services.configs import check_reason

_SUCCESS, _FAILED = VerificationResult.SUCCESS, VerificationResult.FAILED


@dataclass(frozen=True)
class StageResult:
    """What a stage found. Only codes, ids and durations go in: never a secret or a token."""

    result: VerificationResult
    code: str = ""
    message: str = ""
    answer: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """One probe of a config."""

    name: str
    type: VerificationType
    run: Callable[[CredentialVersion, datetime], StageResult]


@dataclass(frozen=True)
class VerificationRun:
    """What one verification did: its log rows in order, and the config as it is now."""

    config: PaymentConfig
    logs: list[VerificationLog]

    @property
    def result(self) -> str:
        return self.logs[-1].result


def _check_fields(version: CredentialVersion, now: datetime) -> StageResult:
    del now
    config = version.config
    try:
        check_fields(ConfigFields.of(config), shop_id=config.shop_id)
    except InvalidInput as error:
        names = ", ".join(sorted({name for name, _code, _detail in error.errors}))
        return StageResult(_FAILED, error.code, f"Not valid: {names}"[:300])
    return StageResult(_SUCCESS, message="Fields and credentials are complete.")


def _fetch_token(version: CredentialVersion, now: datetime) -> StageResult:
    # Always a fresh one: a token kept from before would prove nothing about these secrets.
    token = tokens.fetch_fresh(version=version, now=now)
    life = round((token.expires_at - now).total_seconds()) if token.expires_at else None
    return StageResult(_SUCCESS, "0", "An access token was granted.", {"expires_in_s": life})


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("fields", VerificationType.CREDENTIAL_TEST, _check_fields),
        Stage("oauth", VerificationType.OAUTH_TOKEN, _fetch_token),
    )
}
REQUIRED = frozenset(STAGES)

# Our words for what a provider said; its own text may echo what it was sent.
_SAID: tuple[tuple[type[ProviderError], VerificationResult, str], ...] = (
    (ProviderBusy, VerificationResult.ERROR, "The provider asks to slow down. Try again later."),
    (ProviderRefused, _FAILED, "The provider refused the consumer key or secret."),
    (ProviderUnreachable, VerificationResult.ERROR, "The provider could not be reached."),
    (OutcomeUnknown, VerificationResult.TIMEOUT, "The provider gave no readable answer in time."),
    (ProviderError, VerificationResult.ERROR, "The provider could not be asked."),
)
# A verified config is asked again without losing anything; the others go through pending.
_STARTS_FROM = frozenset({ConfigStatus.DRAFT, ConfigStatus.FAILED, ConfigStatus.SUSPENDED})
_STAYS_IN = frozenset({ConfigStatus.PENDING, ConfigStatus.VERIFIED})
# Silence proves nothing, so it is in the verification log alone.
_RECORDED: dict[str, str] = {
    _SUCCESS: AuditAction.CONFIG_VERIFIED,
    _FAILED: AuditAction.CONFIG_VERIFICATION_FAILED,
}


def verify_config(
    *,
    config: PaymentConfig,
    stages: Iterable[str] | None = None,
    actor: Actor,
    now: datetime,
) -> VerificationRun:
    """
    Try the config against its provider; without stages, all that are required.

    A run of some stages only writes its log: it neither verifies nor fails the config.

    :raises InvalidInput: for a stage that does not exist.
    :raises CredentialsRequired: when a credential is missing.
    :raises InvalidTransition: when the config's status does not allow it.
    :raises VerificationFailed: when no adapter speaks to the provider.
    """
    chosen = _chosen(stages)
    version = _version_to_try(config)
    is_whole = {stage.name for stage in chosen} >= REQUIRED
    if is_whole:
        _start(config, actor=actor, now=now)
    logs = _run(chosen, version, actor=actor, now=now)
    config = _conclude(config, version, logs, is_whole=is_whole, actor=actor, now=now)
    return VerificationRun(config, logs)


def try_version(
    *, version: CredentialVersion, stages: Iterable[str], actor: Actor, now: datetime
) -> list[VerificationLog]:
    """
    Try a version that is not in use yet, up to the first stage that does not succeed.

    It writes its log and moves neither the version nor its config.
    """
    wanted = set(stages)
    chosen = [stage for stage in STAGES.values() if stage.name in wanted]
    return _run(chosen, version, actor=actor, now=now)


def restore_config(
    *, config: PaymentConfig, reason: str, actor: Actor, now: datetime
) -> PaymentConfig:
    """
    Bring a suspended config back by verifying it again; it is not switched on by that.

    :raises InvalidInput: without a reason.
    :raises InvalidTransition: unless it is suspended.
    """
    check_reason(reason)
    if config.status != ConfigStatus.SUSPENDED:
        raise refused(config, "Only a suspended config is restored.")
    return verify_config(config=config, actor=replace(actor, reason=reason), now=now).config


def _chosen(names: Iterable[str] | None) -> list[Stage]:
    wanted = set(REQUIRED if names is None else names)
    if not wanted or not wanted <= STAGES.keys():
        detail = f"Choose among {', '.join(STAGES)}."
        raise InvalidInput(detail, errors=[("stages", "invalid_choice", detail)])
    return [stage for stage in STAGES.values() if stage.name in wanted]


def _version_to_try(config: PaymentConfig) -> CredentialVersion:
    if not registry.supports(config.provider, "fetch_access_token"):
        raise VerificationFailed("This provider cannot be asked yet.")
    version = config_secrets.current_of(config)
    missing = missing_secrets(version.secrets if version else (), provider=config.provider)
    if version is None or missing:
        errors = [(f"credentials.{name}", "required", "Give this credential.") for name in missing]
        raise CredentialsRequired("Credentials are missing.", errors=errors)
    return version


def _start(config: PaymentConfig, *, actor: Actor, now: datetime) -> None:
    if config.status == ConfigStatus.SUSPENDED:
        _lift(config, actor=actor, now=now)
    elif config.status in _STARTS_FROM:
        move_config(config=config, to=ConfigStatus.PENDING, now=now, updated_by=actor.label)
    elif config.status not in _STAYS_IN:
        raise refused(config, f"A config that is {config.status} needs new credentials first.")


@transaction.atomic
def _lift(config: PaymentConfig, *, actor: Actor, now: datetime) -> None:
    before = config_trail.state_of(config)
    move_config(config=config, to=ConfigStatus.PENDING, now=now, updated_by=actor.label)
    act = AuditAction.CONFIG_RESTORED
    config_trail.record(act, config, before=before, actor=actor, now=now)


def _run(
    stages: list[Stage], version: CredentialVersion, *, actor: Actor, now: datetime
) -> list[VerificationLog]:
    """Run the stages in order, up to the first that does not succeed."""
    logs: list[VerificationLog] = []
    for stage in stages:
        logs.append(_try(stage, version, actor=actor, now=now))
        if logs[-1].result != _SUCCESS:
            break
    return logs


def _try(
    stage: Stage, version: CredentialVersion, *, actor: Actor, now: datetime
) -> VerificationLog:
    started = time.monotonic()
    try:
        found = stage.run(version, now)
    except ProviderError as error:
        found = _translated(error)
    config = version.config
    return VerificationLog.objects.create(
        shop_id=config.shop_id,
        config=config,
        version=version,
        type=stage.type,
        stage=stage.name,
        result=found.result,
        response_code=found.code[:40],
        response_message=found.message,
        error_details="" if found.result == _SUCCESS else found.message,
        duration_ms=round((time.monotonic() - started) * 1000),
        request_payload={"stage": stage.name, "environment": config.environment},
        response_payload=found.answer,
        initiated_by=actor.label,
        ip_address=actor.ip,
        user_agent=actor.user_agent,
        created_at=now,
    )


def _translated(error: ProviderError) -> StageResult:
    result, message = next(row[1:] for row in _SAID if isinstance(error, row[0]))
    answer = {"http_status": error.http_status, "error_code": error.error_code[:40]}
    return StageResult(result, error.error_code, message, answer)


@transaction.atomic
def _conclude(
    config: PaymentConfig,
    version: CredentialVersion,
    logs: list[VerificationLog],
    *,
    is_whole: bool,
    actor: Actor,
    now: datetime,
) -> PaymentConfig:
    """Write down what the stages found, unless somebody changed the config meanwhile."""
    last = logs[-1]
    PaymentConfig.objects.filter(pk=config.pk).update(
        last_tested_at=now,
        last_test_result=last.result,
        last_test_error=last.error_details[:300],
        updated_at=now,
    )
    config.refresh_from_db()
    before = config_trail.state_of(config)
    if is_whole and config.status == ConfigStatus.PENDING:
        _settle(config, version, last.result, actor=actor, now=now)
    if is_whole and last.result in _RECORDED:
        act = _RECORDED[last.result]
        config_trail.record(act, config, before=before, actor=actor, now=now)
    return config


def _settle(
    config: PaymentConfig, version: CredentialVersion, result: str, *, actor: Actor, now: datetime
) -> None:
    if result == _SUCCESS:
        proof = {"verified_at": now, "verified_by": actor.label, "suspended_reason": ""}
        move_config(config=config, to=ConfigStatus.VERIFIED, now=now, **proof)
        CredentialVersion.objects.filter(pk=version.pk, activated_at=None).update(activated_at=now)
    elif result == _FAILED:
        move_config(config=config, to=ConfigStatus.FAILED, now=now)
