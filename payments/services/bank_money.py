"""
Money on a bank account: paid through the bank's own paybill, or told of by the bank itself.

The bank's paybill is every customer's of the bank, so the number alone says nothing: what was typed
must begin with the config's account. What follows it is the shop's own reference.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments import callback_urls
from payments.choices import CallbackKind, Provider
from payments.models import PaymentConfig
from payments.providers import registry
from payments.providers.base import ArrivedMoney
from payments.services.account_rules import normalise

# Banks tell payers to put one of these between account and reference.
_BETWEEN = "#-/ "


def read(config: PaymentConfig, kind: str, body: bytes) -> ArrivedMoney | None:
    """
    Read what a callback of a kind tells of money for the config; None where none came in.

    :raises UnreadableBody: when it tells nothing plainly.
    """
    if kind == CallbackKind.BANK:
        return registry.parse_notice(config.provider, body)
    return registry.parse_c2b(config.provider, body)


def show_address(*, config: PaymentConfig, actor: Actor, now: datetime) -> str:
    """Return the address the bank must be given, which is its lock too; keep who saw it."""
    act = AuditAction.CONFIG_ADDRESS_SHOWN
    recording.record(act, config, shop_id=config.shop_id, actor=actor, now=now)
    return callback_urls.bank_url(config.pk)


def own(money: ArrivedMoney, config: PaymentConfig) -> ArrivedMoney | None:
    """Return the money with the shop's own reference, None where it is another account's."""
    if config.provider != Provider.BANK_TRANSFER:
        own_numbers = {config.shortcode, config.store_number} - {""}
        return money if money.shortcode in own_numbers else None
    account = normalise(config.account_number)
    if normalise(money.shortcode) == account:
        return money
    typed = normalise(money.account_reference)
    rest = typed.removeprefix(account)
    is_ours = money.shortcode == config.shortcode and typed.startswith(account)
    # Longer digits are another customer's account that begins like ours.
    if not is_ours or (rest and rest[0] not in _BETWEEN):
        return None
    return replace(money, account_reference=rest.lstrip(_BETWEEN))
