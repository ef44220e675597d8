from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse, reverse_lazy
from django.utils import timezone

from audit.models import AuditEntry
from payments.admin.rotation import versions_of
from payments.choices import NoticeCode
from payments.models import CredentialVersion, Notice
from payments.services.notices import close_notices, open_notice
from reconciliation import dashboards

pytestmark = pytest.mark.django_db
SECRET = "brand-new-consumer-secret"
FORM = {"secret_consumer_secret": SECRET, "reason": "Yearly", "scheduled_at": ""}


def page(config):
    return reverse("admin:payments_paymentconfig_change", args=[config.pk])


def rotate(config):
    return reverse("admin:payments_paymentconfig_rotate", args=[config.pk])


def statuses(config):
    rows = CredentialVersion.objects.filter(config=config).order_by("number")
    return [str(row.status) for row in rows]


@pytest.fixture
def config(ours):
    return ours.configs["shop"]


class TestThePage:
    def test_puts_new_secrets_in_use_and_never_shows_them(self, ours, config, browse, daraja):
        client = browse(ours.users["admin"])
        before = CredentialVersion.objects.filter(config=config).count()

        answer = client.post(rotate(config), FORM)
        shown = client.get(page(config)).content.decode()

        assert (answer.status_code, answer.url) == (302, page(config))
        version = CredentialVersion.objects.get(config=config, status="current")
        assert (version.number, version.reason) == (before + 1, "Yearly")
        assert version.created_by == ours.users["admin"].email
        assert "Yearly" in shown
        assert SECRET not in shown
        entry = AuditEntry.objects.get(action="payment_config.rotated")
        assert (entry.reason, entry.actor_label) == ("Yearly", ours.users["admin"].email)

    def test_shows_what_safaricom_said_and_nothing_that_was_typed(
        self, ours, config, browse, daraja
    ):
        given = {**FORM, "secret_consumer_secret": "bad-secret"}

        answer = browse(ours.users["admin"]).post(rotate(config), given)
        text = answer.content.decode()

        assert answer.status_code == 200
        assert "errorlist" in text
        assert "bad-secret" not in text
        assert statuses(config) == ["current", "rejected"]
        assert "no-store" in answer["Cache-Control"]

    def test_says_that_a_new_initiator_is_still_being_tried(self, ours, config, browse, daraja):
        daraja.engine.knobs.result_after_s = 0.0
        client = browse(ours.users["admin"])
        operator = {
            "secret_initiator_name": "canary-operator",
            "secret_initiator_password": "canary-operator-password",
        }

        before = client.get(rotate(config)).content.decode()
        at_first = client.post(rotate(config), {**FORM, **operator}, follow=True)
        waits = versions_of(config)["rows"][0][-1]
        daraja.deliver(Client())

        assert "A new initiator is tried once they are in use" in before
        assert "The initiator is being tried" in at_first.content.decode()
        assert "Waiting for an answer" in str(waits)
        assert "Success" in str(versions_of(config)["rows"][0][-1])

    def test_says_that_an_initiator_was_not_tested(self, ours, config, browse, daraja):
        daraja.break_next("balance", "no_product", times=3)
        operator = {
            "secret_initiator_name": "canary-operator",
            "secret_initiator_password": "canary-operator-password",
        }

        told = browse(ours.users["admin"]).post(rotate(config), {**FORM, **operator}, follow=True)

        assert "The initiator was not tested." in told.content.decode()

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"reason": ""}, "reason"),
            ({"secret_passkey": "a b"}, "secret_passkey"),
            ({"scheduled_at": "2020-01-01T10:00"}, "scheduled_at"),
        ],
    )
    def test_says_beside_the_field_what_is_wrong(self, ours, config, browse, change, field):
        answer = browse(ours.users["admin"]).post(rotate(config), {**FORM, **change})

        assert answer.status_code == 200
        assert field in answer.context["form"].errors
        assert statuses(config) == ["current"]

    def test_schedules_and_cancels(self, ours, config, browse, daraja):
        client = browse(ours.users["admin"])
        at = timezone.localtime(timezone.now() + timedelta(days=5))

        client.post(rotate(config), {**FORM, "scheduled_at": f"{at:%Y-%m-%dT%H:%M}"})

        config.refresh_from_db()
        assert config.rotation_scheduled_at == at.replace(second=0, microsecond=0)
        assert statuses(config) == ["current", "staged"]
        cancel = reverse("admin:payments_paymentconfig_do", args=[config.pk, "cancel_rotation"])
        client.post(cancel, {"reason": "Not now"})
        assert statuses(config) == ["current", "rejected"]

    @pytest.mark.parametrize(
        ("role", "status"), [("manager", 403), ("cashier", 404), ("admin", 200)]
    )
    def test_lets_only_the_admin_in(self, ours, config, browse, role, status):
        assert browse(ours.users[role]).get(rotate(config)).status_code == status

    def test_is_not_there_for_neighbours(self, ours, theirs, config, browse):
        client = browse(theirs.users["admin"])

        assert client.get(rotate(config)).status_code == 404
        assert client.post(rotate(config), FORM).status_code == 404
        assert statuses(config) == ["current"]

    def test_is_closed_to_support(self, ours, config, browse, support):
        assert browse(support).post(rotate(config), FORM).status_code == 403

    def test_leads_back_where_nothing_is_to_be_rotated(self, ours, config, browse):
        type(config).objects.filter(pk=config.pk).update(status="draft", is_active=False)

        answer = browse(ours.users["admin"]).get(rotate(config))

        assert (answer.status_code, answer.url) == (302, page(config))


class TestNotices:
    def put(self, config, now, code=NoticeCode.TOKEN_WAR, **data):
        return open_notice(shop_id=config.shop_id, config=config, code=code, data=data, now=now)

    def test_stand_on_the_configs_page_with_what_to_do(self, ours, config, browse, now):
        self.put(config, now, first_seen="2026-11-20T10:00:00+00:00")

        text = browse(ours.users["manager"]).get(page(config)).content.decode()

        assert "Another system uses the same Daraja app" in text
        assert "2026-11-20 10:00 UTC" in text
        assert "separate Daraja app" in text

    def test_stand_on_the_first_page_of_those_they_concern(
        self, ours, theirs, config, now, support
    ):
        self.put(config, now)

        def told(user):
            return [item.text for item in dashboards.attention_for(user, now=now)]

        said = "Another system uses the same Daraja app"
        assert said in told(ours.users["admin"])
        assert said in told(support)
        assert said not in told(ours.users["cashier"])
        assert said not in told(theirs.users["admin"])

    def test_are_opened_once_and_closed_for_good(self, config, now):
        assert self.put(config, now) is not None
        assert self.put(config, now) is None

        assert close_notices(config=config, code=NoticeCode.TOKEN_WAR, now=now) == 1
        assert self.put(config, now) is not None
        assert Notice.objects.count() == 2


class TestKeys:
    URL = reverse_lazy("admin:payments_accesstoken_keys")

    def test_are_counted_for_the_platform(self, ours, root, browse, settings):
        settings.FIELD_ENCRYPTION_KEYS = {"next": b"n" * 32, **settings.FIELD_ENCRYPTION_KEYS}
        client = browse(root)

        text = client.get(self.URL).content.decode()

        assert "Seals and opens" in text
        assert "payments_credentialversion.secrets" in text
        listed = client.get(reverse("admin:payments_accesstoken_changelist")).content.decode()
        assert str(self.URL) in listed

    def test_are_nobody_elses_business(self, ours, support, browse):
        for user in (support, ours.users["admin"]):
            assert browse(user).get(self.URL).status_code == 403
