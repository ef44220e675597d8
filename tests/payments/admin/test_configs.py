from __future__ import annotations

import pytest
from django.urls import reverse

from audit.actions import AuditAction
from audit.models import AuditEntry
from payments import tasks
from payments.models import Breaker, CredentialVersion, PaymentConfig, VerificationRun
from tenants.models import Membership
from tenants.roles import Role

pytestmark = pytest.mark.django_db
LIST = "/admin/payments/paymentconfig/"
ADD = "/admin/payments/paymentconfig/add/"
METHODS = ("verify", "activate", "deactivate", "set_default", "suspend", "restore", "delete")
SECRET = "brand-new-consumer-secret"


def page(config):
    return reverse("admin:payments_paymentconfig_change", args=[config.pk])


def button(config, method):
    return reverse("admin:payments_paymentconfig_do", args=[config.pk, method])


def form(shop, **given):
    return {
        "shop": shop.pk,
        "branch": "",
        "provider": "mpesa_till",
        "environment": "sandbox",
        "name": "New till",
        "shortcode": "555001",
        "store_number": "555002",
        "has_api": "on",
        "priority": "0",
        "min_amount": "1",
        "max_amount": "70000",
        "c2b_version": "v2",
        "secret_consumer_key": "brand-new-consumer-key",
        "secret_consumer_secret": SECRET,
        "secret_passkey": "brand-new-passkey",
        **given,
    }


class TestForm:
    def test_makes_a_draft_with_sealed_secrets_it_never_shows(self, ours, browse):
        client = browse(ours.users["admin"])

        answer = client.post(ADD, form(ours.shop))
        config = PaymentConfig.objects.get(shortcode="555001")
        version = CredentialVersion.objects.get(config=config)
        shown = client.get(page(config)).content.decode()

        assert answer.status_code == 302
        assert config.status == "draft"
        assert config.created_by == "admin@zawadi.test"
        assert version.secrets["consumer_secret"].reveal() == SECRET
        assert "****-key" in shown
        assert SECRET not in shown
        assert SECRET not in str(list(AuditEntry.objects.values()))

    def test_shows_beside_the_field_what_the_service_refuses(self, ours, browse):
        asked = form(ours.shop, store_number="")

        answer = browse(ours.users["admin"]).post(ADD, asked)
        text = answer.content.decode()

        assert answer.status_code == 200
        assert "store_number" in answer.context["adminform"].form.errors
        assert SECRET not in text
        assert not PaymentConfig.objects.filter(shortcode="555001").exists()

    def test_says_that_a_shortcode_is_there_already(self, ours, browse):
        client = browse(ours.users["admin"])
        client.post(ADD, form(ours.shop))

        answer = client.post(ADD, form(ours.shop))

        assert b"already has this shortcode" in answer.content
        assert PaymentConfig.objects.filter(shortcode="555001").count() == 1

    def test_keeps_the_secrets_where_the_fields_are_empty(self, ours, browse):
        client = browse(ours.users["admin"])
        client.post(ADD, form(ours.shop))
        config = PaymentConfig.objects.get(shortcode="555001")
        empty = {f"secret_{name}": "" for name in ("consumer_key", "consumer_secret", "passkey")}

        client.post(page(config), form(ours.shop, name="Renamed", **empty))

        config.refresh_from_db()
        version = CredentialVersion.objects.get(config=config, status="current")
        assert config.name == "Renamed"
        assert version.secrets["consumer_secret"].reveal() == SECRET

    def test_takes_no_secret_and_no_shortcode_of_a_verified_config(self, ours, browse):
        config = ours.configs["shop"]

        browse(ours.users["admin"]).post(page(config), form(ours.shop, provider="mpesa_paybill"))

        config.refresh_from_db()
        assert config.shortcode == "61001"
        assert config.versions.count() == 1

    def test_offers_and_takes_no_other_shop(self, ours, theirs, browse):
        client = browse(ours.users["admin"])

        text = client.get(ADD).content.decode()
        answer = client.post(ADD, form(theirs.shop))
        branch = client.post(ADD, form(ours.shop, branch=theirs.branches["here"].pk))

        assert "Baraka" not in text
        assert answer.status_code == branch.status_code == 200
        assert not PaymentConfig.objects.filter(shortcode="555001").exists()

    def test_asks_a_platform_admin_why(self, ours, root, browse):
        client = browse(root)

        refused = client.post(ADD, form(ours.shop))
        taken = client.post(ADD, form(ours.shop, reason="Asked by phone"))

        assert refused.status_code == 200
        assert taken.status_code == 302
        made = PaymentConfig.objects.get(shortcode="555001")
        entry = AuditEntry.objects.get(object_id=str(made.pk))
        assert (entry.action, entry.reason) == (AuditAction.CONFIG_CREATED, "Asked by phone")

    def test_keeps_an_admin_of_a_branch_to_it(self, ours, browse):
        client, branch = browse(ours.users["branch_admin"]), ours.branches["here"]

        for_all = client.post(ADD, form(ours.shop))
        elsewhere = client.post(ADD, form(ours.shop, branch=ours.branches["elsewhere"].pk))
        here = client.post(ADD, form(ours.shop, branch=branch.pk))

        assert (for_all.status_code, elsewhere.status_code, here.status_code) == (200, 200, 302)
        assert PaymentConfig.objects.get(shortcode="555001").branch == branch
        assert client.get(page(ours.configs["elsewhere"])).status_code == 404


