"""The set-up page: the next step, the doctor at work, and the second person."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from payments import tasks
from payments.models import GoLiveApproval, PaymentConfig, ShortcodeClaim, VerificationRun
from payments.services import c2b_urls, configs, verification
from payments.services.setup_steps import StepState, next_step, steps_of
from tenants.models import Membership, User
from tenants.roles import Role

pytestmark = pytest.mark.django_db
PHONE = "0712345678"


def setup(config):
    return reverse("admin:payments_paymentconfig_setup", args=[config.pk])


def button(config, method):
    return reverse("admin:payments_paymentconfig_do", args=[config.pk, method])


@pytest.fixture
def rung(monkeypatch):
    runs = []
    monkeypatch.setattr(tasks, "ring_verification", runs.append)
    return runs


@pytest.fixture
def live(ours, now):
    """A verified, proven production config that is not switched on yet."""
    config = ours.configs["live"]
    PaymentConfig.objects.filter(pk=config.pk).update(is_active=False, proven_at=now)
    config.refresh_from_db()
    return config


@pytest.fixture
def second(ours):
    user = User.objects.create_user("second@zawadi.test", None)
    Membership.objects.create(shop=ours.shop, user=user, role=Role.ADMIN)
    return user


class TestSteps:
    def test_always_have_one_next_step(self, ours, live):
        for config in ours.configs.values():
            states = [step.state for step in steps_of(config)]

            is_done = set(states) == {StepState.DONE}
            assert is_done or states.count(StepState.NEXT) == 1

    def test_lead_a_draft_from_details_to_the_first_payment(
        self, shop, make_config, daraja, actor, now
    ):
        config = make_config(shop, status="draft", credentials={})
        seen = [next_step(config).name]

        secrets = {"consumer_key": "k" * 12, "consumer_secret": "s", "passkey": "p"}
        config = configs.update_config(
            config=config, changes={}, credentials=secrets, actor=actor, now=now
        )
        seen.append(next_step(config).name)
        config = verification.verify_config(config=config, actor=actor, now=now).config
        seen.append(next_step(config).name)
        config = c2b_urls.register_urls(
            config=config, response_type="Completed", actor=actor, now=now
        )
        seen.append(next_step(config).name)
        config = configs.activate_config(config=config, actor=actor, now=now)

        assert seen == ["credentials", "verify", "register", "activate"]
        assert next_step(config) is None

    def test_take_production_through_proof_and_approval(self, live):
        names = [step.name for step in steps_of(live)]
        live.c2b_registration = {"held_by": "somebody_else"}
        blocked = {step.name: step.state for step in steps_of(live)}

        assert names == ["details", "credentials", "verify", "register", "approve", "activate"]
        assert blocked["register"] is StepState.BLOCKED
        assert blocked["approve"] is StepState.NEXT
        live.proven_at = None
        assert next_step(live).name == "verify"


class TestWaiting:
    def test_is_shown_while_the_second_person_is_asked(self, ours, live, second, browse):
        live.c2b_registration = {
            "held_by": "us",
            "confirmation_url": "https://pay.test/cb/c/0/…/c",
        }
        live.save()
        browse(ours.users["admin"]).post(button(live, "ask_approval"))

        states = {step.name: step.state for step in steps_of(live)}

        assert states["approve"] is StepState.NEXT
        assert states["activate"] is StepState.LATER


class TestPage:
    def test_begins_a_visit_with_the_owners_phone(self, ours, rung, browse):
        config = ours.configs["shop"]

        answer = browse(ours.users["admin"]).post(setup(config), {"phone_number": PHONE})

        run = VerificationRun.objects.get()
        assert rung == [run.pk]
        assert answer.url == setup(config)
        assert run.phone_number == "2547*****678"
        assert run.msisdn.reveal() == "254712345678"
        assert "prompt" in run.stages

    def test_follows_the_doctor_until_he_is_done(self, ours, rung, browse, daraja):
        client, config = browse(ours.users["admin"]), ours.configs["shop"]
        client.post(setup(config), {"phone_number": ""})

        before = client.get(setup(config)).content.decode()
        tasks.run_verification(str(rung[0]))
        after = client.get(setup(config)).content.decode()

        assert "data-live" in before
        assert before.count("To come") == 6
        assert "data-live" not in after
        assert "The passkey was not refused." in after
        assert re.search(r"\d+ ms", after)

    def test_says_what_does_not_fit(self, ours, rung, browse):
        config = ours.configs["shop"]

        answer = browse(ours.users["admin"]).post(
            setup(config), {"phone_number": "12"}, follow=True
        )

        assert b"not a Kenyan mobile number" in answer.content
        assert rung == []

    def test_shows_a_manager_everything_and_lets_him_do_nothing(self, ours, rung, browse):
        client, config = browse(ours.users["manager"]), ours.configs["shop"]

        text = client.get(setup(config)).content.decode()

        assert "Checklist" in text
        assert 'id="visit"' not in text
        assert client.post(setup(config), {}).status_code == 403
        assert rung == []

    @pytest.mark.parametrize(("who", "status"), [("cashier", 403), ("support", 403)])
    def test_is_closed_to_others(self, ours, support, browse, who, status):
        user = support if who == "support" else ours.users[who]

        assert browse(user).get(setup(ours.configs["shop"])).status_code == (
            status if who == "support" else 404
        )

    def test_does_not_exist_for_a_neighbour(self, ours, theirs, rung, browse):
        client, config = browse(ours.users["admin"]), theirs.configs["shop"]

        assert client.get(setup(config)).status_code == 404
        assert client.post(setup(config), {}).status_code == 404
        assert rung == []

    def test_asks_platform_staff_why(self, ours, root, rung, browse):
        client, config = browse(root), ours.configs["shop"]

        client.post(setup(config), {"phone_number": ""})
        without = list(rung)
        client.post(setup(config), {"phone_number": "", "reason": "Asked by phone"})

        assert without == []
        assert VerificationRun.objects.get().actor["reason"] == "Asked by phone"

    def test_follows_the_content_security_policy(self, ours, browse):
        answer = browse(ours.users["admin"]).get(setup(ours.configs["shop"]))
        text = answer.content.decode()

        assert "style=" not in text
        assert "onclick" not in text
        assert "http-equiv" not in text

    def test_restores_by_a_visit(self, ours, rung, browse, daraja):
        config = ours.configs["shop"]
        PaymentConfig.objects.filter(pk=config.pk).update(status="suspended", is_active=False)

        browse(ours.users["admin"]).post(button(config, "restore"), {"reason": "Found again"})
        tasks.run_verification(str(rung[0]))

        config.refresh_from_db()
        assert (config.status, config.is_active) == ("verified", False)
        assert VerificationRun.objects.get().actor["reason"] == "Found again"


class TestApproval:
    def test_takes_two(self, ours, live, second, browse):
        first = browse(ours.users["admin"])

        early = first.post(button(live, "activate"), follow=True).content.decode()
        first.post(button(live, "ask_approval"))
        own = first.post(button(live, "approve"), {"reason": "I am sure"}, follow=True)
        asked = GoLiveApproval.objects.get()
        browse(second).post(button(live, "approve"), {"reason": "Seen the papers"})
        first.post(button(live, "activate"))

        live.refresh_from_db()
        decided = GoLiveApproval.objects.get()
        assert "second person" in early
        assert asked.is_approved is None
        assert "Another admin of the shop must decide" in own.content.decode()
        assert (decided.is_approved, decided.decided_by) == (True, second)
        assert live.is_active

    def test_offers_the_decision_to_the_second_person_alone(self, ours, live, second, browse):
        first, other = browse(ours.users["admin"]), browse(second)
        first.post(button(live, "ask_approval"))

        url = button(live, "approve")
        assert url not in first.get(setup(live)).content.decode()
        assert url in other.get(setup(live)).content.decode()

    def test_says_why_not(self, ours, live, second, browse):
        browse(ours.users["admin"]).post(button(live, "ask_approval"))

        browse(second).post(button(live, "refuse_approval"), {"reason": "Wrong till"})

        shown = browse(ours.users["admin"]).get(setup(live)).content.decode()
        assert "Wrong till" in shown
        assert GoLiveApproval.objects.get().is_approved is False

    def test_is_staffs_where_the_shop_has_one_admin(self, ours, live, root, browse):
        Membership.objects.filter(shop=ours.shop, role=Role.ADMIN).exclude(
            user=ours.users["admin"]
        ).delete()
        browse(ours.users["admin"]).post(button(live, "ask_approval"))

        browse(root).post(button(live, "approve"), {"reason": "Called the owner"})

        assert GoLiveApproval.objects.get().is_approved


class TestSharing:
    def test_is_staffs_alone(self, ours, live, root, browse):
        claim = ShortcodeClaim.objects.create(
            shop=ours.shop,
            environment="production",
            family="mpesa",
            shortcode=live.shortcode,
            config=live,
            claimed_at=timezone.now(),
        )

        refused = browse(ours.users["admin"]).post(
            button(live, "share_shortcode"), {"reason": "Please"}
        )
        browse(root).post(button(live, "share_shortcode"), {"reason": "One till for the mall"})

        claim.refresh_from_db()
        assert refused.status_code == 403
        assert claim.is_shared


class TestUrls:
    def test_are_registered_and_shown_without_their_lock(self, ours, browse, daraja):
        client, config = browse(ours.users["admin"]), ours.configs["shop"]

        client.post(button(config, "register_urls"), {"response_type": "Completed"})

        text = client.get(setup(config)).content.decode()
        mac = daraja.ledger.urls[0].confirmation_url.split("/")[-2]
        assert f"/cb/c/{config.pk.hex}/" in text
        assert mac not in text

    def test_say_the_way_out(self, ours, browse, daraja):
        config = ours.configs["shop"]
        daraja.engine.register_urls_elsewhere(config.shortcode)

        answer = browse(ours.users["admin"]).post(
            button(config, "register_urls"), {"response_type": "Completed"}, follow=True
        )

        assert b"URL Management" in answer.content
        assert b"Somebody else" in answer.content

    def test_offer_the_button_again_where_they_are_not_ours(self, ours, browse, daraja):
        client, config = browse(ours.users["admin"]), ours.configs["shop"]
        press = {"response_type": "Completed"}
        path = button(config, "register_urls")
        offered = []
        for known in (
            {"held_by": "somebody_else"},
            {"held_by": "us", "confirmation_url": "https://old.example/cb/c/0/…/c"},
        ):
            registered_at = timezone.now() if known["held_by"] == "us" else None
            PaymentConfig.objects.filter(pk=config.pk).update(
                c2b_registration=known, c2b_registered_at=registered_at
            )
            offered.append(f'href="{path}">Register<' in client.get(setup(config)).content.decode())

        client.post(path, press)

        config.refresh_from_db()
        assert offered == [True, True]
        assert c2b_urls.look(config).name == "urls_ours"
        assert f'href="{path}"' not in client.get(setup(config)).content.decode()

    @pytest.mark.parametrize("chosen", ["Completed", "Cancelled"])
    def test_take_what_shall_become_of_unanswered_payments(self, ours, browse, daraja, chosen):
        client, config = browse(ours.users["admin"]), ours.configs["shop"]
        asked = client.get(button(config, "register_urls")).content.decode()

        client.post(button(config, "register_urls"), {"response_type": chosen})

        config.refresh_from_db()
        assert f"{chosen}: if we do not answer in time" in asked
        assert config.c2b_registration["response_type"] == chosen
        assert daraja.ledger.urls[0].response_type == chosen

    @pytest.mark.parametrize("chosen", ["", "Maybe"])
    def test_are_not_registered_without_a_choice(self, ours, browse, daraja, chosen):
        client, config = browse(ours.users["admin"]), ours.configs["shop"]

        answer = client.post(button(config, "register_urls"), {"response_type": chosen})

        config.refresh_from_db()
        assert answer.status_code == 200
        assert config.c2b_registered_at is None
        assert daraja.ledger.urls == []
