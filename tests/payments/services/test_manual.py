"""Money a person writes down: paid once, never deleted, in nobody's way."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from audit.models import AuditEntry
from payments.choices import FAMILY_OF, EvidenceSource, ReceiptChannel, ReceiptStatus
from payments.errors import (
    InvalidInput,
    InvalidTransition,
    NotFound,
    OrderAlreadyPaid,
    ReceiptAlreadyUsed,
)
from payments.models import Event, Payment, Receipt
from payments.providers.daraja import status_messages
from payments.services import (
    ledger,
    manual,
    manual_receipts,
    radar,
    receipt_acts,
    receipt_checks,
)
from payments.services.manual import ManualPayment
from payments.services.money_audit import audit_money
from payments.services.representation import explanation_of
from tests.backoffice import ours
from tests.payments.services.arrival_world import body, confirm

__all__ = ["ours"]
pytestmark = pytest.mark.django_db
NUMBER = "TKL4ABC123"


@pytest.fixture
def write_down(shop, actor, now):
    def record(amount="1500.50", method="mpesa", *, at=shop, branch=None, world="sandbox", **given):
        return manual.record(
            shop=at,
            environment=world,
            branch=branch,
            given=ManualPayment(Decimal(amount), method, **given),
            idempotency_key=None,
            actor=actor,
            now=now,
        )

    return record


@pytest.fixture
def received(shop, now):
    """Put money of our shop, of which a provider told, into the ledger."""

    def put(number=NUMBER, *, at=shop, amount="1500.50", status="unallocated", **more):
        values = {"family": "mpesa", "channel": "c2b", "created_at": now, **more}
        return Receipt.objects.create(
            shop=at,
            environment="sandbox",
            number=number,
            amount=Decimal(amount),
            status=status,
            **values,
        )

    return put


class TestRecording:
    @pytest.mark.parametrize(
        "method", ["cash", "mpesa", "airtel_money", "bank_transfer", "card", "other"]
    )
    def test_completes_at_once(self, write_down, method):
        payment = write_down(method=method, order_ref="SALE-1", msisdn="254712345678")

        row = Payment.objects.get(pk=payment.pk)
        assert (row.status, row.origin, row.method, row.config) == (
            "completed",
            "manual",
            method,
            None,
        )
        assert row.amount == Decimal("1500.50")
        assert row.phone_masked == "2547*****678"
        steps = row.transitions.values_list("from_status", "to_status")
        assert list(steps) == [("", "created"), ("created", "completed")]
        assert [event.type for event in Event.objects.order_by("seq")] == [
            "payment.created",
            "payment.completed",
        ]
        assert Event.objects.last().data["paid"] is True
        assert audit_money() == []

    def test_is_on_the_trail_with_its_reason(self, write_down, shop):
        write_down(reason="The till was offline")

        entry = AuditEntry.objects.get(shop=shop, action="payment.manual_recorded")
        assert entry.reason == "The till was offline"
        assert {"field": "amount", "old": None, "new": "1500.50"} in entry.changes

    @pytest.mark.parametrize("amount", ["0", "-1", "0.001", "10000000000", "NaN"])
    def test_refuses_what_is_no_amount(self, write_down, amount):
        with pytest.raises(InvalidInput) as refusal:
            write_down(amount)

        assert refusal.value.errors[0][0] == "amount"
        assert not Payment.objects.exists()

    def test_pays_an_order_once(self, write_down):
        write_down(method="cash", order_ref="SALE-1")

        with pytest.raises(OrderAlreadyPaid):
            write_down(method="card", order_ref="SALE-1")
        assert Payment.objects.count() == 1

    def test_uses_the_account_without_api(self, write_down, make_config, shop, branch):
        paybill = make_config(shop, provider="mpesa_paybill", shortcode="600100")
        type(paybill).objects.filter(pk=paybill.pk).update(has_api=False)

        assert write_down(branch=branch).config == paybill
        assert write_down(method="cash").config is None


class TestReceiptNumbers:
    @pytest.mark.parametrize(
        ("method", "reference", "number"),
        [
            ("mpesa", "tkl4abc123", "TKL4ABC123"),
            ("mpesa", " TKL4 ABC123 ", "TKL4ABC123"),
            ("mpesa", "by hand", None),
            ("mpesa", "ABCDEFGHIJ", None),
            ("mpesa", "1234567890", None),
            ("airtel_money", "MP240101.1234.A12345", "MP240101.1234.A12345"),
            ("bank_transfer", "FT24001ABC", "FT24001ABC"),
            ("bank_transfer", "deposit", None),
            ("card", "123456", None),
            ("cash", "TKL4ABC123", None),
        ],
    )
    def test_are_read_by_method(self, method, reference, number):
        typed = manual_receipts.read(method, reference)

        assert (typed.number if typed else None) == number

    def test_enter_the_ledger_as_credited(self, write_down):
        payment = write_down(reference=NUMBER.lower())

        receipt = Receipt.objects.get()
        assert (receipt.number, receipt.status, receipt.channel) == (NUMBER, "credited", "manual")
        assert (receipt.family, receipt.payment) == ("mpesa", payment)
        assert payment.receipt_number == NUMBER
        assert audit_money() == []

    def test_pay_once(self, write_down):
        write_down(reference=NUMBER)

        with pytest.raises(ReceiptAlreadyUsed):
            write_down(reference=NUMBER)
        assert (Payment.objects.count(), Receipt.objects.count()) == (1, 1)

    @pytest.mark.parametrize("status", ["held", "in_review", "credited", "reversed"])
    def test_of_money_that_is_used_pay_nothing(self, write_down, received, status):
        received(status=status)

        with pytest.raises(ReceiptAlreadyUsed):
            write_down(reference=NUMBER)
        assert not Payment.objects.exists()

    def test_are_found_under_either_name_of_a_banks_paybill(self, write_down, received):
        received(family=FAMILY_OF["bank_transfer"], status="credited")

        with pytest.raises(ReceiptAlreadyUsed):
            write_down(method="mpesa", reference=NUMBER)

    def test_of_a_neighbour_are_neither_seen_nor_taken(self, write_down, received, neighbour):
        """The answer is that to a number nobody knows, and his money stays his."""
        theirs = received(at=neighbour)

        there, nowhere = write_down(reference=NUMBER), write_down(reference="TKL4ABC124")

        assert (there.status, there.receipt_number) == ("completed", NUMBER)
        assert (nowhere.status, nowhere.receipt_number) == ("completed", "TKL4ABC124")
        theirs.refresh_from_db()
        assert (theirs.status, theirs.payment) == ("unallocated", None)

    def test_typed_first_do_not_hold_a_neighbours_money(self, write_down, received, neighbour):
        write_down(reference=NUMBER)

        assert received(at=neighbour, status=ReceiptStatus.UNALLOCATED).number == NUMBER

    def test_in_our_own_shop_hold_the_money_that_comes_later(self, write_down, received):
        write_down(reference=NUMBER)

        with pytest.raises(IntegrityError), transaction.atomic():
            received()

    def test_yield_in_the_ledger_to_what_a_provider_told(
        self, write_down, received, neighbour, shop, till, now
    ):
        """Whichever was there first, evidence of a payment meets the provider's row."""
        write_down(at=neighbour, reference=NUMBER)
        payment = Payment(
            shop=shop, environment="sandbox", config=till, provider=till.provider, amount=5,
            expires_at=now,
        )  # fmt: skip
        payment.save(force_insert=True)
        seen = ledger.SeenReceipt(payment, till.pk, NUMBER, Decimal(5), ReceiptChannel.STK, now)

        entered = ledger.enter_receipts([seen], now=now)[seen.key]

        assert entered.shop_id == shop.pk
        assert not ledger.is_foreign(entered, payment)