class TestSight:
    def test_shows_support_status_and_shortcode_alone(self, ours, support, browse):
        answer = browse(support).get(page(ours.configs["shop"]))
        text = answer.content.decode()

        assert answer.status_code == 200
        assert "61001" in text
        assert "panels" not in answer.context
        assert "250000" not in text
        assert "****" not in text

    def test_shows_a_manager_masks_and_no_field_to_type_in(self, ours, browse):
        client, config = browse(ours.users["manager"]), ours.configs["shop"]

        text = client.get(page(config)).content.decode()

        assert "********" in text
        assert 'type="password"' not in text
        assert client.post(page(config), form(ours.shop)).status_code == 403

    def test_is_closed_to_cashiers(self, ours, browse):
        assert browse(ours.users["cashier"]).get(LIST).status_code == 403

    @pytest.mark.parametrize(
        ("concern", "data", "says", "numbers"),
        [
            ("callbacks_missing", {"prompts": 6}, "No callback comes", "Since"),
            (
                "success_dropped",
                {"lately": 40, "usually": 90, "payments": 12},
                "Far fewer payments succeed than usual.",
                "40 % of late, 90 % as a rule",
            ),
        ],
        ids=["callbacks", "success"],
    )
    def test_says_why_a_config_in_use_is_degraded(
        self, ours, browse, now, concern, data, says, numbers
    ):
        config = ours.configs["shop"]
        PaymentConfig.objects.update(last_test_result="success")
        Breaker.objects.create(config=config, concern=concern, concern_at=now, concern_data=data)
        client = browse(ours.users["manager"])

        listed, shown = client.get(LIST).text, client.get(page(config)).text

        assert listed.count("Degraded") == 1
        assert says in listed
        assert says in shown
        assert numbers in shown

    def test_lists_in_a_fixed_number_of_queries(
        self, ours, theirs, root, browse, django_assert_max_num_queries
    ):
        client = browse(root)

        with django_assert_max_num_queries(10):
            answer = client.get(LIST)

        assert len(answer.context["cl"].result_list) == 8


