"""
What the simulator did, in its own words, so that a test can count from outside.

Append-only until reset. Secrets (keys, passwords, tokens) are not written down.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass
class TokenRequested:
    """One call for an access token, granted or refused. app is a digest of the consumer key."""

    at: datetime
    app: str
    granted: bool
    status: int
    expires_at: datetime | None = None


@dataclass
class PushSeen:
    """One call of the push; processed says whether a prompt went out, whatever was answered."""

    at: datetime
    app: str = ""
    shortcode: str = ""
    party_b: str = ""
    transaction_type: str = ""
    msisdn: str = ""
    amount: int = 0
    account_reference: str = ""
    description: str = ""
    callback_url: str = ""
    scenario: str = ""
    processed: bool = False
    checkout_request_id: str = ""
    merchant_request_id: str = ""
    status: int = 0
    error_code: str = ""
    error_message: str = ""
    dropped: bool = False
    delay_s: float = 0.0


@dataclass(frozen=True)
class MoneyMoved:
    """A customer paid: amount is what left the phone, asked what the push said (0 for none)."""

    at: datetime
    checkout_request_id: str
    msisdn: str
    shortcode: str
    party_b: str
    amount: int | Decimal
    asked: int
    receipt_number: str


@dataclass(frozen=True)
class MoneyReturned:
    """A payment was taken back; by is "api" (an ordered reversal) or "customer"."""

    at: datetime
    receipt_number: str
    reversal_receipt: str
    msisdn: str
    shortcode: str
    amount: int | Decimal
    by: str


@dataclass(frozen=True)
class Validated:
    """A payment the business was asked about; outcome is accepted, refused or silent."""

    at: datetime
    receipt_number: str
    shortcode: str
    msisdn: str
    outcome: str
    result_code: str
    completed: bool


@dataclass(frozen=True)
class RequestSeen:
    """One request whose result comes later; result_code is "" where none will come."""

    at: datetime
    app: str
    kind: str
    shortcode: str
    initiator: str
    receipt_number: str
    amount: int
    plan: str
    conversation_id: str
    status: int
    error_code: str
    result_code: str


@dataclass(frozen=True)
class PullSeen:
    """One call of the pull API and how many rows it gave."""

    at: datetime
    app: str
    shortcode: str
    method: str
    offset: int
    rows: int
    status: int


@dataclass(frozen=True)
class QueryAnswered:
    """One call of the query and what was said."""

    at: datetime
    app: str
    checkout_request_id: str
    msisdn: str
    status: int
    result_code: str
    error_code: str
    error_message: str


@dataclass(frozen=True)
class UrlsAsked:
    """One call that would register C2B addresses; registered says whether it did."""

    at: datetime
    app: str
    shortcode: str
    version: str
    response_type: str
    confirmation_url: str
    validation_url: str
    registered: bool
    status: int
    error_code: str


@dataclass
class CallbackSent:
    """One callback handed out for delivery; status is the receiver's, 0 when it did not answer."""

    serial: int
    at: datetime
    checkout_request_id: str
    msisdn: str
    url: str
    body: str
    kind: str = "stk"
    status: int | None = None
    answer: str = ""
    answered_at: datetime | None = None


@dataclass
class Ledger:
    """What was seen and done, each in a list, oldest first."""

    tokens: list[TokenRequested] = field(default_factory=list)
    pushes: list[PushSeen] = field(default_factory=list)
    money: list[MoneyMoved] = field(default_factory=list)
    queries: list[QueryAnswered] = field(default_factory=list)
    callbacks: list[CallbackSent] = field(default_factory=list)
    urls: list[UrlsAsked] = field(default_factory=list)
    returned: list[MoneyReturned] = field(default_factory=list)
    validations: list[Validated] = field(default_factory=list)
    requests: list[RequestSeen] = field(default_factory=list)
    pulls: list[PullSeen] = field(default_factory=list)

    def matching(
        self, *, msisdn: str = "", checkout_request_id: str = ""
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of one phone and, or, one prompt as plain data; tokens have neither."""
        wanted = {"msisdn": msisdn, "checkout_request_id": checkout_request_id}
        asked = {name: value for name, value in wanted.items() if value}
        return {
            name: [_plain(row) for row in rows if _has(row, asked)]
            for name, rows in vars(self).items()
        }

    def record_answer(self, serial: int, *, status: int, answer: str, at: datetime) -> None:
        for row in reversed(self.callbacks):
            if row.serial == serial:
                row.status, row.answer, row.answered_at = status, answer, at
                return

    def clear(self) -> None:
        for rows in vars(self).values():
            rows.clear()


def _has(row: Any, asked: dict[str, str]) -> bool:
    return all(getattr(row, name, None) == value for name, value in asked.items())


def _plain(row: Any) -> dict[str, Any]:
    return {
        name: _as_text(value) if isinstance(value, datetime | Decimal) else value
        for name, value in asdict(row).items()
    }


def _as_text(value: datetime | Decimal) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