class TestVoiding:
    def test_takes_it_back_and_keeps_it(self, write_down, actor, now):
        payment = write_down(method="cash")

        manual.void(payment=payment, reason="Typed twice", actor=actor, now=now)

        row = Payment.objects.get(pk=payment.pk)
        assert row.status == "reversed"
        last = row.transitions.last()
        assert (last.from_status, last.to_status, last.why) == (
            "completed",
            "reversed",
            "Voided: Typed twice",
        )
        assert Event.objects.last().type == "payment.reversed"
        entry = AuditEntry.objects.get(action="payment.manual_voided")
        assert entry.reason == "Typed twice"
        assert audit_money() == []

    def test_happens_once(self, write_down, actor, now):
        payment = write_down(method="cash")
        manual.void(payment=payment, reason="Typed twice", actor=actor, now=now)

        with pytest.raises(InvalidTransition):
            manual.void(payment=payment, reason="Again", actor=actor, now=now)

    def test_needs_a_reason(self, write_down, actor, now):
        with pytest.raises(InvalidInput):
            manual.void(payment=write_down(), reason=" ", actor=actor, now=now)

    def test_is_for_payments_by_hand(self, ours, actor, now):
        with pytest.raises(InvalidTransition):
            manual.void(payment=ours.payments["here"], reason="No", actor=actor, now=now)
        assert Payment.objects.get(pk=ours.payments["here"].pk).status == "completed"

    def test_frees_the_number_for_the_right_amount(self, write_down, actor, now):
        wrong = write_down("150", reference=NUMBER)
        manual.void(payment=wrong, reason="Wrong amount", actor=actor, now=now)

        right = write_down("1500", reference=NUMBER)

        assert right.receipt_number == NUMBER
        receipts = Receipt.objects.order_by("created_at", "id").values_list("status", "amount")
        assert sorted(receipts) == [
            ("credited", Decimal("1500.00")),
            ("reversed", Decimal("150.00")),
        ]
        assert audit_money() == []

    def test_frees_the_number_for_the_money_itself(self, write_down, received, actor, now):
        manual.void(payment=write_down(reference=NUMBER), reason="Fake", actor=actor, now=now)

        assert received().number == NUMBER

    def test_gives_money_a_provider_told_of_back_to_be_claimed(self, write_down, actor, now):
        payment = write_down(reference=NUMBER)
        Receipt.objects.update(channel=ReceiptChannel.C2B)

        manual.void(payment=payment, reason="Wrong order", actor=actor, now=now)

        receipt = Receipt.objects.get()
        assert (receipt.status, receipt.payment, receipt.reason) == (
            "unallocated",
            None,
            "released",
        )
        assert AuditEntry.objects.filter(action="receipt.released").count() == 1
        assert audit_money() == []

    def test_of_a_wrong_amount_leaves_the_money_that_really_came(
        self, write_down, paybill, actor, now
    ):
        payment = write_down("100", reference=NUMBER)
        confirm(paybill, body(paybill, now=now, TransID=NUMBER, TransAmount="150.00"), now=now)
        assert payment.reviews.get().code == "AMOUNT_MISMATCH"
        assert Receipt.objects.get().amount == Decimal(150)
        assert audit_money() == []

        manual.void(payment=payment, reason="Wrong amount", actor=actor, now=now)

        receipt = Receipt.objects.get()
        assert (receipt.status, receipt.amount) == ("unallocated", Decimal(150))
        assert audit_money() == []

    def test_lets_the_order_be_paid_again(self, write_down, actor, now):
        first = write_down(method="cash", order_ref="SALE-1")
        manual.void(payment=first, reason="It was card", actor=actor, now=now)

        assert write_down(method="card", order_ref="SALE-1").status == "completed"

    @pytest.mark.parametrize(
        ("method", "reference"), [("cash", ""), ("mpesa", NUMBER)], ids=["cash", "mpesa"]
    )
    def test_is_not_told_as_money_that_went_back(self, write_down, actor, now, method, reference):
        payment = write_down(method=method, reference=reference)
        voided = manual.void(payment=payment, reason="Typed twice", actor=actor, now=now)

        row = explanation_of(voided, [], [])

        assert row.message == status_messages.VOIDED.message
        assert "went back" not in row.message.en
        assert "zimerudishwa" not in row.message.sw

    def test_is_told_as_such_where_the_provider_took_the_money_back(self, write_down, actor, now):
        payment = write_down(reference=NUMBER)
        receipt = Receipt.objects.get()
        source = EvidenceSource.STATEMENT
        radar.note_reversal(receipt, source=source, actor=actor, now=now)
        payment.refresh_from_db()

        assert (payment.status, payment.receipt_number) == ("reversed", NUMBER)
        assert explanation_of(payment, [], []).message == status_messages.REVERSED.message
        assert audit_money() == []

    def test_of_a_word_is_not_stopped_by_a_neighbours_money(
        self, write_down, received, neighbour, actor, now
    ):
        received(at=neighbour)
        payment = write_down(reference=NUMBER)
        receipt = payment.receipts.get()
        source = EvidenceSource.STATEMENT

        radar.note_reversal(receipt, source=source, actor=actor, now=now)

        payment.refresh_from_db()
        assert payment.status == "reversed"
        assert Receipt.objects.get(shop=neighbour).status == "unallocated"
        assert audit_money() == []

    def test_lets_the_till_see_the_money_itself_and_no_voided_word(
        self, shop, paybill, write_down, received, actor, now
    ):
        manual.void(payment=write_down(reference=NUMBER), reason="Fake", actor=actor, now=now)
        at_the_till = {"shop": shop, "environment": "sandbox", "branch": None, "actor": actor}
        shown = receipt_checks.read(NUMBER)
        before = receipt_checks.check(shown=shown, now=now, **at_the_till)
        sale = {"receipt_number": NUMBER, "order_ref": "S", "idempotency_key": None}
        with pytest.raises(NotFound):
            receipt_acts.claim(amount=Decimal(150), now=now, **sale, **at_the_till)

        money = received(config=paybill)

        after = receipt_checks.check(shown=shown, now=now, **at_the_till)
        claimed = receipt_acts.claim(amount=money.amount, now=now, **sale, **at_the_till)
        assert (before.answer, before.receipt) == ("not_seen_yet", None)
        assert (after.answer, after.receipt) == ("genuine_unclaimed", money)
        assert claimed.receipts.get() == money
