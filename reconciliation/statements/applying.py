"""
Applying a statement: its lines into the books, a thousand at a time, as often as one likes.

Lines are unique by content, so a slice that was done is not done twice. What agrees is written in
bulk; what tells the ledger something goes one by one through the door of all arriving money, which
knows a repeat. A worker killed anywhere leaves rows from which the next one goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Count

from audit.actions import AuditAction
from audit.actors import Actor
from audit.recording import record
from payments.errors import PaymentsError
from payments.models import Receipt
from payments.providers.base import ArrivedMoney
from payments.services import arrivals
from payments.services.arrivals import ForeignReceipt
from reconciliation.choices import LineKind, LineState, RunKind, RunOutcome, StatementStatus
from reconciliation.models import Run, StatementImport, StatementLine
from reconciliation.statements import missing, reversing, taking
from reconciliation.statements.importing import actor_of
from reconciliation.statements.judging import Judge
from reconciliation.statements.lines import Line
from reconciliation.statements.packing import unpack
from reconciliation.statements.writing import write_lines

logger = logging.getLogger(__name__)

SLICE = 1000
_CHANNEL = "statement"
Clock = Callable[[], datetime]


def apply(statement: StatementImport, *, clock: Clock, busy_s: float) -> int:
    """
    Go on with a statement that was taken; return how many lines were gone through.

    After busy_s it is given back, to be gone on with by whoever comes next.
    """
    return _Applying(statement, clock=clock).run(until=time.monotonic() + busy_s)


class _Applying:
    """One worker's turn at a statement."""

    def __init__(self, statement: StatementImport, *, clock: Clock) -> None:
        self._statement, self._clock = statement, clock
        self._config = statement.config
        self._judge = Judge(statement.config)

    def run(self, *, until: float) -> int:
        started_at = self._statement.lines_applied
        self._open_run()
        lines = unpack(self._statement.read_lines.reveal_bytes())
        place = 0
        while slice_ := list(islice(lines, SLICE)):
            place += len(slice_)
            if place <= started_at:
                continue
            self._do(slice_)
            taking.hold(self._statement, now=self._clock(), lines_applied=place)
            if time.monotonic() > until and place < (self._statement.lines_total or 0):
                taking.release(self._statement)
                return place - started_at
        self._finish()
        return place - started_at

    def _do(self, lines: Sequence[Line]) -> None:
        """Write a slice, then take what needs the door through it, each for itself."""
        judged = self._judge.judge(lines)
        write_lines(self._statement, (each for each in judged if not each.is_known))
        waiting = self._waiting(lines)
        by_digest = {each.digest: each for each in judged}
        for row in waiting:
            self._enter(row, by_digest[row.digest].state)

    def _waiting(self, lines: Sequence[Line]) -> list[StatementLine]:
        """Find the payments of the slice that are not through the door, whoever wrote them."""
        rows = StatementLine.objects.filter(
            statement=self._statement,
            state=LineState.NEW,
            kind=LineKind.PAYMENT,
            line_number__range=(lines[0].number, lines[-1].number),
        )
        return list(rows.order_by("completed_at", "line_number"))

    def _enter(self, row: StatementLine, judged_as: str) -> None:
        """Take a payment through the door and write on its line what became of it."""
        try:
            receipt = arrivals.take(
                self._money(row),
                config=self._config,
                channel=_CHANNEL,
                actor=self._actor,
                now=self._clock(),
            )
        except ForeignReceipt:
            StatementLine.objects.filter(pk=row.pk).update(state=LineState.CONFLICT)
            return
        except PaymentsError:
            # Left as it is; the next statement of the account tries it again.
            logger.warning("a line did not go in", extra={"line": str(row.pk)}, exc_info=True)
            return
        _learn_payer(receipt, row)
        StatementLine.objects.filter(pk=row.pk).update(
            state=_state_after(receipt, row, judged_as),
            receipt=receipt,
            payment=receipt.payment_id,
        )

    def _try_again(self) -> None:
        """Try lines of the account that did not go in before, of this statement or another."""
        rows = StatementLine.objects.filter(
            shop=self._statement.shop_id,
            config=self._config,
            kind=LineKind.PAYMENT,
            state=LineState.NEW,
        )
        for row in rows.order_by("completed_at"):
            self._enter(row, LineState.ONLY_SAFARICOM)

    def _money(self, row: StatementLine) -> ArrivedMoney:
        return ArrivedMoney(
            receipt_number=row.receipt_number,
            amount=row.paid_in,
            shortcode=self._statement.shortcode,
            account_reference=row.account_reference,
            transaction_type=row.reason_type,
            paid_at=row.completed_at,
            msisdn_masked=row.payer_masked,
            payer_name=row.payer_initials,
        )

    @property
    def _actor(self) -> Actor:
        return Actor.system("statement")

    def _open_run(self) -> None:
        """Write down that a pass began; the next worker finds the same one."""
        statement = self._statement
        self._run, _is_new = Run.objects.get_or_create(
            pk=statement.pk,
            defaults={
                "kind": RunKind.STATEMENT,
                "shop_id": statement.shop_id,
                "environment": statement.environment,
                "config_id": statement.config_id,
                "since": statement.since,
                "until": statement.until,
                "asked": statement.lines_total or 0,
                "detail": {"statement": str(statement.pk), "file": statement.filename},
                "started_at": self._clock(),
            },
        )

    def _finish(self) -> None:
        self._try_again()
        reversing.note_reversals(self._statement, now=self._clock())
        missing.doubt_missing(self._statement, now=self._clock())
        now = self._clock()
        counts = _counts(self._statement)
        with transaction.atomic():
            # Whoever is first to finish writes it down, once.
            taking.hold(
                self._statement,
                now=now,
                status=StatementStatus.APPLIED,
                applied_at=now,
                counts={**self._statement.counts, **counts},
                read_lines="",
            )
            self._close_run(counts, now=now)
            record(
                AuditAction.STATEMENT_APPLIED,
                self._statement,
                shop_id=self._statement.shop_id,
                actor=actor_of(self._statement),
                now=now,
                changes=[{"field": k, "old": None, "new": v} for k, v in counts.items()],
            )
        taking.release(self._statement)

    def _close_run(self, counts: dict[str, int], *, now: datetime) -> None:
        states = {name.removeprefix("state_"): n for name, n in counts.items()}
        self._run.outcome, self._run.finished_at = RunOutcome.DONE, now
        self._run.found = counts["inserted"]
        self._run.changed = counts["learnt"]
        self._run.reviews = states.get("amount_differs", 0) + states.get("conflict", 0)
        self._run.detail = {**self._run.detail, **counts}
        self._run.save(
            update_fields=["outcome", "finished_at", "found", "changed", "reviews", "detail"]
        )


