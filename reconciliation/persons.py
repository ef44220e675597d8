"""
Who a number belongs to, as far as one shop holds anything of him: found by blind index alone.

Two indexes name one person: of the number, and of its SHA-256 where Safaricom told only that.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.db.models import Q, QuerySet

from payments import msisdn as msisdns
from payments.choices import CallbackKind
from payments.errors import CannotOpen
from payments.fields import blind_index
from payments.models import (
    Attempt,
    Event,
    Evidence,
    IdempotencyKey,
    Notice,
    Payment,
    ProviderCallback,
    ProviderRequest,
    Receipt,
    ReceiptCheck,
    Refund,
    Review,
)
from payments.services.matching import hash_index
from reconciliation.models import StatementImport, StatementLine
from tenants.models import Shop

ERASED = "erased"
# How long a C2B call may lie in the inbox before the ledger has its receipt, either way.
_APART = timedelta(minutes=10)
_ARRIVALS = (CallbackKind.C2B, CallbackKind.C2B_VALIDATION, CallbackKind.BANK)
# What is shown of the index on the trail: enough to tell two apart, too little to look one up.
_PREFIX = 12


@dataclass(frozen=True)
class Person:
    """A number and the shop that is asked about it."""

    shop: Shop
    msisdn: str

    @classmethod
    def of(cls, shop: Shop, phone_number: str) -> Person:
        """
        Name the person by a number in any of the forms people type.

        :raises InvalidPhoneNumber: when it is not a Kenyan mobile number.
        """
        return cls(shop, msisdns.normalise(phone_number))

    @cached_property
    def indexes(self) -> list[str]:
        hashed = hashlib.sha256(self.msisdn.encode()).hexdigest()
        return [blind_index("phone", self.msisdn), hash_index(hashed)]

    @property
    def mark(self) -> str:
        """Return what the trail calls the person."""
        return self.indexes[0][:_PREFIX]

    def scrub(self, value: Any) -> Any:
        """Return text, or what of text is in a JSON value, without the number in any form."""
        if isinstance(value, str):
            return self._written.sub(ERASED, value)
        if isinstance(value, dict):
            return {self.scrub(key): self.scrub(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.scrub(each) for each in value]
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return ERASED if is_number and self._written.fullmatch(str(value)) else value

    @cached_property
    def _written(self) -> re.Pattern[str]:
        spaced = "[ -]?".join(self.msisdn[3:])
        return re.compile(rf"(?<!\d)\+?(?:254[ -]?|0)?{spaced}(?!\d)")


class Holdings:
    """Everything a shop holds about a person; each part is a query, made when it is asked for."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.shop = person.shop

    @cached_property
    def payment_ids(self) -> list[uuid.UUID]:
        rows = Payment.objects.filter(shop=self.shop, phone_index__in=self.person.indexes)
        return list(rows.order_by("pk").values_list("pk", flat=True))

    @cached_property
    def receipt_ids(self) -> list[uuid.UUID]:
        """Name his receipts; of his payments' those whose payer is nobody else for all we know."""
        his = Q(payer_index__in=self.person.indexes)
        of_his = Q(payment__in=self.payment_ids, payer_index="")
        rows = Receipt.objects.filter(his | of_his, shop=self.shop)
        return list(rows.order_by("pk").values_list("pk", flat=True))

    @property
    def payments(self) -> QuerySet[Payment]:
        return Payment.objects.filter(pk__in=self.payment_ids).order_by("created_at", "pk")

    @property
    def receipts(self) -> QuerySet[Receipt]:
        return Receipt.objects.filter(pk__in=self.receipt_ids).order_by("created_at", "pk")

    @property
    def attempts(self) -> QuerySet[Attempt]:
        return Attempt.objects.filter(payment__in=self.payment_ids).order_by("requested_at", "pk")

    @property
    def checks(self) -> QuerySet[ReceiptCheck]:
        return ReceiptCheck.objects.filter(receipt__in=self.receipt_ids).order_by("at", "pk")

    @property
    def lines(self) -> QuerySet[StatementLine]:
        his = Q(payer_index__in=self.person.indexes)
        of_his = Q(receipt__in=self.receipt_ids) | Q(payment__in=self.payment_ids, payer_index="")
        return StatementLine.objects.filter(his | of_his, shop=self.shop).order_by("pk")

    @property
    def files(self) -> QuerySet[StatementImport]:
        return StatementImport.objects.filter(pk__in=self.lines.order_by().values("statement"))

    @property
    def reviews(self) -> QuerySet[Review]:
        return Review.objects.filter(
            Q(payment__in=self.payment_ids) | Q(receipt__in=self.receipt_ids), shop=self.shop
        )

    @property
    def refunds(self) -> QuerySet[Refund]:
        return Refund.objects.filter(receipt__in=self.receipt_ids, shop=self.shop)

    @property
    def requests(self) -> QuerySet[ProviderRequest]:
        return ProviderRequest.objects.filter(
            Q(payment__in=self.payment_ids) | Q(receipt__in=self.receipt_ids), shop=self.shop
        )

    @property
    def events(self) -> QuerySet[Event]:
        ids = [str(pk) for pk in (*self.payment_ids, *self.receipt_ids)]
        return Event.objects.filter(shop=self.shop, data__id__in=ids)

    @property
    def answers(self) -> QuerySet[IdempotencyKey]:
        return IdempotencyKey.objects.filter(payment__in=self.payment_ids)

    @property
    def warnings(self) -> QuerySet[Notice]:
        """Find the warnings about his number; their subject ends in the beginning of its index."""
        rows = Notice.objects.filter(shop=self.shop, data__has_key="phone")
        rows = rows.exclude(data__phone=ERASED)
        ends = Q()
        for index in self.person.indexes:
            ends |= Q(subject__endswith=index[:16])
        return rows.filter(ends)

    @cached_property
    def callback_ids(self) -> list[uuid.UUID]:
        """Name the calls that told of his money, and of no shop's but this one."""
        evidence = Evidence.objects.filter(payment__in=self.payment_ids, callback__isnull=False)
        credited = Evidence.objects.filter(
            receipt_number__in=self.receipts.values("number"),
            payment__in=self.receipts.values("payment"),
            callback__isnull=False,
        )
        named = (
            Q(payment__in=self.payment_ids)
            | Q(subject_id__in=self.attempts.order_by().values("pk"))
            | Q(subject_id__in=self.requests.order_by().values("pk"))
            | Q(pk__in=evidence.values("callback"))
            | Q(pk__in=credited.values("callback"))
        )
        found = ProviderCallback.objects.filter(named).values_list("pk", flat=True)
        return sorted({*found, *self._arrivals()})

    @property
    def callbacks(self) -> QuerySet[ProviderCallback]:
        return ProviderCallback.objects.filter(pk__in=self.callback_ids).order_by("received_at")

    def _arrivals(self) -> set[uuid.UUID]:
        """Find the calls of money that came by itself: nothing but their body names the receipt."""
        found: set[uuid.UUID] = set()
        for receipt in self.receipts.exclude(config=None):
            around = (receipt.created_at - _APART, receipt.created_at + _APART)
            rows = ProviderCallback.objects.filter(
                shop=self.shop,
                kind__in=_ARRIVALS,
                subject_id=str(receipt.config_id),
                received_at__range=around,
            ).exclude(body="")
            found |= {row.pk for row in rows if _names(row, receipt.number)}
        return found


def _names(row: ProviderCallback, receipt_number: str) -> bool:
    try:
        return receipt_number.encode() in row.body.reveal_bytes()
    except CannotOpen:
        return False
