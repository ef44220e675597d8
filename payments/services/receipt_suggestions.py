"""Payments an unallocated receipt could be given to with one press, likeliest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from payments.models import Payment, Receipt
from payments.services import matching, near_references
from payments.services.matching import Why

MOST_SUGGESTED = 3
# Safaricom's clock and ours are two.
_CLOCKS_DIFFER = timedelta(minutes=2)


@dataclass(frozen=True)
class Suggestion:
    """A payment of the exact amount that lacks it; slips counts how far its reference is."""

    payment: Payment
    why: Why
    slips: int | None = None


def suggest(receipt: Receipt, *, now: datetime) -> list[Suggestion]:
    """
    Suggest at most three: the reference given in full, then a slip away, then phone or amount.

    Nothing is suggested that could not be assigned: another amount is another payment.
    """
    near = {each.payment.pk: each.distance for each in _near(receipt, now=now)}
    found = [
        Suggestion(each.payment, each.why, near.get(each.payment.pk))
        for each in matching.candidates(receipt, now=now)
    ]
    return sorted(found, key=_rank)[:MOST_SUGGESTED]


def _near(receipt: Receipt, *, now: datetime) -> list[near_references.Near]:
    if receipt.config is None or not receipt.account_reference:
        return []
    return near_references.suggest(
        shop_id=receipt.shop_id,
        environment=receipt.environment,
        config=receipt.config,
        typed=receipt.account_reference,
        amount=receipt.amount,
        now=(receipt.paid_at or now) + _CLOCKS_DIFFER,
    )


def _rank(suggestion: Suggestion) -> tuple[bool, bool, int, bool]:
    is_named, slips = suggestion.why == Why.REFERENCE, suggestion.slips
    return (not is_named, slips is None, slips or 0, suggestion.why != Why.PHONE)
