"""The message a payer gets, in the form of the recorded ones of 2025."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from payments.providers.daraja.simulator import wire
from payments.providers.daraja.simulator.transactions import Transaction

# What a made-up payer has left, the same for all: nobody may conclude anything from it.
_LEFT = Decimal("1843.13")


def payer_message(paid: Transaction, business: str) -> str:
    """Return the text on the payer's phone."""
    if paid.is_till:
        to, end = f"paid to {business}. on", "."
    else:
        to, end = f"sent to {business} for account {paid.reference} on", " "
    return (
        f"{paid.receipt_number} Confirmed. Ksh{paid.amount:,.2f} {to} {_when(paid.at)}{end}"
        f"New M-PESA balance is Ksh{_LEFT:,.2f}. Transaction cost, Ksh0.00."
    )


def _when(at: datetime) -> str:
    local = at.astimezone(wire.EAT)
    return f"{local.day}/{local.month}/{local:%y} at {local.hour % 12 or 12}:{local:%M %p}"
