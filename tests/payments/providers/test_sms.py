"""M-Pesa messages: every recorded form read, odd text refused, and nothing guessed."""

from __future__ import annotations

import time
from datetime import datetime
from decimal import Decimal

import pytest

from payments.providers.daraja import sms
from payments.providers.daraja.receipt_dates import day_of
from payments.providers.daraja.sms import EAT, Kind
from tests import payloads

# What each recorded message is: kind, code, amount, who, minute, balance and cost.
READ = {
    "01-sent-to-person-01xx": (
        Kind.SENT_PHONE, "TCO5V187SF", "100", "JABALI WAKESHO", "2025-03-24T07:02", "2128.13", "0",
    ),
    "03-paybill-paid-with-account": (
        Kind.PAID_ACCOUNT, "TCM0P6D1HI", "300", "Lipa na KCB", "2025-03-22T18:22", "843.13", "5",
    ),
    "05-till-paid-buy-goods": (
        Kind.PAID, "TCM5P70VVL", "215", "JABALI WAKESHO", "2025-03-22T18:25", "628.13", "0",
    ),
    "07-deposit-at-agent": (
        Kind.DEPOSIT, "TA6678JM3W", "1000", "HASHI COMM Evalast EnterprisesGITHURAI 44",
        "2025-01-06T16:22", "1335.89", None,
    ),
    "09-data-bundles": (
        Kind.AIRTIME, "TCK6F5UHUO", "30", "SAFARICOM DATA BUNDLES", "2025-03-20T14:25", "96.61", "0",
    ),
    "11-to-mshwari": (
        Kind.SAVINGS, "TCP82LUXUW", "30", "", "2025-03-25T16:41", "59.61", "0",
    ),
    "13-withdraw-no-space-pmwithdraw": (
        Kind.WITHDRAWAL, "UGHDL01LT0", "500", "2059881 - JAMBU COMTECH Baraka shopKasarani",
        "2026-07-17T16:37", "2320.38", "29",
    ),
    "15-failed-wrong-pin": (Kind.FAILED, "", None, "", None, None, None),
    "17-fuliza-access-fee": (Kind.FULIZA, "UGVDL1O5UV", "20", "", None, None, None),
    "19-fuliza-partial-repay-no-receipt": (Kind.FULIZA, "", "250", "", None, "0", None),
    "21-bank-loop-mpesa-ref-inside": (
        Kind.BANK_NOTICE, "UH2BA1KS2V", "400", "", "2026-08-02T17:25", None, None,
    ),
    "23-reversal-debited": (
        Kind.REVERSAL, "TI27ZWJC3B", "100", "", "2025-09-02T08:31", "1758", None,
    ),
    "25-received-from-ziidi-double-ksh": (
        Kind.RECEIVED_PHONE, "SLR41L5AO8", "4870", "ZIIDI", "2024-12-27T15:41", "4870", None,
    ),
    "27-business-till-received-no-space": (
        Kind.RECEIVED_BUSINESS, "QAI1S35S7Z", "40", "JABALI A WAKESHO", "2022-01-18T15:57",
        "440", "0",
    ),
    "29-business-received-from-bank": (
        Kind.RECEIVED_BUSINESS, "RAQ788BUHD", "45200", "488519-NCBA Bank M- pesa",
        "2023-01-26T12:47", "45087", None,
    ),
    "31-business-till-uppercase-ksh": (
        Kind.RECEIVED_BUSINESS, "UJ2H08M4M3", "40", "JABALI WAKESHO", "2026-10-02T19:37",
        "440", "0",
    ),
    "33-business-paybill-received-2011-9char": (
        Kind.RECEIVED_BUSINESS, "BM46ST941", "8723", "JABALI WAKESHO", "2011-07-06T22:49",
        "6375223", None,
    ),
    "35-sw-sent": (
        Kind.SENT_PHONE, "TAD62EDKVQ", "1", "John Doe", "2025-01-13T17:44", "263.47", "0",
    ),
    "37-sw-received-two-messages-glued": (
        Kind.RECEIVED_PHONE, "TAD72DJ3YB", "1", "John Doe", "2025-01-13T17:39", "264.47", None,
    ),
    "39-sw-pochi-sent": (
        Kind.SENT_NAME, "TAE55NG2RH", "50", "JABALI WAKESHO", "2025-01-14T13:48", "193.47", "0",
    ),
    "41-sw-balance": (Kind.BALANCE, "TAD72CZ6J3", None, "", "2025-01-13T17:36", "263.47", "0"),
    "43-sw-hakikisha-declined": (Kind.DECLINED, "", "20", "", None, "263.47", None),
}  # fmt: skip
# Forms of which no recording lies here, after public descriptions; names and numbers are made up.
OTHER_FORMS = {
    "airtime": (
        "UKB5RBYBPR confirmed.You bought Ksh20.00 of airtime for 254700000129 on 11/11/26 at 4:57 "
        "PM.New  balance is Ksh1,685.97. Transaction cost, Ksh0.00.",
        Kind.AIRTIME,
    ),
    "congratulations": (
        "Congratulations! UK66N8PLHM confirmed.You have received Ksh15,950.00 from A BANK B2C. on "
        "6/11/26 at 2:35 PM.New M-PESA balance is Ksh16,785.29. Separate personal and business "
        "funds through Pochi la Biashara on *334#.",
        Kind.RECEIVED_PHONE,
    ),
    "pochi received": (
        "UKH01GAG8Y Confirmed.You have received Ksh10.00 from JABALI  WAKESHO on 17/11/26 at 12:03 "
        "PM  New business balance is Ksh10.00. To access your funds, Dial *334#",
        Kind.RECEIVED_POCHI,
    ),
    "masked payer": (
        "UKH01GAG8Y Confirmed. You have received Ksh200.00 from JABALI WAKESHO 0720***167 on "
        "17/11/26 at 10:00 AM. New M-PESA balance is Ksh3,200.00.",
        Kind.RECEIVED_PHONE,
    ),
    "moved": (
        "UKI5I8EXAH Confirmed, Ksh1,000.00 has been moved from your business account to your "
        "M-PESA account on 18/11/26 at 12:12 PM.. New business balance is Ksh0.00.",
        Kind.MOVED,
    ),
    "reversal credited": (
        "UKP5C9HAIJ confirmed. Reversal of transaction UKH5DP029L has been successfully reversed  "
        "on 25/11/26  at 2:04 PM and Ksh1.00 is credited to your M-PESA account.",
        Kind.REVERSAL,
    ),
    "no money": (
        "Failed. Insufficient funds in your M-PESA account to send KSH50.00. Your M-PESA balance "
        "KSH0.00.",
        Kind.FAILED,
    ),
    "hakuna pesa": (
        "Hakuna pesa za kutosha katika akaunti yako ya M-PESA kuweza kutuma Ksh3,251.00.",
        Kind.FAILED,
    ),
    "umelipa": (
        "UKE46D879G Imethibitishwa. Umelipa Ksh20.00 kwa JABALI WAKESHO 14/11/26 4:53 PM.Baki yako "
        "mpya katika M-PESA ni Ksh173.47. Gharama ya kununua ni Ksh0.00.",
        Kind.PAID,
    ),
    "umelipa akaunti": (
        "UKE46D879G Imethibitishwa. Umelipa Ksh20.00 kwa DUKA kwa akaunti 12345 tarehe 14/11/26 saa "
        "4:53 PM. Baki yako ya M-PESA ni Ksh173.47.",
        Kind.PAID_ACCOUNT,
    ),
    "umenunua": (
        "UKF5BV0XRN Umenunua Ksh5.00 ya mjazo siku 15/11/26 saa 8:44 PM.Baki mpya ya M-PESA ni "
        "Ksh38.47.",
        Kind.AIRTIME,
    ),
    "aggregator": (
        "UKM5P70VVL Confirmed. Ksh215.00 paid to DUKA Via Kopo Kopo. on 22/11/26 at 6:25 PM..New "
        "M-PESA balance is Ksh628.13. Transaction cost, Ksh0.00.",
        Kind.PAID,
    ),
    "balance": (
        "UKB6DL632F Confirmed. Your account balance was: M-PESA Account : Ksh0.00 Business Account "
        ": Ksh0.00 on 11/11/26 at 5:19 PM. Transaction cost, Ksh0.00.",
        Kind.BALANCE,
    ),
    "from savings": (
        "UKP22LYZH8 Confirmed.Ksh20.00 transferred from M-Shwari account on 25/11/26 at 4:41 PM. "
        "M-Shwari balance is Ksh10.29 .M-PESA balance is Ksh79.61 .Transaction cost Ksh.0.00",
        Kind.SAVINGS,
    ),
    "no spaces": (
        "UKO5V187SFConfirmed.Ksh100.00paid to DUKA.on 24/11/26 at 7:02 AM.New M-PESA balance is "
        "Ksh2,128.13.",
        Kind.PAID,
    ),
    "typed in small letters": (
        "uko5v187sf confirmed. ksh100 paid to duka on 24/11/26 at 7:02 am new m-pesa balance is "
        "ksh175",
        Kind.PAID,
    ),
}


