"""
Payment configs: made, changed, switched on and off, deleted.

Everything here is one short transaction under the config's row lock and without any HTTP. Secrets
live in versions: what a form brings becomes the next version, while nothing was verified with it;
once a config is verified, only a rotation changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import ConfigStatus
from payments.errors import ConfigInUse, DuplicateShortcode, InvalidInput, NotFound
from payments.models import Attempt, Payment, PaymentConfig
from payments.services import config_secrets, config_trail, go_live
from payments.services.config_moves import lock_config, move_config, refused
from payments.services.config_rules import ConfigFields, check_fields, clean_secrets
from payments.states import CREDENTIALS_EDITABLE, LIVE_STATUSES
from tenants.models import Shop

__all__ = [
    "activate_config",
    "create_config",
    "deactivate_config",
    "delete_config",
    "move_config",
    "set_default_config",
    "suspend_config",
    "update_config",
]

MAX_REASON_LENGTH = 200
# Fixed by the first payment: its receipts, callbacks and sealed secrets are bound to them.
_IDENTITY = ("shortcode", "provider")
# They say where the money goes, and what was verified, so a verified config keeps them.
_ACCOUNT = ("store_number", "account_number", "has_api")


@sensitive_variables()
def create_config(
    *,
    shop: Shop,
    environment: str,
    fields: ConfigFields,
    credentials: Mapping[str, str] | None = None,
    actor: Actor,
    now: datetime,
) -> PaymentConfig:
    """
    Create a draft, with its first credential version where credentials are given.

    :raises InvalidInput: when a field or a credential does not fit the provider.
    :raises DuplicateShortcode: when the shop and branch already has this shortcode.
    """
    check_fields(fields, shop_id=shop.pk, environment=environment)
    secrets = clean_secrets(credentials, provider=fields.provider)
    config = PaymentConfig(
        shop=shop,
        environment=environment,
        created_by=actor.label,
        created_at=now,
        updated_at=now,
    )
    fields.put_into(config)
    with transaction.atomic():
        _save(config, force_insert=True)
        config_secrets.stage(config=config, given=secrets, actor=actor, now=now)
        config_trail.record(AuditAction.CONFIG_CREATED, config, before={}, actor=actor, now=now)
    return config


@sensitive_variables()
def update_config(
    *,
    config: PaymentConfig,
    changes: Mapping[str, Any],
    credentials: Mapping[str, str] | None = None,
    actor: Actor,
    now: datetime,
) -> PaymentConfig:
    """
    Change some fields, and in draft, failed and expired the credentials; empty ones are kept.

    :raises InvalidInput: when the outcome does not fit the provider.
    :raises InvalidTransition: when the status or a payment forbids the change.
    :raises DuplicateShortcode: when the shop and branch already has this shortcode.
    """
    with transaction.atomic():
        locked = lock_config(config)
        before = config_trail.state_of(locked)
        fields = replace(ConfigFields.of(locked), **changes)
        check_fields(fields, shop_id=locked.shop_id, environment=locked.environment)
        secrets = clean_secrets(credentials, provider=fields.provider)
        _refuse_forbidden(locked, fields, has_secrets=bool(secrets))
        _apply(locked, fields, secrets, actor=actor, now=now)
        config_trail.record(AuditAction.CONFIG_UPDATED, locked, before=before, actor=actor, now=now)
    return locked


def delete_config(
    *, config: PaymentConfig, reason: str = "", actor: Actor, now: datetime
) -> PaymentConfig:
    """
    Take a config away; its rows stay, because payments were made with it.

    :raises ConfigInUse: while payments are live or attempts are still to be asked about.
    """
    with transaction.atomic():
        locked = lock_config(config)
        if has_open_attempts(locked):
            raise ConfigInUse
        gone = {"deleted_at": now, "is_active": False, "is_default": False}
        _act(AuditAction.CONFIG_DELETED, locked, gone, actor=actor, now=now, reason=reason)
    return locked


def activate_config(*, config: PaymentConfig, actor: Actor, now: datetime) -> PaymentConfig:
    """
    Let payments use the config.

    :raises NotVerified: unless it is verified and, in production, control is proven.
    :raises InvalidTransition: while a production config waits for a second person's approval.
    """
    with transaction.atomic():
        locked = lock_config(config)
        go_live.refuse_unready(locked)
        _act(AuditAction.CONFIG_ACTIVATED, locked, {"is_active": True}, actor=actor, now=now)
    return locked


def deactivate_config(*, config: PaymentConfig, actor: Actor, now: datetime) -> PaymentConfig:
    """Let no new payment use the config; what is open is still settled."""
    with transaction.atomic():
        locked = lock_config(config)
        _act(AuditAction.CONFIG_DEACTIVATED, locked, {"is_active": False}, actor=actor, now=now)
    return locked


def set_default_config(*, config: PaymentConfig, actor: Actor, now: datetime) -> PaymentConfig:
    """Make the config the default of its shop, branch, provider and environment, and no other."""
    with transaction.atomic():
        # All rows of the group are locked, in one order, so that two swaps queue up.
        siblings = list(_siblings(config).select_for_update(no_key=True).order_by("pk"))
        chosen = next((sibling for sibling in siblings if sibling.pk == config.pk), None)
        if chosen is None:
            raise NotFound
        old = [each for each in siblings if each.is_default and each.pk != chosen.pk]
        for sibling in old:
            _put(sibling, {"is_default": False}, actor=actor, now=now)
        instead = [{"field": "default", "old": str(each), "new": str(chosen)} for each in old]
        made = {"is_default": True}
        _act(AuditAction.CONFIG_MADE_DEFAULT, chosen, made, actor=actor, now=now, more=instead)
    return chosen


def suspend_config(
    *, config: PaymentConfig, reason: str, actor: Actor, now: datetime
) -> PaymentConfig:
    """
    Stop a verified config and say why. verification.restore_config brings it back.

    :raises InvalidInput: without a reason.
    :raises InvalidTransition: unless it is verified.
    """
    check_reason(reason)
    before = config_trail.state_of(config)
    changes = {"suspended_reason": reason, "updated_by": actor.label}
    with transaction.atomic():
        moved = move_config(config=config, to=ConfigStatus.SUSPENDED, now=now, **changes)
        act = AuditAction.CONFIG_SUSPENDED
        config_trail.record(act, moved, before=before, actor=actor, now=now, reason=reason)
    return moved


def check_reason(reason: str) -> None:
    """Refuse an act that must be explained and is not."""
    if not reason.strip() or len(reason) > MAX_REASON_LENGTH:
        detail = f"Give a reason of at most {MAX_REASON_LENGTH} characters."
        raise InvalidInput(detail, errors=[("reason", "required", detail)])


def has_open_attempts(config: PaymentConfig) -> bool:
    """Tell whether money may still arrive that only this config's credentials can ask about."""
    live = Payment.objects.filter(config=config, status__in=LIVE_STATUSES)
    asked = Attempt.objects.filter(config=config, next_ask_at__isnull=False)
    prompted = Attempt.objects.filter(config=config, payment__status__in=LIVE_STATUSES)
    return live.exists() or asked.exists() or prompted.exists()


