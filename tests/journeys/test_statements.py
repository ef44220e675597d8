"""A statement whose worker is killed, anywhere: the next sweep ends the work, and it is as once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.db.models import Count, Sum

from audit.models import AuditEntry
from payments.models import Receipt
from reconciliation.models import Run, StatementImport, StatementLine
from reconciliation.statements import importing, taking
from reconciliation.sweeps import SWEEPS
from tests.processes import database_url
from tests.reconciliation import statement_maker as maker
from tests.reconciliation.statements import desk
from tests.reconciliation.statements.desk import ACTOR, NOW

# A worker that is killed at the nth call of a step: the real code and SIGKILL, slices of ten lines.
DEATH = """
    import os, signal, sys
    from datetime import datetime
    from functools import reduce
    import django
    django.setup()
    from reconciliation.statements import applying, reading_jobs, reversing, taking, working

    *path, name = sys.argv[1].split(".")
    when, fatal, now = sys.argv[2], int(sys.argv[3]), datetime.fromisoformat(sys.argv[4])
    place = reduce(getattr, path[1:], globals()[path[0]])
    real = getattr(place, name)
    calls = iter(range(1, 100_000))

    def step(*args, **kwargs):
        is_last = next(calls) == fatal
        if is_last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        outcome = real(*args, **kwargs)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    setattr(place, name, step)
    applying.SLICE = reading_jobs.SLICE = 10
    working.work(clock=lambda: now, busy_s=60)
"""
READING = [
    ("taking.take", "after", 1),
    ("taking.hold", "before", 2),
    ("reading_jobs._Reading.finish", "before", 1),
]
APPLYING = [
    # The lines of the second slice stand, nothing of them went through the door.
    ("applying.write_lines", "after", 2),
    # The receipt is in the ledger, its line does not say so.
    ("applying.arrivals.take", "after", 3),
    ("taking.hold", "after", 2),
    ("reversing.note_reversals", "after", 1),
    # In the last transaction of all.
    ("applying.record", "before", 1),
]
LATER = NOW + taking.LEASE + timedelta(seconds=1)


@pytest.fixture
def made(paybill):
    """A statement of thirty payments with their charges, one of them taken back; ten are known."""
    made = maker.book(count=30)
    entries = desk.payments_in(made)
    desk.in_books(paybill, entries[:10])
    made.entries.append(maker.reversal(entries[20], maker.START + timedelta(hours=2)))
    return made


def kill(step, when, fatal):
    """Let a process of its own work on what waits, until it kills itself at the step."""
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database_url(),
        "PYTHONPATH": str(settings.BASE_DIR),
    }
    command = [sys.executable, "-c", textwrap.dedent(DEATH), step, when, str(fatal)]
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [*command, NOW.isoformat()], env=env, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]


def sweep(now):
    return SWEEPS["process_statements"](now=now)


def books(statement):
    """Return all sums of the books, and of the statement's lines by kind and state."""
    rows = StatementLine.objects.filter(statement=statement).order_by()
    lines = rows.values_list("kind", "state").annotate(
        number=Count("pk"), paid_in=Sum("paid_in"), withdrawn=Sum("withdrawn")
    )
    receipts = Receipt.objects.order_by().values_list("channel", "status")
    receipts = receipts.annotate(number=Count("pk"), amount=Sum("amount"))
    return sorted(lines), sorted(receipts)


def agrees_with(statement, made):
    """Check that every line is there once, with the sums of the file, and every payment too."""
    (lines, receipts), entries = books(statement), desk.payments_in(made)
    known, taken_back = entries[:10], entries[20]
    learnt = [entry for entry in entries[10:] if entry is not taken_back]
    charges = [entry.change for entry in made.entries if "Charge" in entry.reason]
    zero, amount = Decimal("0.00"), taken_back.change
    assert lines == [
        ("charge", "charge", 30, zero, -sum(charges)),
        ("payment", "matched", 10, _sum(known), zero),
        ("payment", "only_safaricom", 19, _sum(learnt), zero),
        ("payment", "reversed", 1, amount, zero),
        ("reversal", "reversed", 1, zero, amount),
        ("settlement", "settlement", 1, zero, Decimal("200.00")),
    ]
    assert receipts == [
        ("c2b", "unallocated", 10, _sum(known)),
        ("statement", "reversed", 1, amount),
        ("statement", "unallocated", 19, _sum(learnt)),
    ]


def _sum(entries):
    return sum((entry.change for entry in entries), Decimal("0.00"))


def is_done_once(statement, made):
    """Check the books, the record of passes and the trail; doing it again changes nothing."""
    row = StatementImport.objects.get(pk=statement.pk)
    assert (row.status, row.taken_at) == ("applied", None)
    assert row.lines_applied == row.lines_total == len(made.entries)
    agrees_with(row, made)
    run = Run.objects.get()
    assert (run.outcome, run.found, run.changed) == ("done", len(made.entries), 20)
    assert AuditEntry.objects.filter(action="statement.applied").count() == 1
    again = desk.bring(row.config, maker.text(made, separator=";"))
    assert again.counts["inserted"] == 0
    agrees_with(row, made)


class TestNobodyIsKilled:
    def test_brings_the_sums_all_others_must_come_to(self, paybill, made):
        is_done_once(desk.bring(paybill, made), made)


class TestKilledWhileReading:
    @pytest.mark.parametrize(("step", "when", "fatal"), READING)
    def test_is_read_to_its_end_by_the_next_sweep(self, paybill, made, step, when, fatal):
        statement = desk.upload(paybill, made)
        before = desk.everything()

        kill(step, when, fatal)

        assert desk.fresh(statement).status == "reading"
        assert desk.everything() == before
        assert sweep(NOW) == 0, "the dead worker's lease has not run out"
        assert sweep(LATER) == 1
        statement = desk.fresh(statement)
        assert (statement.status, statement.lines_total) == ("read", len(made.entries))
        assert desk.everything() == before
        is_done_once(desk.apply(statement), made)

    def test_the_third_time_it_is_refused_and_the_others_are_read(self, paybill, made):
        statement = desk.upload(paybill, made)
        StatementImport.objects.update(counts={"tries": taking.MOST_TRIES - 1})
        kill("taking.hold", "before", 1)
        other = desk.upload(paybill, maker.book(count=3, seed=1))

        sweep(LATER)
        sweep(LATER)

        assert (desk.fresh(statement).status, desk.fresh(other).status) == ("refused", "read")
        assert not StatementLine.objects.exists()


class TestKilledWhileApplying:
    @pytest.mark.parametrize(("step", "when", "fatal"), APPLYING)
    def test_is_gone_on_with_by_the_next_sweep(self, paybill, made, step, when, fatal):
        statement = desk.read(paybill, made)
        importing.start_applying(statement=statement, actor=ACTOR, now=NOW)

        kill(step, when, fatal)

        assert desk.fresh(statement).status == "applying"
        assert sweep(NOW) == 0, "the dead worker's lease has not run out"
        assert sweep(LATER) == 1
        is_done_once(statement, made)
