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


@dataclass(frozen=True)
class ArrivedMoney:
    """
    Money nobody asked for, as a C2B validation or confirmation, a pull row or a statement tells it.

    Exactly one of msisdn ("2547…"), msisdn_hash (64 hex digits, SHA-256 of it) and msisdn_masked is
    given, or none. amount is None where what was written is no amount; then nothing is credited.
    account_reference is text as typed, zeros kept; a till has none. family is whose receipt number
    it is (ProviderFamily), "" for the account's own: who pays a bank's paybill has an M-Pesa one.
    """

    receipt_number: str
    amount: Decimal | None
    shortcode: str
    account_reference: str = ""
    transaction_type: str = ""
    paid_at: datetime | None = None
    msisdn: str = field(default="", repr=False)
    msisdn_hash: str = field(default="", repr=False)
    msisdn_masked: str = ""
    payer_name: str = field(default="", repr=False)
    organisation_balance: Decimal | None = None
    family: str = ""


@dataclass(frozen=True)
class PullRegistration:
    """Who may be asked about the money of a shortcode: nominated_number is the organisation's."""

    nominated_number: str = field(repr=False)
    callback_url: str = field(repr=False)


@dataclass(frozen=True)
class PullQuestion:
    """What came between two aware moments, at most 48 hours apart; offset counts rows."""

    since: datetime
    until: datetime
    offset: int = 0


@dataclass(frozen=True)
class TakenBack:
    """Money that went back, told by a row: of which receipt, under which number of its own."""

    receipt_number: str
    original_number: str
    amount: Decimal
    at: datetime | None = None


@dataclass(frozen=True)
class PulledPage:
    """
    One page of what a provider has; rows counts all of its rows, unreadable those that tell nothing.

    has_more says that another page may follow, at the offset of this one plus rows.
    """

    money: tuple[ArrivedMoney, ...] = ()
    taken_back: tuple[TakenBack, ...] = ()
    rows: int = 0
    unreadable: int = 0
    has_more: bool = False


@dataclass(frozen=True)
class StatusQuestion:
    """What became of a receipt; the answer comes to result_url, or a time-out to timeout_url."""

    receipt_number: str
    result_url: str = field(repr=False)
    timeout_url: str = field(repr=False)
    remarks: str = "Status"


@dataclass(frozen=True)
class ReversalOrder:
    """Give the money of a receipt back; amount in whole shillings."""

    receipt_number: str
    amount: int
    result_url: str = field(repr=False)
    timeout_url: str = field(repr=False)
    remarks: str = "Refund"


@dataclass(frozen=True)
class BalanceQuestion:
    """What the accounts of a shortcode hold."""

    result_url: str = field(repr=False)
    timeout_url: str = field(repr=False)
    remarks: str = "Balance"


@dataclass(frozen=True)
class RequestAccepted:
    """The provider took an asynchronous request; it did not look at the initiator yet."""

    conversation_id: str
    originator_conversation_id: str
    response_code: str
    response_description: str


@dataclass(frozen=True)
class Balance:
    """One account of a shortcode, in KES."""

    account: str
    current: Decimal
    available: Decimal | None = None


@dataclass(frozen=True)
class RequestResult:
    """
    The result of an asynchronous request.

    result_code is opaque text ("R000002" is one). transaction_status is the provider's word
    ("Completed"); receipt_number, amount, names and times are None or "" where not told. names are
    personal data and are cut to initials before anything is kept. details is an allow-list.
    is_refusal is true only for codes that are documented to say that nothing was done.
    """

    result_code: str
    result_desc: str = ""
    conversation_id: str = ""
    originator_conversation_id: str = ""
    receipt_number: str | None = None
    amount: Decimal | None = None
    transaction_status: str = ""
    paid_at: datetime | None = None
    debit_party: str = field(default="", repr=False)
    credit_party: str = field(default="", repr=False)
    balances: tuple[Balance, ...] = ()
    details: dict[str, str] = field(default_factory=dict)
    is_refusal: bool = False

    @property
    def succeeded(self) -> bool:
        """Tell whether the request itself was carried out (code 0)."""
        return self.result_code == "0"


class Adapter(Protocol):
    """Our code that speaks to one provider. Raises payments.errors.ProviderError subclasses."""

    capabilities: frozenset[str]

    def fetch_access_token(self) -> AccessTokenGrant: ...

    def request_payment(self, request: PaymentRequest) -> PaymentAccepted: ...

    def query_payment(self, checkout_request_id: str, *, asked_at: datetime) -> Outcome: ...

    def register_urls(self, registration: UrlRegistration) -> str: ...

    def ask_status(self, question: StatusQuestion) -> RequestAccepted: ...

    def order_reversal(self, order: ReversalOrder) -> RequestAccepted: ...

    def ask_balance(self, question: BalanceQuestion) -> RequestAccepted: ...

    def register_pull(self, registration: PullRegistration) -> str: ...

    def pull(self, question: PullQuestion) -> PulledPage: ...

    @staticmethod
    def parse_callback(body: bytes) -> Outcome: ...

    @staticmethod
    def parse_c2b(body: bytes) -> ArrivedMoney: ...

    @staticmethod
    def parse_result(body: bytes) -> RequestResult: ...
