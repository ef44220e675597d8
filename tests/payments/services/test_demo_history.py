"""A past for the demo shops: as many payments as asked for, and books that hold."""

from __future__ import annotations

from collections import Counter

import pytest

from payments.models import Payment, Receipt
from payments.services import demo_history
from payments.services.demo import seed_demo
from payments.services.money_audit import audit_money

pytestmark = pytest.mark.django_db


@pytest.fixture
def past(monkeypatch, now):
    monkeypatch.setattr(demo_history, "SLICE", 150)
    seed_demo(now=now)
    return list(demo_history.seed_payments(400, now=now))


class TestThePast:
    def test_is_made_in_slices(self, past):
        assert past == [150, 300, 400]
        assert Payment.objects.count() == 400

    def test_holds_what_the_books_promise(self, past):
        assert audit_money() == []

    def test_has_every_end_and_mostly_success(self, past):
        ends = Counter(Payment.objects.values_list("status", flat=True))

        assert set(ends) == {"completed", "failed", "expired"}
        assert ends["completed"] > 300

    def test_lies_behind_us(self, past, now):
        assert not Payment.objects.filter(created_at__gt=now - demo_history._YOUNGEST).exists()

    def test_has_receipts_whose_letters_tell_the_day(self, past):
        receipt = Receipt.objects.filter(paid_at__year=2026, paid_at__month=11).first()

        assert receipt is None or receipt.number[:2] == "UK"
        assert all(len(number) == 10 for number in Receipt.objects.values_list("number", flat=True))

    def test_grows_when_asked_again(self, past, now):
        list(demo_history.seed_payments(10, now=now))

        assert Payment.objects.count() == 410
        assert audit_money() == []
