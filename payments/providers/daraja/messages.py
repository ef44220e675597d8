"""
Daraja's wire forms and our words for them: what is asked, and what is answered at once.

Whatever comes is read as a stranger's: any shape, any type drift. An explicit yes or a code of the
closed list settles a request; everything else is PENDING. What is called back: callbacks.py; what
an error answer proves: refusals.py.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from payments import strictjson
from payments.choices import OutcomeVerdict, Provider
from payments.providers.base import (
    AccessTokenGrant,
    AccountDetails,
    Outcome,
    PaymentAccepted,
    PaymentRequest,
)
from payments.providers.daraja.reading import (
    MAX_CODE_LENGTH,
    MAX_DESC_LENGTH,
    MAX_ID_LENGTH,
    code_of,
    mapping_of,
    text_of,
    verdict_of,
)

# Daraja's timestamps carry no zone; every SDK and every recording is East Africa Time.
EAT = ZoneInfo("Africa/Nairobi")
TIMESTAMP_FORM = "%Y%m%d%H%M%S"
# Daraja 3.0 portal, Authorization, 28 Dec 2025.
DEFAULT_TOKEN_LIFE_S = 3599

_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_ERROR_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def push_body(account: AccountDetails, request: PaymentRequest) -> dict[str, Any]:
    """Build the body of an STK push; a till is signed by its store number, paid to its till."""
    is_till = account.provider == Provider.MPESA_TILL
    return {
        **_signature(account, request.requested_at),
        "TransactionType": "CustomerBuyGoodsOnline" if is_till else "CustomerPayBillOnline",
        "Amount": request.amount,
        "PartyA": request.msisdn,
        "PartyB": account.shortcode,
        "PhoneNumber": request.msisdn,
        "CallBackURL": request.callback_url,
        "AccountReference": request.account_reference,
        "TransactionDesc": request.description,
    }


def query_body(
    account: AccountDetails, checkout_request_id: str, asked_at: datetime
) -> dict[str, Any]:
    """Build the body of an STK query."""
    return {**_signature(account, asked_at), "CheckoutRequestID": checkout_request_id}


def _signature(account: AccountDetails, at: datetime) -> dict[str, str]:
    is_till = account.provider == Provider.MPESA_TILL
    signer = account.store_number if is_till else account.shortcode
    timestamp = at.astimezone(EAT).strftime(TIMESTAMP_FORM)
    password = f"{signer}{account.secrets['passkey']}{timestamp}"
    return {
        "BusinessShortCode": signer,
        "Password": base64.b64encode(password.encode()).decode(),
        "Timestamp": timestamp,
    }


@dataclass(frozen=True)
class ErrorBody:
    """An error answer, in whichever of its four shapes; texts are for matching, not for showing."""

    error_code: str = ""
    text: str = ""

    @property
    def is_throttling(self) -> bool:
        """Say whether this is spike arrest, quota or "busy": slow down and ask again."""
        is_busy_code = self.error_code in {"500.003.02", "500.003.03"}
        return is_busy_code or self.error_code.startswith("policies.ratelimit.")


def read_object(body: bytes) -> dict[str, Any] | None:
    """Return body as a JSON object, None for whatever else it is."""
    try:
        document = strictjson.loads(body)
    except strictjson.InvalidJSON:
        return None
    return document if isinstance(document, dict) else None


def read_error(document: Mapping[str, Any]) -> ErrorBody:
    """Read an error of the common shape, Apigee's fault or Ratiba's."""
    fault = mapping_of(document.get("fault"))
    code = document.get("errorCode") or mapping_of(fault.get("detail")).get("errorcode")
    text = document.get("errorMessage") or fault.get("faultstring")
    code_text = text_of(code, MAX_CODE_LENGTH * 2)
    return ErrorBody(
        error_code=code_text if _ERROR_CODE.fullmatch(code_text) else "",
        text=" ".join(text_of(text, MAX_DESC_LENGTH).casefold().split()),
    )


def read_token(document: Mapping[str, Any]) -> AccessTokenGrant | None:
    """Return the access token of an OAuth answer, None where there is none fit for a header."""
    access_token = document.get("access_token")
    if not isinstance(access_token, str) or not _TOKEN.fullmatch(access_token):
        return None
    return AccessTokenGrant(access_token, _token_life_s(document.get("expires_in")))


def _token_life_s(expires_in: Any) -> int:
    # "3599" on the wire, 3599 in the portal's sample. Nonsense gets the documented life: a dead
    # token is noticed and renewed, a token thought dead at once would be renewed on every call.
    text = text_of(expires_in, 8)
    if re.fullmatch(r"[0-9]{1,5}", text) and int(text) > 0:
        return int(text)
    return DEFAULT_TOKEN_LIFE_S


def read_accepted(document: Mapping[str, Any]) -> PaymentAccepted | None:
    """Return what an STK push answer accepted, None where it does not say so plainly."""
    checkout_request_id = text_of(document.get("CheckoutRequestID"), MAX_ID_LENGTH + 1)
    response_code = code_of(document.get("ResponseCode"))
    if response_code != "0" or not 0 < len(checkout_request_id) <= MAX_ID_LENGTH:
        return None
    return PaymentAccepted(
        checkout_request_id=checkout_request_id,
        merchant_request_id=text_of(document.get("MerchantRequestID"), MAX_ID_LENGTH),
        response_code=response_code,
        response_description=text_of(document.get("ResponseDescription"), MAX_DESC_LENGTH),
    )


def read_query_answer(document: Mapping[str, Any], checkout_request_id: str) -> Outcome:
    """
    Translate a 200 answer to an STK query.

    It settles something only if it was accepted (ResponseCode 0) and names the request we asked
    about; a mixed-up answer must not complete another customer's payment. No amount, no receipt.
    """
    code = code_of(document.get("ResultCode"))
    is_ours = text_of(document.get("CheckoutRequestID"), MAX_ID_LENGTH + 1) == checkout_request_id
    if is_ours and code_of(document.get("ResponseCode")) == "0":
        verdict = verdict_of(code)
    else:
        verdict = OutcomeVerdict.PENDING
    return Outcome(
        verdict=verdict,
        result_code=code,
        result_desc=text_of(document.get("ResultDesc"), MAX_DESC_LENGTH),
        is_final=verdict != OutcomeVerdict.PENDING,
        checkout_request_id=checkout_request_id,
        merchant_request_id=text_of(document.get("MerchantRequestID"), MAX_ID_LENGTH),
    )
