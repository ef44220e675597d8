"""Recorded messages of payments to a business, each edited: no edited copy passes for genuine."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from payments.providers.daraja import sms
from payments.receipt_choices import CheckAnswer
from payments.services import receipt_checks
from tests import payloads
from tests.payments.services.receipt_world import receipt_row

pytestmark = pytest.mark.django_db
PAYMENTS = {
    name: text for name, text in payloads.bodies("sms") if sms.parse(text).is_payment
}  # fmt: skip
FROM_BUSINESS = [name for name, text in PAYMENTS.items() if sms.parse(text).phone]


@pytest.fixture
def check(shop, paybill, actor, now):
    """Hold the receipt a recorded message is about, then check another text at the counter."""

    def run(recorded, shown):
        message = sms.parse(recorded)
        words = [word[0] for word in message.counterparty.split()]
        receipt_row(
            paybill, now=now, number=message.receipt_number, amount=message.amount,
            paid_at=message.at, account_reference=message.account,
            payer_masked=f"2547***{message.phone_last3}" if message.phone_last3 else "",
            payer_initials=". ".join([words[0], words[-1]]) + "." if message.phone else "",
        )  # fmt: skip
        return receipt_checks.check(
            shop=shop, environment="sandbox", branch=None, shown=receipt_checks.read(shown),
            actor=actor, now=now,
        ).answer  # fmt: skip

    return run


def with_other_amount(text):
    return re.sub(r"(?i)(ksh)\d", r"\g<1>9", text, count=1)


def with_other_code(text):
    number = sms.parse(text).receipt_number
    return text.replace(number, number[:3] + number[3:][::-1].replace("0", "Q"))


def with_other_date(text):
    day = sms.parse(text).at
    other = day - timedelta(days=5)
    written = f"{day.day}/{day.month}/{day:%y}"
    assert written in text
    return text.replace(written, f"{other.day}/{other.month}/{other:%y}")


@pytest.mark.parametrize("name", PAYMENTS)
def test_the_message_itself_is_genuine(check, name):
    assert check(PAYMENTS[name], PAYMENTS[name]) == CheckAnswer.GENUINE_UNCLAIMED


@pytest.mark.parametrize("name", PAYMENTS)
@pytest.mark.parametrize("edit", [with_other_amount, with_other_code, with_other_date])
def test_no_edited_copy_is(check, name, edit):
    edited = edit(PAYMENTS[name])

    assert edited != PAYMENTS[name]
    assert check(PAYMENTS[name], edited) in {
        CheckAnswer.LOOKS_FAKE,
        CheckAnswer.AMOUNT_DIFFERS,
        CheckAnswer.NOT_SEEN_YET,
    }


@pytest.mark.parametrize("name", FROM_BUSINESS)
def test_no_copy_with_another_sender_is(check, name):
    phone = sms.parse(PAYMENTS[name]).phone
    edited = PAYMENTS[name].replace(phone, "254711222333")

    assert check(PAYMENTS[name], edited) == CheckAnswer.LOOKS_FAKE
