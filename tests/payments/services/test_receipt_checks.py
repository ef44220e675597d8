"""The check at the counter: genuine is what the ledger holds for this shop, unused, and nothing else."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from payments.choices import Environment, ReceiptStatus
from payments.errors import InvalidInput
from payments.models import Receipt, ReceiptCheck
from payments.receipt_choices import CheckAnswer, RefundStatus, UnallocatedReason
from payments.services import check_answers, check_words, receipt_acts, receipt_checks
from tests import payloads
from tests.payments.services.receipt_world import receipt_row
from tests.payments.services.shown_messages import MESSAGES, days, number_of, till_message

pytestmark = pytest.mark.django_db
# Mostly invented: who shows a message at the counter without having paid has no code of ours.
HOW = (*["code"] * 5, *["theirs"] * 5, *["old"] * 5, "true", "bare", "amount", "date", "used")
WHOLE_OF_EACH_SORT = 4
SEVEN = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@pytest.fixture
def check(shop, actor, now):
    """Check as a cashier of the shop: typed is a code or a message."""

    def run(typed, *, amount=None, last3="", of=shop, branch=None, environment="sandbox", at=now):
        shown = receipt_checks.read(typed, amount=amount and Decimal(amount), last3=last3)
        return receipt_checks.check(
            shop=of, environment=environment, branch=branch, shown=shown, actor=actor, now=at
        )

    return run


@pytest.fixture
def receipt(paybill, now):
    """KES 150 that arrived two minutes ago and paid for nothing yet."""
    return receipt_row(paybill, now=now, number=number_of(now - timedelta(minutes=2)))


def told(checked):
    return (checked.answer, checked.why)


class TestOurOwnReceipt:
    def test_is_genuine_while_unused(self, check, receipt):
        checked = check(receipt.number, amount="150", last3="678")

        assert told(checked) == (CheckAnswer.GENUINE_UNCLAIMED, "")
        assert checked.receipt == receipt
        assert "150.00" in checked.message["en"]

    @pytest.mark.parametrize("spelling", [str.lower, lambda code: f" {code[:4]} {code[4:]}\n"])
    def test_is_found_however_it_is_typed(self, check, receipt, spelling):
        assert check(spelling(receipt.number)).receipt == receipt

    @pytest.mark.parametrize("form", MESSAGES)
    def test_is_genuine_with_its_message(self, check, receipt, form):
        assert told(check(MESSAGES[form](receipt))) == (CheckAnswer.GENUINE_UNCLAIMED, "")

    def test_is_used_after_a_claim_with_when_and_where(
        self, check, receipt, shop, branch, actor, now
    ):
        receipt_acts.claim(
            shop=shop, environment="sandbox", branch=branch, receipt_number=receipt.number,
            order_ref="S-1", amount=Decimal(150), idempotency_key=None, actor=actor, now=now,
        )  # fmt: skip

        checked = check(till_message(receipt))

        assert told(checked) == (CheckAnswer.ALREADY_USED, "at_branch")
        assert branch.name in checked.message["en"]
        assert branch.name in checked.message["sw"]

    def test_is_reversed_once_it_is(self, check, receipt):
        Receipt.objects.filter(pk=receipt.pk).update(status=ReceiptStatus.REVERSED)

        assert check(receipt.number).answer == CheckAnswer.REVERSED

    def test_is_no_good_while_it_is_given_back(self, check, receipt, shop, now, actor):
        receipt_acts.mark_refund(receipt=receipt, reason="Twice", actor=actor, now=now)

        assert told(check(receipt.number)) == (CheckAnswer.REVERSED, "refund")

    def test_is_no_good_while_a_refund_is_asked(self, check, receipt, now):
        receipt.refunds.create(
            shop=receipt.shop, environment=receipt.environment, amount=receipt.amount,
            status=RefundStatus.ASKED, reason="Twice", asked_by_label="m", asked_at=now,
        )  # fmt: skip

        assert told(check(receipt.number)) == (CheckAnswer.REVERSED, "refund")

    def test_of_another_amount_than_expected_says_so(self, check, receipt):
        checked = check(receipt.number, amount="150.01")

        assert told(checked) == (CheckAnswer.AMOUNT_DIFFERS, "")
        assert "150.01" in checked.message["en"]

    def test_from_another_phone_says_so(self, check, receipt):
        assert told(check(receipt.number, last3="679")) == (CheckAnswer.LOOKS_FAKE, "other_phone")

    def test_of_an_unknown_phone_is_not_held_against_it(self, check, receipt):
        Receipt.objects.filter(pk=receipt.pk).update(payer_masked="")

        assert check(receipt.number, last3="111").answer == CheckAnswer.GENUINE_UNCLAIMED

    @pytest.mark.parametrize("hidden", [ReceiptStatus.HELD, ReceiptStatus.IN_REVIEW])
    def test_that_waits_is_not_seen_yet(self, check, receipt, hidden):
        Receipt.objects.filter(pk=receipt.pk).update(
            status=hidden, reason=UnallocatedReason.AWAITS_RECEIPT
        )

        waiting = check(receipt.number)
        unknown = check(number_of(receipt.paid_at, "QQQQQQQ"))

        assert replace(waiting, number="") == replace(unknown, number="")
        assert waiting.receipt is None

    def test_without_an_amount_is_not_seen_yet(self, check, receipt):
        Receipt.objects.filter(pk=receipt.pk).update(amount=None)

        assert check(receipt.number).answer == CheckAnswer.NOT_SEEN_YET


class TestAMessageThatWasChanged:
    @pytest.mark.parametrize("form", MESSAGES)
    def test_in_its_amount(self, check, receipt, form):
        checked = check(MESSAGES[form](receipt, amount=Decimal(1500)))

        assert checked.answer in {CheckAnswer.AMOUNT_DIFFERS, CheckAnswer.LOOKS_FAKE}

    @pytest.mark.parametrize("form", MESSAGES)
    def test_in_its_code(self, check, receipt, form):
        text = MESSAGES[form](receipt, number=number_of(receipt.paid_at, "ZZ99ZZ9"))

        assert check(text).answer == CheckAnswer.NOT_SEEN_YET

    @pytest.mark.parametrize("form", MESSAGES)
    def test_in_its_date(self, check, receipt, form):
        text = MESSAGES[form](receipt, at=receipt.paid_at - days(3))

        assert told(check(text)) == (CheckAnswer.LOOKS_FAKE, "other_date")

    @pytest.mark.parametrize(
        "changed", [{"phone": "254700000111"}, {"name": "ZAWADI BARAKA"}], ids=["phone", "name"]
    )
    def test_in_its_sender(self, check, receipt, changed):
        text = MESSAGES["business"](receipt, **changed)

        assert told(check(text)) == (CheckAnswer.LOOKS_FAKE, "other_payer")

    def test_in_its_account(self, check, receipt):
        text = MESSAGES["paybill"](receipt, account="RENT-7")

        assert told(check(text)) == (CheckAnswer.LOOKS_FAKE, "other_account")

    def test_in_its_form(self, check, receipt):
        text = MESSAGES["business"](receipt).replace("received from", "You have received from")

        assert told(check(text)) == (CheckAnswer.LOOKS_FAKE, "sender_form")

    def test_in_its_letters(self, check, receipt):
        text = MESSAGES["till"](receipt).replace("paid", "p\u0430id")

        assert told(check(text)) == (CheckAnswer.LOOKS_FAKE, "edited_text")

    def test_about_a_used_receipt_is_used(self, check, receipt):
        Receipt.objects.filter(pk=receipt.pk).update(status=ReceiptStatus.REVERSED)

        text = MESSAGES["till"](receipt, at=receipt.paid_at - days(3))

        assert check(text).answer == CheckAnswer.REVERSED


class TestWhatIsNotOurs:
    def test_is_not_seen_yet_like_what_never_was(self, check, receipt, neighbour, make_config, now):
        config = make_config(neighbour, shortcode="600999", provider="mpesa_paybill")
        foreign = receipt_row(config, now=now, number=number_of(now, "F0RE1GN"))

        seen, never = check(foreign.number), check(number_of(now, "NEVER99"))

        assert replace(seen, number="") == replace(never, number="")
        assert (seen.answer, seen.receipt) == (CheckAnswer.NOT_SEEN_YET, None)
        assert seen.retry_after
        assert ReceiptCheck.objects.filter(receipt=foreign).count() == 0

    def test_includes_the_other_world(self, check, receipt):
        checked = check(receipt.number, environment=Environment.PRODUCTION)

        assert (checked.answer, checked.receipt) == (CheckAnswer.NOT_SEEN_YET, None)

    @pytest.mark.parametrize(
        ("name", "answer", "why"),
        [
            ("01-sent-to-person-01xx", CheckAnswer.WRONG_BUSINESS, "sent_to_phone"),
            ("07-deposit-at-agent", CheckAnswer.WRONG_BUSINESS, "not_a_payment"),
            ("15-failed-wrong-pin", CheckAnswer.WRONG_BUSINESS, "failed"),
            ("23-reversal-debited", CheckAnswer.REVERSED, "message"),
            ("25-received-from-ziidi-double-ksh", CheckAnswer.WRONG_BUSINESS, "received_by_phone"),
            ("43-sw-hakikisha-declined", CheckAnswer.WRONG_BUSINESS, "failed"),
        ],
    )
    def test_says_so_itself(self, check, till, name, answer, why):
        assert told(check(payloads.body_of("sms", name))) == (answer, why)

    def test_names_another_number(self, check, till, now):
        text = f"{number_of(now)} Confirmed. Ksh50.00 paid to DUKA TILL NUMBER 555111."

        assert told(check(text)) == (CheckAnswer.WRONG_BUSINESS, "other_number")
        own = text.replace("555111", till.shortcode)
        assert check(own).answer == CheckAnswer.NOT_SEEN_YET

    @pytest.mark.parametrize(("name", "text"), payloads.params("sms"))
    def test_is_never_called_fake_or_genuine(self, check, till, name, text):
        """Recorded messages are other people's: no sign of a fake, and no payment of ours."""
        answers = {CheckAnswer.NOT_SEEN_YET, CheckAnswer.WRONG_BUSINESS, CheckAnswer.REVERSED}

        assert check(text).answer in answers

    @pytest.mark.parametrize("typed", ["ABC", "UKK5P70VV", "UKK5P70VVLX", "1234567890123456789"])
    def test_of_no_form_of_ours_looks_fake(self, check, typed):
        assert told(check(typed)) == (CheckAnswer.LOOKS_FAKE, "code_form")

    def test_with_letters_of_no_day_looks_fake_where_money_is_real(self, check):
        typed = "UZZ5P70VVL"

        assert told(check(typed, environment=Environment.PRODUCTION)) == (
            CheckAnswer.LOOKS_FAKE,
            "date_letters",
        )
        # The sandbox's codes have any letters.
        assert told(check(typed)) == (CheckAnswer.NOT_SEEN_YET, "date_letters")


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        ("typed", "code"),
        [
            pytest.param("UKO5V187SF Confirmed. " * 500, "too_long", id="10 kB"),
            pytest.param("UKO5V187SF\x00", "control", id="NUL"),
            pytest.param("\u202eUKO5V187SF Confirmed", "turned", id="right to left"),
            pytest.param("  ", "empty", id="blank"),
            pytest.param("Nimelipa jana, niamini tu", "no_code", id="no code"),
        ],
    )
    def test_is_an_error_and_leaves_nothing(self, check, typed, code):
        with pytest.raises(InvalidInput) as caught:
            check(typed)

        assert caught.value.errors[0][:2] == ("sms", code)
        assert {"en", "sw"} == caught.value.data["message"].keys()
        assert ReceiptCheck.objects.count() == 0


