"""Signs of made-up messages: all of those here are named, none is found in a recorded one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from payments.providers.daraja import sms
from payments.services import fakes
from tests import payloads

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PAID = (
    "UKK5P70VVL Confirmed. Ksh215.00 paid to DUKA. on 20/11/26 at 11:25 AM.New M-PESA balance is "
    "Ksh628.13. Transaction cost, Ksh0.00. Amount you can transact within the day is 499,785.00."
)
RECEIVED = (
    "UKK1S35S7Z Confirmed.on 20/11/26 at 11:57 AMKsh40.00 received from 254700000155 JABALI "
    "WAKESHO. New Account balance is Ksh440.00. Transaction cost, Ksh0.00."
)
# What somebody changed in a genuine message, and the first sign of it.
EDITED = {
    "code of a month that is none": (PAID.replace("UKK5", "UXK5"), "date_letters"),
    "code of a day that is none": (PAID.replace("UKK5", "UKX5"), "date_letters"),
    "code of another day": (PAID.replace("UKK5", "UKA5"), "date_letters"),
    "code of next year": (PAID.replace("UKK5", "VKK5"), "date_letters"),
    "code too short": (PAID.replace("UKK5P70VVL", "UKK5P70VV"), "code_form"),
    "code too long": (PAID.replace("UKK5P70VVL", "UKK5P70VVLL"), "code_form"),
    "no code": (PAID.replace("UKK5P70VVL ", ""), "code_form"),
    "date of another day": (PAID.replace("20/11/26", "14/11/26"), "date_letters"),
    "date that is none": (PAID.replace("20/11/26", "31/11/26"), "no_such_date"),
    "month that is none": (PAID.replace("20/11/26", "20/13/26"), "no_such_date"),
    "time that is none": (PAID.replace("11:25 AM", "13:25 PM"), "no_such_date"),
    "minute that is none": (PAID.replace("11:25 AM", "11:75 AM"), "no_such_date"),
    "date to come": (PAID.replace("20/11/26", "21/11/26"), "future_date"),
    "time to come": (PAID.replace("11:25 AM", "11:25 PM"), "future_date"),
    "amount above the day's limit": (PAID.replace("Ksh215.00", "Ksh2,150.00"), "wrong_total"),
    "amount above the balance": (RECEIVED.replace("Ksh40.00", "Ksh4,000.00"), "wrong_total"),
    "commas out of place": (PAID.replace("Ksh215.00", "Ksh21,50.00"), "amount_form"),
    "a letter for a figure": (PAID.replace("Ksh215.00", "Ksh2,O15.00"), "amount_form"),
    "one decimal": (PAID.replace("Ksh215.00", "Ksh215.0"), "amount_form"),
    "two amounts": (PAID.replace("Ksh215.00", "Ksh215.00 (Ksh2,150.00)"), "two_amounts"),
    "a person's words, a business's balance": (
        PAID.replace("New M-PESA balance", "New Account balance"),
        "sender_form",
    ),
    "a business's words, a person's balance": (
        RECEIVED.replace("New Account balance", "New M-PESA balance"),
        "sender_form",
    ),
    "received on a phone, a till's balance": (
        RECEIVED.replace("received from", "You have received from").replace(
            "New Account balance", "New Utility balance"
        ),
        "sender_form",
    ),
    "a Cyrillic letter": (PAID.replace("Confirmed", "\u0421onfirmed"), "edited_text"),
    "wide figures": (PAID.replace("215", "\uff12\uff11\uff15"), "edited_text"),
    "a hidden sign": (PAID.replace("Ksh215", "Ksh\u200b215"), "edited_text"),
}


def signs(text):
    return fakes.signs_of(sms.parse(text), now=NOW)


class TestSigns:
    @pytest.mark.parametrize(("name", "text"), payloads.params("sms"))
    def test_are_none_in_recorded_messages(self, name, text):
        assert signs(text) == []

    @pytest.mark.parametrize("text", [PAID, RECEIVED], ids=["paid", "received"])
    def test_are_none_before_the_edit(self, text):
        assert signs(text) == []

    @pytest.mark.parametrize("name", EDITED)
    def test_are_found_in_edited_copies(self, name):
        text, sign = EDITED[name]

        assert signs(text)[:1] == [sign]

    @pytest.mark.parametrize(
        "text",
        [
            # Fuliza takes its part before the balance is told.
            "UKK1XB2SQV Confirmed.You have received Ksh100.00 from JABALI 0700000118 on 20/11/26 at "
            "11:55 AM  New M-PESA balance is Ksh69.13.",
            # A till's charge is taken off, and not named.
            "UKK788BUHD Confirmed on 20/11/26 at 11:47 AM Ksh45,200.00 received from 254700000157. "
            "New Account balance is Ksh45,087.00",
            # Midnight between the payment and its number.
            "UKJ5P70VVL Confirmed. Ksh215.00 paid to DUKA. on 20/11/26 at 12:00 AM.",
        ],
        ids=["fuliza", "charge", "midnight"],
    )
    def test_spare_what_safaricom_does(self, text):
        assert signs(text) == []


class TestImpossibleNumbers:
    @pytest.mark.parametrize(
        ("number", "is_impossible"),
        [
            ("UKK5P70VVL", False),
            ("UKL5P70VVL", False),
            ("UKM5P70VVL", True),
            ("LA15P70VVL", False),
            ("UZK5P70VVL", True),
            ("1KK5P70VVL", True),
        ],
    )
    def test_name_no_day_or_one_to_come(self, number, is_impossible):
        assert fakes.is_impossible_number(number, now=NOW) is is_impossible
