"""Webhooks in the back office: added with the secret shown once, tried out, switched, deleted."""

from __future__ import annotations

import re

import pytest
from standardwebhooks import Webhook

from audit.models import AuditEntry
from payments.models import WebhookDelivery, WebhookEndpoint
from tests.payments.services.webhook_world import add, go, happen
from tests.payments.services.webhook_world import allow_this_machine as allow_this_machine  # noqa: PLC0414 - a fixture
from tests.payments.services.webhook_world import there as there  # noqa: PLC0414 - a fixture

pytestmark = pytest.mark.django_db
LIST = "/admin/payments/webhookendpoint/"
DELIVERIES = "/admin/payments/webhookdelivery/"


@pytest.fixture
def boss(ours, browse):
    return browse(ours.users["admin"])


def form(ours, url, **more):
    return {"shop": ours.shop.pk, "environment": "sandbox", "url": url, "types": [], **more}


def page_of(row, name="change"):
    return f"{LIST}{row.pk}/{name}/"


class TestAdding:
    def test_shows_the_secret_once(self, ours, boss, there, now):
        answer = boss.post(f"{LIST}add/", form(ours, there.url, types=["payment.created"]))
        secret = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.text).group()
        endpoint = WebhookEndpoint.objects.get(url=there.url)

        assert "no-store" in answer["Cache-Control"]
        assert endpoint.secret.reveal() == secret
        assert endpoint.types == ["payment.created"]
        assert endpoint.created_by == ours.users["admin"].email
        assert secret not in boss.get(page_of(endpoint)).text
        assert AuditEntry.objects.filter(action="webhook.created", shop=ours.shop).exists()
        happen(ours.shop, "payment.created", "payment.failed", now=now)
        go(now)
        assert [event["type"] for event in there.events(secret)] == ["payment.created"]

    @pytest.mark.parametrize(
        "url", ["", "nothing", "https://user:word@example.com/", "http://example.com/"]
    )
    def test_says_what_may_not_be(self, ours, boss, url):
        before = WebhookEndpoint.objects.count()
        answer = boss.post(f"{LIST}add/", form(ours, url, environment="production"))

        assert answer.status_code == 200
        assert "url" in answer.context["adminform"].errors
        assert WebhookEndpoint.objects.count() == before

    def test_explains_what_it_is_for_where_there_is_none(self, ours, boss):
        WebhookDelivery.objects.all().delete()
        WebhookEndpoint.objects.all().delete()

        assert "GET /events" in boss.get(LIST).text
        assert "No webhook yet" in boss.get(LIST).text

    def test_is_no_business_of_a_manager(self, ours, browse):
        assert browse(ours.users["manager"]).get(LIST).status_code == 403


class TestThePage:
    def test_tries_it_out(self, ours, boss, there, now):
        endpoint, secret = add(ours.shop, there.url, now=now)
        answer = boss.post(page_of(endpoint, "do/try_out"), follow=True)

        assert "It was taken: 200" in answer.text
        assert there.events(secret)[0]["type"] == "webhook.test"

    def test_says_why_a_test_was_not_taken(self, ours, boss, there, now):
        there.answer = lambda _request: (500, b"<b>broken</b>")
        endpoint, _secret = add(ours.shop, there.url, now=now)
        answer = boss.post(page_of(endpoint, "do/try_out"), follow=True)

        assert "Answered with an error (500)" in answer.text
        assert "&lt;b&gt;broken" in answer.text
        assert "<b>broken" not in answer.text

    def test_gives_a_new_secret(self, ours, boss, there, now):
        endpoint, old = add(ours.shop, there.url, now=now)
        answer = boss.post(page_of(endpoint, "do/rotate"))
        secret = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.text).group()
        happen(ours.shop, "payment.created", now=now)
        go(now)

        headers, body = there.came[0]
        assert secret != old
        assert Webhook(secret).verify(body, headers) == Webhook(old).verify(body, headers)

    def test_changes_switches_and_deletes(self, ours, boss, there, now):
        endpoint, _secret = add(ours.shop, there.url, now=now)
        boss.post(page_of(endpoint), {"url": f"{there.url}/2", "types": ["config.rotated"]})
        boss.post(page_of(endpoint, "do/switch_off"))
        endpoint.refresh_from_db()
        assert (endpoint.url, endpoint.types) == (f"{there.url}/2", ["config.rotated"])
        assert not endpoint.is_active
        assert "Switched off" in boss.get(page_of(endpoint)).text
        boss.post(page_of(endpoint, "do/switch_on"))
        endpoint.refresh_from_db()
        assert endpoint.is_active
        boss.post(page_of(endpoint, "do/remove"))
        assert boss.get(page_of(endpoint)).status_code == 404
        assert there.url not in boss.get(LIST).text

    def test_hides_what_follows_a_question_mark_from_lists_and_the_trail(
        self, ours, boss, there, now
    ):
        endpoint, _secret = add(ours.shop, f"{there.url}?key=letmein", now=now)

        assert "letmein" not in boss.get(LIST).text
        assert "letmein" not in boss.get(page_of(endpoint, "history"), follow=True).text

    def test_asks_the_platform_why(self, ours, browse, root, there, now):
        endpoint, _secret = add(ours.shop, there.url, now=now)
        browser = browse(root)
        browser.post(page_of(endpoint, "do/switch_off"))
        endpoint.refresh_from_db()
        assert endpoint.is_active
        browser.post(page_of(endpoint, "do/switch_off"), {"reason": "The shop asked"})
        endpoint.refresh_from_db()

        assert not endpoint.is_active
        assert AuditEntry.objects.filter(action="webhook.updated", reason="The shop asked").exists()

    def test_costs_the_same_however_many(
        self, ours, boss, there, now, django_assert_max_num_queries
    ):
        for number in range(6):
            add(ours.shop, f"{there.url}/{number}", now=now)
        boss.get(LIST)
        with django_assert_max_num_queries(40) as one:
            boss.get(LIST)
        add(ours.shop, f"{there.url}/7", now=now)
        with django_assert_max_num_queries(len(one.captured_queries)):
            boss.get(LIST)


class TestDeliveries:
    def test_tell_what_came_back_and_go_out_again(self, ours, boss, there, now):
        endpoint, secret = add(ours.shop, there.url, now=now)
        there.answer = lambda _request: (503, b"<i>closed</i>")
        happen(ours.shop, "payment.created", now=now)
        go(now)
        delivery = WebhookDelivery.objects.get(endpoint=endpoint)
        listed = boss.get(DELIVERIES, {"webhook": str(endpoint.pk)}).text
        page = boss.get(f"{DELIVERIES}{delivery.pk}/change/").text

        assert "503" in listed
        assert "503" in boss.get(page_of(endpoint)).text
        assert "&lt;i&gt;closed" in page
        there.answer = lambda _request: 200
        answer = boss.post(f"{DELIVERIES}{delivery.pk}/do/resend/", follow=True)
        assert "It was taken." in answer.text
        assert len(there.events(secret)) == 2
        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts) == ("delivered", 2)

    def test_of_an_address_out_of_sight_are_not_listed(self, ours, theirs, boss):
        listed = boss.get(DELIVERIES, {"webhook": str(theirs.webhooks["here"].pk)})

        assert listed.status_code == 200
        assert str(theirs.deliveries["here"].pk) not in listed.text
