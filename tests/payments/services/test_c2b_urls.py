"""Registering C2B addresses: once, ours, and with the way out where it is refused."""

from __future__ import annotations

import json

import pytest
import responses
from django.conf import settings
from django.utils import timezone

from audit.models import AuditEntry
from payments.errors import InvalidInput, InvalidTransition, VerificationFailed
from payments.providers.daraja import c2b
from payments.services import c2b_urls, configs, verification
from tests.daraja import FakeDaraja
from tests.payloads import body_of
from tests.payments.services.doctor_world import findings, visit

pytestmark = pytest.mark.django_db


@pytest.fixture
def live_daraja():
    with FakeDaraja(
        clock=timezone.now, base_url=settings.DARAJA_PRODUCTION_URL, c2b_once=True
    ) as fake:
        yield fake


@pytest.fixture
def live(shop, make_config):
    return make_config(shop, environment="production", provider="mpesa_paybill", shortcode="600777")


def register(config, actor, now, response_type="Completed"):
    return c2b_urls.register_urls(config=config, response_type=response_type, actor=actor, now=now)


class TestRegister:
    def test_registers_ours_and_says_since_when(self, paybill, daraja, actor, now):
        config = register(paybill, actor, now)

        asked = daraja.ledger.urls[0]
        known = config.c2b_registration
        assert (asked.shortcode, asked.version, asked.response_type) == (
            "600100",
            "v2",
            "Completed",
        )
        assert asked.confirmation_url.startswith(f"https://pay.test/cb/c/{paybill.pk.hex}/")
        assert asked.confirmation_url.endswith("/c")
        assert asked.validation_url.endswith("/v")
        assert (known["held_by"], known["version"]) == ("us", "v2")
        assert config.c2b_registered_at == now
        assert AuditEntry.objects.get(action="payment_config.urls_registered")

    def test_shows_the_address_without_its_lock(self, paybill, daraja, actor, now):
        config = register(paybill, actor, now)

        mac = daraja.ledger.urls[0].confirmation_url.split("/")[-2]
        trail = json.dumps(list(AuditEntry.objects.values()), default=str)
        assert mac not in json.dumps(config.c2b_registration) + trail

    def test_names_a_till_by_its_store_number(self, till, daraja, actor, now):
        register(till, actor, now)

        assert daraja.ledger.urls[0].shortcode == "600996"

    def test_goes_where_the_config_says(self, paybill, daraja, actor, now):
        paybill.c2b_version = "v1"
        paybill.save()

        register(paybill, actor, now)

        assert daraja.ledger.urls[0].version == "v1"

    def test_may_be_done_again_in_the_sandbox(self, paybill, daraja, actor, now):
        register(paybill, actor, now)
        register(paybill, actor, now, "Cancelled")

        assert [row.registered for row in daraja.ledger.urls] == [True, True]

    def test_asks_production_once(self, live, live_daraja, actor, now):
        first = register(live, actor, now)
        again = register(first, actor, now)

        assert len(live_daraja.ledger.urls) == 1
        assert again.c2b_registered_at == now

    def test_explains_that_somebody_else_has_it(self, live, live_daraja, actor, now):
        live_daraja.engine.register_urls_elsewhere("600777")

        with pytest.raises(VerificationFailed) as caught:
            register(live, actor, now)

        live.refresh_from_db()
        assert "URL Management" in caught.value.data["next_action"]
        assert live.c2b_registration["held_by"] == "somebody_else"
        assert live.c2b_registered_at is None
        run = visit(live, actor, now, stages=["urls"])
        assert findings(run.logs) == ["urls_elsewhere"]
        assert live.status == "verified"

    def test_is_ours_again_once_the_portal_let_it_go(self, live, live_daraja, actor, now):
        live_daraja.engine.register_urls_elsewhere("600777")
        with pytest.raises(VerificationFailed):
            register(live, actor, now)
        live_daraja.engine.knobs.turn(c2b_once=False)
        live.refresh_from_db()

        config = register(live, actor, now)

        assert findings(visit(config, actor, now, stages=["urls"]).logs) == ["urls_ours"]

    def test_names_the_other_version(self, paybill, daraja, actor, now):
        daraja.engine.knobs.turn(c2b_product="v1")

        with pytest.raises(VerificationFailed) as caught:
            register(paybill, actor, now)

        assert caught.value.data["other_version"] == "v1"

    def test_refuses_forbidden_words_before_it_asks(self, paybill, daraja, actor, now, settings):
        settings.PUBLIC_BASE_URL = "https://mpesa.pay.test"

        with pytest.raises(VerificationFailed) as caught:
            register(paybill, actor, now)

        assert caught.value.data["words"] == ["mpesa"]
        assert daraja.ledger.urls == []

    def test_says_so_where_the_simulated_daraja_refuses_them(self, paybill, daraja, actor, now):
        daraja.break_next("register", "server_error")

        with pytest.raises(VerificationFailed, match="no readable answer"):
            register(paybill, actor, now)

        paybill.refresh_from_db()
        assert paybill.c2b_registration == {}

    def test_is_for_verified_ones(self, shop, make_config, actor, now):
        with pytest.raises(InvalidTransition):
            register(make_config(shop, status="draft"), actor, now)

    def test_knows_two_response_types(self, paybill, actor, now):
        with pytest.raises(InvalidInput):
            register(paybill, actor, now, "completed")


