"""
One access token per Daraja app, shared by all its configs, workers and machines.

Each new token kills the old one (Daraja portal, Authorization FAQ), so only one process may fetch:
it takes a lease on the row, fetches without holding a lock, and the others wait for the row.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Q

from payments.choices import Environment
from payments.errors import PaymentsError, ProviderUnreachable
from payments.models import AccessToken, CredentialVersion
from payments.providers.registry import adapter_for
from payments.services.credentials import app_fingerprint, open_account
from payments.services.upstream import release_connection

__all__ = ["app_fingerprint", "fetch_fresh", "renew_refused", "valid_token"]

logger = logging.getLogger(__name__)

# A request treats less than a minute as expired; the job renews what has less than ten (D5).
REQUEST_MARGIN = timedelta(seconds=60)
JOB_MARGIN = timedelta(minutes=10)
_LEASE = timedelta(seconds=30)
_LONGEST_WAIT_S = 8.0
_STEP_S = 0.05


class TokenNotReady(ProviderUnreachable):
    """Somebody else is fetching the token and did not finish in time; nothing was sent."""


def valid_token(
    *, version: CredentialVersion, now: datetime, known: AccessToken | None = None
) -> str:
    """
    Return a token with at least a minute of life, fetching one if need be.

    known is the app's row where the caller has just read it.

    :raises ProviderError: when none is to be had; no customer was reached.
    """
    row = known or AccessToken.objects.filter(pk=version.app_fingerprint).first()
    if row is not None and _lives(row, now=now, margin=REQUEST_MARGIN):
        return str(row.token.reveal())
    return str(_refresh(version=version, now=now, margin=REQUEST_MARGIN).token.reveal())


def renew_refused(*, version: CredentialVersion, refused: str, now: datetime) -> str:
    """Return another token than the refused one: whoever renewed it meanwhile, or a new one."""
    AccessToken.objects.filter(pk=version.app_fingerprint).update(refused_at=now)
    row = _refresh(version=version, now=now, margin=REQUEST_MARGIN, refused=refused)
    return str(row.token.reveal())


def fetch_fresh(*, version: CredentialVersion, now: datetime) -> AccessToken:
    """
    Fetch a new token with this version's secrets and store it as the shared one.

    :raises CredentialsRefused: when the provider refuses key and secret.
    """
    return _refresh(version=version, now=now, margin=None)


def is_known_elsewhere(*, version: CredentialVersion) -> bool:
    """
    Tell whether a key and secret that were refused are those of the other environment.

    What production refused is shown to the sandbox, where nothing can break. The reverse would
    kill a living production token, so there only what this shop gave us before is looked at.
    """
    config = version.config
    account = open_account(config=config, version=version)
    if config.environment == Environment.PRODUCTION:
        release_connection()
        try:
            adapter_for(replace(account, environment=Environment.SANDBOX)).fetch_access_token()
        except PaymentsError:
            return False
        return True
    key, secret = account.secrets["consumer_key"], account.secrets["consumer_secret"]
    same = app_fingerprint(Environment.PRODUCTION, key, secret)
    rows = CredentialVersion.objects.filter(shop=version.shop_id, app_fingerprint=same)
    return bool(rows.exists())


def renew_if_short(*, version: CredentialVersion, now: datetime) -> bool:
    """Renew a token with under ten minutes left; tell whether a new one was fetched."""
    before = AccessToken.objects.filter(pk=version.app_fingerprint).first()
    if before is not None and _lives(before, now=now, margin=JOB_MARGIN):
        return False
    after = _refresh(version=version, now=now, margin=JOB_MARGIN)
    return before is None or after.token != before.token


def _refresh(
    *, version: CredentialVersion, now: datetime, margin: timedelta | None, refused: str = ""
) -> AccessToken:
    """Take the lease and fetch, or wait for whoever has it. margin None insists on a new one."""
    AccessToken.objects.bulk_create(
        [AccessToken(pk=version.app_fingerprint, environment=version.config.environment)],
        ignore_conflicts=True,
    )
    started = time.monotonic()
    while (waited := time.monotonic() - started) < _LONGEST_WAIT_S:
        clock = now + timedelta(seconds=waited)
        got_lease = _take_lease(version.app_fingerprint, now=clock)
        row = AccessToken.objects.get(pk=version.app_fingerprint)
        if margin is not None and _serves(row, now=clock, margin=margin, refused=refused):
            if got_lease:
                _drop_lease(row)
            return row
        if got_lease:
            return _fetch(row, version=version, now=clock)
        release_connection()
        time.sleep(_STEP_S)
    raise TokenNotReady("Another process is fetching the access token and is not done.")


def _fetch(row: AccessToken, *, version: CredentialVersion, now: datetime) -> AccessToken:
    try:
        account = open_account(config=version.config, version=version)
        release_connection()
        grant = adapter_for(account).fetch_access_token()
    except PaymentsError:
        _drop_lease(row)
        raise
    row.token = grant.access_token
    row.obtained_at = now
    row.expires_at = now + timedelta(seconds=grant.expires_in_s)
    row.refreshing_until = row.doubted_at = None
    names = ["token", "obtained_at", "expires_at", "refreshing_until", "doubted_at"]
    row.save(update_fields=names)
    logger.info("access token fetched", extra={"app": row.pk[:8]})
    return row


def _take_lease(fingerprint: str, *, now: datetime) -> bool:
    free = Q(refreshing_until=None) | Q(refreshing_until__lt=now)
    rows = AccessToken.objects.filter(free, pk=fingerprint)
    return rows.update(refreshing_until=now + _LEASE) == 1


def _drop_lease(row: AccessToken) -> None:
    AccessToken.objects.filter(pk=row.pk).update(refreshing_until=None)


def _serves(row: AccessToken, *, now: datetime, margin: timedelta, refused: str) -> bool:
    return _lives(row, now=now, margin=margin) and not (refused and row.token.reveal() == refused)


def _lives(row: AccessToken, *, now: datetime, margin: timedelta) -> bool:
    return bool(row.token) and row.expires_at is not None and row.expires_at - now >= margin
