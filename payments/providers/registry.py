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
from payments.providers.bank import messages as bank
from payments.providers.base import (
    AccountDetails,
    Adapter,
    ArrivedMoney,
    Outcome,
    RequestResult,
)
from payments.providers.daraja import security
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
        certificate_file=certificate_file_of(account.environment),
        pull_method=settings.DARAJA_PULL_METHOD,
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


def parse_result(provider: str, body: bytes) -> RequestResult:
    """
    Read the result of an asynchronous request to provider.

    :raises UnreadableBody: when it is none, or nothing reads this provider's.
    """
    if not supports(provider, "parse_result"):
        raise UnreadableBody(f"Nothing reads results of {provider}.")
    return _ADAPTERS[provider].parse_result(body)


def parse_c2b(provider: str, body: bytes) -> ArrivedMoney:
    """
    Read what provider tells of money a customer sent by himself.

    :raises UnreadableBody: when it is no such thing, or nothing reads this provider's.
    """
    # Who pays a bank's paybill pays by M-Pesa, and Safaricom tells of it as of any other.
    if provider == Provider.BANK_TRANSFER:
        return DarajaAdapter.parse_c2b(body)
    if not supports(provider, "parse_c2b"):
        raise UnreadableBody(f"Nothing reads arrivals of {provider}.")
    return _ADAPTERS[provider].parse_c2b(body)


def parse_notice(provider: str, body: bytes) -> ArrivedMoney | None:
    """
    Read a bank's notice of money on an account; None where none came in.

    :raises UnreadableBody: when it is none, or provider is no bank.
    """
    if provider != Provider.BANK_TRANSFER:
        raise UnreadableBody(f"No bank tells of {provider}.")
    return bank.parse_notice(body)


def certificate_fingerprint(environment: str) -> str:
    """
    Return the SHA-256 of the certificate that initiators' passwords are sealed with.

    :raises CannotOpen: when it cannot be read.
    """
    return security.fingerprint(
        environment=environment, certificate_file=certificate_file_of(environment)
    )


def certificate_file_of(environment: str) -> str:
    """Return the certificate that replaces Safaricom's own, "" for none."""
    # Compared with the one that moves real money, as the address is.
    is_production = environment == Environment.PRODUCTION
    sandbox, production = settings.DARAJA_CERTIFICATE_FILES
    return str(production if is_production else sandbox)


def _daraja_url(environment: str) -> str:
    # Compared with the one that moves real money, so that a wrong word never reaches it.
    is_production = environment == Environment.PRODUCTION
    url: str = settings.DARAJA_PRODUCTION_URL if is_production else settings.DARAJA_SANDBOX_URL
    return url