class TestRecordedMessages:
    @pytest.mark.parametrize(("name", "text"), payloads.params("sms"))
    def test_are_read(self, name, text):
        kind, number, amount, party, at, balance, cost = READ[name.removesuffix(".json")]

        message = sms.parse(text)

        assert (message.kind, message.receipt_number) == (kind, number)
        assert message.amount == (None if amount is None else Decimal(amount))
        assert message.counterparty == party
        minute = at and datetime.fromisoformat(f"{at}+03:00")
        assert (message.at, message.at and message.at.tzinfo) == (minute, minute and EAT)
        assert message.balance == (None if balance is None else Decimal(balance))
        assert message.cost == (None if cost is None else Decimal(cost))
        assert message.language == ("sw" if "-sw-" in name else "en")
        assert not message.is_doctored

    def test_are_all_named_here(self):
        assert {name.removesuffix(".json") for name, _text in payloads.bodies("sms")} == READ.keys()

    @pytest.mark.parametrize("name", OTHER_FORMS)
    def test_have_relatives(self, name):
        text, kind = OTHER_FORMS[name]

        message = sms.parse(text)

        assert message.kind is kind
        assert message.is_payment == (kind in {Kind.PAID, Kind.PAID_ACCOUNT})

    def test_of_payers_name_account_and_phone(self):
        paid = sms.parse(payloads.body_of("sms", "03-paybill-paid-with-account"))
        sent = sms.parse(payloads.body_of("sms", "01-sent-to-person-01xx"))
        masked = sms.parse(OTHER_FORMS["masked payer"][0])

        assert (paid.account, paid.left_today) == ("9000839", Decimal("499550.00"))
        assert (sent.phone, sent.phone_last3) == ("0110000151", "151")
        assert (masked.phone, masked.phone_last3) == ("0720***167", "167")

    def test_of_businesses_name_account_and_payer(self):
        text = payloads.body_of("sms", "33-business-paybill-received-2011-9char")

        message = sms.parse(text)

        assert (message.account, message.phone) == ("5FML59-01", "254700000161")
        assert message.balance_of == "utility"

    def test_that_quote_another_code_tell_it_apart(self):
        reversal = sms.parse(payloads.body_of("sms", "23-reversal-debited"))
        glued = sms.parse(payloads.body_of("sms", "37-sw-received-two-messages-glued"))

        assert reversal.quoted == ("TI26ZVL0L8",)
        assert (glued.receipt_number, glued.is_one_of_several) == ("TAD72DJ3YB", True)

    def test_say_nothing_of_people_in_a_log(self):
        text = repr(sms.parse(payloads.body_of("sms", "01-sent-to-person-01xx")))

        assert "JABALI" not in text
        assert "0110000151" not in text


