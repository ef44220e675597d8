"""A shop whose books know some payments, and somebody who uploads and applies statements."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from audit.actors import Actor
from payments.choices import ReceiptChannel, ReceiptStatus
from payments.models import PaymentConfig, Receipt
from reconciliation.models import StatementImport, StatementLine
from reconciliation.statements import importing, working
from tests.payments.services.arrival_world import ask, say, yes
from tests.reconciliation import statement_maker as maker
from tests.reconciliation.statement_maker import Book, Entry

ACTOR = Actor.system("tests")
NOW = maker.START + timedelta(days=10)


def clock() -> datetime:
    return NOW


def upload(config: PaymentConfig, made: Book | bytes, **more: Any) -> StatementImport:
    raw = made if isinstance(made, bytes) else maker.text(made)
    return importing.upload(
        config=config, filename="statement.csv", raw=raw, actor=ACTOR, now=NOW, **more
    )


def read(config: PaymentConfig, made: Book | bytes) -> StatementImport:
    """Upload a statement and let it be read."""
    statement = upload(config, made)
    work()
    return fresh(statement)


def apply(statement: StatementImport) -> StatementImport:
    importing.start_applying(statement=statement, actor=ACTOR, now=NOW)
    work()
    return fresh(statement)


def bring(config: PaymentConfig, made: Book | bytes) -> StatementImport:
    """Upload, read and apply."""
    return apply(read(config, made))


def work() -> None:
    working.work(clock=clock, busy_s=60)


def fresh(statement: StatementImport) -> StatementImport:
    return StatementImport.objects.get(pk=statement.pk)


def paid_prompt(config: PaymentConfig, entry: Entry) -> None:
    """Let a prompt be paid as the entry says, and its callback come."""
    payment = ask(config, now=entry.at - timedelta(seconds=20), amount=int(entry.change))
    say(payment, yes(entry.receipt, str(entry.change)), now=entry.at)


def in_books(config: PaymentConfig, entries: Iterable[Entry]) -> None:
    """Let the ledger know payments by C2B, in bulk."""
    Receipt.objects.bulk_create(
        Receipt(
            shop_id=config.shop_id,
            environment=config.environment,
            family=config.family,
            config=config,
            number=entry.receipt,
            amount=entry.change,
            status=ReceiptStatus.UNALLOCATED,
            channel=ReceiptChannel.C2B,
            account_reference=entry.account,
            paid_at=entry.at,
            created_at=entry.at,
        )
        for entry in entries
    )


def payments_in(made: Book) -> list[Entry]:
    return [entry for entry in made.entries if entry.reason in {maker.PAYBILL, maker.TILL}]


def states(statement: StatementImport) -> dict[str, str]:
    """Return the state of each line by receipt and kind."""
    rows = StatementLine.objects.filter(statement=statement)
    return {f"{row.receipt_number} {row.kind}": row.state for row in rows}


def everything() -> list[tuple[Any, ...]]:
    """Return all that a statement may change, to see that nothing did."""
    lines = StatementLine.objects.order_by("digest").values_list("digest", "state", "receipt")
    receipts = Receipt.objects.order_by("number").values_list("number", "status", "amount")
    return [*lines, *receipts]
