"""
The vocabulary every provider is translated into, and the few verbs an adapter has.

An adapter is stateless and knows no database: frozen dataclasses in, frozen dataclasses out.
Unknown words from a provider become OutcomeVerdict.PENDING ("not settled"), never a failure.
To add a provider: a folder beside daraja/, an Adapter, one line in registry.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from payments.choices import OutcomeVerdict


@dataclass(frozen=True)
class AccountDetails:
    """Who is paid, and the opened secrets to ask with; lives for one call, never stored."""

    provider: str
    environment: str
    shortcode: str
    store_number: str = ""
    secrets: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class AccessTokenGrant:
    """A fresh access token and its life in seconds."""

    access_token: str = field(repr=False)
    expires_in_s: int = 3599


@dataclass(frozen=True)
class PaymentRequest:
    """One prompt: amount in whole shillings, msisdn as 2547…/2541…, requested_at aware."""

    amount: int
    msisdn: str = field(repr=False)
    account_reference: str
    description: str
    callback_url: str = field(repr=False)
    requested_at: datetime


@dataclass(frozen=True)
class PaymentAccepted:
    """The provider took the request; nothing is known of the customer yet."""

    checkout_request_id: str
    merchant_request_id: str
    response_code: str
    response_description: str


@dataclass(frozen=True)
class Outcome:
    """
    What a provider said became of a request.

    result_code is an opaque string ("" when none was given); amount, receipt_number, shortcode and
    paid_at are None where the provider did not say. is_final is true only for codes of the closed
    table of final failures (and for success).
    """

    verdict: OutcomeVerdict
    result_code: str = ""
    result_desc: str = ""
    is_final: bool = False
    checkout_request_id: str = ""
    merchant_request_id: str = ""
    receipt_number: str | None = None
    amount: Decimal | None = None
    shortcode: str | None = None
    paid_at: datetime | None = None


@dataclass(frozen=True)
class UrlRegistration:
    """Where C2B payments are told, and what happens to one nobody answers for."""

    validation_url: str = field(repr=False)
    confirmation_url: str = field(repr=False)
    response_type: str
    version: str


class Adapter(Protocol):
    """Our code that speaks to one provider. Raises payments.errors.ProviderError subclasses."""

    capabilities: frozenset[str]

    def fetch_access_token(self) -> AccessTokenGrant: ...

    def request_payment(self, request: PaymentRequest) -> PaymentAccepted: ...

    def query_payment(self, checkout_request_id: str, *, asked_at: datetime) -> Outcome: ...

    def register_urls(self, registration: UrlRegistration) -> str: ...

    @staticmethod
    def parse_callback(body: bytes) -> Outcome: ...
