from __future__ import annotations

import pytest

from payments.choices import CallbackKind, Provider
from payments.errors import (
    NoActiveConfig,
    UnreadableBody,
)
from payments.providers import registry
from payments.providers.base import AccountDetails
from tests import payloads
from tests.payments.providers.daraja_wire import (
    NOW,
    SECRETS,
    TOKEN,
    URL,
)


class TestRegistry:
    @pytest.mark.parametrize("provider", [Provider.MPESA_PAYBILL, Provider.MPESA_TILL])
    @pytest.mark.parametrize(
        ("environment", "url"),
        [("production", "https://live.test"), ("sandbox", URL), ("staging", URL), ("", URL)],
    )
    def test_aims_at_the_environment(self, provider, environment, url, wire, settings):
        settings.DARAJA_SANDBOX_URL = URL
        settings.DARAJA_PRODUCTION_URL = "https://live.test"
        account = AccountDetails(provider, environment, "174379", "600123", SECRETS)
        wire.post(f"{url}/mpesa/stkpushquery/v1/query", body="{}")

        registry.adapter_for(account, TOKEN).query_payment("ws_CO_1", asked_at=NOW)

        assert wire.calls[0].request.headers["Authorization"] == f"Bearer {TOKEN}"

    @pytest.mark.parametrize("provider", ["airtel_money", "bank_transfer", "card", "", "x"])
    def test_has_no_adapter_for_others_yet(self, provider):
        with pytest.raises(NoActiveConfig):
            registry.adapter_for(AccountDetails(provider, "sandbox", "1"))

        assert not registry.supports(provider, "request_payment")

    def test_knows_what_an_adapter_can(self):
        assert registry.supports(Provider.MPESA_TILL, "query_payment")
        assert not registry.supports(Provider.MPESA_TILL, "send_money")

    def test_reads_stk_callbacks_and_nothing_else(self):
        body = payloads.body_of("stk_callback", "31-fail-1032-official").encode()

        assert registry.parser_for(CallbackKind.STK)(body).result_code == "1032"
        with pytest.raises(UnreadableBody):
            registry.parser_for("carrier pigeon")