class TestOddText:
    @pytest.mark.parametrize(
        ("text", "why"),
        [
            pytest.param("UKO5V187SF Confirmed. " * 500, "too_long", id="10 kB"),
            pytest.param("x" * 2_001, "too_long", id="one too many"),
            pytest.param("UKO5V187SF\x00 Confirmed.", "control", id="NUL"),
            pytest.param("UKO5V187SF \x1b[31mConfirmed.", "control", id="escape"),
            pytest.param("UKO5V187SF \ud800Confirmed.", "control", id="half a surrogate"),
            pytest.param("\u202eUKO5V187SF Confirmed.", "turned", id="right to left override"),
            pytest.param("UKO5V187SF\u200f Confirmed.", "turned", id="right to left mark"),
            pytest.param("\u2067UKO5V187SF Confirmed.", "turned", id="isolate"),
            pytest.param(" \n\t ", "empty", id="blanks"),
            pytest.param("", "empty", id="nothing"),
        ],
    )
    def test_is_not_read(self, text, why):
        with pytest.raises(sms.Unreadable) as caught:
            sms.parse(text)

        assert caught.value.why == why
        assert "UKO5V187SF" not in str(caught.value)

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("UKO5V187SF \u0421onfirmed.", id="Cyrillic"),
            pytest.param("UKO5V187SF C\u03bfnfirmed.", id="Greek"),
            pytest.param("\uff35KO5V187SF Confirmed.", id="full width"),
            pytest.param("UKO5V187SF Confirmed. Ksh1\u0660\u0660.00 paid to", id="Arabic digits"),
            pytest.param("UKO5\u200bV187SF Confirmed.", id="zero width"),
            pytest.param("\U0001d414KO5V187SF Confirmed.", id="mathematical bold"),
        ],
    )
    def test_that_passes_for_ours_is_noted(self, text):
        assert sms.parse(text).is_doctored

    @pytest.mark.parametrize(
        "text", ["O\u2019BRIEN JOS\u00c9", "Hongera \U0001f389\ufe0f", "5\u00a0PM"]
    )
    def test_that_people_do_write_is_not(self, text):
        assert not sms.parse(f"UKO5V187SF Confirmed. Ksh5.00 paid to {text}").is_doctored

    def test_breaks_lines_as_it_likes(self):
        text = payloads.body_of("sms", "05-till-paid-buy-goods")

        assert sms.parse(text.replace(" ", "\r\n ")) == sms.parse(text)

    @pytest.mark.parametrize(
        "piece",
        ["Ksh", "1,", "account ", "balance ", "A1", "1/1/", "confirmed", "for account 1 ", "* 0"],
    )
    def test_of_any_kind_is_read_quickly(self, piece):
        text = (piece * 2_000)[:2_000]
        began = time.perf_counter()

        sms.parse(text)

        assert time.perf_counter() - began < 2