class TestButtons:
    @pytest.fixture
    def verified(self, monkeypatch):
        calls = []

        def ring(run_id):
            calls.append(run_id)

        monkeypatch.setattr(tasks, "ring_verification", ring)
        return calls

    def test_walk_a_config_through_its_life(self, ours, verified, browse):
        client, config = browse(ours.users["admin"]), ours.configs["shop"]

        def press(method, **given):
            client.post(button(config, method), given)
            config.refresh_from_db()
            return config

        assert not press("deactivate").is_active
        assert press("activate").is_active
        assert press("set_default").is_default
        assert press("suspend").status == "verified"  # no reason given
        assert press("suspend", reason="Stolen till").suspended_reason == "Stolen till"
        assert config.status == "suspended"
        entry = AuditEntry.objects.get(action=AuditAction.CONFIG_SUSPENDED)
        assert (entry.object_id, entry.reason) == (str(config.pk), "Stolen till")

    def test_verify_begins_a_visit_and_shows_it(self, ours, verified, browse):
        config = ours.configs["shop"]

        answer = browse(ours.users["admin"]).post(button(config, "verify"))

        run = VerificationRun.objects.get(config=config)
        assert verified == [run.pk]
        assert run.actor["label"] == "admin@zawadi.test"
        assert answer.url.endswith(f"{config.pk}/setup/")

    @pytest.mark.parametrize("method", METHODS)
    def test_do_nothing_to_another_shops_config(self, ours, theirs, verified, browse, method):
        config = theirs.configs["shop"]
        before = PaymentConfig.objects.values().get(pk=config.pk)

        answer = browse(ours.users["admin"]).post(button(config, method), {"reason": "x"})

        assert answer.status_code == 404
        assert PaymentConfig.objects.values().get(pk=config.pk) == before
        assert verified == []

    @pytest.mark.parametrize("method", METHODS)
    def test_do_nothing_for_a_role_that_may_only_look(self, ours, verified, browse, method):
        config = ours.configs["shop"]
        before = PaymentConfig.objects.values().get(pk=config.pk)

        answer = browse(ours.users["manager"]).post(button(config, method), {"reason": "x"})

        assert answer.status_code == 403
        assert PaymentConfig.objects.values().get(pk=config.pk) == before

    def test_ask_for_the_role_in_the_configs_own_shop(self, ours, theirs, browse):
        """An admin here and manager there looks there, and acts here only."""
        Membership.objects.create(shop=theirs.shop, user=ours.users["admin"], role=Role.MANAGER)
        client, config = browse(ours.users["admin"]), theirs.configs["shop"]

        assert client.get(page(config)).status_code == 200
        assert client.post(button(config, "deactivate"), {}).status_code == 403
        assert PaymentConfig.objects.get(pk=config.pk).is_active

    def test_delete_asks_a_platform_admin_why(self, ours, root, browse):
        client, config = browse(root), ours.configs["shop"]

        client.post(button(config, "delete"), {})
        config.refresh_from_db()
        without = config.deleted_at
        client.post(button(config, "delete"), {"reason": "The shop has closed"})

        config.refresh_from_db()
        entry = AuditEntry.objects.get(action=AuditAction.CONFIG_DELETED)
        assert without is None
        assert config.deleted_at is not None
        assert (entry.reason, entry.actor_label) == ("The shop has closed", root.email)

    def test_let_support_suspend_and_nothing_else(self, ours, support, browse):
        client, config = browse(support), ours.configs["shop"]

        refused = client.post(button(config, "deactivate"), {"reason": "x"})
        client.post(button(config, "suspend"), {"reason": "Fraud report 12"})

        assert refused.status_code == 403
        assert PaymentConfig.objects.get(pk=config.pk).status == "suspended"

    def test_show_what_the_service_refuses(self, ours, browse):
        busy = ours.configs["here"]
        busy.payments.get().attempts.update(next_ask_at=busy.created_at)

        answer = browse(ours.users["admin"]).post(
            button(busy, "delete"), {"reason": "x"}, follow=True
        )

        assert b"still open" in answer.content
        assert PaymentConfig.objects.get(pk=busy.pk).deleted_at is None
