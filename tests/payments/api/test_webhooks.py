"""Webhooks over HTTP: the contract, the key's own world, and the same queries however many."""

from __future__ import annotations

from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from payments.models import WebhookDelivery, WebhookEndpoint
from payments.services.webhook_rounds import take_events
from tenants.roles import Role
from tests.payments.services.webhook_world import add, go, happen
from tests.payments.services.webhook_world import allow_this_machine as allow_this_machine  # noqa: PLC0414 - a fixture
from tests.payments.services.webhook_world import there as there  # noqa: PLC0414 - a fixture

pytestmark = pytest.mark.django_db
URL = "https://shop.example.test/hook"
HOOKS = "/webhook-endpoints"
OUT = {
    "id",
    "url",
    "types",
    "environment",
    "is_active",
    "disabled_reason",
    "disabled_at",
    "last_seq",
    "failing_since",
    "last_delivered_at",
    "old_secret_until",
    "created_at",
}


@pytest.fixture
def till(api, admin_key):
    return api(admin_key)


class TestEndpoints:
    def test_show_the_secret_once(self, till):
        made = till.post(HOOKS, {"url": URL, "types": ["payment.completed"]})

        assert made.status_code == 201
        assert made.json().keys() == OUT | {"secret"}
        assert made["Cache-Control"] == "no-store"
        one = f"{HOOKS}/{made.json()['id']}"
        for response in (till.get(HOOKS), till.get(one), till.patch(one, {"types": []})):
            assert response.status_code == 200
            assert made.json()["secret"] not in response.text
            assert "secret" not in response.json()
        assert till.get(one).json().keys() == OUT
        turned = till.post(f"{one}/rotate-secret")
        assert turned.status_code == 200
        assert turned.json()["secret"] != made.json()["secret"]
        assert turned.json()["old_secret_until"] is not None

    def test_are_changed_and_deleted(self, till):
        one = f"{HOOKS}/{till.post(HOOKS, {'url': URL}).json()['id']}"

        changed = till.patch(one, {"url": f"{URL}/2", "is_active": False}).json()
        assert (changed["url"], changed["is_active"]) == (f"{URL}/2", False)
        assert changed["disabled_reason"] == "by_hand"
        assert till.patch(one, {"is_active": True}).json()["disabled_reason"] is None
        assert till.delete(one).status_code == 204
        assert till.get(one).status_code == 404
        assert till.get(HOOKS).json()["results"] == []
        assert WebhookEndpoint.objects.count() == 1

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "url"),
            ({"url": ""}, "url"),
            ({"url": 5}, "url"),
            ({"url": "https://u:p@example.com/"}, "url"),
            ({"url": "gopher://example.com/"}, "url"),
            ({"url": URL, "types": "payment.completed"}, "types"),
            ({"url": URL, "types": ["payment.stolen"]}, "types.0"),
            ({"url": URL, "secret": "whsec_mine"}, "secret"),
            ({"url": URL, "environment": "production"}, "environment"),
        ],
    )
    def test_refuse_what_may_not_be(self, till, body, field):
        response = till.post(HOOKS, body)

        assert response.status_code == 400
        assert response.json()["code"] == "invalid"
        assert [error["field"] for error in response.json()["errors"]] == [field]
        assert not WebhookEndpoint.objects.exists()

    @pytest.mark.parametrize("role", [Role.MANAGER, Role.CASHIER])
    def test_are_the_admins_alone(self, api, issue_key, shop, role):
        assert api(issue_key(shop, role)).get(HOOKS).status_code == 403

    def test_are_nothing_for_keys_of_a_branch(self, api, issue_key, shop, branch, now):
        endpoint, _secret = add(shop, URL, now=now)
        bound = api(issue_key(shop, Role.ADMIN, branch=branch))

        for path in (HOOKS, f"{HOOKS}/{endpoint.pk}", f"{HOOKS}/{endpoint.pk}/deliveries"):
            assert bound.get(path).status_code == 403
        assert bound.post(HOOKS, {"url": URL}).status_code == 403

    def test_of_one_world_are_absent_in_the_other(self, api, live_admin_key, till, shop, now):
        endpoint, _secret = add(shop, URL, now=now)
        live = api(live_admin_key)

        assert live.get(f"{HOOKS}/{endpoint.pk}").status_code == 404
        assert live.get(HOOKS).json()["results"] == []
        assert live.post(HOOKS, {"url": "http://example.com/"}).status_code == 400
        assert till.get(f"{HOOKS}/{endpoint.pk}").status_code == 200

    def test_cost_the_same_however_many(self, till, shop, now, django_assert_max_num_queries):
        for number in range(8):
            add(shop, f"{URL}/{number}", now=now)
        with django_assert_max_num_queries(3):
            assert len(till.get(HOOKS).json()["results"]) == 8


