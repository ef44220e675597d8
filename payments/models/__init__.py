from __future__ import annotations

from payments.models.callbacks import CallbackSource, ProviderCallback
from payments.models.configs import (
    AccessToken,
    CredentialVersion,
    PaymentConfig,
    VerificationLog,
)
from payments.models.events import Event, EventCounter
from payments.models.evidence import Evidence, Transition
from payments.models.idempotency import IdempotencyKey
from payments.models.lifecycle import (
    Breaker,
    GoLiveApproval,
    Notice,
    ShortcodeClaim,
    TokenRefusal,
    VerificationRun,
)
from payments.models.order_parts import OrderPart
from payments.models.payments import Attempt, Payment
from payments.models.receipts import (
    AccountBalance,
    Receipt,
    ReceiptCheck,
    UnallocatedReceipt,
)
from payments.models.requests import ProviderRequest, Refund
from payments.models.reviews import Review
from payments.models.rules import AccountRule
from payments.models.tallies import DailyTally, DaySum, HourlyTally, HourSum, TallyChange
from payments.models.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = [
    "AccessToken",
    "AccountBalance",
    "AccountRule",
    "Attempt",
    "Breaker",
    "CallbackSource",
    "CredentialVersion",
    "DailyTally",
    "DaySum",
    "Event",
    "EventCounter",
    "Evidence",
    "GoLiveApproval",
    "HourSum",
    "HourlyTally",
    "IdempotencyKey",
    "Notice",
    "OrderPart",
    "Payment",
    "PaymentConfig",
    "ProviderCallback",
    "ProviderRequest",
    "Receipt",
    "ReceiptCheck",
    "Refund",
    "Review",
    "ShortcodeClaim",
    "TallyChange",
    "TokenRefusal",
    "Transition",
    "UnallocatedReceipt",
    "VerificationLog",
    "VerificationRun",
    "WebhookDelivery",
    "WebhookEndpoint",
]
