"""
What the books know of the lines of a statement: a thousand lines by three statements of SQL.

A line that agrees with a receipt of ours is settled here. Whatever tells the ledger something, or
contradicts it, must go through the door of arriving money and is only marked for it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q

from payments.choices import PaymentStatus, ReceiptChannel, ReceiptStatus
from payments.models import PaymentConfig, Receipt, Review
from payments.services import matching
from reconciliation import tariffs
from reconciliation.choices import LineKind, LineState
from reconciliation.models import StatementLine
from reconciliation.statements.lines import Line, is_payment
from reconciliation.statements.problems import ProblemCode, problem

# Safaricom's clock, the provider's callback and ours are three.
_CLOCKS_DIFFER = timedelta(minutes=10)
_STATES = {
    LineKind.CHARGE: LineState.CHARGE,
    LineKind.SETTLEMENT: LineState.SETTLEMENT,
    LineKind.REVERSAL: LineState.REVERSED,
}
_SETTLED = frozenset({PaymentStatus.COMPLETED, PaymentStatus.REVERSED})


@dataclass(frozen=True, slots=True)
class Known:
    """A receipt of the ledger, and how its payment stands."""

    pk: uuid.UUID
    shop_id: uuid.UUID
    config_id: uuid.UUID | None
    number: str
    amount: Decimal | None
    status: str
    channel: str
    paid_at: datetime | None
    payment_id: uuid.UUID | None
    payment_status: str | None
    lacks_receipt: bool | None
    is_doubted: bool


class Told(NamedTuple):
    """What a line said of a payment; the digest tells it from another line that says the same."""

    amount: Decimal
    at: datetime
    digest: str


@dataclass(slots=True)
class Judged:
    """A line and what came of looking at it."""

    line: Line
    digest: str
    state: str = LineState.NEW
    receipt_id: uuid.UUID | None = None
    payment_id: uuid.UUID | None = None
    needs_door: bool = False
    is_known: bool = False
    expected_charge: Decimal | None = None
    notes: list[dict[str, Any]] = field(default_factory=list)


class _Charges:
    """What payments should cost; asked for the same amounts again and again."""

    def __init__(self, config: PaymentConfig) -> None:
        self._schedule = tariffs.schedule_of(config)
        # That a shop pays nothing is often only what nobody said otherwise of yet.
        self.knows_bearer = config.bearers.exists()
        self._known: dict[tuple[Decimal, date], Decimal | None] = {}

    def of(self, amount: Decimal, at: datetime) -> Decimal | None:
        key = (amount, at.astimezone(tariffs.NAIROBI).date())
        if key not in self._known:
            self._known[key] = self._schedule.expected(amount, at)
        return self._known[key]


class Judge:
    """Judges the lines of one config's statement, slice by slice, in the order of the file."""

    def __init__(self, config: PaymentConfig) -> None:
        self._config = config
        self._siblings = set(matching.siblings(config))
        # Payments of this file by receipt, and the charges beside them.
        self._told: dict[str, Told] = {}
        self._charged: dict[str, Line] = {}
        self._expected = _Charges(config)

    def judge(self, lines: Sequence[Line]) -> list[Judged]:
        """Say of each line what the books know of it; nothing is written."""
        numbers = {line.receipt_number for line in lines} | {line.linked for line in lines}
        receipts = self._receipts(numbers - {""})
        digests, earlier = self._earlier({line.receipt_number for line in lines})
        return [self._judged(line, receipts, digests, earlier) for line in lines]

    def _judged(
        self,
        line: Line,
        receipts: dict[str, Known],
        digests: set[str],
        earlier: dict[str, Told],
    ) -> Judged:
        found = Judged(line, line.digest)
        receipt = receipts.get(line.linked) or receipts.get(line.receipt_number)
        found.is_known = found.digest in digests
        if receipt is not None and self._is_ours(receipt):
            found.receipt_id, found.payment_id = receipt.pk, receipt.payment_id
        if is_payment(line):
            found.expected_charge = self._expected.of(line.paid_in, line.completed_at)
            self._compare(found, receipts.get(line.receipt_number))
            self._contradict(found, earlier.get(line.receipt_number))
        elif line.is_completed:
            found.state = _STATES.get(LineKind(line.kind), LineState.IGNORED)
        else:
            found.state = LineState.IGNORED
        self._weigh_charge(found)
        return found

    def _weigh_charge(self, found: Judged) -> None:
        """Compare a charge with the tariff, once it and its payment were both read."""
        line, number = found.line, found.line.receipt_number
        if line.kind == LineKind.CHARGE:
            number = line.linked or number
            self._charged[number] = line
        if number not in self._charged or number not in self._told:
            return
        charge = self._charged.pop(number)
        told = self._told[number]
        expected = self._expected.of(told.amount, told.at)
        is_sure = bool(expected) or self._expected.knows_bearer
        if expected is not None and is_sure and expected != charge.withdrawn:
            note = problem(ProblemCode.CHARGE_DIFFERS, f"{expected:,}", line=charge.number)
            found.notes.append(note)

    def _compare(self, found: Judged, receipt: Known | None) -> None:
        """Compare a payment with the ledger."""
        line = found.line
        if receipt is None:
            found.state, found.needs_door = LineState.ONLY_SAFARICOM, True
        elif not self._is_ours(receipt):
            found.state = LineState.CONFLICT
            found.notes.append(problem(ProblemCode.FOREIGN, line.receipt_number, line=line.number))
        elif receipt.amount not in {None, line.paid_in}:
            found.state, found.needs_door = LineState.AMOUNT_DIFFERS, True
        elif receipt.status == ReceiptStatus.REVERSED:
            found.state = LineState.REVERSED
        else:
            found.state, found.needs_door = _state_of(receipt), _tells_news(receipt)
            if receipt.paid_at and abs(receipt.paid_at - line.completed_at) > _CLOCKS_DIFFER:
                ours = receipt.paid_at.astimezone(line.completed_at.tzinfo)
                said = f"{ours:%d-%m-%Y %H:%M:%S}"
                found.notes.append(problem(ProblemCode.TIME_DIFFERS, said, line=line.number))

    def _contradict(self, found: Judged, earlier: Told | None) -> None:
        """Compare a payment with what this file, or an earlier one, said of the same receipt."""
        line = found.line
        said = Told(line.paid_in, line.completed_at, found.digest)
        before = self._told.setdefault(line.receipt_number, earlier or said)
        if before != said and not found.is_known:
            found.state = LineState.CONFLICT
            # Money the ledger knows with this amount is entered already; another amount is news.
            found.needs_door = found.needs_door and found.receipt_id is not None
            note = problem(ProblemCode.CONTRADICTS, line.receipt_number, line=line.number)
            found.notes.append(note)

    def _is_ours(self, receipt: Known) -> bool:
        is_same_account = receipt.config_id is None or receipt.config_id in self._siblings
        return receipt.shop_id == self._config.shop_id and is_same_account

    def _receipts(self, numbers: set[str]) -> dict[str, Known]:
        """Return what the ledger holds under the numbers; what people typed counts in its shop."""
        doubts = Review.objects.filter(resolved_at=None, blocking=True)
        # Within a shop a number is one payment, whatever family somebody took it for.
        of_providers = Q(family=self._config.family) & ~Q(channel=ReceiptChannel.MANUAL)
        rows = Receipt.objects.filter(
            Q(shop=self._config.shop_id) | of_providers,
            environment=self._config.environment,
            number__in=numbers,
        ).exclude(channel=ReceiptChannel.MANUAL, status=ReceiptStatus.REVERSED)
        rows = rows.annotate(
            is_doubted=Exists(doubts.filter(payment=OuterRef("payment_id")))
        ).values_list(
            "pk",
            "shop_id",
            "config_id",
            "number",
            "amount",
            "status",
            "channel",
            "paid_at",
            "payment_id",
            "payment__status",
            "payment__receipt_pending",
            "is_doubted",
        )
        found = [Known(*row) for row in rows.order_by()]
        # What a provider told another shop of counts more than a word typed here.
        found.sort(key=lambda row: row.shop_id != self._config.shop_id)
        return {row.number: row for row in found}

    def _earlier(self, numbers: set[str]) -> tuple[set[str], dict[str, Told]]:
        """Return the digests of lines told before, and the payments among them by receipt."""
        rows = StatementLine.objects.filter(
            shop=self._config.shop_id, config__in=self._siblings, receipt_number__in=numbers
        ).values_list("receipt_number", "digest", "kind", "paid_in", "completed_at")
        digests: set[str] = set()
        payments: dict[str, Told] = {}
        for number, digest, kind, paid_in, completed_at in rows.order_by("id"):
            digests.add(digest)
            if kind == LineKind.PAYMENT:
                payments.setdefault(number, Told(paid_in, completed_at, digest))
        return digests, payments


def _state_of(receipt: Known) -> LineState:
    """Say how a line stands that agrees with a receipt; one we have of a statement is no witness."""
    is_learnt = receipt.channel == ReceiptChannel.STATEMENT and receipt.payment_id is None
    return LineState.ONLY_SAFARICOM if is_learnt else LineState.MATCHED


def _tells_news(receipt: Known) -> bool:
    """Tell whether a line that agrees with the receipt still tells the books something."""
    is_incomplete = receipt.amount is None or receipt.paid_at is None or receipt.config_id is None
    if is_incomplete or receipt.channel == ReceiptChannel.MANUAL:
        return True
    if receipt.payment_id is None:
        return False
    is_settled = receipt.payment_status in _SETTLED and not receipt.lacks_receipt
    # A second source may end a doubt.
    return not is_settled or receipt.is_doubted
