"""C2B registration on the wire: the simulator's answers in recorded form, and what they prove."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from payments.errors import OutcomeUnknown, ProductMissing, ProviderRefused, UrlsAlreadyRegistered
from payments.providers.base import AccountDetails, UrlRegistration
from payments.providers.daraja.adapter import DarajaAdapter
from payments.providers.daraja.simulator import wire
from tests.daraja import FakeDaraja
from tests.payloads import body_of

URL = "https://daraja.wire"
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
SECRETS = {"consumer_key": "key", "consumer_secret": "secret", "passkey": "pass"}


@pytest.fixture
def daraja():
    with FakeDaraja(clock=lambda: NOW, base_url=URL) as fake:
        yield fake


@pytest.fixture
def register(daraja):
    def call(*, version="v2", response_type="Completed", url="https://pay.test/cb", **account):
        details = {"provider": "mpesa_paybill", "shortcode": "600100", **account}
        who = AccountDetails(environment="sandbox", secrets=SECRETS, **details)
        how = {"base_url": URL, "connect_timeout_s": 1.0, "total_timeout_s": 2.0}
        token = DarajaAdapter(who, **how).fetch_access_token().access_token
        asked = UrlRegistration(f"{url}/v", f"{url}/c", response_type, version)
        return DarajaAdapter(who, access_token=token, **how).register_urls(asked)

    return call


class TestRegisterUrls:
    @pytest.mark.parametrize("version", ["v1", "v2"])
    def test_takes_eight_zeros_for_yes(self, register, daraja, version):
        assert register(version=version) == "00000000"
        assert daraja.ledger.urls[0].version == version

    def test_answers_in_the_recorded_form(self, daraja):
        made = json.loads(wire.urls_registered(conversation_id="x").body)
        recorded = json.loads(body_of("c2b_register_response", "01-sandbox-2026-eight-zeros"))

        assert made.keys() == recorded.keys()
        assert made["ResponseCode"] == recorded["ResponseCode"]

    def test_registers_again_in_the_sandbox(self, register, daraja):
        register()

        assert register() == "00000000"

    def test_registers_once_in_production(self, register, daraja):
        daraja.engine.knobs.turn(c2b_once=True)
        register()

        with pytest.raises(UrlsAlreadyRegistered) as caught:
            register()

        recorded = json.loads(body_of("api_error", "17-500-urls-already-registered"))
        assert caught.value.error_code == recorded["errorCode"]
        assert daraja.ledger.urls[-1].status == 500

    def test_knows_a_shortcode_that_somebody_else_registered(self, register, daraja):
        daraja.engine.register_urls_elsewhere("600100")

        with pytest.raises(UrlsAlreadyRegistered):
            register()

    @pytest.mark.parametrize(("product", "asked"), [("v1", "v2"), ("v2", "v1")])
    def test_tells_the_other_version(self, register, daraja, product, asked):
        daraja.engine.knobs.turn(c2b_product=product)

        with pytest.raises(ProductMissing) as caught:
            register(version=asked)

        assert caught.value.error_code == "401.003.01"

    @pytest.mark.parametrize(
        "word", ["mpesa", "M-Pesa", "safaricom", "exec", "cmd", "SQL", "query"]
    )
    def test_is_refused_for_a_forbidden_word(self, register, daraja, word):
        with pytest.raises(ProviderRefused) as caught:
            register(url=f"https://pay.test/{word}")

        assert caught.value.error_code == "400.002.02"
        assert not daraja.ledger.urls[0].registered

    def test_is_refused_for_a_response_type_in_lower_case(self, register):
        with pytest.raises(ProviderRefused):
            register(response_type="completed")

    @pytest.mark.parametrize("fault", ["html", "empty", "cut", "server_error"])
    def test_does_not_take_nonsense_for_an_answer(self, register, daraja, fault):
        daraja.break_next("register", fault)

        with pytest.raises(OutcomeUnknown):
            register()

    def test_names_a_till_by_its_store_number(self, register, daraja):
        register(provider="mpesa_till", shortcode="555001", store_number="555002")

        assert daraja.ledger.urls[0].shortcode == "555002"
