"""
Which error answers prove what. Elsewhere texts are never matched on; here they must be.

Daraja's 500.001.1001 means eight things, two of them "we did nothing" and one "we are at it". A
row is a proof that no prompt was sent (safety.md section 3, created → failed). What has no row is
not proven: any other 4xx was turned away at the door, any 5xx leaves the outcome unknown. To add a
row, name the issue or recording that taught it.
"""

from __future__ import annotations

from dataclasses import dataclass

from payments.errors import (
    CredentialsRefused,
    OutcomeUnknown,
    ProviderBusy,
    ProviderRefused,
    RequestRefused,
    TokenRefused,
)
from payments.providers import http
from payments.providers.daraja import error_codes, result_codes
from payments.providers.daraja.messages import ErrorBody

_MIXED = "500.001.1001"
_FIELD = "400.002.02"
_BUSY_RETRY_AFTER_S = 60


@dataclass(frozen=True)
class Refusal:
    """One row: status, errorCode and beginning of the text ("" = any), and what it proves."""

    error: type[ProviderRefused]
    status: int
    error_code: str = ""
    text: str = ""
    # The row of result_codes that explains it, where the errorCode itself does not.
    explained_by: str = ""

    def matches(self, status: int, body: ErrorBody) -> bool:
        """Say whether the answer is this row's."""
        return (
            self.status == status
            and self.error_code in {"", body.error_code}
            and body.text.startswith(self.text)
        )


REFUSALS: tuple[Refusal, ...] = (
    # 401.002.01 expired, or the app lacks the product; 401.001; 401.003.01 no apiproduct match.
    Refusal(TokenRefused, 401),
    # STK family: expired, wrong environment; for hours after go-live (keronei issue 10).
    Refusal(TokenRefused, 404, "404.001.03"),
    Refusal(TokenRefused, 400, "400.003.01"),
    # Apigee spike arrest, recorded 2026-06-20: stopped before it reached M-Pesa.
    Refusal(ProviderBusy, 429, explained_by=error_codes.TOO_MANY_REQUESTS),
    # django-daraja issue 3: passkey, shortcode and till do not belong together.
    Refusal(CredentialsRefused, 500, _MIXED, "wrong credentials", error_codes.WRONG_CREDENTIALS),
    Refusal(
        CredentialsRefused,
        500,
        _MIXED,
        "[merchantvalidate] - wrong credentials",
        error_codes.WRONG_CREDENTIALS,
    ),
    Refusal(ProviderRefused, 500, _MIXED, "merchant does not exist", error_codes.UNKNOWN_MERCHANT),
)
# Asked at a query these words are no answer, so they count at push only.
PUSH_REFUSALS: tuple[Refusal, ...] = (
    *REFUSALS,
    # Recorded: the same as ResultCode 1001, told at once.
    Refusal(RequestRefused, 500, _MIXED, "unable to lock subscriber", "1001"),
    # "Bad Request - Invalid <Field>" (Daraja 3.0 portal): these two fields are the config's own ...
    Refusal(ProviderRefused, 400, _FIELD, "bad request - invalid businessshortcode", _FIELD),
    Refusal(ProviderRefused, 400, _FIELD, "bad request - invalid partyb", _FIELD),
    # ... and all others the customer's or ours, the same through every config.
    Refusal(RequestRefused, 400, _FIELD, "", _FIELD),
)
# A gateway may say 408 after it has passed the request on.
_UNPROVEN_4XX = frozenset({408})


def refusal_of(
    status: int, body: ErrorBody, rows: tuple[Refusal, ...] = PUSH_REFUSALS
) -> ProviderRefused | None:
    """Return the error that the answer proves, None where it proves nothing."""
    for row in rows:
        if row.matches(status, body):
            return _error(row.error, status, body, row.explained_by)
    return None


def refusal_at_the_door(status: int, body: ErrorBody) -> ProviderRefused | None:
    """Return the refusal in any other 4xx: Daraja checks a request before it acts on it."""
    if not 400 <= status < 500 or status in _UNPROVEN_4XX:
        return None
    return _error(ProviderRefused, status, body, "")


def busy(status: int, body: ErrorBody) -> ProviderRefused:
    """Return the error for an answer that is throttling in any of its forms."""
    return _error(ProviderBusy, status, body, error_codes.TOO_MANY_REQUESTS)


def unknown(
    answer: http.Answer, body: ErrorBody, *, may_have_reached_customer: bool
) -> OutcomeUnknown:
    """Return the error for an answer that proves nothing."""
    error = OutcomeUnknown(
        f"HTTP {answer.status} {body.error_code}".strip(),
        error_code=body.error_code,
        http_status=answer.status,
        result_code="",
    )
    error.may_have_reached_customer = may_have_reached_customer
    return error


def _error(
    kind: type[ProviderRefused], status: int, body: ErrorBody, explained_by: str
) -> ProviderRefused:
    # Our words and Daraja's code only: its text repeats the access token (401.002.01).
    known = body.error_code if result_codes.is_known(body.error_code) else error_codes.REFUSED
    return kind(
        f"HTTP {status} {body.error_code}".strip(),
        error_code=body.error_code,
        http_status=status,
        retry_after=_BUSY_RETRY_AFTER_S if kind is ProviderBusy else None,
        result_code=explained_by or known,
    )
