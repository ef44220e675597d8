from __future__ import annotations

import hashlib
import re
import uuid

import pytest

from payments import callback_urls

ATTEMPT = uuid.UUID("01920000-0000-7000-8000-000000000001")


def mac_of(path):
    return path.rsplit("/", 1)[1]


class TestStkCallbackUrl:
    def test_is_hex_under_our_own_address(self, settings):
        settings.PUBLIC_BASE_URL = "https://pay.test"

        url = callback_urls.stk_callback_url(ATTEMPT)

        assert re.fullmatch(r"https://pay\.test/cb/s/[0-9a-f]{32}/[0-9a-f]{32}", url)
        assert callback_urls.forbidden_words_in(url) == []


class TestIsAuthentic:
    def test_knows_its_own(self):
        path = callback_urls.callback_path("s", ATTEMPT)

        assert callback_urls.is_authentic("s", ATTEMPT.hex, mac_of(path))

    def test_depends_on_kind_and_subject(self):
        mac = mac_of(callback_urls.callback_path("s", ATTEMPT))

        assert not callback_urls.is_authentic("c", ATTEMPT.hex, mac)
        assert not callback_urls.is_authentic("s", uuid.uuid4().hex, mac)

    @pytest.mark.parametrize("mac", ["", "0" * 32, "x", "ä" * 32, "\x00"])
    def test_refuses_what_is_none(self, mac):
        assert not callback_urls.is_authentic("s", ATTEMPT.hex, mac)

    def test_accepts_every_key_of_the_ring_and_makes_with_the_first(self, settings):
        before = mac_of(callback_urls.callback_path("s", ATTEMPT))
        old = dict(settings.CALLBACK_MAC_KEYS)
        settings.CALLBACK_MAC_KEYS = {"next": hashlib.sha256(b"next").digest(), **old}

        after = mac_of(callback_urls.callback_path("s", ATTEMPT))

        assert before != after
        assert callback_urls.is_authentic("s", ATTEMPT.hex, before)
        assert callback_urls.is_authentic("s", ATTEMPT.hex, after)


class TestForbiddenWords:
    @pytest.mark.parametrize("host", ["mpesa.shop.ke", "M-PESA.ke", "MySQL.ke", "query.ke"])
    def test_are_found_in_any_case(self, host):
        assert callback_urls.forbidden_words_in(host)
