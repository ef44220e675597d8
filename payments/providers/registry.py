"""
Which adapter speaks for which provider: one line per provider, nothing else to register.

A provider that is configured but has no line yet (airtel_money, bank_transfer, card) takes no
payment: adapter_for raises NoActiveConfig, the error routing already treats as "not this one".
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings

from payments.choices import CallbackKind, Environment, Provider
from payments.errors import NoActiveConfig, UnreadableBody
from payments.providers.base import AccountDetails, Adapter, Outcome
from payments.providers.daraja.adapter import DarajaAdapter

_ADAPTERS: dict[str, type[DarajaAdapter]] = {
    Provider.MPESA_PAYBILL: DarajaAdapter,
    Provider.MPESA_TILL: DarajaAdapter,
}
_PARSERS: dict[str, Callable[[bytes], Outcome]] = {
    CallbackKind.STK: DarajaAdapter.parse_callback,
    CallbackKind.PROOF: DarajaAdapter.parse_callback,
}


def adapter_for(account: AccountDetails, access_token: str = "") -> Adapter:
    """
    Return the adapter for account, aimed at its environment.

    :raises NoActiveConfig: when no adapter speaks to the account's provider yet.
    """
    adapter = _ADAPTERS.get(account.provider)
    if adapter is None:
        raise NoActiveConfig(f"No adapter takes payments by {account.provider} yet.")
    return adapter(
        account,
        access_token=access_token,
        base_url=_daraja_url(account.environment),
        connect_timeout_s=settings.DARAJA_CONNECT_TIMEOUT_S,
        total_timeout_s=settings.DARAJA_TOTAL_TIMEOUT_S,
    )


def supports(provider: str, capability: str) -> bool:
    """Say whether provider has an adapter with this capability (a verb of base.Adapter)."""
    adapter = _ADAPTERS.get(provider)
    return adapter is not None and capability in adapter.capabilities


def parser_for(kind: str) -> Callable[[bytes], Outcome]:
    """
    Return the function that reads callbacks of kind.

    :raises UnreadableBody: when nothing reads this kind.
    """
    if kind not in _PARSERS:
        raise UnreadableBody(f"Nothing reads callbacks of kind {kind}.")
    return _PARSERS[kind]


def _daraja_url(environment: str) -> str:
    # Compared with the one that moves real money, so that a wrong word never reaches it.
    is_production = environment == Environment.PRODUCTION
    url: str = settings.DARAJA_PRODUCTION_URL if is_production else settings.DARAJA_SANDBOX_URL
    return url