def is_used(config: PaymentConfig) -> bool:
    """Tell whether a payment was ever made or tried with the config."""
    return (
        Payment.objects.filter(config=config).exists()
        or Attempt.objects.filter(config=config).exists()
    )


def _siblings(config: PaymentConfig) -> QuerySet[PaymentConfig]:
    return PaymentConfig.objects.not_deleted().filter(
        shop=config.shop_id,
        branch=config.branch_id,
        provider=config.provider,
        environment=config.environment,
    )


def _refuse_forbidden(config: PaymentConfig, fields: ConfigFields, *, has_secrets: bool) -> None:
    is_editable = config.status in CREDENTIALS_EDITABLE
    changed = [name for name in (*_IDENTITY, *_ACCOUNT) if _differs(config, fields, name)]
    if has_secrets and not is_editable:
        raise refused(config, f"Credentials of a {config.status} config change by rotation only.")
    if changed and not is_editable:
        raise refused(config, f"{changed[0]} of a {config.status} config does not change.")
    if set(changed) & set(_IDENTITY) and is_used(config):
        raise refused(config, f"{changed[0]} does not change once payments used the config.")


def _differs(config: PaymentConfig, fields: ConfigFields, name: str) -> bool:
    return bool(getattr(config, name) != getattr(fields, name))


def _apply(
    config: PaymentConfig,
    fields: ConfigFields,
    secrets: dict[str, str],
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """Write the fields; what was sealed for the old shortcode is sealed for the new one."""
    is_rebound = any(_differs(config, fields, name) for name in _IDENTITY)
    if any(_differs(config, fields, name) for name in ("branch", "provider")):
        # It would be a second default where it arrives.
        config.is_default = False
    opened = config_secrets.open_all(config) if is_rebound else {}
    fields.put_into(config)
    config.updated_at, config.updated_by = now, actor.label
    _save(config)
    if is_rebound:
        config_secrets.seal_again(config, opened)
    config_secrets.stage(config=config, given=secrets, actor=actor, now=now)
    _back_to_draft(config, has_secrets=bool(secrets), is_rebound=is_rebound, now=now)


def _back_to_draft(
    config: PaymentConfig, *, has_secrets: bool, is_rebound: bool, now: datetime
) -> None:
    """Let a failed or expired config begin anew; an expired one needs new credentials for it."""
    is_new = has_secrets or (is_rebound and config.status == ConfigStatus.FAILED)
    if is_new and config.status in {ConfigStatus.FAILED, ConfigStatus.EXPIRED}:
        move_config(config=config, to=ConfigStatus.DRAFT, now=now)


def _save(config: PaymentConfig, **how: Any) -> None:
    """Save, turning the database's word on uniqueness into ours."""
    try:
        with transaction.atomic():
            config.save(**how)
    except IntegrityError as error:
        if "config_shortcode_once_a_branch" not in str(error):
            raise
        # The unique index includes deleted_at, so the row is there to be named: the shop's own.
        same = _siblings(config).filter(
            shortcode=config.shortcode, account_number=config.account_number
        )
        other = same.exclude(pk=config.pk).first()
        named: dict[str, Any] = {"config": str(other.pk), "name": other.name} if other else {}
        raise DuplicateShortcode(**named) from error


def _act(
    action: str,
    config: PaymentConfig,
    values: dict[str, Any],
    *,
    actor: Actor,
    now: datetime,
    **more: Any,
) -> None:
    """Write some fields of a locked config, and who did it; more goes to the trail."""
    before = config_trail.state_of(config)
    _put(config, values, actor=actor, now=now)
    config_trail.record(action, config, before=before, actor=actor, now=now, **more)


def _put(config: PaymentConfig, values: dict[str, Any], *, actor: Actor, now: datetime) -> None:
    values = {**values, "updated_at": now, "updated_by": actor.label}
    for name, value in values.items():
        setattr(config, name, value)
    config.save(update_fields=[*values])
