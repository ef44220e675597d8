"""The colour of each word; what is not listed is quiet. The word itself always stands beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from payments.choices import (
    AttemptStatus,
    CallbackStatus,
    ConfigHealth,
    ConfigStatus,
    Environment,
    OutcomeVerdict,
    PaymentStatus,
    ReceiptStatus,
    VerificationResult,
)
from payments.msisdn import mask_checkout_request_id
from payments.receipt_choices import RefundStatus, RequestStatus
from payments.webhook_choices import DeliveryStatus
from tenants.admin_looks import NONE, badge
from tenants.roles import Role

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

_TONES: dict[type, dict[str, str]] = {
    PaymentStatus: {
        PaymentStatus.CREATED: "wait",
        PaymentStatus.PENDING: "wait",
        PaymentStatus.COMPLETED: "good",
        PaymentStatus.FAILED: "bad",
        PaymentStatus.EXPIRED: "warn",
        PaymentStatus.REVERSED: "bad",
    },
    ConfigStatus: {
        ConfigStatus.PENDING: "wait",
        ConfigStatus.VERIFIED: "good",
        ConfigStatus.FAILED: "bad",
        ConfigStatus.SUSPENDED: "bad",
        ConfigStatus.EXPIRED: "warn",
    },
    ConfigHealth: {
        ConfigHealth.OK: "good",
        ConfigHealth.DEGRADED: "warn",
        ConfigHealth.DOWN: "bad",
    },
    CallbackStatus: {
        CallbackStatus.NEW: "wait",
        CallbackStatus.APPLIED: "good",
        CallbackStatus.QUARANTINED: "warn",
        CallbackStatus.DEAD: "bad",
    },
    AttemptStatus: {
        AttemptStatus.SUBMITTED: "wait",
        AttemptStatus.SUCCEEDED: "good",
        AttemptStatus.FAILED: "bad",
        AttemptStatus.REFUSED: "bad",
    },
    OutcomeVerdict: {
        OutcomeVerdict.SUCCEEDED: "good",
        OutcomeVerdict.FAILED: "bad",
        OutcomeVerdict.PENDING: "wait",
        OutcomeVerdict.REVERSED: "bad",
    },
    ReceiptStatus: {
        ReceiptStatus.UNALLOCATED: "wait",
        ReceiptStatus.HELD: "wait",
        ReceiptStatus.CREDITED: "good",
        ReceiptStatus.IN_REVIEW: "warn",
        ReceiptStatus.REVERSED: "bad",
    },
    VerificationResult: {
        VerificationResult.SUCCESS: "good",
        VerificationResult.FAILED: "bad",
        VerificationResult.TIMEOUT: "warn",
        VerificationResult.ERROR: "warn",
    },
    RequestStatus: {
        RequestStatus.CREATED: "wait",
        RequestStatus.ACCEPTED: "wait",
        RequestStatus.UNKNOWN: "warn",
        RequestStatus.TIMED_OUT: "warn",
        RequestStatus.REFUSED: "bad",
        RequestStatus.SUCCEEDED: "good",
        RequestStatus.FAILED: "bad",
    },
    RefundStatus: {
        RefundStatus.ASKED: "wait",
        RefundStatus.APPROVED: "warn",
        RefundStatus.SENT: "wait",
        RefundStatus.UNKNOWN: "warn",
        RefundStatus.DONE: "good",
        RefundStatus.FAILED: "bad",
    },
    DeliveryStatus: {
        DeliveryStatus.PENDING: "wait",
        DeliveryStatus.DELIVERED: "good",
        DeliveryStatus.FAILED: "bad",
    },
    Environment: {Environment.SANDBOX: "warn"},
}


def choice_badge(choices: Any, value: str) -> SafeString | str:
    """Draw the word of a choice in its colour; an empty value is a dash."""
    if not value:
        return NONE
    label = choices(value).label if value in choices.values else value
    return badge(label, _TONES.get(choices, {}).get(value, "quiet"))


def by_hand() -> SafeString:
    """Mark a config nobody is asked through."""
    return badge(_("By hand or statement only"), "warn")


def checkout_id_for(request: HttpRequest, shop_id: Any, checkout_request_id: str | None) -> str:
    """Show the id whole to the shop's admin; its end is the payer's number, so to nobody else."""
    if not checkout_request_id:
        return NONE
    if request.user.role_in(shop_id) == Role.ADMIN:
        return checkout_request_id
    return mask_checkout_request_id(checkout_request_id)
