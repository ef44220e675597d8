"""
Finding a payment by whatever somebody has of it: a phone, a receipt, a reference or an amount.

Every look-up goes through an index and stops after a few rows. An amount alone is looked for in
a few days only: it says too little for more.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from payments.choices import CallbackStatus, Environment, ReceiptStatus
from payments.errors import InvalidPhoneNumber
from payments.fields import blind_index
from payments.models import (
    Attempt,
    Payment,
    PaymentConfig,
    ProviderCallback,
    Receipt,
    ReceiptCheck,
)
from payments.msisdn import normalise
from payments.services import matching, receipt_rows
from payments.services.checkout_ids import forms_of
from payments.services.receipt_checks import code_index
from payments.services.stats import midnight
from reconciliation.models import StatementLine
from tenants.models import Shop

MOST_FOUND = 20
DAYS_OF_AMOUNTS = 7
DAYS_OF_CALLBACKS = 7
_MOST_TRACES = 5
_AROUND = timedelta(minutes=30)
_AMOUNT = re.compile(
    r"(?:KES|KSHS?|SHS?)?\.?\s*"
    r"([0-9]{1,3}(?:,[0-9]{3}){1,2}|[0-9]{1,9})(\.[0-9]{1,2})?(?:/[-=])?",
    re.IGNORECASE,
)
_RECEIPT = re.compile(r"[A-Z][A-Z0-9]{9}")
_CHECKOUT = re.compile(r"ws_CO_", re.IGNORECASE)
_WITHOUT_OWNER = (ReceiptStatus.UNALLOCATED, ReceiptStatus.HELD, ReceiptStatus.IN_REVIEW)
_HELD_BACK = (CallbackStatus.QUARANTINED, CallbackStatus.DEAD)


@dataclass(frozen=True)
class Sought:
    """What somebody typed, and what it may be; a number can be an amount and a reference."""

    text: str
    msisdn: str = ""
    amount: Decimal | None = None
    key: uuid.UUID | None = None
    day: date | None = None
    at: time | None = None

    @property
    def kind(self) -> str:
        """Return what it most probably is: phone, receipt, checkout, amount or reference."""
        if self.msisdn:
            return "phone"
        if _CHECKOUT.match(self.text):
            return "checkout"
        if self.amount is not None:
            return "amount"
        return "receipt" if _RECEIPT.fullmatch(self.text.upper()) else "reference"

    def window(self, *, now: datetime, days: int) -> tuple[datetime, datetime]:
        """Return the stretch of time to look in: half an hour around, the day, or the last days."""
        if self.day is None:
            return now - timedelta(days=days), now
        begins = midnight(self.day)
        if self.at is None:
            return begins, begins + timedelta(days=1)
        about = begins + timedelta(hours=self.at.hour, minutes=self.at.minute)
        return about - _AROUND, about + _AROUND


@dataclass(frozen=True)
class Sight:
    """Whose rows: the shop, and the filters of what the person may list there."""

    shop: Shop
    payments: Q
    receipts: Q
    sees_whole_shop: bool = False

    def of_payments(self) -> QuerySet[Payment]:
        rows = Payment.objects.filter(self.payments, shop=self.shop)
        return rows.select_related("shop", "branch", "config").defer("phone", "metadata")

    def of_receipts(self) -> QuerySet[Receipt]:
        rows = receipt_rows.placed(Receipt.objects.filter(shop=self.shop)).filter(self.receipts)
        return rows.select_related("shop", "branch", "config__branch", "payment__branch")


@dataclass(frozen=True)
class Found:
    """The candidates, newest first; where there are none, what else was seen of it."""

    sought: Sought
    payments: list[Payment] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    lines: list[StatementLine] = field(default_factory=list)
    callbacks: list[ProviderCallback] = field(default_factory=list)
    checks: list[ReceiptCheck] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.payments) + len(self.receipts)


def read(text: str, *, day: date | None = None, at: time | None = None) -> Sought:
    """Read what was typed; nothing of it is kept."""
    text = " ".join(text.split())[:64]
    msisdn = _msisdn(text)
    amount = None if msisdn else _amount(text)
    return Sought(text, msisdn=msisdn, amount=amount, key=_uuid(text), day=day, at=at)


def find(sought: Sought, *, sight: Sight, now: datetime) -> Found:
    """Look for it among payments, then receipts; then for traces of it anywhere in the shop."""
    receipts = _receipts(sought, sight, now=now)
    payments = _payments(sought, sight, receipts, now=now)
    shown = {payment.pk for payment in payments}
    receipts = [receipt for receipt in receipts if receipt.payment_id not in shown]
    if payments or receipts:
        return Found(sought, payments, receipts)
    return Found(
        sought,
        **(_traces(sought, sight, now=now) if sight.sees_whole_shop else {}),
    )


def _payments(
    sought: Sought, sight: Sight, receipts: list[Receipt], *, now: datetime
) -> list[Payment]:
    pks = {pk for arm in _arms(sought, sight.shop, now=now) for pk in arm}
    pks |= {receipt.payment_id for receipt in receipts if receipt.payment_id}
    found = sight.of_payments().filter(pk__in=pks)
    return list(_in_time(found, sought, now=now).order_by("-created_at", "-pk")[:MOST_FOUND])


def _arms(sought: Sought, shop: Shop, *, now: datetime) -> Iterator[QuerySet[Any]]:
    """Return the narrow look-ups, each by an index that begins with what it looks for."""
    text = sought.text
    own = Payment.objects.filter(shop=shop).order_by("-created_at")
    if sought.msisdn:
        yield _some(own.filter(phone_index=blind_index("phone", sought.msisdn)))
    yield _some(own.filter(order_ref=text).exclude(order_ref=""))
    yield _some(own.filter(account_reference__in={text, text.upper()}))
    yield _some(own.filter(external_reference=text).exclude(external_reference=""))
    yield _some(own.filter(receipt_number=text.upper()).exclude(receipt_number=""))
    if sought.key:
        yield _some(own.filter(pk=sought.key))
    if sought.kind == "checkout":
        prompts = Attempt.objects.filter(shop=shop, checkout_request_id__in=forms_of(text))
        yield prompts.order_by().values_list("payment", flat=True)[:MOST_FOUND]
    if sought.amount is not None:
        yield from _by_amount(sought.amount, sought, shop, own, now=now)


def _by_amount(
    amount: Decimal, sought: Sought, shop: Shop, own: QuerySet[Payment], *, now: datetime
) -> Iterator[QuerySet[Any]]:
    since, until = sought.window(now=now, days=DAYS_OF_AMOUNTS)
    of_amount = own.filter(amount=amount, created_at__gte=since, created_at__lt=until)
    configs = list(PaymentConfig.objects.filter(shop=shop).values_list("pk", flat=True))
    yield _some(of_amount.filter(config__in=configs))
    yield _some(of_amount.filter(config=None))


def _some(rows: QuerySet[Payment]) -> QuerySet[Any]:
    return rows.values_list("pk", flat=True)[: MOST_FOUND * 5]


def _in_time(rows: QuerySet[Any], sought: Sought, *, now: datetime) -> QuerySet[Any]:
    """Keep to the day, where one was given; a reference without one is found whenever it was."""
    if sought.day is None:
        return rows
    since, until = sought.window(now=now, days=1)
    return rows.filter(created_at__gte=since, created_at__lt=until)


def _receipts(sought: Sought, sight: Sight, *, now: datetime) -> list[Receipt]:
    found = {
        row.pk: row
        for arm in _receipt_arms(sought, sight.of_receipts(), now=now)
        for row in _newest(_in_time(arm, sought, now=now))
    }
    return sorted(found.values(), key=lambda row: row.created_at, reverse=True)[:MOST_FOUND]


def _receipt_arms(
    sought: Sought, rows: QuerySet[Receipt], *, now: datetime
) -> Iterator[QuerySet[Receipt]]:
    yield rows.filter(number=sought.text.upper())
    if sought.msisdn:
        # Since 2025 Safaricom tells a hash of the payer's number instead of the number.
        digest = hashlib.sha256(sought.msisdn.encode()).hexdigest()
        payers = {blind_index("phone", sought.msisdn), matching.hash_index(digest)}
        yield rows.filter(payer_index__in=payers)
    # Money with an owner is found by its payment; of that without, there is never much.
    since, until = sought.window(now=now, days=DAYS_OF_AMOUNTS)
    waiting = rows.filter(
        environment__in=Environment.values,
        status__in=_WITHOUT_OWNER,
        created_at__gte=since,
        created_at__lt=until,
    )
    yield waiting.filter(account_reference__iexact=sought.text).exclude(account_reference="")
    if sought.amount is not None:
        yield waiting.filter(amount=sought.amount)


def _newest(rows: QuerySet[Receipt]) -> QuerySet[Receipt]:
    return rows.order_by("-created_at")[:MOST_FOUND]


def _traces(sought: Sought, sight: Sight, *, now: datetime) -> dict[str, Any]:
    return {
        "lines": _lines(sought, sight),
        "callbacks": _held_back(sought, sight, now=now),
        "checks": _checks(sought, sight),
    }


def _lines(sought: Sought, sight: Sight) -> list[StatementLine]:
    number = sought.text.upper()
    return list(StatementLine.objects.filter(shop=sight.shop, receipt_number=number)[:_MOST_TRACES])


def _checks(sought: Sought, sight: Sight) -> list[ReceiptCheck]:
    if sought.kind != "receipt":
        return []
    index = code_index(sought.text.upper())
    rows = ReceiptCheck.objects.filter(shop=sight.shop, code_index=index).select_related("branch")
    return list(rows.order_by("-at")[:_MOST_TRACES])


def _held_back(sought: Sought, sight: Sight, *, now: datetime) -> list[ProviderCallback]:
    """Return callbacks of the shop that were not believed: one of them may be about this money."""
    since, until = sought.window(now=now, days=DAYS_OF_CALLBACKS)
    rows = ProviderCallback.objects.filter(
        shop=sight.shop, status__in=_HELD_BACK, received_at__gte=since, received_at__lt=until
    )
    if sought.kind == "checkout":
        rows = rows.filter(checkout_request_id__in=forms_of(sought.text))
    return list(rows.defer("body").order_by("-received_at")[:_MOST_TRACES])


def _msisdn(text: str) -> str:
    try:
        return normalise(text)
    except InvalidPhoneNumber:
        return ""


def _amount(text: str) -> Decimal | None:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        return None
    return Decimal(match[1].replace(",", "") + (match[2] or ""))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
