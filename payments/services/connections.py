"""
The way to a provider: adapter, opened credentials, a valid token, and room to wait.

No HTTP happens inside a transaction, and the database connection goes back to the pool before
every call, so a hanging provider holds threads and nothing else (performance.md).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from django.db import DatabaseError

from payments.errors import CredentialsRefused, NoActiveConfig, TokenRefused
from payments.models import AccessToken, CredentialVersion, PaymentConfig
from payments.providers.base import (
    AccountDetails,
    Adapter,
    BalanceQuestion,
    Outcome,
    PaymentAccepted,
    PaymentRequest,
    PulledPage,
    PullQuestion,
    PullRegistration,
    RequestAccepted,
    ReversalOrder,
    StatusQuestion,
    UrlRegistration,
)
from payments.providers.registry import adapter_for
from payments.services import credentials_health, token_wars, tokens
from payments.services.credentials import open_account
from payments.services.upstream import release_connection
from tenants.prepared import Reader

__all__ = ["Connection", "connect", "current_version", "release_connection"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
_CURRENT = Reader(
    "FROM payments_credentialversion v WHERE v.config_id = %s AND v.status = 'current'",
    v=CredentialVersion,
)


class Connection:
    """An opened account and a token. Renews a refused token once; a second refusal rises."""

    def __init__(self, account: AccountDetails, version: CredentialVersion, token: str) -> None:
        self._account = account
        self._version = version
        self._token = token

    def request_payment(self, request: PaymentRequest, *, now: datetime) -> PaymentAccepted:
        """
        Ask the provider to prompt the customer.

        :raises ProviderError: may_have_reached_customer tells whether another may be tried.
        """
        return self._call(lambda adapter: adapter.request_payment(request), now=now)

    def query_payment(self, checkout_request_id: str, *, now: datetime) -> Outcome:
        """
        Ask what became of a prompt.

        :raises ProviderError: when no readable answer came; that says nothing of the payment.
        """
        return self._call(
            lambda adapter: adapter.query_payment(checkout_request_id, asked_at=now), now=now
        )

    def register_urls(self, registration: UrlRegistration, *, now: datetime) -> str:
        """
        Register C2B addresses; return the provider's response code.

        :raises ProviderError: when they were not registered, or nobody knows.
        """
        return self._call(lambda adapter: adapter.register_urls(registration), now=now)

    def ask_status(self, question: StatusQuestion, *, now: datetime) -> RequestAccepted:
        """
        Ask what became of a receipt; the answer comes later.

        :raises ProviderError: when the question was not taken, or nobody knows.
        """
        return self._call(lambda adapter: adapter.ask_status(question), now=now)

    def order_reversal(self, order: ReversalOrder, *, now: datetime) -> RequestAccepted:
        """
        Order a receipt's money back; what becomes of it is told later.

        :raises ProviderError: may_have_reached_customer tells whether it may have been taken.
        """
        return self._call(lambda adapter: adapter.order_reversal(order), now=now)

    def ask_balance(self, question: BalanceQuestion, *, now: datetime) -> RequestAccepted:
        """
        Ask what the accounts hold; the answer comes later.

        :raises ProviderError: when the question was not taken, or nobody knows.
        """
        return self._call(lambda adapter: adapter.ask_balance(question), now=now)

    def register_pull(self, registration: PullRegistration, *, now: datetime) -> str:
        """
        Register the account for pulling; return the provider's code.

        :raises ProviderError: when it is not registered, or nobody knows.
        """
        return self._call(lambda adapter: adapter.register_pull(registration), now=now)

    def pull(self, question: PullQuestion, *, now: datetime) -> PulledPage:
        """
        Ask for a page of what came to the account.

        :raises ProviderError: when no readable answer came; that says nothing of the money.
        """
        return self._call(lambda adapter: adapter.pull(question), now=now)

    def _call(self, call: Callable[[Adapter], T], *, now: datetime) -> T:
        """Make the call, a second time where the token was refused; keep what it says of both."""
        try:
            answer = self._try_twice(call, now=now)
        except CredentialsRefused as error:
            _keep(_refusal(self._version, error, now=now))
            raise
        _keep(lambda: credentials_health.note_success(version=self._version))
        return answer

    def _try_twice(self, call: Callable[[Adapter], T], *, now: datetime) -> T:
        release_connection()
        try:
            return call(adapter_for(self._account, self._token))
        except TokenRefused:
            app = self._version.app_fingerprint
            age_s = token_wars.age_if_killed(fingerprint=app, refused=self._token, now=now)
            self._token = tokens.renew_refused(version=self._version, refused=self._token, now=now)
            release_connection()
            answer = call(adapter_for(self._account, self._token))
        if age_s is not None:
            _keep(lambda: token_wars.note_killed(fingerprint=app, age_s=age_s, now=now))
        return answer


def connect(
    *,
    config: PaymentConfig,
    version: CredentialVersion | None = None,
    now: datetime,
    known: AccessToken | None = None,
) -> Connection:
    """
    Open a config's account, with the version a payment was made with or else the current one.

    known is the token of its app where the caller has just read it.

    :raises NoActiveConfig: when the config has no current credentials, or no API at all.
    :raises ProviderError: when no token is to be had.
    """
    if version is None and not config.has_api:
        raise NoActiveConfig("This config has no API: nobody can be asked.")
    version = version or current_version(config)
    version.config = config
    account = open_account(config=config, version=version)
    try:
        token = tokens.valid_token(version=version, now=now, known=known)
    except CredentialsRefused as error:
        _keep(_refusal(version, error, now=now))
        raise
    return Connection(account, version, token)


def _refusal(
    version: CredentialVersion, error: CredentialsRefused, *, now: datetime
) -> Callable[[], object]:
    return lambda: credentials_health.note_refusal(version=version, error=error, now=now)


def _keep(note: Callable[[], object]) -> None:
    """Write down what a call showed; if that fails, the call's own answer must not be lost."""
    try:
        note()
    except DatabaseError:
        logger.exception("what a provider's answer says of a config was not kept")


def current_version(config: PaymentConfig) -> CredentialVersion:
    """Return the version in use; raise NoActiveConfig where there is none."""
    for version in _CURRENT.all([config.pk]):
        return version  # type: ignore[no-any-return]
    raise NoActiveConfig("The payment config has no credentials in use.")
