"""The table of allowed moves, and the database that holds us to it."""

from __future__ import annotations

import itertools

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from payments.choices import ConfigStatus, PaymentStatus
from payments.models import Payment
from payments.services.initiation import NewPayment, new_payment
from payments.states import (
    CONFIG_MOVES,
    FINAL_STATUSES,
    LIVE_STATUSES,
    PAYMENT_MOVES,
    may_move_config,
    may_move_payment,
)

# safety.md section 3, written a second time and by hand.
ALLOWED = {
    ("created", "pending"),
    ("created", "failed"),
    ("created", "expired"),
    ("created", "completed"),
    ("pending", "completed"),
    ("pending", "failed"),
    ("pending", "expired"),
    ("expired", "completed"),
    ("expired", "failed"),
    ("expired", "pending"),
    ("failed", "completed"),
    ("failed", "pending"),
    ("completed", "reversed"),
}
PAIRS = list(itertools.product(PaymentStatus.values, repeat=2))


@pytest.fixture
def payment(shop, till, actor, now):
    row = new_payment(
        shop=shop,
        environment="sandbox",
        branch=None,
        config=till,
        asked=NewPayment(amount=150, msisdn="254712345678"),
        actor=actor,
        now=now,
    )
    row.save(force_insert=True)
    return row


class TestPaymentMoves:
    @pytest.mark.parametrize(("old", "new"), PAIRS)
    def test_are_those_of_the_design(self, old, new):
        assert may_move_payment(old, new) is ((old, new) in ALLOWED)

    def test_divide_the_statuses_into_live_and_final(self):
        assert set(PaymentStatus) == LIVE_STATUSES | FINAL_STATUSES
        assert not LIVE_STATUSES & FINAL_STATUSES
        assert set(PAYMENT_MOVES) == set(PaymentStatus)


class TestTheDatabase:
    def test_refuses_every_other_move(self, payment):
        for old, new in PAIRS:
            _put(payment, old)

            moved = _try_sql(payment, f"status = '{new}', completed_at = now()")

            # Writing the status that is there already moves nothing.
            assert moved is ((old, new) in ALLOWED or old == new), f"{old} -> {new}"

    @pytest.mark.parametrize(
        "change",
        [
            "amount = amount + 1",
            "currency = 'USD'",
            "environment = 'production'",
            "order_ref = 'other'",
            "shop_id = gen_random_uuid()",
            "branch_id = gen_random_uuid()",
        ],
    )
    def test_refuses_to_change_the_money_i27(self, payment, change):
        assert _try_sql(payment, change) is False

    def test_refuses_completion_without_a_time(self, payment):
        assert _try_sql(payment, "status = 'completed', completed_at = NULL") is False

    @pytest.mark.parametrize("amount", ["0", "-1"])
    def test_refuses_to_ask_for_nothing(self, payment, amount):
        row = Payment.objects.get()
        row.pk, row.amount = None, amount
        with pytest.raises(DatabaseError), transaction.atomic():
            row.save(force_insert=True)

    def test_keeps_transitions_for_ever(self, payment, now):
        row = payment.transitions.create(
            shop_id=payment.shop_id, number=1, to_status="created", actor_kind="system", at=now
        )

        for statement in (
            "DELETE FROM payments_transition",
            "UPDATE payments_transition SET why=''",
        ):
            assert _try(f"{statement} WHERE id = %s", row.pk) is False


class TestConfigMoves:
    def test_are_those_of_the_design(self):
        allowed = {
            ("draft", "pending"),
            ("pending", "verified"),
            ("pending", "failed"),
            ("failed", "draft"),
            ("failed", "pending"),
            ("verified", "suspended"),
            ("verified", "expired"),
            ("suspended", "pending"),
            ("suspended", "expired"),
            ("expired", "draft"),
        }
        for old, new in itertools.product(ConfigStatus.values, repeat=2):
            assert may_move_config(old, new) is ((old, new) in allowed), f"{old} -> {new}"
        assert set(CONFIG_MOVES) == set(ConfigStatus)


def _put(payment, status):
    """Put a payment into a status behind the trigger's back."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE payments_payment SET status = %s, completed_at = %s WHERE id = %s",
            [status, timezone.now(), payment.pk],
        )
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def _try_sql(payment, change):
    return _try(f"UPDATE payments_payment SET {change} WHERE id = %s", payment.pk)  # noqa: S608


def _try(statement, pk):
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [pk])
    except DatabaseError:
        return False
    return True
