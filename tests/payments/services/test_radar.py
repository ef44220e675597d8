"""Money taken back after the goods left: seen at the next look, told once, and the payer known."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.core import mail
from django.test import Client
from django.utils import timezone

from payments.choices import EvidenceSource
from payments.models import Notice, ProviderRequest, Receipt, Review
from payments.services import notice_mails, radar, rechecks
from payments.services.money_audit import audit_money
from tests.daraja import FakeDaraja
from tests.payments.services.receipt_world import receipt_row
from tests.payments.services.request_world import WITH_INITIATOR, paid, person, status_of

pytestmark = pytest.mark.django_db
START = "2026-03-04T09:00:00+00:00"


@pytest.fixture
def clock(db):
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def now(clock):
    return timezone.now()


@pytest.fixture(autouse=True)
def at_once(daraja):
    daraja.engine.knobs.result_after_s = 0.0


@pytest.fixture
def paybill(shop, branch, make_config):
    return make_config(
        shop,
        name="Paybill",
        provider="mpesa_paybill",
        shortcode="600100",
        branch=branch,
        recheck_above=None,
        credentials=WITH_INITIATOR,
    )


@pytest.fixture
def later(clock, daraja):
    """Let time pass, sweep, and hear what Safaricom says; return how many were asked about."""

    def later(minutes):
        clock.shift(timedelta(minutes=minutes))
        asked = rechecks.look_again(now=timezone.now())
        daraja.deliver(Client())
        return asked

    return later


class TestSecondLooks:
    def test_come_after_15_minutes_2_hours_and_24(self, paybill, daraja, later, now):
        receipt = paid(paybill, daraja, amount=12_000, now=now)

        asked = [later(minutes) for minutes in (1, 13, 1, 60, 45, 60, 1259, 1, 60)]

        assert asked == [0, 0, 1, 0, 1, 0, 0, 1, 0]
        receipt.refresh_from_db()
        assert (receipt.asked_count, receipt.next_ask_at, receipt.status) == (3, None, "credited")

    def test_find_money_taken_back_ten_minutes_after(self, paybill, daraja, later, clock, now):
        receipt = paid(paybill, daraja, amount=12_000, now=now)
        later(1)
        clock.shift(timedelta(minutes=9))
        daraja.engine.take_back(receipt.number, now=timezone.now())

        assert later(5) == 1

        receipt.refresh_from_db()
        assert (receipt.status, status_of(receipt.payment)) == ("reversed", "reversed")
        notice = Notice.objects.get(code="reversed")
        assert (notice.subject, notice.data["branch"]) == (receipt.number, "Westlands")
        assert (notice.data["cashier"], notice.data["amount"]) == ("Till 3", "12000.00")
        assert audit_money() == []
        assert later(120) == 0

    def test_are_for_large_amounts(self, paybill, daraja, later, now):
        paid(paybill, daraja, amount=9_999, now=now)

        assert (later(1), later(15)) == (0, 0)

    def test_begin_at_what_the_config_says(self, paybill, daraja, later, now):
        paybill.recheck_above = 100
        paybill.save(update_fields=["recheck_above"])
        paid(paybill, daraja, amount=100, now=now)
        paid(paybill, daraja, amount=99, now=now)

        assert (later(1), later(15)) == (0, 1)

    def test_are_for_payers_who_took_money_back_before(self, paybill, daraja, later, now, actor):
        first = paid(paybill, daraja, amount=20, msisdn="254712345678", now=now)
        source = EvidenceSource.TRANSACTION_STATUS
        radar.note_reversal(first, source=source, actor=actor, now=now)
        paid(paybill, daraja, amount=30, msisdn="254712345678", now=now)
        paid(paybill, daraja, amount=30, msisdn="254712345679", now=now)

        assert (later(1), later(15)) == (0, 1)

    def test_need_an_initiator(self, shop, make_config, daraja, later, now):
        plain = make_config(shop, provider="mpesa_paybill", shortcode="600200")
        paid(plain, daraja, amount=12_000, now=now)

        assert (later(1), later(15)) == (0, 0)

    def test_keep_within_the_budget(self, paybill, daraja, later, now, settings):
        settings.QUERY_BUDGET_PER_MINUTE = 2
        for _each in range(3):
            paid(paybill, daraja, amount=12_000, now=now)

        assert (later(1), later(15), later(1)) == (0, 2, 1)

    def test_stop_before_a_wrong_operator_is_locked(self, paybill, daraja, later, now):
        for _each in range(3):
            paid(paybill, daraja, amount=12_000, now=now)
        daraja.engine.register_initiator("somebody-else")
        first, *_others = Receipt.objects.order_by("created_at")
        later(1)
        Receipt.objects.exclude(pk=first.pk).update(next_ask_at=None, created_at=now)

        assert later(15) == 1
        assert [later(minutes) for minutes in (1, 5, 15)] == [0, 0, 0]
        assert ProviderRequest.objects.count() == 1

    def test_ask_about_held_money_at_once(self, paybill, daraja, later, now):
        receipt_row(paybill, now=now, status="held", next_ask_at=now)

        assert [later(minutes) for minutes in (0, 1, 1, 14, 1)] == [1, 0, 1, 0, 1]

    def test_are_taken_by_one_sweep(self, paybill, daraja, now, later):
        paid(paybill, daraja, amount=12_000, now=now)
        later(1)
        due = now + timedelta(minutes=15)

        assert len(rechecks._claim(now=due, limit=10)) == 1
        assert rechecks._claim(now=due, limit=10) == []


class TestReversals:
    def test_are_told_once_whoever_tells_them(self, paybill, daraja, actor, now):
        receipt = paid(paybill, daraja, now=now)
        told = [
            radar.note_reversal(receipt, source=source, actor=actor, now=now)
            for source in (EvidenceSource.C2B_CONFIRMATION, EvidenceSource.PULL)
        ]

        assert told == [True, False]
        assert Notice.objects.filter(code="reversed").count() == 1
        assert status_of(receipt.payment) == "reversed"

    def test_of_nobodys_money_leave_nothing_to_claim(self, paybill, actor, now):
        receipt = receipt_row(paybill, now=now)

        source = EvidenceSource.C2B_CONFIRMATION
        radar.note_reversal(receipt, source=source, actor=actor, now=now)

        receipt.refresh_from_db()
        assert (receipt.status, receipt.payment) == ("reversed", None)

    def test_hold_goods_in_production(self, shop, make_config, actor, now):
        live = make_config(
            shop, provider="mpesa_paybill", shortcode="600300", environment="production"
        )

        with FakeDaraja(clock=timezone.now, base_url=settings.DARAJA_PRODUCTION_URL) as fake:
            receipt = paid(live, fake, now=now)

        source = EvidenceSource.TRANSACTION_STATUS
        radar.note_reversal(receipt, source=source, actor=actor, now=now)

        review = Review.objects.get()
        assert (review.code, review.blocking) == ("REVERSED_AFTER_RELEASE", True)
        assert (review.subject, review.payment) == (receipt.number, receipt.payment)

    def test_of_a_surplus_receipt_leave_the_payment_paid(self, paybill, daraja, actor, now):
        receipt = paid(paybill, daraja, now=now)
        extra = receipt_row(paybill, now=now, payment=receipt.payment, status="in_review")

        source = EvidenceSource.C2B_CONFIRMATION
        radar.note_reversal(extra, source=source, actor=actor, now=now)

        extra.refresh_from_db()
        assert (extra.status, status_of(receipt.payment)) == ("reversed", "completed")

    def test_are_mailed_to_the_admins(self, paybill, daraja, actor, now, shop):
        person(shop, "admin", "otieno")
        receipt = paid(paybill, daraja, now=now)
        source = EvidenceSource.TRANSACTION_STATUS
        radar.note_reversal(receipt, source=source, actor=actor, now=now)

        assert notice_mails.send_due(now=now) == 1

        [sent] = mail.outbox
        for part in (receipt.number, "150.00", "Westlands", "Till 3"):
            assert part in sent.body

    def test_stand_for_a_week(self, paybill, daraja, actor, now):
        receipt = paid(paybill, daraja, now=now)
        source = EvidenceSource.TRANSACTION_STATUS
        radar.note_reversal(receipt, source=source, actor=actor, now=now)

        assert radar.close_old(now=now + timedelta(days=6)) == 0
        assert radar.close_old(now=now + timedelta(days=7)) == 1


class TestRepeatPayers:
    def test_are_known_by_the_index_in_their_shop_alone(
        self, paybill, daraja, neighbour, actor, now
    ):
        receipt = paid(paybill, daraja, now=now)
        payer = radar.payer_of(receipt)
        assert payer
        assert not radar.is_repeat_payer(shop_id=receipt.shop_id, payer_index=payer)

        source = EvidenceSource.TRANSACTION_STATUS
        radar.note_reversal(receipt, source=source, actor=actor, now=now)

        assert radar.is_repeat_payer(shop_id=receipt.shop_id, payer_index=payer)
        assert not radar.is_repeat_payer(shop_id=neighbour.pk, payer_index=payer)
        assert not radar.is_repeat_payer(shop_id=receipt.shop_id, payer_index="")
        found = radar.repeat_payers(shop_id=receipt.shop_id, payer_indexes={payer, "x", ""})
        assert found == {payer}