class TestTheLog:
    def test_keeps_no_text_and_no_whole_code(self, check, receipt, branch, now):
        text = till_message(receipt)

        check(text, branch=branch)

        row = ReceiptCheck.objects.get()
        assert (row.answer, row.receipt, row.branch) == ("genuine_unclaimed", receipt, branch)
        assert row.code_index == receipt_checks.code_index(receipt.number)
        kept = " ".join(str(getattr(row, f.attname)) for f in ReceiptCheck._meta.concrete_fields)
        assert receipt.number not in kept
        assert "DUKA LA MTAA" not in kept

    def test_is_written_for_every_answer(self, check, receipt):
        for typed in (receipt.number, "ABC", payloads.body_of("sms", "15-failed-wrong-pin")):
            check(typed)

        assert set(ReceiptCheck.objects.values_list("answer", flat=True)) == {
            "genuine_unclaimed",
            "looks_fake",
            "wrong_business",
        }

    def test_takes_claims_too(self, shop, receipt, branch, actor, now):
        receipt_checks.note_claim(
            shop=shop, environment="sandbox", branch=branch, number=receipt.number, receipt=receipt,
            answer=CheckAnswer.ALREADY_USED, actor=actor, now=now,
        )  # fmt: skip

        assert ReceiptCheck.objects.get().is_claim


