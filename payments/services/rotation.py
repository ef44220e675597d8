"""
New secrets for the same account, without a moment in which no payment can be taken.

The new version is committed as STAGED, tried against the provider (HTTP, no transaction), and then
either takes the old one's place in one transaction or is REJECTED; the old one serves throughout,
and answers for its own attempts afterwards. Whoever dies in between leaves a staged version and
nothing else; the sweep takes it up again (rotation_schedule.py). A provider that gives no certain
answer leaves it staged too: it is tried again for a day, then rejected. The switch is made under
the config's row lock on the status that was read, so of two rotations at once one wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from audit.actions import AuditAction
from audit.actors import Actor, ActorKind
from payments.choices import ConfigStatus, NoticeCode, VerificationResult, VersionStatus
from payments.errors import CredentialsRequired, InvalidInput, InvalidTransition, VerificationFailed
from payments.models import CredentialVersion, PaymentConfig, VerificationLog
from payments.providers import registry
from payments.services import (
    breakers,
    config_secrets,
    config_trail,
    initiator_trial,
    notices,
    verification,
)
from payments.services.config_moves import lock_config, lock_even_deleted, refused
from payments.services.config_rules import clean_secrets, missing_secrets
from payments.services.configs import check_reason

# What proves credentials without reaching a customer; the initiator's are tried afterwards.
STAGES = ("fields", "oauth", "passkey")
# Longer than any trial takes: a younger version is in the hands of whoever staged it.
IN_HANDS = timedelta(minutes=2)
LONGEST_AHEAD = timedelta(days=366)
ROTATABLE = frozenset({ConfigStatus.VERIFIED, ConfigStatus.SUSPENDED})
# A good new version ends what these were about.
_OVER_ONCE_ROTATED = (
    NoticeCode.ROTATION_DUE,
    NoticeCode.CREDENTIALS_EXPIRE,
    NoticeCode.CREDENTIALS_REFUSED,
    NoticeCode.ROLLED_BACK,
)


@sensitive_variables()
def rotate_credentials(
    *,
    config: PaymentConfig,
    credentials: Mapping[str, str],
    reason: str,
    scheduled_at: datetime | None = None,
    actor: Actor,
    now: datetime,
) -> PaymentConfig:
    """
    Try new credentials and put them in use, now or at a time; what is not given is kept.

    A scheduled version is sealed now and tried when its time has come.

    :raises InvalidInput: without a reason, or for a value or a time that does not fit.
    :raises CredentialsRequired: without any credential.
    :raises InvalidTransition: where the status forbids it, or another rotation is under way.
    :raises VerificationFailed: when the provider refused them, or gave no certain answer (then
        `staged` is true and they are tried again).
    """
    check_reason(reason)
    _check_time(scheduled_at, now=now)
    if not config.has_api:
        raise refused(config, "This config has no API: there are no credentials to rotate.")
    if not registry.supports(config.provider, "fetch_access_token"):
        raise VerificationFailed("This provider cannot be asked yet.")
    secrets = clean_secrets(credentials, provider=config.provider)
    if not secrets:
        detail = "Give at least one new credential."
        raise CredentialsRequired(detail, errors=[("credentials", "required", detail)])
    version = _stage(config, secrets, reason, scheduled_at, actor=actor, now=now)
    if scheduled_at is None:
        return finish_rotation(version=version, actor=actor, now=now)
    return version.config


def finish_rotation(*, version: CredentialVersion, actor: Actor, now: datetime) -> PaymentConfig:
    """
    Try a staged version; put it in use, reject it, or leave it staged. Returns the config.

    :raises InvalidTransition: when it is not staged any more, or its config may not rotate now.
    :raises VerificationFailed: when it was rejected, or no certain answer came.
    """
    _refuse_unfit(version, actor=actor, now=now)
    logs = verification.try_version(version=version, stages=STAGES, actor=actor, now=now)
    last = logs[-1]
    if last.result == VerificationResult.SUCCESS:
        config = _switch(version, last, actor=actor, now=now)
        # What failed with the old credentials says nothing of the new ones.
        breakers.reset_breaker(config=config, now=now)
        initiator_trial.try_new_initiator(version=version, actor=actor, now=now)
        return config
    is_refused = last.result == VerificationResult.FAILED
    if is_refused:
        reject_staged(version, last.response_message, actor=actor, now=now)
    raise VerificationFailed(
        last.response_message, stage=last.stage, result=last.result, staged=not is_refused
    )


def cancel_rotation(
    *, config: PaymentConfig, reason: str, actor: Actor, now: datetime
) -> PaymentConfig:
    """
    Reject what waits to be rotated in; the version in use stays.

    :raises InvalidInput: without a reason.
    :raises InvalidTransition: when nothing waits.
    """
    check_reason(reason)
    waiting = list(staged_of(config))
    if not waiting:
        raise refused(config, "No rotation waits.")
    for version in waiting:
        reject_staged(version, reason, actor=actor, now=now)
    config.refresh_from_db()
    return config


@transaction.atomic
def reject_staged(version: CredentialVersion, why: str, *, actor: Actor, now: datetime) -> bool:
    """Reject a staged version, with an entry on the trail; tell whether it still was staged."""
    config = lock_even_deleted(version.config)
    before = config_trail.state_of(config)
    staged = CredentialVersion.objects.filter(pk=version.pk, status=VersionStatus.STAGED)
    if not staged.update(status=VersionStatus.REJECTED, retired_at=now):
        return False
    if version.scheduled_at is not None:
        _note_schedule(config, None, now=now)
        notices.close_notices(config=config, code=NoticeCode.ROTATION_DUE, now=now)
    rejected = [{"field": "credentials.staged", "old": version.number, "new": None}]
    config_trail.record(
        AuditAction.CONFIG_ROTATION_FAILED,
        config,
        before=before,
        actor=actor,
        now=now,
        reason=why,
        more=rejected,
    )
    if actor.kind == ActorKind.SYSTEM:
        _tell(config, version, why, now=now)
    return True


def staged_of(config: PaymentConfig) -> QuerySet[CredentialVersion]:
    return CredentialVersion.objects.filter(
        config=config, status=VersionStatus.STAGED
    ).select_related("config__shop", "config__branch")


def _check_time(scheduled_at: datetime | None, *, now: datetime) -> None:
    if scheduled_at is not None and not now < scheduled_at <= now + LONGEST_AHEAD:
        detail = "Give a time in the future, at most a year ahead."
        raise InvalidInput(detail, errors=[("scheduled_at", "out_of_range", detail)])


@transaction.atomic
def _stage(
    config: PaymentConfig,
    secrets: Mapping[str, str],
    reason: str,
    scheduled_at: datetime | None,
    *,
    actor: Actor,
    now: datetime,
) -> CredentialVersion:
    locked = lock_config(config)
    if locked.status not in ROTATABLE:
        raise refused(locked, f"Credentials of a {locked.status} config are not rotated.")
    _make_way(locked, actor=actor, now=now)
    before = config_trail.state_of(locked)
    version = config_secrets.stage_beside(
        config=locked, given=secrets, actor=actor, now=now, reason=reason, scheduled_at=scheduled_at
    )
    if missing := missing_secrets(version.secrets, provider=locked.provider):
        errors = [(f"credentials.{name}", "required", "Give this credential.") for name in missing]
        raise CredentialsRequired("Credentials are missing.", errors=errors)
    _note_schedule(locked, scheduled_at, now=now)
    staged = [{"field": "credentials.staged", "old": None, "new": version.number}]
    started = AuditAction.CONFIG_ROTATION_STARTED
    act = AuditAction.CONFIG_ROTATION_SCHEDULED if scheduled_at else started
    config_trail.record(
        act, locked, before=before, actor=actor, now=now, reason=reason, more=staged
    )
    return version


def _make_way(config: PaymentConfig, *, actor: Actor, now: datetime) -> None:
    """Let a new rotation replace one that waits, but not one that is being tried right now."""
    for version in staged_of(config):
        begun_at = version.scheduled_at or version.created_at
        # One that waits for its time was not begun; one that was not scheduled was, also where
        # the other's clock was read after ours.
        has_begun = version.scheduled_at is None or version.scheduled_at <= now
        if has_begun and now < begun_at + IN_HANDS:
            raise _under_way(config)
        reject_staged(version, "Replaced by another rotation.", actor=actor, now=now)


def _under_way(config: PaymentConfig) -> InvalidTransition:
    error = refused(config, "Another rotation is under way. Try again in two minutes.")
    error.retry_after = int(IN_HANDS.total_seconds())
    return error


def _refuse_unfit(version: CredentialVersion, *, actor: Actor, now: datetime) -> None:
    """Reject what can never be put in use, before the provider is asked for nothing."""
    config = PaymentConfig.objects.filter(pk=version.config_id).get()
    version.config = config
    if config.deleted_at is not None or config.status not in ROTATABLE:
        detail = f"Credentials of a {config.status} config are not rotated."
        reject_staged(version, detail, actor=actor, now=now)
        raise refused(config, detail)


@transaction.atomic
def _switch(
    version: CredentialVersion, log: VerificationLog, *, actor: Actor, now: datetime
) -> PaymentConfig:
    """Put the new version in the old one's place: both, the trail and the event, or nothing."""
    config = lock_config(version.config)
    if config.status not in ROTATABLE:
        raise refused(config, f"Credentials of a {config.status} config are not rotated.")
    before = config_trail.state_of(config)
    _retire_current(config, now=now)
    if not _put_in_use(version, now=now):
        # Raised after the old one was retired: the whole transaction is undone.
        raise refused(config, "Another rotation took its place.")
    config.last_tested_at, config.last_test_result = now, log.result
    config.last_test_error = ""
    # The date belonged to the credentials that have just gone.
    config.credentials_expire_on = None
    _note_schedule(
        config, None, now=now, more=["last_tested_at", "last_test_result", "last_test_error"]
    )
    for code in _OVER_ONCE_ROTATED:
        notices.close_notices(config=config, code=code, now=now)
    config_trail.record(
        AuditAction.CONFIG_ROTATED,
        config,
        before=before,
        actor=actor,
        now=now,
        reason=version.reason,
    )
    return config


