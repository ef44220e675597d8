"""
How a payment is found: by whole references only, each through its own index.

One OR over five columns would read the whole ledger; a union of five narrow look-ups reads five
index pages. A phone number is found by its keyed hash, so the ledger itself holds none.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet

from payments.errors import InvalidPhoneNumber
from payments.fields import blind_index
from payments.models import Attempt, Payment
from payments.msisdn import normalise
from payments.services.checkout_ids import forms_of
from tenants.models import Shop


def payments_found_by(term: str, payments: QuerySet[Payment]) -> QuerySet[Any]:
    """Return the ids of the payments among these that bear this reference."""
    term = term.strip()[:64]
    # Each look-up is fenced by itself: what many shops write on their orders is not gathered first.
    payments = payments.order_by()
    # Naming all shops lets the planner walk the indexes that begin with the shop.
    anywhere = payments.filter(shop__in=Shop.objects.order_by().values("pk"))
    arms = [
        payments.filter(receipt_number=term.upper()).exclude(receipt_number=""),
        anywhere.filter(order_ref=term).exclude(order_ref=""),
        anywhere.filter(account_reference__in={term, term.upper()}),
        anywhere.filter(external_reference=term).exclude(external_reference=""),
    ]
    if (msisdn := _msisdn(term)) is not None:
        arms.append(anywhere.filter(phone_index=blind_index("phone", msisdn)))
    if (key := _uuid(term)) is not None:
        arms.append(payments.filter(pk=key))
    prompted = (
        Attempt.objects.order_by().filter(checkout_request_id__in=forms_of(term)).values("payment")
    )
    return prompted.union(*[arm.values("pk") for arm in arms])


def _msisdn(term: str) -> str | None:
    try:
        return normalise(term)
    except InvalidPhoneNumber:
        return None


def _uuid(term: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(term)
    except ValueError:
        return None