class TestWayOut:
    """Whatever happened to the addresses, the config lives on, and they can be registered."""

    def suspend_and_restore(self, config, actor, now):
        config.refresh_from_db()
        configs.suspend_config(config=config, reason="Stolen", actor=actor, now=now)
        return verification.restore_config(config=config, reason="Found", actor=actor, now=now)

    def test_is_walked_from_somebody_elses_addresses_to_ours(self, live, live_daraja, actor, now):
        live.proven_at = now
        live.save()
        live_daraja.engine.register_urls_elsewhere("600777")
        with pytest.raises(VerificationFailed):
            register(live, actor, now)

        config = self.suspend_and_restore(live, actor, now)
        told = config.verifications.get(stage="urls")
        live_daraja.engine.knobs.turn(c2b_once=False)
        config = register(config, actor, now)

        assert (told.result, told.response_payload["finding"]) == ("failed", "urls_elsewhere")
        assert "Then register again" in told.next_action
        assert config.status == "verified"
        assert findings(visit(config, actor, now).logs)[-1] == "urls_ours"

    def test_is_walked_after_our_own_host_moved(self, live, live_daraja, actor, now, settings):
        live.proven_at = now
        live.save()
        register(live, actor, now)
        settings.PUBLIC_BASE_URL = "https://new.pay.test"

        config = self.suspend_and_restore(live, actor, now)
        found = c2b_urls.look(config).name
        with pytest.raises(VerificationFailed, match="already registered"):
            register(config, actor, now)
        live_daraja.engine.knobs.turn(c2b_once=False)
        config = register(config, actor, now)

        assert (config.status, found) == ("verified", "urls_moved")
        assert c2b_urls.look(config).name == "urls_ours"
        last = live_daraja.ledger.urls[-1]
        assert last.confirmation_url.startswith("https://new.pay.test/cb/c/")

    def test_is_open_to_what_failed_by_it_before(self, live, live_daraja, actor, now):
        live.proven_at, live.status, live.is_active = now, "failed", False
        live.c2b_registration = {"held_by": "somebody_else"}
        live.save()

        config = visit(live, actor, now).config

        assert register(config, actor, now).c2b_registration["held_by"] == "us"


class TestRecordedAnswers:
    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("01-sandbox-2026-eight-zeros", "00000000"),
            ("03-official-lowercase-success", "0"),
        ],
    )
    def test_of_success_are_taken_for_it(self, name, code):
        assert c2b.read_registered(json.loads(body_of("c2b_register_response", name))) == code

    @pytest.mark.parametrize(
        ("kind", "name", "status"),
        [
            ("c2b_register_response", "05-old-already-registered-as-200", 200),
            ("api_error", "17-500-urls-already-registered", 500),
        ],
    )
    def test_of_already_registered_are_told_apart(
        self, paybill, daraja, actor, now, kind, name, status
    ):
        url = f"{settings.DARAJA_SANDBOX_URL}/mpesa/c2b/v2/registerurl"
        body = body_of(kind, name)
        # Before the simulator, which answers everything below the address.
        daraja._mock._registry.registered.insert(
            0, responses.Response(responses.POST, url, body=body, status=status)
        )

        with pytest.raises(VerificationFailed, match="already registered"):
            register(paybill, actor, now)
