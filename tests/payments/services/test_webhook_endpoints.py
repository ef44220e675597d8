"""Webhooks added, changed, given a new secret and deleted: on the trail, sealed, and within bounds."""

from __future__ import annotations

import base64
import json

import pytest

from audit.models import AuditEntry
from payments import encryption
from payments.errors import InvalidInput, InvalidTransition, NotFound
from payments.fields import field_ring
from payments.models import WebhookDelivery, WebhookEndpoint
from payments.services import rewrapping, webhook_acts, webhook_endpoints
from tests.payments.services.webhook_world import ACTOR, add, go, happen, receiver

pytestmark = pytest.mark.django_db
URL = "https://shop.example.test/hook?key=letmein"


@pytest.fixture
def hook(shop, now):
    return add(shop, URL, now=now, types=["payment.completed"])


def trail(shop):
    rows = AuditEntry.objects.filter(shop=shop, action__startswith="webhook.")
    return list(rows.order_by("seq"))


class TestSecrets:
    def test_are_of_the_standard(self, hook):
        _endpoint, secret = hook

        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64

    def test_lie_sealed(self, hook):
        endpoint, secret = hook
        row = WebhookEndpoint.objects.filter(pk=endpoint.pk).values().get()

        assert secret not in str(row)
        assert encryption.looks_sealed(row["secret"])
        assert WebhookEndpoint.objects.get().secret.reveal() == secret
        assert secret not in repr(endpoint.__dict__)

    def test_are_rewrapped_with_a_new_key(self, hook, shop, now, settings):
        endpoint, old = hook
        _endpoint, new = webhook_endpoints.rotate_secret(endpoint=endpoint, actor=ACTOR, now=now)
        settings.FIELD_ENCRYPTION_KEYS = {"new": b"n" * 32, **settings.FIELD_ENCRYPTION_KEYS}
        columns = [c for c in rewrapping.sealed_columns() if c.model is WebhookEndpoint]

        assert {c.field.attname for c in columns} == {"secret", "old_secret"}
        assert field_ring().writing_key_id == "new"
        for column in columns:
            assert rewrapping.rewrap(column).rewrapped == 1
        usage = rewrapping.usage_by_key()["new"]
        assert usage["payments_webhookendpoint.secret"] == 1
        assert usage["payments_webhookendpoint.old_secret"] == 1
        row = WebhookEndpoint.objects.get()
        assert (row.secret.reveal(), row.old_secret.reveal()) == (new, old)

    def test_are_forgotten_with_the_webhook(self, hook, now):
        webhook_endpoints.delete_endpoint(endpoint=hook[0], actor=ACTOR, now=now)

        row = WebhookEndpoint.objects.get()
        assert not row.secret
        assert not row.old_secret


class TestTheTrail:
    def test_keeps_every_change_and_no_secret(self, hook, shop, now):
        endpoint, secret = hook
        change = {"endpoint": endpoint, "actor": ACTOR, "now": now}
        webhook_endpoints.update_endpoint(**change, url=f"{URL}2", types=[])
        webhook_endpoints.update_endpoint(**change, is_active=False)
        webhook_endpoints.update_endpoint(**change, is_active=True)
        _endpoint, new = webhook_endpoints.rotate_secret(**change)
        webhook_endpoints.delete_endpoint(**change)

        entries = trail(shop)
        assert [entry.action for entry in entries] == [
            "webhook.created",
            "webhook.updated",
            "webhook.updated",
            "webhook.updated",
            "webhook.secret_rotated",
            "webhook.deleted",
        ]
        text = json.dumps([[e.changes, e.previous_state, e.object_label] for e in entries])
        for hidden in (secret, new, "letmein"):
            assert hidden not in text
        assert "https://shop.example.test/hook?********" in text

    def test_tells_that_an_address_changed_behind_its_question_mark(self, hook, shop, now):
        webhook_endpoints.update_endpoint(endpoint=hook[0], url=f"{URL}2", actor=ACTOR, now=now)

        assert [entry.action for entry in trail(shop)][1:] == ["webhook.updated"]

    def test_is_not_bothered_where_nothing_changes(self, hook, shop, now):
        webhook_endpoints.update_endpoint(
            endpoint=hook[0], url=URL, is_active=True, actor=ACTOR, now=now
        )

        assert len(trail(shop)) == 1