class TestTheWords:
    def test_are_there_for_every_answer_in_both_languages(self):
        facts = {"amount": "1", "asked": "2", "when": "3", "branch": "4"}
        for answer, why in check_words.WHAT:
            message = check_words.message_of(answer, why, facts)

            assert all("%" not in text and text.strip() for text in message.values())
        assert {answer for answer, _why in check_words.WHAT} == set(CheckAnswer)
        assert {*CheckAnswer} <= set(check_words.NEXT)


class TestTenThousandMadeUpMessages:
    def test_yield_only_what_is_true_unused_and_ours(
        self, shop, paybill, neighbour, make_config, now, check
    ):
        """A look decides what is genuine; some of each sort, and each 100th, go the whole way."""
        dice = random.Random(20_261_120)  # noqa: S311
        other = make_config(neighbour, shortcode="600999", provider="mpesa_paybill")
        mine = [_paid(paybill, dice, now) for _ in range(60)]
        used = [_paid(paybill, dice, now, status=ReceiptStatus.REVERSED) for _ in range(20)]
        theirs = [_paid(other, dice, now) for _ in range(20)]
        counts: Counter[str] = Counter()

        wrong = []
        sorts: Counter[str] = Counter()
        for place in range(10_000):
            text, is_true, sort = _shown(dice, mine, used, theirs)
            sorts[sort] += 1
            if place % 100 and sorts[sort] > WHOLE_OF_EACH_SORT:
                shown = receipt_checks.read(text)
                checked = check_answers.look(shop, "sandbox", None, shown, now=now)
            else:
                checked = check(text)
            counts[checked.answer] += 1
            if (checked.answer == CheckAnswer.GENUINE_UNCLAIMED) is not is_true:
                wrong.append((text, told(checked)))

        assert wrong == []
        assert len(sorts) == len(set(HOW)) * len(MESSAGES)
        assert min(sorts.values()) >= WHOLE_OF_EACH_SORT
        assert set(counts) >= {*CheckAnswer} - {"already_used", "wrong_business"}
        assert not ReceiptCheck.objects.filter(receipt__in=theirs).exists()


