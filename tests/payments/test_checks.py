from __future__ import annotations

import pytest
from django.db import connection

from payments import checks


def ids(problems):
    return [problem.id for problem in problems]


class TestPublicBaseUrl:
    @pytest.mark.parametrize(
        ("url", "debug", "expected"),
        [
            ("https://pay.example.co.ke", False, []),
            ("http://127.0.0.1:8000", True, []),
            ("http://pay.example.co.ke", False, ["payments.E002"]),
            ("https://pay.example.co.ke/shop", False, ["payments.E001"]),
            ("", False, ["payments.E001", "payments.E002"]),
            ("https://mpesa.example.co.ke", False, ["payments.E003"]),
            ("https://pay.SafariCom-shop.co.ke", False, ["payments.E003"]),
            ("https://querying.example.co.ke", False, ["payments.E003"]),
        ],
    )
    def test_is_one_safaricom_would_call(self, settings, url, debug, expected):
        settings.PUBLIC_BASE_URL, settings.DEBUG = url, debug

        assert ids(checks.check_public_base_url()) == expected


class TestDarajaUrls:
    def test_refuses_plain_http_and_play_money_for_real(self, settings):
        settings.DARAJA_PRODUCTION_URL = settings.DARAJA_SANDBOX_URL = "http://daraja.test"

        assert ids(checks.check_daraja_urls()) == ["payments.E004", "payments.E005"]

    def test_accepts_safaricoms_own(self, settings):
        settings.DARAJA_PRODUCTION_URL = "https://api.safaricom.co.ke"

        assert checks.check_daraja_urls() == []


class TestCertificates:
    def test_accepts_safaricoms_own(self):
        assert checks.check_certificates() == []

    def test_names_the_setting_whose_file_is_none(self, settings, tmp_path):
        settings.DARAJA_CERTIFICATE_FILES = ["", str(tmp_path / "nothing.cer")]

        [problem] = checks.check_certificates()

        assert problem.id == "payments.E007"
        assert "DARAJA_CERTIFICATE_FILE_PRODUCTION" in problem.msg


class TestDurability:
    @pytest.mark.django_db
    def test_refuses_a_database_that_answers_before_it_has_written(self, settings):

        settings.DEBUG = False
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")

        assert ids(checks.check_durability(databases=["default"])) == ["payments.E006"]
