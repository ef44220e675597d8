"""Above an amount the shop sets, two people say whose money it is (review_acts.py for doubts)."""

from __future__ import annotations

from payments.errors import InvalidTransition
from payments.models import Receipt


def needed_for(receipt: Receipt) -> bool:
    """Tell whether one person alone may not give this money away."""
    limit = receipt.shop.two_people_above
    return limit is not None and (receipt.amount is None or receipt.amount > limit)


def refuse_one_person(receipt: Receipt) -> None:
    """
    Refuse to give money away on one person's word.

    :raises InvalidTransition: when the shop wants two people for this amount.
    """
    if needed_for(receipt):
        raise InvalidTransition(
            "This amount takes two people: one proposes, another confirms, in the back office."
        )
