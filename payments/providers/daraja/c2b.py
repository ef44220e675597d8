"""
C2B on the wire: registering the addresses at which payments nobody asked for are told.

Success is HTTP 200 with a code of zeros ("0", live sandbox 2026 "00000000") or none (2018). "Already
registered" was once a 200 (mpesa-php-sdk issue 32) and is now a 500 (Daraja 3.0 portal,
CustomerToBusiness): texts are matched, because no code tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from payments.choices import Provider
from payments.errors import ProductMissing, ProviderRefused, UrlsAlreadyRegistered
from payments.providers.base import AccountDetails, UrlRegistration
from payments.providers.daraja import refusals
from payments.providers.daraja.messages import ErrorBody
from payments.providers.daraja.reading import MAX_DESC_LENGTH, code_of, text_of

REGISTER_PATHS = {
    "v1": "/mpesa/c2b/v1/registerurl",
    "v2": "/mpesa/c2b/v2/registerurl",
}
RESPONSE_TYPES = ("Completed", "Cancelled")

_ALREADY = ("already registered", "duplicate notification info")
# The path is not among the app's products: the app has the other version, or no C2B at all.
_NO_PRODUCT = "401.003.01"


def register_body(account: AccountDetails, registration: UrlRegistration) -> dict[str, str]:
    """Build the body; a till is known to C2B by its store number, which also signs its prompts."""
    is_till = account.provider == Provider.MPESA_TILL
    return {
        "ShortCode": account.store_number if is_till else account.shortcode,
        "ResponseType": registration.response_type,
        "ConfirmationURL": registration.confirmation_url,
        "ValidationURL": registration.validation_url,
    }


def read_registered(document: Mapping[str, Any]) -> str | None:
    """Return the response code of a success ("" where none was given), None where it is none."""
    code = code_of(document.get("ResponseCode"))
    if not document or code.strip("0") or _is_already(_description(document)):
        return None
    return code


def refusal_of(
    status: int, document: Mapping[str, Any], error: ErrorBody
) -> ProviderRefused | None:
    """Return the error that the answer proves, None where it proves nothing."""
    if _is_already(error.text) or (status == 200 and _is_already(_description(document))):
        return _made(UrlsAlreadyRegistered, status, error)
    if status == 401 and error.error_code == _NO_PRODUCT:
        return _made(ProductMissing, status, error)
    if error.is_throttling:
        return refusals.busy(status, error)
    rows = refusals.refusal_of(status, error, refusals.REFUSALS)
    return rows or refusals.refusal_at_the_door(status, error)


def _description(document: Mapping[str, Any]) -> str:
    return text_of(document.get("ResponseDescription"), MAX_DESC_LENGTH).casefold()


def _is_already(text: str) -> bool:
    return any(sign in text for sign in _ALREADY)


def _made(kind: type[ProviderRefused], status: int, error: ErrorBody) -> ProviderRefused:
    said = f"HTTP {status} {error.error_code}".strip()
    return kind(said, error_code=error.error_code, http_status=status)