def _retire_current(config: PaymentConfig, *, now: datetime) -> None:
    current = CredentialVersion.objects.filter(config=config, status=VersionStatus.CURRENT)
    current.update(status=VersionStatus.ROTATED, retired_at=now)


def _put_in_use(version: CredentialVersion, *, now: datetime) -> bool:
    staged = CredentialVersion.objects.filter(pk=version.pk, status=VersionStatus.STAGED)
    return bool(
        staged.update(
            status=VersionStatus.CURRENT, verified_at=now, activated_at=now, refused_count=0
        )
    )


def _note_schedule(
    config: PaymentConfig,
    scheduled_at: datetime | None,
    *,
    now: datetime,
    more: list[str] | None = None,
) -> None:
    config.rotation_scheduled_at, config.updated_at = scheduled_at, now
    names = ["rotation_scheduled_at", "updated_at", "credentials_expire_on", *(more or [])]
    config.save(update_fields=names)


def _tell(config: PaymentConfig, version: CredentialVersion, why: str, *, now: datetime) -> None:
    """Tell the shop what nobody saw on a page: the sweep rejected a version."""
    notices.open_notice(
        shop_id=config.shop_id,
        config=config,
        code=NoticeCode.CREDENTIALS_REFUSED,
        subject=notices.version_subject(version.number),
        data={"version": version.number, "why": why, "in_use": False},
        now=now,
    )
