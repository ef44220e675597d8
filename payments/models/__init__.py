from __future__ import annotations

from payments.models.callbacks import CallbackSource, ProviderCallback
from payments.models.configs import (
    AccessToken,
    CredentialVersion,
    PaymentConfig,
    VerificationLog,
)
from payments.models.events import Event, EventCounter
from payments.models.lifecycle import (
    Breaker,
    GoLiveApproval,
    Notice,
    ShortcodeClaim,
    TokenRefusal,
    VerificationRun,
)
from payments.models.payments import Attempt, Evidence, IdempotencyKey, Payment, Transition
from payments.models.receipts import Receipt
from payments.models.reviews import Review

__all__ = [
    "AccessToken",
    "Attempt",
    "Breaker",
    "CallbackSource",
    "CredentialVersion",
    "Event",
    "EventCounter",
    "Evidence",
    "GoLiveApproval",
    "IdempotencyKey",
    "Notice",
    "Payment",
    "PaymentConfig",
    "ProviderCallback",
    "Receipt",
    "Review",
    "ShortcodeClaim",
    "TokenRefusal",
    "Transition",
    "VerificationLog",
    "VerificationRun",
]
