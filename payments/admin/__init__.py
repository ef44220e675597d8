from __future__ import annotations

from payments.admin import (
    approvals,
    balances,
    callbacks,
    claims,
    configs,
    notices,
    payments,
    receipt_checks,
    receipt_queue,
    receipts,
    refunds,
    requests,
    reviews,
    tokens,
    webhook_deliveries,
    webhooks,
)

__all__ = [
    "approvals",
    "balances",
    "callbacks",
    "claims",
    "configs",
    "notices",
    "payments",
    "receipt_checks",
    "receipt_queue",
    "receipts",
    "refunds",
    "requests",
    "reviews",
    "tokens",
    "webhook_deliveries",
    "webhooks",
]
