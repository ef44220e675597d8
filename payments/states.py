"""
The allowed moves of payments and configs, as data (safety.md sections 3 and 4).

What is not listed is refused, here and by a trigger in the database made from the same table.
"""

from __future__ import annotations

from payments.choices import ConfigStatus as Config
from payments.choices import PaymentStatus as Payment

PAYMENT_MOVES: dict[str, frozenset[str]] = {
    Payment.CREATED: frozenset(
        {Payment.PENDING, Payment.FAILED, Payment.EXPIRED, Payment.COMPLETED}
    ),
    Payment.PENDING: frozenset({Payment.COMPLETED, Payment.FAILED, Payment.EXPIRED}),
    # Late truth wins: expired means "not known to be paid", and a failure may be a provider's lie.
    Payment.EXPIRED: frozenset({Payment.COMPLETED, Payment.FAILED, Payment.PENDING}),
    Payment.FAILED: frozenset({Payment.COMPLETED, Payment.PENDING}),
    Payment.COMPLETED: frozenset({Payment.REVERSED}),
    Payment.REVERSED: frozenset(),
}
LIVE_STATUSES = frozenset({Payment.CREATED, Payment.PENDING})
FINAL_STATUSES = frozenset({Payment.COMPLETED, Payment.FAILED, Payment.EXPIRED, Payment.REVERSED})

CONFIG_MOVES: dict[str, frozenset[str]] = {
    Config.DRAFT: frozenset({Config.PENDING}),
    Config.PENDING: frozenset({Config.VERIFIED, Config.FAILED}),
    Config.FAILED: frozenset({Config.DRAFT, Config.PENDING}),
    Config.VERIFIED: frozenset({Config.SUSPENDED, Config.EXPIRED}),
    Config.SUSPENDED: frozenset({Config.PENDING, Config.EXPIRED}),
    Config.EXPIRED: frozenset({Config.DRAFT}),
}
# Credentials come with the form in these; later they change by rotation only.
CREDENTIALS_EDITABLE = frozenset({Config.DRAFT, Config.FAILED, Config.EXPIRED})


def may_move_payment(old: str, new: str) -> bool:
    return new in PAYMENT_MOVES.get(old, frozenset())


def may_move_config(old: str, new: str) -> bool:
    return new in CONFIG_MOVES.get(old, frozenset())