class TestAmounts:
    @pytest.mark.parametrize(
        ("figure", "amount"),
        [
            ("Ksh1,600.00", "1600"),
            ("Ksh 20.00", "20"),
            ("KSH50.00", "50"),
            ("Ksh.0.50", "0.50"),
            ("Ksh Ksh4,870.00", "4870"),
            ("Ksh1300.22", "1300.22"),
            ("Kshs. 5", "5"),
            ("KES 70,000", "70000"),
        ],
    )
    def test_are_exact(self, figure, amount):
        message = sms.parse(f"UKO5V187SF Confirmed. {figure} paid to DUKA. on 24/11/26 at 7:02 AM")

        assert (message.amount, message.bad_amounts) == (Decimal(amount), ())

    @pytest.mark.parametrize(
        "figure", ["Ksh5,00.00", "Ksh50,00.00", "Ksh1,0000", "Ksh5.000", "Ksh5,O00.00", "Ksh10.5"]
    )
    def test_of_another_form_are_none(self, figure):
        message = sms.parse(f"UKO5V187SF Confirmed. {figure} paid to DUKA. on 24/11/26 at 7:02 AM")

        assert message.amount is None
        assert message.bad_amounts


class TestDayOf:
    @pytest.mark.parametrize(
        ("number", "day"),
        [
            ("UKO5V187SF", (2026, 11, 24)),
            ("LA11111111", (2017, 1, 1)),
            ("TLV0000000", (2025, 12, 31)),
        ],
    )
    def test_reads_the_first_three_signs(self, number, day):
        found = day_of(number)
        assert found is not None
        assert (found.year, found.month, found.day) == day

    @pytest.mark.parametrize(
        "number",
        ["UMO5V187SF", "UK05V187SF", "UKW5V187SF", "UBV5V187SF", "1KO5V187SF", "BM46ST941"],
    )
    def test_knows_days_that_do_not_exist(self, number):
        assert day_of(number) is None
