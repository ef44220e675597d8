"""B11: statements of 25,000 and 50,000 lines, read, proved and matched by a worker of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils import timezone

from audit.actors import Actor
from bench.plan import Plan
from bench.results import Goal, Row, median
from payments.choices import Environment, Provider, ReceiptChannel, ReceiptStatus
from payments.models import PaymentConfig, Receipt
from reconciliation.models import StatementImport
from reconciliation.statements import importing
from tenants import services as tenants
from tests.reconciliation import statement_maker as maker

# One payment in so many was lost, and goes through the door of arriving money.
_ONE_LOST_IN = 200


@dataclass(frozen=True)
class Measured:
    """One statement: its lines, seconds in all, megabytes above a worker at rest."""

    lines: int
    seconds: float
    mb: float


def importing_statements(plan: Plan) -> list[Row]:
    """Measure B11: half of the lines, then all of them, in turns."""
    rounds = [
        [_one(plan.statement_lines // 2, f"{number}a"), _one(plan.statement_lines, f"{number}b")]
        for number in range(plan.rounds)
    ]
    whole = [measured for _half, measured in rounds]
    lines = whole[0].lines
    seconds = median(each.seconds for each in whole)
    growth = median(one.seconds / half.seconds * half.lines / one.lines for half, one in rounds)
    what = f"Statement of {lines:,} lines, imported and matched"
    return [
        Row("B11", what, f"{seconds:.1f} s", "", lines / seconds, Goal("≥", 3_000, " lines/s")),
        Row("B11", "the worker's memory meanwhile", "", "", median(each.mb for each in whole),
            Goal("≤", 150, " MB above idle")),
        Row("B11", "seconds per line, against half the lines", "", "", growth, Goal("≤", 1.25)),
    ]  # fmt: skip


def _one(lines: int, name: str) -> Measured:
    statement, count = _upload(lines, name)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE payments_receipt, reconciliation_statementline")
    command = [sys.executable, "-m", "bench.statement_worker", str(statement.pk)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603
    found: dict[str, Any] = json.loads(done.stdout)
    statement.refresh_from_db()
    if statement.status != "applied":
        raise RuntimeError(f"The statement is {statement.status}: {statement.problems[:3]}")
    return Measured(count, found["read_s"] + found["apply_s"], found["mb"])


def _upload(lines: int, name: str) -> tuple[StatementImport, int]:
    """Let a shop have sold all month, and its statement lie there."""
    shop = tenants.create_shop(name=f"Statement {name}", slug=f"statement-{name}")
    digits = int.from_bytes(name.encode())
    config = PaymentConfig.objects.create(
        shop=shop,
        environment=Environment.SANDBOX,
        name="Paybill",
        provider=Provider.MPESA_PAYBILL,
        shortcode=f"{digits:07d}",
        created_by="bench",
    )
    made = maker.book(config.shortcode, count=lines // 2, prefix=f"T{name.upper()}")
    _sell(config, [each for each in made.entries if each.reason == maker.PAYBILL])
    statement = importing.upload(
        config=config,
        filename="statement.xlsx",
        raw=maker.xlsx(made),
        actor=Actor.system("bench"),
        now=timezone.now(),
    )
    return statement, len(made.entries)


def _sell(config: PaymentConfig, sold: list[maker.Entry]) -> None:
    """Let the ledger know nearly all of it."""
    rows = [
        Receipt(
            shop_id=config.shop_id,
            environment=config.environment,
            family=config.family,
            number=entry.receipt,
            amount=entry.change,
            status=ReceiptStatus.UNALLOCATED,
            channel=ReceiptChannel.C2B,
            config=config,
            shortcode=config.shortcode,
            account_reference=entry.account,
            paid_at=entry.at,
        )
        for number, entry in enumerate(sold)
        if number % _ONE_LOST_IN
    ]
    Receipt.objects.bulk_create(rows, batch_size=2_000)
