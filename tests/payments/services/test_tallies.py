"""The folded sums say what the payments say: to the cent, at every moment, whoever folds when."""

from __future__ import annotations

import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Count, Q, Sum
from django.db.models.functions import ExtractHour, TruncDate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments.choices import PaymentStatus
from payments.models import DaySum, HourSum, Payment, TallyChange
from payments.receipt_choices import PaymentOrigin
from payments.services import tallies
from payments.services.money_audit import audit_money
from payments.states import PAYMENT_MOVES
from tenants.ids import new_id

pytestmark = pytest.mark.django_db
# Just before midnight in Nairobi: hours, days and months end here.
START = datetime(2026, 1, 31, 20, 30, tzinfo=UTC)
STATUSES = sorted(PAYMENT_MOVES)


@pytest.fixture
def write(shop, branch, till):
    """Write a payment as a provider's answer would, without one."""

    def make(minutes, status, *, amount="10.00", who="Till 1", code="", placed=True, by_hand=False):
        at = START + timedelta(minutes=minutes)
        return Payment.objects.create(
            pk=new_id(), shop=shop, environment="sandbox", branch=branch if placed else None,
            config=None if by_hand else till, status=status, amount=Decimal(amount),
            result_code=code, created_by=who, created_at=at, expires_at=at,
            completed_at=at if status == "completed" else None,
            origin=PaymentOrigin.MANUAL if by_hand else PaymentOrigin.PROMPT,
            method="cash" if by_hand else "",
        )  # fmt: skip

    return make


def move(payment, status):
    at = payment.created_at if status == "completed" else payment.completed_at
    Payment.objects.filter(pk=payment.pk).update(status=status, completed_at=at)


def added(rows, *names):
    found = Counter()
    for row in rows:
        key = tuple(row[name] for name in names)
        found[key, "count"] += row["count"]
        found[key, "total"] += row["total"]
    return {key: value for key, value in found.items() if value}


def straight(names, **where):
    """Ask the payments themselves."""
    rows = Payment.objects.filter(**where).order_by().values(*names)
    return added(rows.annotate(count=Count("pk"), total=Sum("amount")), *names)


class TestCounting:
    def test_counts_a_payment_once_whatever_becomes_of_it(self, write):
        payment = write(0, "created")
        seen = []
        for status in ("pending", "expired", "completed", "reversed"):
            move(payment, status)
            rows = tallies.counted(Q(), "status", since=START)
            seen.append([(row["status"], row["count"]) for row in rows])
            tallies.fold()

        assert seen == [[(s, 1)] for s in ("pending", "expired", "completed", "reversed")]

    def test_tells_no_kind_that_is_empty(self, write):
        payment = write(0, "failed", code="1032")
        tallies.fold()
        move(payment, "completed")
        tallies.fold()

        rows = tallies.counted(Q(), "status", since=START)

        assert [row["status"] for row in rows] == ["completed"]

    def test_follows_a_payment_that_is_deleted_in_the_database(self, write):
        write(0, "completed")
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM payments_payment")

        assert tallies.counted(Q(), "status", since=START) == []

    def test_takes_no_note_of_what_is_not_counted(self, write):
        payment = write(0, "completed")
        before = TallyChange.objects.count()

        Payment.objects.filter(pk=payment.pk).update(label="Stall 7", note="x")

        assert TallyChange.objects.count() == before == 1

    @pytest.mark.parametrize("unit", [tallies.HOURS, tallies.DAYS], ids=["hours", "days"])
    @pytest.mark.parametrize(
        ("since", "until"),
        [(0, 60), (-30, 30), (29, 31), (30, 30), (31, 35), (5, 1500), (-45, 2000), (0, None)],
    )
    def test_counts_the_edges_exactly(self, write, unit, since, until):
        for minute in (-31, -30, -1, 0, 4, 29, 30, 31, 34, 35, 59, 60, 61, 1469, 1470, 1999, 2000):
            write(minute, "completed", amount=f"{minute + 100}.01")
        tallies.fold(most=9)
        start, end = (
            None if minute is None else START + timedelta(minutes=minute)
            for minute in (since, until)
        )

        rows = tallies.counted(Q(), "status", since=start, until=end, unit=unit)

        where = {"created_at__gte": start} | ({"created_at__lt": end} if end else {})
        assert added(rows, "status") == straight(["status"], **where)