class TestBounds:
    def test_there_are_ten_of_a_world(self, shop, neighbour, now):
        for number in range(webhook_endpoints.MAX_ENDPOINTS):
            add(shop, f"https://a.example.test/{number}", now=now)
        with pytest.raises(InvalidInput):
            add(shop, URL, now=now)

        add(shop, URL, now=now, environment="production")
        add(neighbour, URL, now=now)

    def test_there_are_only_types_that_are_told(self, shop, now):
        with pytest.raises(InvalidInput):
            add(shop, URL, now=now, types=["payment.completed", "payment.stolen"])

        assert not WebhookEndpoint.objects.exists()

    def test_production_takes_tls_only(self, shop, now):
        with pytest.raises(InvalidInput):
            add(shop, "http://shop.example.test/", now=now, environment="production")

    def test_what_is_deleted_is_changed_by_nobody(self, hook, now):
        webhook_endpoints.delete_endpoint(endpoint=hook[0], actor=ACTOR, now=now)
        for act in (webhook_endpoints.rotate_secret, webhook_endpoints.update_endpoint):
            with pytest.raises(NotFound):
                act(endpoint=hook[0], actor=ACTOR, now=now)


class TestPeople:
    @pytest.fixture(autouse=True)
    def allow_this_machine(self, settings):
        settings.WEBHOOK_ALLOW_PRIVATE = True

    @pytest.fixture
    def there(self):
        with receiver() as each:
            yield each

    def failed(self, shop, there, now):
        endpoint, secret = add(shop, there.url, now=now)
        there.answer = lambda _request: 500
        happen(shop, "payment.created", now=now)
        go(now)
        delivery = WebhookDelivery.objects.select_related("endpoint", "event").get()
        return endpoint, secret, delivery

    def test_try_it_out_without_a_trace_in_the_feed(self, shop, there, now):
        endpoint, secret = add(shop, there.url, now=now)
        outcome = webhook_acts.try_out(endpoint=endpoint, actor=ACTOR, now=now)

        assert (outcome.is_delivered, outcome.status) == (True, 200)
        (event,) = there.events(secret)
        assert (event["type"], event["seq"]) == ("webhook.test", None)
        assert not WebhookDelivery.objects.exists()
        assert trail(shop)[-1].action == "webhook.tested"

    def test_send_again_what_failed(self, shop, there, now):
        _endpoint, secret, delivery = self.failed(shop, there, now)
        there.answer = lambda _request: 200
        row = webhook_acts.resend(delivery=delivery, actor=ACTOR, now=now)

        assert (row.status, row.attempts, row.next_try_at) == ("delivered", 2, None)
        assert [event["seq"] for event in there.events(secret)] == [1, 1]
        assert trail(shop)[-1].action == "webhook.resent"

    def test_use_up_none_of_the_schedule(self, shop, there, now):
        _endpoint, _secret, delivery = self.failed(shop, there, now)
        due = delivery.next_try_at
        for _time in range(9):
            delivery = webhook_acts.resend(delivery=delivery, actor=ACTOR, now=now)

        assert (delivery.status, delivery.step, delivery.attempts) == ("pending", 1, 10)
        assert delivery.next_try_at == due

    def test_send_nothing_to_what_is_switched_off(self, shop, there, now):
        endpoint, _secret, delivery = self.failed(shop, there, now)
        webhook_endpoints.update_endpoint(endpoint=endpoint, is_active=False, actor=ACTOR, now=now)
        delivery = WebhookDelivery.objects.select_related("endpoint", "event").get()
        with pytest.raises(InvalidTransition):
            webhook_acts.resend(delivery=delivery, actor=ACTOR, now=now)

        assert len(there.came) == 1
        assert (delivery.status, delivery.problem) == ("failed", "switched_off")
