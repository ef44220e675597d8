"""
Pull Transactions of a config: registering its number with Safaricom, and asking or not.

Safaricom lists all that came to a number, whoever asked for it. So it is only asked about numbers
that one shop alone uses: nobody may learn of another shop's money that way.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_noop as _

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments import callback_urls
from payments import msisdn as msisdns
from payments.choices import FAMILY_OF, ConfigStatus, NoticeCode, Provider
from payments.errors import (
    InvalidTransition,
    OutcomeUnknown,
    ProductMissing,
    ProviderBusy,
    ProviderError,
    TokenRefused,
    VerificationFailed,
)
from payments.models import PaymentConfig
from payments.providers import registry
from payments.providers.base import PullRegistration
from payments.services import notices
from payments.services.config_moves import lock_config, refused
from payments.services.connections import connect, current_version

NOT_ALONE = _("Another shop takes money with this number too: its payments would be seen.")
NO_PRODUCT = _("The Daraja app does not have the Pull Transactions API.")
ASK_FOR_PRODUCT = _("Ask Safaricom to add Pull Transactions to the app, and try again.")

# Why it failed, and what to do.
_WAYS_OUT: tuple[tuple[type[ProviderError], str, str], ...] = (
    (ProviderBusy, _("Safaricom asks to slow down."), _("Try again in a minute.")),
    # A token fetched a moment ago is refused only where the product is not the app's.
    (TokenRefused, NO_PRODUCT, ASK_FOR_PRODUCT),
    (ProductMissing, NO_PRODUCT, ASK_FOR_PRODUCT),
    (
        OutcomeUnknown,
        _("Safaricom gave no readable answer; the number may be registered."),
        _("Try again: it does no harm."),
    ),
    (
        ProviderError,
        _("Safaricom refused to register the number for pulling."),
        _("Look at the number and at the nominated phone, and try again."),
    ),
)


def number_of(config: PaymentConfig) -> str:
    """Return the number Safaricom lists money by: the paybill, or the store number of a till."""
    is_till = config.provider == Provider.MPESA_TILL
    return config.store_number if is_till else config.shortcode


def can_pull(config: PaymentConfig) -> bool:
    """Tell whether somebody can be asked for the config's transactions at all."""
    return config.has_api and registry.supports(config.provider, "pull")


def is_alone(config: PaymentConfig) -> bool:
    """Tell whether no other shop takes money with the config's numbers."""
    numbers = {config.shortcode, config.store_number} - {""}
    same = Q(shortcode__in=numbers) | Q(store_number__in=numbers)
    family = [name for name, family in FAMILY_OF.items() if family == config.family]
    others = PaymentConfig.objects.not_deleted().exclude(shop=config.shop_id)
    return not others.filter(
        same,
        environment=config.environment,
        provider__in=family,
        status=ConfigStatus.VERIFIED,
    ).exists()


def register_pull(
    *, config: PaymentConfig, nominated_number: str, actor: Actor, now: datetime
) -> PaymentConfig:
    """
    Register the config's number, with a phone of the organisation's, and begin to pull.

    :raises InvalidPhoneNumber: for a phone that is none of Kenya's.
    :raises InvalidTransition: unless the config is verified.
    :raises VerificationFailed: when it is not registered; next_action tells the way out.
    """
    msisdn = msisdns.normalise(nominated_number)
    if config.status != ConfigStatus.VERIFIED:
        raise refused(config, "Transactions are pulled for a verified config.")
    if not can_pull(config):
        raise VerificationFailed("This provider lists no transactions.")
    if not is_alone(config):
        raise VerificationFailed(NOT_ALONE)
    _ask(config, msisdn, now=now)
    return _put(
        config,
        AuditAction.CONFIG_PULL_REGISTERED,
        {"pull_registered_at": now, "pull_enabled": True},
        nominated=msisdns.mask(msisdn),
        actor=actor,
        now=now,
    )


def switch_pull(
    *, config: PaymentConfig, enabled: bool, actor: Actor, now: datetime
) -> PaymentConfig:
    """
    Begin to pull a registered number, or leave it be.

    :raises InvalidTransition: when it is to begin and was never registered.
    """
    if enabled and config.pull_registered_at is None:
        raise InvalidTransition("Register the number for pulling first.")
    act = AuditAction.CONFIG_PULL_SWITCHED
    return _put(config, act, {"pull_enabled": enabled}, actor=actor, now=now)


def _ask(config: PaymentConfig, msisdn: str, *, now: datetime) -> None:
    _validation, confirmation = callback_urls.c2b_urls(config.pk)
    asked = PullRegistration(nominated_number=msisdn, callback_url=confirmation)
    try:
        version = current_version(config)
        connect(config=config, version=version, now=now).register_pull(asked, now=now)
    except ProviderError as error:
        detail, way_out = next(row[1:] for row in _WAYS_OUT if isinstance(error, row[0]))
        raise VerificationFailed(
            detail, error_code=error.error_code, next_action=way_out
        ) from error


@transaction.atomic
def _put(
    config: PaymentConfig,
    act: AuditAction,
    values: dict[str, object],
    *,
    nominated: str = "",
    actor: Actor,
    now: datetime,
) -> PaymentConfig:
    locked = lock_config(config)
    before = recording.state_of(locked, tuple(values))
    for name, value in {**values, "updated_at": now, "updated_by": actor.label}.items():
        setattr(locked, name, value)
    locked.save(update_fields=[*values, "updated_at", "updated_by"])
    changes = recording.changes_between(before, recording.state_of(locked, tuple(values)))
    if nominated:
        changes.append({"field": "nominated_number", "old": None, "new": nominated})
    recording.record(
        act,
        locked,
        shop_id=locked.shop_id,
        actor=actor,
        now=now,
        changes=changes,
        previous_state=before,
    )
    notices.close_notices(config=locked, code=NoticeCode.PULL_REFUSED, now=now)
    return locked