def _state_after(receipt: Receipt, row: StatementLine, judged_as: str) -> str:
    """Say how a line stands that went through the door."""
    if judged_as == LineState.CONFLICT:
        return LineState.CONFLICT
    if receipt.amount is not None and receipt.amount != row.paid_in:
        return LineState.AMOUNT_DIFFERS
    return LineState.MATCHED if receipt.payment_id else judged_as


def _learn_payer(receipt: Receipt, row: StatementLine) -> None:
    """Give a receipt the payer's index, which arriving money has only of whole numbers."""
    if row.payer_index and not receipt.payer_index:
        rows = Receipt.objects.filter(pk=receipt.pk, payer_index="")
        rows.update(payer_index=row.payer_index)


def _counts(statement: StatementImport) -> dict[str, int]:
    """Count what the books have of the statement now."""
    rows = StatementLine.objects.filter(statement=statement).order_by()
    by_state = dict(rows.values_list("state").annotate(n=Count("pk")))
    learnt = rows.filter(kind=LineKind.PAYMENT, receipt__channel=_CHANNEL).count()
    inserted = sum(by_state.values())
    counts: dict[str, Any] = {f"state_{state}": n for state, n in by_state.items()}
    known = (statement.lines_total or 0) - inserted
    return {**counts, "inserted": inserted, "known": known, "learnt": learnt}