class TestFolding:
    def test_folds_the_oldest_first_and_says_how_many(self, write):
        for minute in range(5):
            write(minute, "completed")

        assert [tallies.fold(most=3), tallies.fold(most=3), tallies.fold(most=3)] == [3, 2, 0]
        assert HourSum.objects.get().count == DaySum.objects.get().count == 5

    def test_keeps_worlds_branches_and_origins_apart(self, write, branch):
        write(0, "completed", amount="1.00")
        write(0, "completed", amount="2.00", placed=False)
        write(0, "completed", amount="4.00", by_hand=True)
        tallies.fold()

        here = tallies.counted(Q(branch=branch.pk), "origin", since=START)
        sandbox = tallies.counted(Q(environment="sandbox"), since=START)
        real = tallies.counted(Q(environment="production"), since=START)

        assert {row["origin"]: row["total"] for row in here} == {"prompt": 1, "manual": 4}
        assert sum(row["total"] for row in sandbox) == 7
        assert real == []

    @pytest.mark.parametrize(
        ("sums", "wrong", "breaches"),
        [
            (HourSum, {"amount": 1}, 1),
            (HourSum, {"count": 2}, 1),
            # The money is there, but not where it belongs: one place has too much, one too little.
            (HourSum, {"branch": None}, 2),
            (HourSum, {"result_code": "1032"}, 2),
            (DaySum, {"amount": 1}, 1),
            (DaySum, {"created_by": "Nobody"}, 2),
        ],
    )
    def test_is_audited(self, write, sums, wrong, breaches):
        write(0, "completed", amount="3.50")
        tallies.fold()
        clean = [breach for breach in audit_money() if breach.code == "B9"]
        sums.objects.update(**wrong)

        assert clean == []
        assert [each.code for each in audit_money() if each.code == "B9"] == ["B9"] * breaches

    def test_is_made_anew_from_the_payments(self, write):
        write(0, "completed", amount="3.50")
        tallies.fold()
        HourSum.objects.update(count=99, amount=1)
        DaySum.objects.all().delete()

        call_command("rebuild_tallies", stdout=io.StringIO())

        for unit in (tallies.HOURS, tallies.DAYS):
            rows = tallies.counted(Q(), "status", since=START, unit=unit)
            assert added(rows, "status") == straight(["status"])


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "move", "fold"]),
        st.integers(-90, 2_000),
        st.sampled_from(STATUSES),
        st.integers(1, 100_000),
        st.sampled_from(["Till 1", "Till 2", "Njeri"]),
        st.sampled_from(["", "1032", "2001"]),
    ),
    max_size=25,
)
_HOUR = {"hour": ExtractHour("created_at", tallies.NAIROBI)}
_DAY = {"day": TruncDate("created_at", tzinfo=tallies.NAIROBI)}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=_STEPS, edges=st.tuples(st.integers(-120, 2_100), st.integers(0, 2_100)))
def test_any_story_adds_up(write, steps, edges):
    Payment.objects.all()._raw_delete("default")
    tallies.rebuild()
    _play(write, steps)

    since = START + timedelta(minutes=edges[0])
    stretch = {"since": since, "until": since + timedelta(minutes=edges[1])}
    within = Payment.objects.filter(created_at__gte=since, created_at__lt=stretch["until"])
    for unit, names, moment in (
        (tallies.HOURS, ("status", "result_code", "config"), _HOUR),
        (tallies.DAYS, ("status", "created_by", "branch"), _DAY),
    ):
        rows = tallies.counted(Q(), *names, unit=unit, **moment, **stretch)
        keys = (*names, *moment)
        directly = within.annotate(**moment).order_by().values(*keys)
        directly = directly.annotate(count=Count("pk"), total=Sum("amount"))
        assert added(rows, *keys) == added(directly, *keys)


def _play(write, steps):
    made = []
    for what, minutes, status, cents, who, code in steps:
        if what == "write":
            made.append(write(minutes, status, amount=Decimal(cents) / 100, who=who, code=code))
        elif what == "fold":
            tallies.fold(most=2)
        elif made:
            payment = made[minutes % len(made)]
            payment.refresh_from_db(fields=["status"])
            allowed = sorted(PAYMENT_MOVES[PaymentStatus(payment.status)])
            if allowed:
                move(payment, allowed[cents % len(allowed)])
