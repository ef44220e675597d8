from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments import msisdn
from payments.errors import InvalidPhoneNumber

PREFIXES = [*range(700, 800), *range(100, 200)]


class TestNormalise:
    @pytest.mark.parametrize(
        "phone_number",
        [
            "0712345678",
            "712345678",
            "254712345678",
            "+254712345678",
            "0712 345 678",
            "0712-345-678",
            "+254 712 345-678",
            " 0712345678 ",
        ],
    )
    def test_understands_every_way_to_write_a_number(self, phone_number):
        assert msisdn.normalise(phone_number) == "254712345678"

    def test_understands_the_01_numbers(self):
        assert msisdn.normalise("0110 000 123") == "254110000123"
        assert msisdn.normalise("110000123") == "254110000123"

    @pytest.mark.parametrize("prefix", PREFIXES)
    def test_leaves_it_to_safaricom_which_prefixes_exist(self, prefix):
        assert msisdn.normalise(f"0{prefix}123456") == f"254{prefix}123456"

    @pytest.mark.parametrize(
        "phone_number",
        [
            "",
            "0",
            "071234567",
            "07123456789",
            "0812345678",
            "0212345678",
            "+255712345678",
            "+0712345678",
            "2540712345678",
            "+1 202 555 0100",
            "0712345678x",
            "tel:0712345678",
            "0712.345.678",
            "0712_345_678",
            "(0712)345678",
            "0712345678\n",
            "0712345678\x00",
            "0712\u00a0345678",
            "0712\u2011345678",
            "\uff10\uff17\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18",
            "\u0660\u0667\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
            "071234567\u0668",
            "\u202e0712345678",
            "7" * 5000,
            " " * 5000,
            None,
            712345678,
        ],
        ids=ascii,
    )
    def test_refuses_everything_else(self, phone_number):
        with pytest.raises(InvalidPhoneNumber):
            msisdn.normalise(phone_number)

    @given(st.text())
    def test_gives_twelve_ascii_digits_or_refuses(self, phone_number):
        try:
            normal = msisdn.normalise(phone_number)
        except InvalidPhoneNumber:
            return

        assert len(normal) == 12
        assert normal.isascii()
        assert normal.startswith(("2547", "2541"))
        assert msisdn.normalise(normal) == normal


class TestMask:
    def test_shows_the_first_four_and_the_last_three(self):
        assert msisdn.mask("254712345678") == "2547*****678"

    @pytest.mark.parametrize("text", ["", "0712345678", "2547123456789"])
    def test_hides_whole_what_is_no_msisdn(self, text):
        assert msisdn.mask(text) == "*****"


class TestMaskCheckoutRequestId:
    def test_hides_the_nine_digits_of_the_payer(self):
        masked = msisdn.mask_checkout_request_id("ws_CO_02042024170008357700000107")

        assert masked == "ws_CO_02042024170008357*********"

    @pytest.mark.parametrize(("whole", "masked"), [("", ""), ("abc", "***")])
    def test_hides_a_short_one_whole(self, whole, masked):
        assert msisdn.mask_checkout_request_id(whole) == masked
