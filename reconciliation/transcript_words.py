"""The words of a transcript: its kinds of steps, and which fields are told under which name."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.models import Payment

KINDS: dict[str, Any] = {
    "transition": gettext_lazy("Status"),
    "routing": gettext_lazy("Choice"),
    "attempt": gettext_lazy("Call"),
    "answer": gettext_lazy("Answer"),
    "callback": gettext_lazy("Callback"),
    "evidence": gettext_lazy("Evidence"),
    "receipt": gettext_lazy("Receipt"),
    "request": gettext_lazy("Question"),
    "refund": gettext_lazy("Refund"),
    "review": gettext_lazy("Review"),
    "check": gettext_lazy("Counter"),
    "statement": gettext_lazy("Statement"),
    "act": gettext_lazy("Person"),
}
# What may leave, by name; Safaricom's own names stay as Safaricom writes them.
FACTS: dict[str, Any] = {
    "config": gettext_lazy("Config"),
    "shortcode": gettext_lazy("Shortcode"),
    "credential_version": gettext_lazy("Credential version"),
    "answer_ms": gettext_lazy("Answered after (ms)"),
    "merchant_request_id": "MerchantRequestID",
    "checkout_request_id": "CheckoutRequestID",
    "conversation_id": "ConversationID",
    "originator_conversation_id": "OriginatorConversationID",
    "result_code": "ResultCode",
    "result_desc": "ResultDesc",
    "receipt_number": gettext_lazy("Receipt"),
    "amount": gettext_lazy("KES"),
    "channel": gettext_lazy("Channel"),
    "paid_at": gettext_lazy("Paid"),
    "state": gettext_lazy("Status"),
    "source_ip": gettext_lazy("Source"),
    "problem": gettext_lazy("Problem"),
    "why": gettext_lazy("Why"),
    "reason": gettext_lazy("Reason"),
    "note": gettext_lazy("Note"),
    "by": gettext_lazy("Who"),
    "role": gettext_lazy("Role"),
}


def facts_of(payment: Payment) -> list[tuple[str, Any]]:
    """Return what stands at the head of a transcript."""
    config = payment.config
    facts = [
        (_("Payment"), payment.pk),
        (_("Shop"), payment.shop),
        (_("Environment"), payment.get_environment_display()),
        (_("Status"), payment.get_status_display()),
        ("KES", f"{payment.amount:.2f}"),
        (_("Phone"), payment.phone_masked),
        (_("Receipt"), payment.receipt_number),
        (_("Order reference"), payment.order_ref),
        (_("Account reference"), payment.account_reference),
        (_("Payment config"), config.name if config else ""),
        (_("Provider"), payment.get_provider_display()),
        (_("Shortcode"), config.shortcode if config else ""),
        (_("Store number"), config.store_number if config else ""),
        (_("Result"), " · ".join(filter(None, [payment.result_code, payment.result_desc]))),
    ]
    return [(label, value) for label, value in facts if value]
