"""What the adapter's tests share: an account, its canary secrets, and Daraja's bad answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from payments.choices import Provider
from payments.providers.base import AccountDetails, PaymentRequest
from payments.providers.daraja.adapter import DarajaAdapter

URL = "https://daraja.test"
OAUTH = f"{URL}/oauth/v1/generate"
PUSH = f"{URL}/mpesa/stkpush/v1/processrequest"
QUERY = f"{URL}/mpesa/stkpushquery/v1/query"
NOW = datetime(2026, 10, 6, 6, 0, 0, tzinfo=UTC)
SECRETS = {"consumer_key": "ck-canary", "consumer_secret": "cs-canary", "passkey": "pk-canary"}
TOKEN = "token-canary"
REQUEST = PaymentRequest(
    amount=150,
    msisdn="254712345678",
    account_reference="K7Q2M9",
    description="Sale",
    callback_url="https://pay.example/cb/s/1/2",
    requested_at=NOW,
)
HTML = "<html><head><META NAME='robots'></head>Request unsuccessful. Incapsula incident</html>"
SPIKE = json.dumps(
    {
        "fault": {
            "faultstring": "Spike arrest violation. Allowed rate : MessageRate{...}",
            "detail": {"errorcode": "policies.ratelimit.SpikeArrestViolation"},
        }
    }
)
# Bodies that are no answer, whatever their status.
POISON = {
    "empty": b"",
    "html": HTML.encode(),
    "null": b"null",
    "list": b"[]",
    "text": b'"0"',
    "nan": b'{"ResponseCode": NaN}',
    "not-utf8": b"\xff\xfe",
    "deep": b"[" * 60_000,
    "huge-number": b'{"ResponseCode": ' + b"9" * 5_000 + b"}",
    "duplicate-keys": b'{"ResponseCode": "0", "ResponseCode": "0", "CheckoutRequestID": "ws_CO_1"}',
    "half": b'{"ResponseCode": "0", "CheckoutRequ',
    "fault-list": b'{"fault": [1], "errorCode": [], "errorMessage": {}}',
}


def error(code, text):
    return json.dumps({"requestId": "1-1-1", "errorCode": code, "errorMessage": text})


def adapter_of(provider=Provider.MPESA_PAYBILL, store_number="", **secrets):
    account = AccountDetails(provider, "sandbox", "174379", store_number, SECRETS | secrets)
    return DarajaAdapter(
        account, access_token=TOKEN, base_url=URL, connect_timeout_s=3, total_timeout_s=20
    )


def keeps_secrets(caught):
    shown = f"{caught!r} {caught.detail} {caught.data} {caught.error_code}"
    return not any(secret in shown for secret in (*SECRETS.values(), TOKEN))
