"""
Who works on which statement: rows are the queue, and a lease says who holds one.

A worker that dies leaves a lease that runs out, and the next one goes on where it stopped. A file
that ends its worker again and again is refused in the end.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from reconciliation.choices import StatementStatus
from reconciliation.models import StatementImport
from reconciliation.statements.problems import ProblemCode, problem

LEASE = timedelta(minutes=3)
MOST_TRIES = 3
_DUE = (StatementStatus.UPLOADED, StatementStatus.READING, StatementStatus.APPLYING)
HEAVY = ("file", "read_lines")


class LeaseLost(Exception):
    """Another worker holds the statement by now, or a person discarded it."""


def take(*, now: datetime) -> StatementImport | None:
    """Take the statement that waits longest, so that no other worker does."""
    free = Q(taken_at=None) | Q(taken_at__lt=now - LEASE)
    rows = StatementImport.objects.filter(free, status__in=_DUE).defer(*HEAVY)
    with transaction.atomic():
        taken = rows.select_for_update(of=("self",), skip_locked=True).order_by("uploaded_at")
        statement: StatementImport | None = taken.select_related("config").first()
        if statement is None:
            return None
        if statement.status == StatementStatus.UPLOADED:
            statement.status = StatementStatus.READING
        statement.taken_at = now
        if statement.status == StatementStatus.READING and not _try_again(statement):
            return None
        statement.save(update_fields=["status", "taken_at", "counts"])
        return statement


def hold(statement: StatementImport, *, now: datetime, **progress: Any) -> None:
    """
    Say that the work goes on, and how far it is.

    :raises LeaseLost: when the statement is no longer ours.
    """
    ours = StatementImport.objects.filter(
        pk=statement.pk, taken_at=statement.taken_at, status=statement.status
    )
    if not ours.update(taken_at=now, **progress):
        raise LeaseLost
    statement.taken_at = now
    for name, value in progress.items():
        setattr(statement, name, value)


def release(statement: StatementImport) -> None:
    """Give the statement back before it is done, for whoever comes next."""
    StatementImport.objects.filter(pk=statement.pk, taken_at=statement.taken_at).update(
        taken_at=None
    )


def _try_again(statement: StatementImport) -> bool:
    """Count the reading; refuse the statement, and say no, after too many that came to no end."""
    tries = int(statement.counts.get("tries", 0)) + 1
    statement.counts = {**statement.counts, "tries": tries}
    if tries <= MOST_TRIES:
        return True
    StatementImport.objects.filter(pk=statement.pk).update(
        status=StatementStatus.REFUSED, problems=[problem(ProblemCode.DAMAGED)], file=""
    )
    return False
