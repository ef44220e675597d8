"""
The doctor's probes, as a table: each a function that makes one attempt and names what it found.

A probe gets a Visit and returns a StageResult; HTTP happens between transactions, never in one. To
add a probe: a function, a row in STAGES, its findings in findings.py, and a word in
verification_verdict.REQUIRED if a config must pass it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from payments.callback_urls import forbidden_words_in
from payments.choices import Environment, Provider, VerificationStage, VerificationType
from payments.errors import (
    CredentialsRefused,
    InvalidInput,
    MissingStoreNumber,
    OutcomeUnknown,
    ProviderBusy,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
    ShortcodeClaimed,
    TokenRefused,
)
from payments.models import CredentialVersion, PaymentConfig, VerificationLog
from payments.providers.daraja import error_codes
from payments.services import balance_stage, c2b_urls, loopback, prompt_stage, tokens
from payments.services.config_rules import ConfigFields, check_fields
from payments.services.connections import connect
from payments.services.findings import StageResult
from payments.services.public_addresses import looks_public
from payments.services.shortcodes import is_taken

_S, _T = VerificationStage, VerificationType


@dataclass(frozen=True)
class Visit:
    """What a probe may use: the version under trial, its row in the log, the phone to prompt."""

    version: CredentialVersion
    run_id: uuid.UUID
    now: datetime
    msisdn: str = field(default="", repr=False)
    log: VerificationLog | None = None

    @property
    def config(self) -> PaymentConfig:
        return self.version.config


@dataclass(frozen=True)
class Stage:
    """One probe: its name, the kind of its log row, and its words for a provider's errors."""

    name: str
    kind: VerificationType
    run: Callable[[Visit], StageResult]
    said: tuple[tuple[type[ProviderError], str], ...] = ()


# Safaricom's public test number (Daraja portal, test credentials): nobody is paid there.
SANDBOX_SHORTCODES = frozenset({"174379"})
# Daraja portal, C2B register URL: "no ngrok, mockbin or requestbin in production".
TUNNELS = ("ngrok.io", "ngrok-free.app", "ngrok.app", "mockbin.org", "requestbin.com")
# Nobody's CheckoutRequestID: Daraja looks at the password before it looks for the id.
UNKNOWN_ID = "ws_CO_01012020000000000000000000"


def _fields(visit: Visit) -> StageResult:
    config = visit.config
    try:
        check_fields(ConfigFields.of(config), shop_id=config.shop_id)
    except MissingStoreNumber as error:
        return StageResult("missing_store_number", error.code, {"fields": ["store_number"]})
    except InvalidInput as error:
        names = sorted({name for name, _code, _detail in error.errors})
        return StageResult("fields_invalid", error.code, {"fields": names})
    is_live = config.environment == Environment.PRODUCTION
    if is_live and config.shortcode in SANDBOX_SHORTCODES:
        return StageResult("sandbox_shortcode", "", {"fields": ["shortcode"]})
    if config.has_api:
        return StageResult("fields_ok")
    # The bank's paybill is every customer's of the bank; the account number tells them apart.
    if config.provider != Provider.BANK_TRANSFER and is_taken(config):
        return StageResult("shortcode_claimed", ShortcodeClaimed.code)
    return StageResult("fields_no_api")


def _base_url(visit: Visit) -> StageResult:
    url = urlsplit(settings.PUBLIC_BASE_URL)
    host = (url.hostname or "").lower()
    facts: dict[str, Any] = {"host": host[:100]}
    if words := forbidden_words_in(settings.PUBLIC_BASE_URL):
        return StageResult("base_url_forbidden_word", words[0], facts)
    # A developer's own machine is neither, and its simulator does not mind.
    if not settings.DEBUG and url.scheme != "https":
        return StageResult("base_url_not_https", url.scheme, facts)
    if not settings.DEBUG and not looks_public(host):
        return StageResult("base_url_not_public", "", facts)
    is_live = visit.config.environment == Environment.PRODUCTION
    if is_live and any(host == name or host.endswith(f".{name}") for name in TUNNELS):
        return StageResult("base_url_tunnel", "", facts)
    return StageResult("base_url_ok", "", facts)


