"""
C2B addresses: registering ours, and whose are registered as far as anybody told.

Daraja has no question for it: what we know is what it said when we last tried to register. In
production a shortcode takes addresses once; to change them two operators delete them in the M-Pesa
portal first. Addresses are kept without their MAC, which is the lock of the callback.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments import callback_urls
from payments.choices import ConfigStatus, Environment
from payments.errors import (
    InvalidInput,
    OutcomeUnknown,
    ProductMissing,
    ProviderBusy,
    ProviderError,
    UrlsAlreadyRegistered,
    VerificationFailed,
)
from payments.models import PaymentConfig
from payments.providers import registry
from payments.providers.base import UrlRegistration
from payments.services.config_moves import lock_config, refused
from payments.services.connections import connect, current_version
from payments.services.findings import FINDINGS, StageResult

RESPONSE_TYPES = ("Completed", "Cancelled")
ALREADY = "Safaricom says that addresses are already registered for this number."
OURS, ELSEWHERE = "us", "somebody_else"
_ALLOWED = frozenset({ConfigStatus.VERIFIED})
# The other product of the API: what to try when Daraja says the app lacks this one.
_OTHER_VERSION = {"v1": "v2", "v2": "v1"}

# Why it failed, and what to do; an error that is not here is Safaricom's silence.
_WAYS_OUT: tuple[tuple[type[ProviderError], str, str], ...] = (
    (
        ProductMissing,
        "The Daraja app does not have this version of the C2B API.",
        "Choose the other C2B version, or add the product to the app in the Daraja portal.",
    ),
    (ProviderBusy, "Safaricom asks to slow down.", "Try again in a minute."),
    (
        OutcomeUnknown,
        "Safaricom gave no readable answer; the addresses may be registered.",
        "Try again: it does no harm.",
    ),
    (ProviderError, "Safaricom refused the addresses.", "Verify the config and try again."),
)


def look(config: PaymentConfig) -> StageResult:
    """Tell whose addresses are registered, from what Daraja said last."""
    known = config.c2b_registration
    facts = {name: known[name] for name in ("held_by", "version", "checked_at") if name in known}
    if known.get("held_by") == ELSEWHERE:
        return StageResult("urls_elsewhere", "", facts)
    if known.get("held_by") != OURS:
        return StageResult("urls_unknown")
    is_here = known.get("confirmation_url", "").startswith(f"{settings.PUBLIC_BASE_URL}/")
    return StageResult("urls_ours" if is_here else "urls_moved", "", facts)


def register_urls(
    *, config: PaymentConfig, response_type: str, actor: Actor, now: datetime
) -> PaymentConfig:
    """
    Register our addresses for the config's shortcode and remember since when.

    :raises InvalidInput: for a response type Daraja does not have.
    :raises InvalidTransition: unless the config is verified.
    :raises VerificationFailed: when they are not registered; next_action tells the way out.
    """
    if response_type not in RESPONSE_TYPES:
        detail = f"Choose {' or '.join(RESPONSE_TYPES)}."
        raise InvalidInput(detail, errors=[("response_type", "invalid_choice", detail)])
    if config.status not in _ALLOWED:
        raise refused(config, "C2B addresses are registered for a verified config.")
    if not config.has_api or not has_addresses(config):
        raise VerificationFailed("This provider has no addresses to register.")
    _refuse_forbidden_words()
    if _is_settled(config, response_type):
        return config
    said = _ask(config, response_type, now=now)
    return _remember(config, _registration(config, response_type, said, now), actor=actor, now=now)


def has_addresses(config: PaymentConfig) -> bool:
    """Tell whether its provider has C2B addresses at all."""
    return registry.supports(config.provider, "register_urls")


def show_confirmation_address(*, config: PaymentConfig, actor: Actor, now: datetime) -> str:
    """Return the address payments by hand are told at, which is its lock too; keep who saw it."""
    act = AuditAction.CONFIG_C2B_ADDRESS_SHOWN
    recording.record(act, config, shop_id=config.shop_id, actor=actor, now=now)
    _validation, confirmation = callback_urls.c2b_urls(config.pk)
    return confirmation


def _refuse_forbidden_words() -> None:
    # Checked here too: a refused registration in production costs a mail to support.
    words = callback_urls.forbidden_words_in(settings.PUBLIC_BASE_URL)
    if words:
        finding = FINDINGS["base_url_forbidden_word"]
        raise VerificationFailed(finding.message, words=words, next_action=finding.next_action)


def _is_settled(config: PaymentConfig, response_type: str) -> bool:
    """Tell whether production has what we would register: it takes addresses once."""
    known = config.c2b_registration
    return (
        config.environment == Environment.PRODUCTION
        and look(config).name == "urls_ours"
        and known.get("response_type") == response_type
    )


def _ask(config: PaymentConfig, response_type: str, *, now: datetime) -> str:
    validation, confirmation = callback_urls.c2b_urls(config.pk)
    registration = UrlRegistration(validation, confirmation, response_type, config.c2b_version)
    try:
        version = current_version(config)
        connection = connect(config=config, version=version, now=now)
        return connection.register_urls(registration, now=now)
    except UrlsAlreadyRegistered as error:
        _note_held(config, error, now=now)
        raise VerificationFailed(
            ALREADY,
            error_code=error.error_code,
            next_action=FINDINGS["urls_elsewhere"].next_action,
        ) from error
    except ProviderError as error:
        detail, way_out = next(row[1:] for row in _WAYS_OUT if isinstance(error, row[0]))
        other = _OTHER_VERSION[config.c2b_version]
        more: dict[str, Any] = {"other_version": other} if isinstance(error, ProductMissing) else {}
        raise VerificationFailed(
            detail, error_code=error.error_code, next_action=way_out, **more
        ) from error


def _note_held(config: PaymentConfig, error: UrlsAlreadyRegistered, *, now: datetime) -> None:
    """Remember that somebody has registered addresses: not we, as far as we know."""
    with transaction.atomic():
        locked = lock_config(config)
        if locked.c2b_registration.get("held_by") != OURS:
            locked.c2b_registration = {
                "held_by": ELSEWHERE,
                "version": locked.c2b_version,
                "checked_at": now.isoformat(),
                "error_code": error.error_code,
            }
            locked.save(update_fields=["c2b_registration"])
    config.c2b_registration = locked.c2b_registration


def _registration(
    config: PaymentConfig, response_type: str, said: str, now: datetime
) -> dict[str, Any]:
    base = f"{settings.PUBLIC_BASE_URL}/cb/c/{config.pk.hex}/…"
    return {
        "held_by": OURS,
        "version": config.c2b_version,
        "response_type": response_type,
        "validation_url": f"{base}/v",
        "confirmation_url": f"{base}/c",
        "response_code": said[:40],
        "checked_at": now.isoformat(),
    }


@transaction.atomic
def _remember(
    config: PaymentConfig, registration: dict[str, Any], *, actor: Actor, now: datetime
) -> PaymentConfig:
    locked = lock_config(config)
    before = recording.state_of(locked, ("c2b_registered_at",))
    locked.c2b_registration, locked.c2b_registered_at = registration, now
    locked.updated_at, locked.updated_by = now, actor.label
    names = ["c2b_registration", "c2b_registered_at", "updated_at", "updated_by"]
    locked.save(update_fields=names)
    recording.record(
        AuditAction.CONFIG_URLS_REGISTERED,
        locked,
        shop_id=locked.shop_id,
        actor=actor,
        now=now,
        changes=recording.changes_between(
            before, recording.state_of(locked, ("c2b_registered_at",))
        ),
        previous_state=before,
    )
    return locked
