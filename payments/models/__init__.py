from __future__ import annotations

from payments.models.callbacks import CallbackSource, ProviderCallback
from payments.models.configs import (
    AccessToken,
    CredentialVersion,
    PaymentConfig,
    VerificationLog,
)
from payments.models.events import Event, EventCounter
from payments.models.payments import Attempt, Evidence, IdempotencyKey, Payment, Transition
from payments.models.receipts import Receipt
from payments.models.reviews import Review

__all__ = [
    "AccessToken",
    "Attempt",
    "CallbackSource",
    "CredentialVersion",
    "Event",
    "EventCounter",
    "Evidence",
    "IdempotencyKey",
    "Payment",
    "PaymentConfig",
    "ProviderCallback",
    "Receipt",
    "Review",
    "Transition",
    "VerificationLog",
]