def _paid(config, dice, now, **fields):
    paid_at = now - timedelta(minutes=dice.randrange(1, 60 * 24 * 20))
    return receipt_row(
        config, now=now, paid_at=paid_at, number=number_of(paid_at, _tail(dice)),
        amount=Decimal(dice.randrange(10, 5_000)), **fields,
    )  # fmt: skip


def _tail(dice):
    return "".join(dice.choice(SEVEN) for _ in range(7))


def _shown(dice, mine, used, theirs):
    """Return a message, whether it is true, unused and the shop's, and what sort it is of."""
    form, how = dice.choice(sorted(MESSAGES)), dice.choice(HOW)
    write, sort = MESSAGES[form], f"{form} {how}"
    receipt = dice.choice({"used": used, "theirs": theirs}.get(how, mine))
    changed = {
        "code": {"number": number_of(receipt.paid_at, _tail(dice))},
        "amount": {"amount": receipt.amount + dice.randrange(1, 9_000)},
        "date": {"at": receipt.paid_at - days(dice.randrange(2, 300))},
        "old": {
            "at": receipt.paid_at - days(400),
            "number": number_of(receipt.paid_at - days(400), _tail(dice)),
        },
    }.get(how, {})
    if how == "bare":
        return receipt.number, True, sort
    return write(receipt, **changed), how == "true", sort