class TestTrying:
    def test_answers_what_came_back(self, till, there):
        made = till.post(HOOKS, {"url": there.url}).json()
        there.answer = lambda _request: (418, b"I am a teapot")
        answer = till.post(f"{HOOKS}/{made['id']}/test")

        assert answer.status_code == 200
        assert answer.json() == {
            "delivered": False,
            "response_status": 418,
            "problem": "bad_status",
            "answer": "I am a teapot",
            "took_ms": answer.json()["took_ms"],
        }
        headers, body = there.came[0]
        assert Webhook(made["secret"]).verify(body, headers)["type"] == "webhook.test"

    def test_says_that_an_address_is_private(self, till, there, settings):
        made = till.post(HOOKS, {"url": there.url}).json()
        settings.WEBHOOK_ALLOW_PRIVATE = False
        answer = till.post(f"{HOOKS}/{made['id']}/test").json()

        assert (answer["delivered"], answer["problem"]) == (False, "address_refused")
        assert there.came == []


class TestDeliveries:
    def test_tell_what_became_of_each_event(self, till, shop, there, now):
        endpoint, _secret = add(shop, there.url, now=now)
        statuses = iter([200, 503])
        there.answer = lambda _request: next(statuses)
        happen(shop, "payment.created", "payment.completed", now=now)
        go(now)
        later, first = till.get(f"{HOOKS}/{endpoint.pk}/deliveries").json()["results"]

        assert (first["seq"], first["status"], first["problem"]) == (1, "delivered", None)
        assert (later["seq"], later["type"], later["status"]) == (2, "payment.completed", "pending")
        assert (later["attempts"], later["response_status"]) == (1, 503)
        assert later["problem"] == "bad_status"
        assert later["next_try_at"] > later["last_tried_at"]

    def test_come_in_pages(self, till, shop, now, django_assert_max_num_queries):
        endpoint, _secret = add(shop, URL, now=now)
        happen(shop, *["payment.created"] * 7, now=now)
        take_events(endpoint, now=now + timedelta(seconds=1))
        path, seqs = f"{HOOKS}/{endpoint.pk}/deliveries?limit=3", []
        while path:
            with django_assert_max_num_queries(4):
                page = till.get(path).json()
            seqs += [row["seq"] for row in page["results"]]
            path = page["next"] and page["next"].partition("/api/v1")[2]

        assert sorted(seqs, reverse=True) == [7, 6, 5, 4, 3, 2, 1]
        assert seqs == sorted(seqs, reverse=True)

    def test_are_sent_again_at_once(self, till, shop, there, now):
        _endpoint, secret = add(shop, there.url, now=now)
        there.answer = lambda _request: 500
        happen(shop, "payment.created", now=now)
        go(now)
        there.answer = lambda _request: 200
        delivery = WebhookDelivery.objects.get()
        answer = till.post(f"/webhook-deliveries/{delivery.pk}/resend")

        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["attempts"]) == ("delivered", 2)
        assert len(there.events(secret)) == 2

    def test_of_others_do_not_exist(self, api, neighbour_key, live_admin_key, shop, there, now):
        endpoint, _secret = add(shop, there.url, now=now)
        happen(shop, "payment.created", now=now)
        take_events(endpoint, now=now)
        delivery = WebhookDelivery.objects.get()

        for key in (neighbour_key, live_admin_key):
            answer = api(key).post(f"/webhook-deliveries/{delivery.pk}/resend")
            assert answer.status_code == 404
        assert there.came == []

    def test_of_what_is_switched_off_wait(self, till, shop, there, now):
        endpoint, _secret = add(shop, there.url, now=now)
        happen(shop, "payment.created", now=now)
        take_events(endpoint, now=now)
        till.patch(f"{HOOKS}/{endpoint.pk}", {"is_active": False})
        answer = till.post(f"/webhook-deliveries/{WebhookDelivery.objects.get().pk}/resend")

        assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
