"""Payments, receipts and statement lines written by hand, for tests of the match."""

from __future__ import annotations

import hashlib
import itertools
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from payments.models import Payment, PaymentConfig, Receipt
from reconciliation.models import StatementImport, StatementLine

NAIROBI = ZoneInfo("Africa/Nairobi")
_numbers = itertools.count(1)


class Books:
    """The books of one account, both Safaricom's and ours."""

    def __init__(self, config: PaymentConfig, day: datetime) -> None:
        self.config, self.day = config, day

    def at(self, hour: int = 12, minute: int = 0, *, days: int = 0) -> datetime:
        """Return a moment of the day, by Nairobi's clock."""
        moment = self.day.astimezone(NAIROBI).replace(hour=hour, minute=minute, second=0)
        return moment.replace(microsecond=0) + timedelta(days=days)

    def number(self) -> str:
        return f"TK{next(_numbers):08}"

    def payment(self, amount: Any = 150, *, at: datetime | None = None, **more: Any) -> Payment:
        at = at or self.at()
        values = {
            "shop": self.config.shop,
            "environment": self.config.environment,
            "config": self.config,
            "provider": self.config.provider,
            "status": "completed",
            "amount": Decimal(amount),
            "created_at": at,
            "expires_at": at,
            "completed_at": at,
        }
        return Payment.objects.create(**{**values, **more})

    def receipt(
        self, amount: Any = 150, *, at: datetime | None = None, number: str = "", **more: Any
    ) -> Receipt:
        """Enter money that is nobody's, unless a payment is given."""
        at = at or self.at()
        values = {
            "shop": self.config.shop,
            "environment": self.config.environment,
            "family": "mpesa",
            "number": number or self.number(),
            "amount": Decimal(amount),
            "status": "credited" if more.get("payment") else "unallocated",
            "channel": "c2b",
            "config": self.config,
            "paid_at": at,
            "created_at": at,
        }
        return Receipt.objects.create(**{**values, **more})

    def sale(self, amount: Any = 150, *, at: datetime | None = None, **more: Any) -> Receipt:
        """Take a payment that is completed with its receipt."""
        return self.receipt(amount, at=at, payment=self.payment(amount, at=at), **more)

    def statement(self, *, since: datetime | None = None, until: datetime | None = None, **more):
        """Import a statement of the whole day, or of another time."""
        return StatementImport.objects.create(
            shop=self.config.shop,
            environment=self.config.environment,
            config=self.config,
            status=more.pop("status", "applied"),
            filename="statement.csv",
            digest=hashlib.sha256(str(next(_numbers)).encode()).hexdigest(),
            size=1,
            since=since or self.at(0),
            until=until or self.at(23, 59) + timedelta(seconds=59),
            uploaded_by="tests",
            **more,
        )

    def line(
        self,
        statement: StatementImport,
        number: str,
        amount: Any = 150,
        *,
        at: datetime | None = None,
        kind: str = "payment",
        **more: Any,
    ) -> StatementLine:
        """Write a line; what is no payment takes money out."""
        column = "paid_in" if kind == "payment" else "withdrawn"
        count = next(_numbers)
        return StatementLine.objects.create(
            shop=self.config.shop,
            environment=self.config.environment,
            config=self.config,
            statement=statement,
            line_number=count,
            digest=hashlib.sha256(str(count).encode()).hexdigest(),
            receipt_number=number,
            completed_at=at or self.at(),
            kind=kind,
            **{column: Decimal(amount), **more},
        )
