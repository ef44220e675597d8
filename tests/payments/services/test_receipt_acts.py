"""Money that arrived is used once, by whom may, and every act can be undone by another act."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from audit.models import AuditEntry
from audit.recording import ReasonMissing
from payments.choices import EvidenceSource, OutcomeVerdict, ReceiptStatus
from payments.errors import (
    AmountDiffers,
    InvalidInput,
    InvalidTransition,
    NotFound,
    OrderAlreadyPaid,
    ReceiptAlreadyUsed,
)
from payments.models import Attempt, Event, Payment, Receipt, Refund, Review
from payments.providers.base import Outcome
from payments.services import receipt_acts
from payments.services.cases import NewEvidence
from payments.services.evidence import apply_evidence
from payments.services.money_audit import audit_money
from payments.services.transitions import Change, move_payment
from tenants import services as tenants
from tests.payments.services.receipt_world import MANAGER, asked_payment, receipt_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def receipt(paybill, now):
    return receipt_row(paybill, now=now)


@pytest.fixture
def claim(shop, actor, now):
    def act(receipt, **given):
        values = {
            "shop": shop,
            "environment": "sandbox",
            "branch": None,
            "receipt_number": receipt.number,
            "order_ref": "SALE-1",
            "amount": receipt.amount,
            "idempotency_key": None,
            "actor": actor,
            "now": now,
        }
        return receipt_acts.claim(**{**values, **given})

    return act


def trail(receipt):
    rows = AuditEntry.objects.filter(object_type="payments.receipt", object_id=str(receipt.pk))
    return list(rows.order_by("seq").values_list("action", flat=True))


def events():
    return list(Event.objects.order_by("seq").values_list("type", flat=True))


def word(payment, *, number="", source=EvidenceSource.STK_CALLBACK, now, amount=None, attempt=True):
    """Let Safaricom say that an asked payment is paid."""
    attempt_id = Attempt.objects.get(payment=payment).pk if attempt else None
    outcome = Outcome(
        verdict=OutcomeVerdict.SUCCEEDED,
        result_code="0",
        is_final=True,
        receipt_number=number or None,
        amount=amount,
    )
    said = NewEvidence(payment.pk, attempt_id, source, outcome, MANAGER, now)
    return apply_evidence(said, now=now).payment


class TestClaim:
    def test_makes_a_completed_payment_of_the_order(self, receipt, claim, actor, now):
        payment = claim(receipt)

        receipt.refresh_from_db()
        assert (payment.status, payment.origin) == ("completed", "receipt")
        assert (payment.order_ref, payment.amount) == ("SALE-1", Decimal("150.00"))
        assert (payment.config_id, payment.account_reference) == (receipt.config_id, "KIOSK")
        assert (payment.receipt_number, payment.phone_masked) == (receipt.number, "2547*****678")
        assert not payment.late
        assert (receipt.status, receipt.payment_id) == ("credited", payment.pk)
        assert (receipt.claimed_at, receipt.claimed_by, receipt.reason) == (now, actor.label, "")
        assert audit_money() == []

    def test_tells_the_feed_and_the_trail(self, receipt, claim):
        claim(receipt)

        told = Event.objects.get(type="receipt.claimed").data
        assert events() == ["payment.created", "payment.completed", "receipt.claimed"]
        assert (told["receipt_number"], told["status"]) == (receipt.number, "credited")
        assert told["payer"] == "J. W. 2547*****678"
        assert trail(receipt) == ["receipt.claimed"]

    def test_keeps_cents(self, paybill, claim, now):
        receipt = receipt_row(paybill, now=now, amount=Decimal("1499.95"))

        with pytest.raises(AmountDiffers):
            claim(receipt, amount=Decimal("1499.90"))
        payment = claim(receipt, amount=Decimal("1499.95"))

        assert Payment.objects.get(pk=payment.pk).amount == Decimal("1499.95")

    def test_refuses_a_second_use_and_says_when_and_where(self, receipt, branch, claim, now):
        claim(receipt, branch=branch)

        with pytest.raises(ReceiptAlreadyUsed) as refused:
            claim(receipt, order_ref="SALE-2")

        assert refused.value.data["used_branch"] == "Westlands"
        assert refused.value.data["used_at"].startswith(f"{now:%Y-%m-%d}")
        assert Payment.objects.count() == 1

    def test_refuses_what_a_prompt_was_paid_with(self, till, claim, now):
        payment = asked_payment(till, now=now)
        word(payment, number="TKL7777777", amount=Decimal(150), now=now)

        with pytest.raises(ReceiptAlreadyUsed):
            claim(Receipt.objects.get(number="TKL7777777"))

    @pytest.mark.parametrize("amount", ["150.01", "149", "1500"])
    def test_refuses_another_amount_and_changes_nothing(self, receipt, claim, amount):
        with pytest.raises(AmountDiffers):
            claim(receipt, amount=Decimal(amount))

        receipt.refresh_from_db()
        assert receipt.status == "unallocated"
        assert not Payment.objects.exists()
        assert not Event.objects.exists()

    def test_refuses_an_amount_nobody_could_read(self, paybill, claim, now):
        receipt = receipt_row(paybill, now=now, amount=None)

        with pytest.raises(AmountDiffers):
            claim(receipt, amount=Decimal(150))

    def test_refuses_an_order_that_is_paid(self, paybill, receipt, claim, now):
        claim(receipt)

        with pytest.raises(OrderAlreadyPaid):
            claim(receipt_row(paybill, now=now))

    def test_is_allowed_while_a_prompt_of_the_order_is_out(self, till, receipt, claim, now):
        asked = asked_payment(till, now=now, order_ref="SALE-1")

        payment = claim(receipt)
        late = word(asked, number="TKL8888888", amount=Decimal(150), now=now)

        reviews = Review.objects.filter(payment=late, resolved_at=None)
        assert payment.status == "completed"
        assert list(reviews.values_list("code", "blocking")) == [("ORDER_PAID_TWICE", True)]

    @pytest.mark.parametrize("status", ["held", "in_review"])
    def test_knows_nothing_of_what_is_not_free(self, paybill, claim, now, status):
        receipt = receipt_row(paybill, now=now, status=status)

        with pytest.raises(NotFound):
            claim(receipt)

    def test_says_that_the_money_was_taken_back(self, paybill, claim, now):
        with pytest.raises(InvalidTransition, match="taken back"):
            claim(receipt_row(paybill, now=now, status="reversed"))

    def test_knows_nothing_of_a_receipt_whose_refund_was_asked(self, receipt, claim):
        Refund.objects.create(
            shop=receipt.shop, environment="sandbox", receipt=receipt, amount=150, reason="x"
        )

        with pytest.raises(NotFound):
            claim(receipt)

    def test_knows_nothing_of_a_neighbours_or_of_the_other_world(
        self, neighbour, make_config, receipt, claim, now
    ):
        foreign = receipt_row(make_config(neighbour, shortcode="600200"), now=now)

        with pytest.raises(NotFound):
            claim(foreign)
        with pytest.raises(NotFound):
            claim(receipt, environment="production")
        assert not Payment.objects.exists()

    def test_finds_small_letters(self, receipt, claim):
        assert claim(receipt, receipt_number=receipt.number.lower()).status == "completed"


class TestClaimAtABranch:
    @pytest.fixture
    def east(self, shop):
        return tenants.add_branch(shop=shop, code="EAST", name="Eastleigh")

    def test_takes_what_came_to_the_shops_account(self, receipt, branch, claim):
        payment = claim(receipt, branch=branch)

        receipt.refresh_from_db()
        assert payment.branch == branch
        assert receipt.branch == branch

    def test_knows_nothing_of_another_branchs_money(
        self, shop, make_config, branch, east, claim, now
    ):
        own = receipt_row(make_config(shop, branch=east, shortcode="600700"), now=now)

        with pytest.raises(NotFound):
            claim(own, branch=branch)
        assert claim(own, branch=east).branch == east

    def test_knows_nothing_of_money_a_rule_sent_elsewhere(self, paybill, branch, east, claim, now):
        with pytest.raises(NotFound):
            claim(receipt_row(paybill, now=now, branch=east), branch=branch)

    def test_is_told_that_another_branch_used_it(self, receipt, branch, east, claim):
        claim(receipt, branch=east)

        with pytest.raises(ReceiptAlreadyUsed) as refused:
            claim(receipt, branch=branch, order_ref="SALE-2")
        assert refused.value.data["used_branch"] == "Eastleigh"

    def test_books_the_whole_shops_claim_where_the_money_came(
        self, shop, make_config, east, claim, now
    ):
        config = make_config(shop, branch=east, shortcode="600700")

        assert claim(receipt_row(config, now=now)).branch == east


class TestAllocate:
    @pytest.fixture
    def asked(self, paybill, now):
        return asked_payment(paybill, now=now)

    def allocate(self, receipt, payment, now, **more):
        return receipt_acts.allocate(
            receipt=receipt, payment=payment, actor=MANAGER, now=now, **more
        )

    @pytest.mark.parametrize("status", ["created", "pending", "expired", "failed"])
    def test_completes_what_lacks_its_money(self, receipt, asked, now, status):
        Payment.objects.filter(pk=asked.pk).update(status="created")
        if status != "created":
            path = ["pending", "failed"] if status == "failed" else [status]
            change = Change(Payment.objects.get(pk=asked.pk), [], [], MANAGER, path=path)
            move_payment(change, now=now)

        got = self.allocate(receipt, asked, now, reason="The customer showed it")

        asked.refresh_from_db()
        entry = AuditEntry.objects.get(action="receipt.allocated")
        assert (asked.status, asked.receipt_number) == ("completed", receipt.number)
        assert (got.status, got.payment_id, got.claimed_by) == (
            "credited", asked.pk, MANAGER.label,
        )  # fmt: skip
        assert (entry.reason, entry.actor_label) == ("The customer showed it", MANAGER.label)
        assert asked.transitions.last().actor_label == MANAGER.label
        assert audit_money() == []

    def test_gives_a_paid_payment_its_receipt(self, receipt, asked, now):
        word(asked, source=EvidenceSource.STK_QUERY, now=now)

        self.allocate(receipt, asked, now)

        asked.refresh_from_db()
        assert (asked.status, asked.receipt_number) == ("completed", receipt.number)
        assert not asked.receipt_pending
        assert events()[-2:] == ["payment.receipt_learnt", "receipt.claimed"]

    def test_gives_what_is_held_to_the_payment_it_waits_for_alone(self, paybill, asked, now):
        held = receipt_row(paybill, now=now, status="held")
        with pytest.raises(InvalidTransition):
            self.allocate(held, asked, now)
        word(asked, source=EvidenceSource.STK_QUERY, now=now)

        assert self.allocate(held, asked, now).status == "credited"

    def test_hands_on_the_label_of_the_shops_rules(self, paybill, asked, now):
        self.allocate(receipt_row(paybill, now=now, label="Rent"), asked, now)

        asked.refresh_from_db()
        told = Event.objects.get(type="payment.completed").data
        assert (asked.label, told["label"]) == ("Rent", "Rent")

    def test_refuses_another_amount(self, paybill, asked, now):
        receipt = receipt_row(paybill, now=now, amount=Decimal("150.50"))

        with pytest.raises(AmountDiffers):
            self.allocate(receipt, asked, now)
        receipt.refresh_from_db()
        assert (receipt.status, receipt.payment_id) == ("unallocated", None)

    def test_refuses_what_is_paid_for(self, paybill, receipt, asked, now):
        self.allocate(receipt, asked, now)

        with pytest.raises(InvalidTransition):
            self.allocate(receipt_row(paybill, now=now), asked, now)

    def test_refuses_a_receipt_that_was_used(self, paybill, receipt, claim, asked, now):
        claim(receipt)

        with pytest.raises(ReceiptAlreadyUsed):
            self.allocate(receipt, asked, now)

    def test_refuses_money_that_came_to_another_number(self, till, receipt, now):
        with pytest.raises(InvalidInput):
            self.allocate(receipt, asked_payment(till, now=now), now)

    def test_refuses_a_neighbours_payment(self, neighbour, make_config, receipt, now):
        foreign = asked_payment(make_config(neighbour, shortcode="600200"), now=now)

        with pytest.raises(NotFound):
            self.allocate(receipt, foreign, now)
        foreign.refresh_from_db()
        assert foreign.status == "created"

    def test_refuses_the_other_world(self, shop, make_config, receipt, now):
        live = make_config(
            shop, environment="production", provider="mpesa_paybill", shortcode="600100"
        )

        with pytest.raises(NotFound):
            self.allocate(receipt, asked_payment(live, now=now), now)

    def test_raises_a_doubt_where_the_order_is_paid_already(self, paybill, receipt, claim, now):
        asked = asked_payment(paybill, now=now, order_ref="SALE-1")
        claim(receipt)

        self.allocate(receipt_row(paybill, now=now), asked, now)

        assert Review.objects.get(payment=asked).code == "ORDER_PAID_TWICE"


class TestKeepAsSale:
    def test_makes_a_payment_without_an_order(self, receipt, branch, now):
        payment = receipt_acts.keep_as_sale(
            receipt=receipt, label="Walk-in", branch=branch, actor=MANAGER, now=now
        )

        receipt.refresh_from_db()
        assert (payment.status, payment.origin, payment.order_ref) == ("completed", "receipt", "")
        assert (payment.label, payment.branch) == ("Walk-in", branch)
        assert (receipt.status, receipt.label, receipt.branch) == ("credited", "Walk-in", branch)
        assert trail(receipt) == ["receipt.kept"]
        assert audit_money() == []

    def test_refuses_a_neighbours_branch(self, receipt, neighbour, now):
        foreign = tenants.add_branch(shop=neighbour, code="N", name="N")

        with pytest.raises(InvalidInput):
            receipt_acts.keep_as_sale(receipt=receipt, branch=foreign, actor=MANAGER, now=now)
        assert not Payment.objects.exists()

    def test_refuses_what_was_used(self, receipt, claim, now):
        claim(receipt)

        with pytest.raises(ReceiptAlreadyUsed):
            receipt_acts.keep_as_sale(receipt=receipt, actor=MANAGER, now=now)


class TestMarkRefund:
    def test_takes_it_out_of_everybodys_reach(self, receipt, claim, now):
        receipt_acts.mark_refund(receipt=receipt, reason="Paid twice", actor=MANAGER, now=now)

        receipt.refresh_from_db()
        assert (receipt.status, receipt.reason) == ("in_review", "refund_needed")
        assert trail(receipt) == ["receipt.to_refund"]
        with pytest.raises(NotFound):
            claim(receipt)


class TestRelease:
    def release(self, receipt, now):
        return receipt_acts.release(receipt=receipt, reason="Wrong sale", actor=MANAGER, now=now)

    def test_undoes_a_claim(self, receipt, claim, now):
        payment = claim(receipt)

        self.release(receipt, now)

        payment.refresh_from_db()
        receipt.refresh_from_db()
        assert (payment.status, payment.receipt_number) == ("reversed", receipt.number)
        assert (receipt.status, receipt.reason) == ("unallocated", "released")
        assert (receipt.payment, receipt.claimed_at, receipt.claimed_by) == (None, None, "")
        assert events()[-1] == "payment.reversed"
        assert trail(receipt) == ["receipt.claimed", "receipt.released"]
        reversal = AuditEntry.objects.get(action="payment.reversed")
        assert (reversal.reason, reversal.object_id) == ("Wrong sale", str(payment.pk))
        assert audit_money() == []

    def test_lets_it_be_used_once_more(self, receipt, claim, now):
        claim(receipt)
        self.release(receipt, now)

        again = claim(receipt, order_ref="SALE-1")

        assert again.status == "completed"
        assert Payment.objects.filter(status="completed").count() == 1
        assert audit_money() == []

    def test_undoes_an_assignment(self, paybill, receipt, now):
        asked = asked_payment(paybill, now=now)
        receipt_acts.allocate(receipt=receipt, payment=asked, actor=MANAGER, now=now)

        self.release(receipt, now)

        asked.refresh_from_db()
        assert asked.status == "reversed"
        assert audit_money() == []

    def test_leaves_a_payment_paid_that_was_paid_without_it(self, paybill, receipt, now):
        asked = asked_payment(paybill, now=now)
        word(asked, source=EvidenceSource.STK_QUERY, now=now)
        receipt_acts.allocate(receipt=receipt, payment=asked, actor=MANAGER, now=now)

        self.release(receipt, now)

        asked.refresh_from_db()
        assert (asked.status, asked.receipt_number) == ("completed", "")
        assert asked.receipt_pending
        assert audit_money() == []

        right = word(asked, number="TKL9999999", amount=Decimal(150), now=now)
        assert (right.receipt_number, right.receipt_pending) == ("TKL9999999", False)
        assert not Review.objects.filter(payment=asked, resolved_at=None).exists()
        assert audit_money() == []

    def test_undoes_a_walk_in_sale_and_a_mark(self, paybill, now):
        kept, marked = receipt_row(paybill, now=now), receipt_row(paybill, now=now)
        sale = receipt_acts.keep_as_sale(receipt=kept, actor=MANAGER, now=now)
        receipt_acts.mark_refund(receipt=marked, reason="Twice", actor=MANAGER, now=now)

        self.release(kept, now)
        self.release(marked, now)

        sale.refresh_from_db()
        statuses = Receipt.objects.values_list("status", "reason")
        assert set(statuses) == {("unallocated", "released")}
        assert sale.status == "reversed"
        assert audit_money() == []

    @pytest.mark.parametrize("status", ["unallocated", "held", "in_review", "reversed"])
    def test_refuses_where_nobody_did_anything(self, paybill, now, status):
        with pytest.raises(InvalidTransition):
            self.release(receipt_row(paybill, now=now, status=status), now)

    def test_refuses_what_safaricom_gave(self, till, now):
        payment = asked_payment(till, now=now)
        word(payment, number="TKL7777777", amount=Decimal(150), now=now)

        with pytest.raises(InvalidTransition):
            self.release(Receipt.objects.get(number="TKL7777777"), now)
        payment.refresh_from_db()
        assert payment.status == "completed"

    def test_refuses_once_safaricom_said_the_same(self, paybill, receipt, now):
        asked = asked_payment(paybill, now=now)
        receipt_acts.allocate(receipt=receipt, payment=asked, actor=MANAGER, now=now)
        word(asked, number=receipt.number, amount=Decimal(150), now=now)

        with pytest.raises(InvalidTransition, match="Safaricom itself"):
            self.release(receipt, now)

    @pytest.mark.parametrize("status", ["asked", "approved", "sent", "unknown", "done"])
    def test_refuses_while_the_money_is_on_its_way_back(self, receipt, claim, now, status):
        claim(receipt)
        Refund.objects.create(
            shop=receipt.shop,
            environment="sandbox",
            receipt=receipt,
            amount=150,
            reason="x",
            status=status,
        )

        with pytest.raises(InvalidTransition, match="refund"):
            self.release(receipt, now)

    def test_wants_a_reason_of_a_person(self, receipt, claim, now):
        claim(receipt)

        with pytest.raises(ReasonMissing, match="reversed"):
            receipt_acts.release(receipt=receipt, reason="", actor=MANAGER, now=now)

    def test_keeps_the_later_word_about_a_payment_it_reversed(self, paybill, receipt, now):
        """Whoever pays a prompt that was undone has a review, not nothing."""
        asked = asked_payment(paybill, now=now)
        receipt_acts.allocate(receipt=receipt, payment=asked, actor=MANAGER, now=now)
        self.release(receipt, now)

        word(asked, number="TKL9999999", amount=Decimal(150), now=now + timedelta(seconds=5))

        money = Receipt.objects.get(number="TKL9999999")
        assert money.status == ReceiptStatus.IN_REVIEW
        assert Review.objects.filter(payment=asked, resolved_at=None).exists()
        assert audit_money() == []
