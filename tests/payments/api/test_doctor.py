"""The doctor, go-live and C2B registration over REST."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from payments import callback_urls
from payments.models import PaymentConfig, ProviderCallback
from payments.services import claims
from tests.daraja import FakeDaraja
from tests.payments.api.config_requests import LIST, errors, of
from tests.payments.services.doctor_world import BASICS, LIVE_NUMBER, PHONE
from tests.payments.services.request_world import WITH_INITIATOR

pytestmark = pytest.mark.django_db
CONFIRMATION = b'{"TransID": "TKR123ABCD", "TransAmount": "100.00", "BusinessShortCode": "600100"}'


@pytest.fixture
def live_daraja():
    with FakeDaraja(clock=timezone.now, base_url=settings.DARAJA_PRODUCTION_URL) as fake:
        yield fake


@pytest.fixture
def live(shop, make_config):
    return make_config(
        shop,
        status="draft",
        environment="production",
        provider="mpesa_paybill",
        shortcode=LIVE_NUMBER,
    )


class TestVerify:
    def test_answers_a_prompt_that_waits_and_completes_its_row_later(
        self, api, live_admin_key, live, live_daraja
    ):
        client = api(live_admin_key)

        answer = client.post(of(live, "verify"), {"phone_number": PHONE}).json()
        waiting = client.get(of(live, "verification-logs")).json()["results"][0]
        live_daraja.deliver(Client())
        done = client.get(of(live, "verification-logs")).json()["results"][0]

        assert [log["stage"] for log in answer["logs"]] == [*BASICS, "prompt"]
        assert answer["logs"][-1]["result"] == waiting["result"] == "pending"
        assert answer["config"]["status"] == "pending"
        assert (done["id"], done["result"]) == (waiting["id"], "success")
        assert client.get(of(live)).json()["status"] == "verified"
        assert client.get(of(live)).json()["proven_at"]

    def test_answers_a_balance_that_waits_and_completes_its_row_later(
        self, api, admin_key, shop, make_config, daraja
    ):
        daraja.engine.knobs.result_after_s = 0.0
        config = make_config(shop, credentials=WITH_INITIATOR)
        client = api(admin_key)

        [asked] = client.post(of(config, "verify"), {"stages": ["balance"]}).json()["logs"]
        daraja.deliver(Client())
        [done] = client.get(of(config, "verification-logs")).json()["results"]

        assert (asked["stage"], asked["result"]) == ("balance", "pending")
        assert (done["id"], done["result"]) == (asked["id"], "success")
        assert "Account" not in str(done)

    def test_says_what_to_do_next(self, api, admin_key, shop, make_config, daraja):
        config = make_config(shop, status="draft")
        daraja.at_home = (301, {}, b"")

        logs = api(admin_key).post(of(config, "verify")).json()["logs"]

        assert logs[-1]["stage"] == "callback"
        assert logs[-1]["next_action"]
        assert logs[-1]["response_payload"]["finding"] == "callback_redirected"

    @pytest.mark.parametrize(
        ("body", "wrong"),
        [
            ({"stages": ["prompt"]}, ("phone_number", "required")),
            ({"stages": ["horoscope"]}, ("stages.0", "invalid_choice")),
            ({"phone_number": 712345678}, ("phone_number", "not_text")),
            ({"phone": PHONE}, ("phone", "unknown_field")),
        ],
    )
    def test_is_strict(self, api, admin_key, till, body, wrong):
        response = api(admin_key).post(of(till, "verify"), body)

        assert response.status_code == 400
        assert errors(response) == {wrong}

    def test_refuses_a_number_that_is_none(self, api, admin_key, till):
        response = api(admin_key).post(of(till, "verify"), {"phone_number": "12"})

        assert (response.status_code, response.json()["code"]) == (400, "invalid_phone_number")

    def test_tells_that_a_shortcode_is_claimed_and_not_by_whom(
        self, api, live_admin_key, live, live_daraja, neighbour, make_config, now
    ):
        theirs = make_config(
            neighbour,
            environment="production",
            provider="mpesa_paybill",
            shortcode=LIVE_NUMBER,
            name="Secret of Jirani",
        )
        claims.claim_shortcode(config=theirs, now=now)

        response = api(live_admin_key).post(of(live, "verify"), {"phone_number": PHONE})

        assert (response.status_code, response.json()["code"]) == (409, "shortcode_claimed")
        assert not any(word in response.text for word in ("Jirani", "jirani", str(neighbour.pk)))
        assert live_daraja.prompts_sent == 0


class TestActivate:
    def test_names_what_is_missing(self, api, live_admin_key, live, live_daraja):
        client = api(live_admin_key)
        PaymentConfig.objects.filter(pk=live.pk).update(
            status="verified", verified_at=timezone.now()
        )

        unproven = client.post(of(live, "activate"))
        PaymentConfig.objects.filter(pk=live.pk).update(proven_at=timezone.now())
        unapproved = client.post(of(live, "activate"))

        assert (unproven.status_code, unproven.json()["code"]) == (409, "not_verified")
        assert unproven.json()["missing"] == ["prompt"]
        assert (unapproved.status_code, unapproved.json()["code"]) == (409, "invalid_transition")
        assert unapproved.json()["missing"] == ["approval"]
        assert "second person" in unapproved.json()["detail"]

    def test_may_be_left_to_the_verification_in_the_sandbox(self, api, admin_key, daraja):
        body = {
            "name": "Own",
            "provider": "mpesa_paybill",
            "shortcode": "600200",
            "auto_activate": True,
            "credentials": {"consumer_key": "k" * 20, "consumer_secret": "s", "passkey": "p"},
        }
        client = api(admin_key)
        made = client.post(LIST, body).json()

        answer = client.post(f"{LIST}/{made['id']}/verify").json()

        assert answer["config"]["is_active"]

    def test_may_not_in_production(self, api, live_admin_key):
        body = {"name": "A", "provider": "card", "shortcode": "1", "auto_activate": True}

        response = api(live_admin_key).post(LIST, body)

        assert errors(response) == {("auto_activate", "not_applicable")}


class TestRegisterUrls:
    def test_answers_what_is_registered(self, api, admin_key, paybill, daraja):
        answer = api(admin_key).post(of(paybill, "register-urls"), {"response_type": "Cancelled"})

        body = answer.json()
        assert answer.status_code == 200
        assert (body["held_by"], body["version"], body["response_type"]) == (
            "us",
            "v2",
            "Cancelled",
        )
        assert body["registered_at"]
        assert daraja.ledger.urls[0].confirmation_url not in answer.text

    def test_tells_the_way_out(self, api, admin_key, paybill, daraja):
        daraja.engine.register_urls_elsewhere("600100")

        response = api(admin_key).post(of(paybill, "register-urls"))

        assert (response.status_code, response.json()["code"]) == (409, "verification_failed")
        assert "URL Management" in response.json()["next_action"]

    def test_is_strict(self, api, admin_key, paybill):
        response = api(admin_key).post(of(paybill, "register-urls"), {"response_type": "yes"})

        assert errors(response) == {("response_type", "invalid_choice")}


class TestC2BCallbacks:
    @pytest.mark.parametrize("place", [0, 1], ids=["validation", "confirmation"])
    def test_are_kept_whole_and_accepted(self, paybill, place):
        path = callback_urls.c2b_urls(paybill.pk)[place].removeprefix(settings.PUBLIC_BASE_URL)

        answer = Client().post(path, CONFIRMATION, content_type="application/json")

        row = ProviderCallback.objects.get()
        assert answer.status_code == 200
        assert str(answer.json()["ResultCode"]) == "0"
        assert row.body.reveal_bytes() == CONFIRMATION
        assert (row.status, row.shop, row.kind) == (
            "applied",
            paybill.shop,
            ["c2b_ask", "c2b"][place],
        )
        assert row.problem == ""
        assert row.payment is None

    @pytest.mark.parametrize("ending", ["", "/", "/x", "/c/", "/C"])
    def test_have_no_other_address(self, paybill, ending):
        path = callback_urls.callback_path("c", paybill.pk)

        assert Client().post(f"{path}{ending}").status_code == 404

    def test_take_no_other_kinds_lock(self, paybill):
        mac = callback_urls.callback_path("s", paybill.pk).rsplit("/", 1)[1]

        answer = Client().post(
            f"/cb/c/{paybill.pk.hex}/{mac}/c", CONFIRMATION, content_type="text/plain"
        )

        assert answer.status_code == 404
        assert not ProviderCallback.objects.exists()


class TestLoop:
    CHALLENGE = "challenge-of-24-characters"

    def test_signs_a_challenge_without_the_database(self, paybill, django_assert_num_queries):
        path = callback_urls.loop_path(paybill.pk)

        with django_assert_num_queries(0):
            answer = Client().post(path, self.CHALLENGE, content_type="text/plain")

        signed = callback_urls.loop_answers(paybill.pk.hex, self.CHALLENGE)
        assert answer.json() == {"answer": signed[0]}

    @pytest.mark.parametrize("body", [b"", b"short", b"x" * 200, "é".encode() * 20, b"{}" * 10])
    def test_signs_nothing_else(self, paybill, body):
        path = callback_urls.loop_path(paybill.pk)

        assert Client().post(path, body, content_type="text/plain").status_code == 400

    def test_is_locked(self, paybill):
        path = f"/cb/l/{paybill.pk.hex}/{'0' * 32}"

        assert Client().post(path, self.CHALLENGE, content_type="text/plain").status_code == 404

    def test_is_no_way_to_get_a_callback_address_signed(self, paybill):
        mac = callback_urls.callback_path("s", paybill.pk).rsplit("/", 1)[1]

        signed = callback_urls.loop_answers(paybill.pk.hex, f"s-{paybill.pk.hex}")

        assert not any(mac in each for each in signed)