def _oauth(visit: Visit) -> StageResult:
    # Always a fresh one: a token kept from before would prove nothing about these secrets.
    try:
        token = tokens.fetch_fresh(version=visit.version, now=visit.now)
    except CredentialsRefused as error:
        other = tokens.is_known_elsewhere(version=visit.version)
        return _said(error, "other_environment" if other else "wrong_key")
    life = round((token.expires_at - visit.now).total_seconds()) if token.expires_at else None
    return StageResult("oauth_ok", "0", {"expires_in_s": life})


def _passkey(visit: Visit) -> StageResult:
    """
    Ask about a prompt that never was: "wrong credentials" condemns the passkey.

    Any other answer is a hint only, because Safaricom does not say in which order it checks.
    """
    connection = connect(config=visit.config, version=visit.version, now=visit.now)
    try:
        connection.query_payment(UNKNOWN_ID, now=visit.now)
    except ProviderRefused as error:
        if error.data.get("result_code") == error_codes.UNKNOWN_MERCHANT:
            return _said(error, "unknown_merchant")
        raise
    return StageResult("passkey_ok")


def _callback(visit: Visit) -> StageResult:
    return loopback.call_ourselves(run_id=visit.run_id)


def _urls(visit: Visit) -> StageResult:
    return c2b_urls.look(visit.config)


def _prompt(visit: Visit) -> StageResult:
    assert visit.log is not None  # noqa: S101 - the row is its callback's address
    return prompt_stage.send(
        version=visit.version, log=visit.log, msisdn=visit.msisdn, now=visit.now
    )


def _balance(visit: Visit) -> StageResult:
    assert visit.log is not None  # noqa: S101 - it is completed when the result comes
    return balance_stage.ask(version=visit.version, log=visit.log, now=visit.now)


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(_S.FIELDS, _T.CREDENTIAL_TEST, _fields),
        Stage(_S.BASE_URL, _T.CALLBACK_TEST, _base_url),
        Stage(_S.OAUTH, _T.OAUTH_TOKEN, _oauth, ((ProviderRefused, "wrong_key"),)),
        Stage(
            _S.PASSKEY,
            _T.CREDENTIAL_TEST,
            _passkey,
            (
                (CredentialsRefused, "wrong_passkey"),
                (TokenRefused, "no_product"),
                (ProviderRefused, "passkey_not_asked"),
            ),
        ),
        Stage(_S.CALLBACK, _T.CALLBACK_TEST, _callback),
        Stage(_S.URLS, _T.CALLBACK_TEST, _urls),
        Stage(
            _S.PROMPT,
            _T.STK_PUSH_TEST,
            _prompt,
            (
                (CredentialsRefused, "wrong_passkey"),
                (TokenRefused, "no_product"),
                (ProviderRefused, "prompt_refused"),
                (ProviderUnreachable, "unreachable"),
                # It may be on the phone: the callback or the sweep will tell.
                (OutcomeUnknown, "prompt_unsure"),
            ),
        ),
        Stage(
            _S.BALANCE,
            _T.BALANCE_CHECK,
            _balance,
            (
                # It may have been taken: the result or the sweep will tell.
                (OutcomeUnknown, "balance_asked"),
                (ProviderUnreachable, "unreachable"),
                (ProviderRefused, "balance_refused"),
            ),
        ),
    )
}
# What any stage makes of an error it has no words of its own for, the busy one before all.
_SAID: tuple[tuple[type[ProviderError], str], ...] = (
    (ProviderUnreachable, "unreachable"),
    (OutcomeUnknown, "no_answer"),
    (ProviderError, "not_asked"),
)


def probe(stage: Stage, visit: Visit) -> StageResult:
    """Run one probe; a provider's error becomes the finding its row names."""
    try:
        return stage.run(visit)
    except ProviderBusy as error:
        return _said(error, "busy")
    except ProviderError as error:
        rows = (*stage.said, *_SAID)
        return _said(error, next(name for kind, name in rows if isinstance(error, kind)))


def _said(error: ProviderError, name: str) -> StageResult:
    # 401 is the app's own lack; elsewhere a token was killed meanwhile, which proves nothing.
    if name == "no_product" and error.http_status != 401:
        name = "token_refused"
    answer = {"http_status": error.http_status, "error_code": error.error_code[:40]}
    return StageResult(name, error.error_code, answer)
