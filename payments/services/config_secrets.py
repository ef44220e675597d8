"""
A config's secrets on their way into credential versions.

Opened here only to be sealed again: for a new shortcode (they are bound to it), or into the next
version beside the ones a form changed (an empty input keeps the old one). They reach no provider
from here; services/credentials.py opens them for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Max
from django.views.decorators.debug import sensitive_variables

from audit.actors import Actor
from audit.masking import mask_secret
from payments.choices import VersionStatus
from payments.models import CredentialVersion, PaymentConfig
from payments.services.config_rules import RULES
from payments.services.credentials import app_fingerprint

INITIATOR = frozenset({"initiator_name", "initiator_password"})
Opened = dict[CredentialVersion, dict[str, str]]


def current_of(config: PaymentConfig) -> CredentialVersion | None:
    """Return the version in use, or None while there is none."""
    version = config.versions.filter(status=VersionStatus.CURRENT).first()
    if version is not None:
        version.config = config
    return version


@sensitive_variables()
def stage(
    *, config: PaymentConfig, given: Mapping[str, str], actor: Actor, now: datetime
) -> CredentialVersion | None:
    """Make the next version of the old secrets and the given ones; None where nothing is new."""
    old = current_of(config)
    kept = _kept(config, old)
    if not given and (old is None or kept.keys() == old.secrets.keys()):
        return old
    if old is not None:
        _retire(old, now=now)
    secrets = {**kept, **given}
    return _make(secrets, VersionStatus.CURRENT, config=config, actor=actor, now=now)


def stage_nothing(*, config: PaymentConfig, actor: Actor, now: datetime) -> CredentialVersion:
    """Return the version in use, or make one without secrets, for a config that asks nobody."""
    return current_of(config) or _make(
        {}, VersionStatus.CURRENT, config=config, actor=actor, now=now
    )


@sensitive_variables()
def stage_beside(
    *, config: PaymentConfig, given: Mapping[str, str], actor: Actor, now: datetime, **why: Any
) -> CredentialVersion:
    """Make the next version of the old secrets and the given ones, beside the one in use."""
    secrets = {**_kept(config, current_of(config)), **given}
    return _make(secrets, VersionStatus.STAGED, config=config, actor=actor, now=now, **why)


@sensitive_variables()
def has_other_initiator(version: CredentialVersion, previous: CredentialVersion) -> bool:
    """Tell whether a version has an initiator, and another name or password than one before."""

    def opened(of: CredentialVersion) -> dict[str, str]:
        return {name: of.secrets[name].reveal() for name in INITIATOR if name in of.secrets}

    new = opened(version)
    return new.keys() == INITIATOR and new != opened(previous)


@sensitive_variables()
def open_all(config: PaymentConfig) -> Opened:
    """Open every version of the config, to be sealed again in the same transaction."""
    versions = list(config.versions.select_for_update().order_by("number"))
    for version in versions:
        version.config = config
    return {
        version: {name: sealed.reveal() for name, sealed in version.secrets.items()}
        for version in versions
    }


@sensitive_variables()
def seal_again(config: PaymentConfig, opened: Opened) -> None:
    """Seal what open_all opened in the config's new context."""
    for version, secrets in opened.items():
        version.config = config
        version.secrets = secrets
        version.save(update_fields=["secrets"])


@sensitive_variables()
def _kept(config: PaymentConfig, old: CredentialVersion | None) -> dict[str, str]:
    """Open what the provider still has a use for."""
    if old is None:
        return {}
    names = RULES[config.provider].secrets
    return {name: sealed.reveal() for name, sealed in old.secrets.items() if name in names}


def _retire(version: CredentialVersion, *, now: datetime) -> None:
    """Payments were made with what was once verified; the rest was never good for anything."""
    was_used = version.activated_at is not None
    version.status = VersionStatus.ROTATED if was_used else VersionStatus.REJECTED
    version.retired_at = now
    version.save(update_fields=["status", "retired_at"])


@sensitive_variables()
def _make(
    secrets: dict[str, str],
    status: VersionStatus,
    *,
    config: PaymentConfig,
    actor: Actor,
    now: datetime,
    **why: Any,
) -> CredentialVersion:
    newest = config.versions.aggregate(newest=Max("number"))["newest"] or 0
    version = CredentialVersion(
        shop_id=config.shop_id,
        config=config,
        number=newest + 1,
        status=status,
        masks={name: mask_secret(name, value) for name, value in secrets.items()},
        app_fingerprint=_fingerprint(config, secrets),
        created_by=actor.label,
        created_at=now,
        **why,
    )
    version.secrets = secrets
    version.save(force_insert=True)
    return version


def _fingerprint(config: PaymentConfig, secrets: dict[str, str]) -> str:
    """Name the Daraja app, once both halves of its credentials are there."""
    key, secret = secrets.get("consumer_key"), secrets.get("consumer_secret")
    return app_fingerprint(config.environment, key, secret) if key and secret else ""
