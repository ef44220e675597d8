"""Relatives of the recorded messages: other clocks, other spelling, advertisements behind them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from payments.providers.daraja import sms
from payments.providers.daraja.sms import EAT, Kind
from payments.services import fakes

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
AT = datetime(2026, 11, 20, 13, 25, tzinfo=EAT)
PAID = "UKK5P70VVL Confirmed. Ksh1,500.00 paid to DUKA on {at}.New M-PESA balance is Ksh628.13."
TAIL = " Transaction cost, Ksh0.00. Amount you can transact within the day is 498,500.00."
# What stands around a till's message, or is written otherwise in it.
SAME = {
    "sender's name": "MPESA: " + PAID,
    "line of the sender": "From: MPESA\n" + PAID.replace(". ", ".\n"),
    "chat's head": "[20/11/26, 1:26 PM] M-PESA: " + PAID,
    "smart quotes": "\u201c" + PAID + "\u201d",
    "stars": PAID.replace("UKK5P70VVL", "*UKK5P70VVL*"),
    "emoji": "\U0001f389" + PAID + " \U0001f1f0\U0001f1ea",
    "no full stops": PAID.replace(".", " ").replace("1,500 00", "1,500.00").replace("28 1", "28.1"),
    "other currency word": PAID.replace("Ksh", "KES "),
    "no comma": PAID.replace("1,500.00", "1500"),
    "a prize": PAID + TAIL + " Pay with M-PESA and win Ksh10,000 weekly!",
    "a loan": PAID + TAIL + " Get a loan of up to Ksh50,000 on Fuliza M-PESA.",
    "a prize of Ksh1.5M": PAID + TAIL + " Win Ksh1.5M. T&Cs apply.",
    "in their own words": PAID.replace("Ksh1,500.00 paid", "You have paid Ksh1,500.00"),
}
CLOCKS = (
    "20/11/26 at 1:25 PM",
    "20/11/2026 at 13:25",
    "20/11/26 at 1:25 p.m",
    "20-11-2026 at 01:25 PM",
    "20.11.26, 1:25 PM",
    "2026-11-20 at 13:25:10",
    "2026-11-20T13:25:10",
)
OTHERS = {
    "withdrawn from": (
        "UKK5P70VVL Confirmed. Ksh300.00 withdrawn from 20598 - JAMBU on 20/11/26 at 1:25 PM.",
        Kind.WITHDRAWAL,
    ),
    "huna pesa": ("Huna pesa za kutosha kununua bidhaa za Ksh300.00.", Kind.FAILED),
    "hauna pesa": ("Hauna pesa za kutosha kununua bidhaa za Ksh300.00.", Kind.FAILED),
    "pochi": (
        "UKK5P70VVL Confirmed. Ksh300.00 sent to JABALI via Pochi la Biashara on 20/11/26 at 1:25 "
        "PM. New M-PESA balance is Ksh193.47.",
        Kind.SENT_NAME,
    ),
    "fuliza": (
        "UKK5P70VVL Confirmed. Ksh 300.00 from your M-PESA has been used to fully pay your "
        "outstanding Fuliza M-PESA. Available Fuliza M-PESA limit is Ksh 500.00.",
        Kind.FULIZA,
    ),
    "reversal": (
        "UKK5P70VVL Imethibitishwa. Muamala UKK5P70VVA umekamilika na Ksh300.00 imerudishwa kwa "
        "akaunti yako ya M-PESA tarehe 20/11/26 saa 1:25 PM.",
        Kind.REVERSAL,
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_a_tills_message_is_the_same_however_it_was_pasted(name):
    message = sms.parse(SAME[name].format(at="20/11/26 at 1:25 PM"))

    assert (message.kind, message.receipt_number) == (Kind.PAID, "UKK5P70VVL")
    assert (message.amount, message.at) == (Decimal(1500), AT)
    assert message.counterparty == "DUKA"
    assert fakes.signs_of(message, now=NOW) == []


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_moment_is_read_in_any_of_its_forms(clock):
    assert sms.parse(PAID.format(at=clock)).at in {AT, AT.replace(second=0)}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_payment_to_a_till_is_told_apart(name):
    text, kind = OTHERS[name]

    message = sms.parse(text)

    assert (message.kind, message.amount) == (kind, Decimal(300))


def test_an_account_ends_where_any_date_begins():
    text = "UKK5P70VVL Confirmed. Ksh5.00 sent to DUKA for account 12-11-26 on 2026-11-20 at 13:25."

    message = sms.parse(text)

    assert (message.account, message.at) == ("12-11-26", AT)


@pytest.mark.parametrize("currency", ["TSh", "Tsh ", "UGX ", "TZS"])
def test_shillings_of_another_country_are_a_sign(currency):
    text = PAID.format(at="20/11/26 at 1:25 PM").replace("Ksh1,500", f"{currency}1,500")

    message = sms.parse(text)

    assert message.amount is None
    assert fakes.signs_of(message, now=NOW) == ["amount_form"]


def test_the_amount_may_come_behind_the_balance():
    text = "UKK5P70VVL Confirmed. New Account balance is Ksh440.00. Ksh40.00 received from JABALI."

    assert sms.parse(text).amount == Decimal(40)
