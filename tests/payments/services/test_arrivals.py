"""Money that arrives by itself: once in the ledger, and where it belongs."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal

import pytest

from payments.choices import ReceiptStatus
from payments.errors import UnreadableBody
from payments.fields import blind_index
from payments.models import (
    AccountRule,
    Attempt,
    Event,
    Evidence,
    Receipt,
    Review,
    VerificationLog,
)
from payments.services import arrivals, matching, reversals
from payments.services.money_audit import audit_money
from tests.payments.services.arrival_world import (
    ACTOR,
    MSISDN,
    NO,
    QUERY_YES,
    RECEIPT,
    ask,
    money,
    say,
    yes,
)

HASHED = hashlib.sha256(MSISDN.encode()).hexdigest()


@pytest.fixture(autouse=True)
def audited(db):
    yield
    assert audit_money() == []


@pytest.fixture
def arrive(now):
    def take(config, *, at=now, channel="c2b", **changes):
        arrived = money(config, now=now, **changes)
        return arrivals.enter(arrived, config=config, channel=channel, actor=ACTOR, now=at)

    return take


def status_of(payment):
    payment.refresh_from_db()
    return payment.status, payment.receipt_number, payment.receipt_pending


def doubts_of(payment):
    return {row.code: row.blocking for row in payment.reviews.filter(resolved_at=None)}


class TestAReference:
    def test_completes_its_payment(self, paybill, arrive, now):
        payment = ask(paybill, now=now)

        receipt = arrive(paybill, account_reference=payment.account_reference).receipt

        assert status_of(payment) == ("completed", RECEIPT, False)
        assert (receipt.status, receipt.payment_id, receipt.reason) == (
            "credited", payment.pk, "",
        )  # fmt: skip
        assert Evidence.objects.get().source == "c2b_confirmation"
        types = list(Event.objects.order_by("seq").values_list("type", flat=True))
        assert types[-2:] == ["payment.completed", "receipt.received"]

    @pytest.mark.parametrize("write", [str.lower, "  {}  ".format, "\u200b{}".format])
    def test_is_read_as_people_type_it(self, paybill, arrive, now, write):
        payment = ask(paybill, now=now)

        arrive(paybill, account_reference=write(payment.account_reference))

        assert status_of(payment)[0] == "completed"

    @pytest.mark.parametrize("outcome", [NO, QUERY_YES])
    def test_finds_its_payment_failed_or_waiting_for_its_receipt(
        self, paybill, arrive, now, outcome
    ):
        payment = ask(paybill, now=now)
        say(
            payment,
            outcome,
            now=now,
            source="stk_query" if outcome is QUERY_YES else "stk_callback",
        )

        arrive(paybill, account_reference=payment.account_reference)

        assert status_of(payment) == ("completed", RECEIPT, False)
        assert doubts_of(payment) == {}

    def test_finds_a_payment_whose_prompt_was_refused(self, paybill, arrive, now):
        payment = ask(paybill, now=now, submission="refused")

        arrive(paybill, account_reference=payment.account_reference)

        assert status_of(payment)[0] == "completed"

    def test_of_a_payment_paid_already_gives_it_nothing(self, paybill, arrive, now):
        payment = ask(paybill, now=now)
        say(payment, yes("TKA7777777"), now=now)

        receipt = arrive(paybill, account_reference=payment.account_reference).receipt

        assert (receipt.status, receipt.reason, receipt.payment) == (
            "unallocated", "already_paid", None,
        )  # fmt: skip
        assert status_of(payment) == ("completed", "TKA7777777", False)

    def test_nobody_has_leaves_the_money_unallocated(self, paybill, arrive):
        receipt = arrive(paybill, account_reference="NOBODYS").receipt

        assert (receipt.status, receipt.reason) == ("unallocated", "no_such_reference")

    def test_of_two_payments_waits_for_one_of_them(self, paybill, arrive, now):
        one = ask(paybill, now=now, account_reference="TABLE5")
        ask(paybill, now=now, account_reference="TABLE5", msisdn="254712000002")

        receipt = arrive(paybill, account_reference="TABLE5").receipt
        assert (receipt.status, receipt.reason) == ("held", "awaits_receipt")

        say(one, yes("TKA7777777"), now=now)
        assert arrivals.settle_held(now=now) == 1
        receipt.refresh_from_db()
        assert receipt.status == "credited"
        assert receipt.payment_id != one.pk

    def test_of_two_payments_that_are_over_needs_a_person(self, paybill, arrive, now):
        for msisdn in (MSISDN, "254712000002"):
            payment = ask(paybill, now=now, account_reference="TABLE5", msisdn=msisdn)
            say(payment, NO, now=now)

        receipt = arrive(paybill, account_reference="TABLE5").receipt

        assert (receipt.status, receipt.reason) == ("unallocated", "several_candidates")

    @pytest.mark.parametrize(
        ("asked", "is_found"),
        [
            (timedelta(hours=-25), False),
            (timedelta(hours=-23), True),
            (timedelta(minutes=1), True),
            (timedelta(minutes=5), False),
        ],
    )
    def test_counts_for_a_day(self, paybill, arrive, now, asked, is_found):
        payment = ask(paybill, now=now + asked)

        arrive(paybill, account_reference=payment.account_reference)

        assert (status_of(payment)[0] == "completed") is is_found

    def test_of_another_shop_is_nobodys_here(self, paybill, arrive, now, neighbour, make_config):
        theirs = make_config(neighbour, provider="mpesa_paybill", shortcode="600200")
        payment = ask(theirs, now=now)

        receipt = arrive(paybill, account_reference=payment.account_reference).receipt

        assert (receipt.shop_id, receipt.reason) == (paybill.shop_id, "no_such_reference")
        assert status_of(payment)[0] == "pending"

    def test_of_another_number_of_the_shop_is_not_touched(self, paybill, till, arrive, now):
        payment = ask(till, now=now)

        arrive(paybill, account_reference=payment.account_reference)

        assert status_of(payment)[0] == "pending"

    def test_of_the_other_environment_is_not_touched(self, paybill, shop, arrive, now, make_config):
        live = make_config(
            shop, provider="mpesa_paybill", shortcode=paybill.shortcode, environment="production"
        )
        payment = ask(live, now=now)

        arrive(paybill, account_reference=payment.account_reference)

        assert status_of(payment)[0] == "pending"

    def test_finds_a_payment_through_the_same_number_of_a_branch(
        self, paybill, shop, branch, arrive, now, make_config
    ):
        theirs = make_config(
            shop, provider="mpesa_paybill", shortcode=paybill.shortcode, branch=branch
        )
        payment = ask(theirs, now=now)

        arrive(paybill, account_reference=payment.account_reference)

        assert status_of(payment)[0] == "completed"


class TestAnotherAmount:
    def test_of_our_own_reference_is_doubted(self, paybill, arrive, now):
        payment = ask(paybill, now=now)

        receipt = arrive(
            paybill, account_reference=payment.account_reference, amount=Decimal("100.00")
        ).receipt

        assert (receipt.status, receipt.payment_id) == ("in_review", payment.pk)
        assert status_of(payment) == ("pending", "", False)
        assert doubts_of(payment) == {"AMOUNT_MISMATCH": True}

    def test_of_the_tills_own_reference_waits_for_a_person(self, paybill, arrive, now):
        payment = ask(paybill, now=now, account_reference="TABLE5")

        receipt = arrive(paybill, account_reference="TABLE5", amount=Decimal("1.00")).receipt

        assert (receipt.status, receipt.reason) == ("unallocated", "amount_differs")
        assert doubts_of(payment) == {}

    def test_of_a_paid_payment_does_not_touch_it(self, paybill, arrive, now):
        payment = ask(paybill, now=now)
        say(payment, yes("TKA7777777"), now=now)

        receipt = arrive(
            paybill, account_reference=payment.account_reference, amount=Decimal("1.00")
        ).receipt

        assert receipt.reason == "already_paid"
        assert doubts_of(payment) == {}

    def test_that_nobody_could_read_is_not_entered(self, paybill, arrive):
        with pytest.raises(UnreadableBody):
            arrive(paybill, amount=None)

        assert not Receipt.objects.exists()


class TestWithoutAReference:
    def test_waits_while_a_prompt_of_the_amount_is_out(self, till, arrive, now):
        ask(till, now=now)

        receipt = arrive(till).receipt

        assert (receipt.status, receipt.reason, receipt.next_ask_at) == (
            "held", "awaits_receipt", now,
        )  # fmt: skip

    def test_waits_for_a_payment_that_lacks_its_receipt(self, till, arrive, now):
        payment = ask(till, now=now)
        say(payment, QUERY_YES, now=now, source="stk_query")

        assert arrive(till).receipt.status == "held"
        assert arrivals.settle_held(now=now) == 0

    def test_is_let_go_when_the_prompt_is_over(self, till, arrive, now):
        payment = ask(till, now=now)
        receipt = arrive(till).receipt
        say(payment, NO, now=now)

        assert arrivals.settle_held(now=now) == 1

        receipt.refresh_from_db()
        assert (receipt.status, receipt.reason, receipt.next_ask_at) == (
            "unallocated", "no_reference", None,
        )  # fmt: skip

    def test_becomes_the_payments_whose_callback_names_it(self, till, arrive, now):
        payment = ask(till, now=now)
        receipt = arrive(till, msisdn_masked="2547*****678").receipt

        say(payment, yes(), now=now)

        receipt.refresh_from_db()
        assert (receipt.status, receipt.payment_id, receipt.reason, receipt.next_ask_at) == (
            "credited", payment.pk, "", None,
        )  # fmt: skip
        assert receipt.payer_index == payment.phone_index
        assert status_of(payment) == ("completed", RECEIPT, False)
        sources = set(Evidence.objects.values_list("source", flat=True))
        assert sources == {"stk_callback", "c2b_confirmation"}

    @pytest.mark.parametrize(
        "changes",
        [{"amount": 151}, {"submission": "refused"}],
        ids=["another amount", "a prompt nobody got"],
    )
    def test_does_not_wait_for(self, till, arrive, now, changes):
        ask(till, now=now, **changes)

        receipt = arrive(till).receipt

        assert (receipt.status, receipt.reason) == ("unallocated", "no_reference")

    @pytest.mark.parametrize(
        ("payer", "waits"),
        [
            ({"msisdn_masked": "2547*****678"}, True),
            ({"msisdn_masked": "25471****678"}, True),
            ({"msisdn_masked": "*********678"}, True),
            ({"msisdn_masked": "2547*****679"}, False),
            ({"msisdn_masked": "2541*****678"}, False),
            ({"msisdn": MSISDN}, True),
            ({"msisdn": "254712345679"}, False),
            ({"msisdn_hash": HASHED}, True),
            ({"msisdn_hash": "0" * 64}, False),
            ({}, True),
        ],
        ids=str,
    )
    def test_waits_only_for_whoever_may_have_paid(self, till, arrive, now, payer, waits):
        ask(till, now=now)

        assert arrive(till, **payer).receipt.status == ("held" if waits else "unallocated")

    def test_is_held_again_for_a_payment_that_was_paid_after_all(self, till, arrive, now):
        payment = ask(till, now=now)
        say(payment, NO, now=now)
        receipt = arrive(till).receipt
        assert receipt.status == "unallocated"

        say(payment, QUERY_YES, now=now, source="stk_query")

        receipt.refresh_from_db()
        assert (receipt.status, receipt.reason) == ("held", "awaits_receipt")

    @pytest.mark.parametrize("reason", ["released", "refund_needed"])
    def test_is_left_where_a_person_put_it(self, till, arrive, now, reason):
        payment = ask(till, now=now)
        say(payment, NO, now=now)
        receipt = arrive(till).receipt
        Receipt.objects.update(reason=reason)

        say(payment, QUERY_YES, now=now, source="stk_query")

        receipt.refresh_from_db()
        assert receipt.status == "unallocated"


class TestAReceiptKnownAlready:
    def test_is_a_repeat(self, till, arrive):
        first = arrive(till)
        again = arrive(till)

        assert (first.is_news, again.is_news) == (True, False)
        assert Receipt.objects.count() == 1
        assert Event.objects.filter(type="receipt.received").count() == 1

    def test_is_a_repeat_for_the_payment_it_paid(self, paybill, arrive, now):
        payment = ask(paybill, now=now)
        arrive(paybill, account_reference=payment.account_reference)

        assert arrive(paybill, account_reference=payment.account_reference).is_news is False
        assert Evidence.objects.count() == 1

    def test_may_tell_more(self, till, arrive):
        arrive(till, msisdn_masked="", payer_name="")

        again = arrive(till, channel="pull", msisdn=MSISDN)

        assert again.is_news is True
        assert again.receipt.channel == "c2b"
        assert again.receipt.payer_initials == "J. W."
        assert again.receipt.payer_index == blind_index("phone", MSISDN)

    def test_from_its_prompt_is_enriched_and_credited_once(self, till, arrive, now):
        payment = ask(till, now=now)
        say(payment, yes(), now=now)

        arrived = arrive(till, msisdn_masked="2547*****678")

        assert arrived.is_news is True
        receipt = Receipt.objects.get()
        assert (receipt.channel, receipt.status) == ("stk", "credited")
        assert (receipt.payer_initials, receipt.shortcode) == ("J. W.", till.shortcode)
        assert receipt.payer_index == payment.phone_index
        assert Event.objects.filter(type="payment.completed").count() == 1
        assert not Event.objects.filter(type="receipt.received").exists()

    def test_with_another_amount_is_doubted_and_not_overwritten(self, till, arrive):
        arrive(till)

        arrive(till, amount=Decimal("1500.00"))

        receipt = Receipt.objects.get()
        assert (receipt.status, receipt.amount) == ("in_review", Decimal("150.00"))
        review = Review.objects.get()
        assert (review.code, review.payment, review.receipt) == ("AMOUNT_MISMATCH", None, receipt)

    def test_with_another_amount_is_doubted_on_its_payment(self, till, arrive, now):
        payment = ask(till, now=now)
        say(payment, yes(), now=now)

        arrive(till, amount=Decimal("1500.00"))

        assert status_of(payment) == ("completed", RECEIPT, False)
        assert doubts_of(payment) == {"AMOUNT_MISMATCH": True}
        assert Receipt.objects.get().amount == Decimal("150.00")

    def test_with_another_amount_first_is_doubted_the_same(self, till, arrive, now):
        payment = ask(till, now=now)
        arrive(till, amount=Decimal("1500.00"))

        say(payment, yes(), now=now)

        assert status_of(payment) == ("completed", RECEIPT, False)
        assert doubts_of(payment) == {"AMOUNT_MISMATCH": True}

    def test_of_another_shop_is_refused(self, till, arrive, neighbour, make_config):
        theirs = make_config(neighbour, shortcode="600200")
        arrive(theirs)

        with pytest.raises(arrivals.ForeignReceipt):
            arrive(till)

        assert Receipt.objects.get().shop_id == neighbour.pk

    def test_of_another_number_of_the_shop_is_refused(self, till, paybill, arrive):
        arrive(paybill)

        with pytest.raises(arrivals.ForeignReceipt):
            arrive(till)

    def test_that_went_back_stays_gone(self, till, arrive, now):
        payment = ask(till, now=now)
        receipt = arrive(till).receipt
        reversals.take_back(receipt, source="transaction_status", why="gone", actor=ACTOR, now=now)

        say(payment, yes(), now=now)

        assert status_of(payment)[0] == "reversed"
        assert Receipt.objects.get().status == "reversed"

    def test_in_the_other_environment_is_another(self, till, shop, arrive, make_config):
        live = make_config(shop, environment="production")
        arrive(till)

        assert arrive(live).is_news is True
        assert Receipt.objects.count() == 2


class TestWhatIsKept:
    def test_of_the_payer_is_initials_and_a_mask(self, till, arrive):
        receipt = arrive(till, msisdn=MSISDN, payer_name="Asha 2 binti \u00e9mile Ali Omar").receipt

        assert receipt.payer_initials == "A. B. \u00c9. A."
        assert receipt.payer_masked == "2547*****678"
        row = Receipt.objects.filter(pk=receipt.pk).values().get()
        assert MSISDN not in str(row)
        assert "Asha" not in str(row)

    def test_of_a_hash_is_an_index_only(self, till, arrive):
        receipt = arrive(till, msisdn_hash=HASHED).receipt

        assert receipt.payer_index == blind_index("phone_sha256", HASHED)
        assert HASHED not in str(Receipt.objects.values().get())

    def test_is_what_the_shops_rules_say(self, paybill, branch, arrive):
        AccountRule.objects.create(
            shop=paybill.shop, config=paybill, kind="prefix", pattern="VIP", label="VIP",
            branch=branch,
        )  # fmt: skip

        receipt = arrive(paybill, account_reference="vip-7").receipt

        assert (receipt.label, receipt.branch_id) == ("VIP", branch.pk)

    def test_is_told_as_an_event(self, till, arrive):
        arrive(till, msisdn=MSISDN)

        data = Event.objects.get(type="receipt.received").data
        assert (data["receipt_number"], data["amount"]) == (RECEIPT, "150.00")
        assert data["payer"] == "J. W. 2547*****678"
        assert "49197" not in str(data)


class TestTheShillingOfAVerification:
    @pytest.fixture
    def prompt(self, till, now):
        def make(result, **payload):
            return VerificationLog.objects.create(
                shop=till.shop, config=till, type="stk_push_test", stage="prompt", result=result,
                response_payload=payload, created_at=now,
            )  # fmt: skip

        return make

    def test_is_no_sale(self, till, arrive, prompt):
        prompt("success", receipt_number=RECEIPT)

        receipt = arrive(till, amount=Decimal("1.00")).receipt

        assert (receipt.status, receipt.reason, receipt.payment) == ("credited", "proof", None)

    def test_waits_for_its_result(self, till, arrive, prompt, now):
        log = prompt("pending")
        receipt = arrive(till, amount=Decimal("1.00")).receipt
        assert receipt.status == "held"

        log.result, log.response_payload = "success", {"receipt_number": RECEIPT}
        log.save()
        arrivals.settle_held(now=now)

        receipt.refresh_from_db()
        assert (receipt.status, receipt.reason) == ("credited", "proof")

    def test_of_somebody_else_is_money(self, till, arrive, prompt, now):
        log = prompt("pending")
        receipt = arrive(till, amount=Decimal("1.00")).receipt
        log.result, log.response_payload = "success", {"receipt_number": "TKA7777777"}
        log.save()

        arrivals.settle_held(now=now)

        receipt.refresh_from_db()
        assert (receipt.status, receipt.reason) == ("unallocated", "no_reference")


class TestCandidates:
    def test_are_likeliest_first(self, paybill, arrive, now):
        other = ask(paybill, now=now, msisdn="254712000002")
        same_phone = ask(paybill, now=now)
        named = ask(paybill, now=now, msisdn="254712000003", account_reference="TABLE5")
        twin = ask(paybill, now=now, msisdn="254712000004", account_reference="TABLE5")
        say(other, NO, now=now)

        receipt = arrive(paybill, account_reference="TABLE5", msisdn=MSISDN).receipt
        found = matching.candidates(receipt, now=now)

        assert {each.payment for each in found[:2]} == {named, twin}
        assert [(each.payment, each.why) for each in found[2:]] == [
            (same_phone, "phone"),
            (other, "amount"),
        ]

    def test_of_a_receipt_without_an_amount_are_none(self, till, now):
        receipt = Receipt(config=till, amount=None, status=ReceiptStatus.IN_REVIEW)

        assert matching.candidates(receipt, now=now) == []


class TestAPaymentAskedAgain:
    def test_days_later_still_counts(self, till, arrive, now):
        payment = ask(till, now=now - timedelta(days=3))
        Attempt.objects.filter(payment=payment).update(requested_at=now)

        assert arrive(till).receipt.status == "held"
