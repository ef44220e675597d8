"""Events pushed to a real server: signed, in order, tried again, at least once, never by two."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from payments.choices import NoticeCode
from payments.models import Event, Notice, WebhookDelivery, WebhookEndpoint
from payments.services import webhook_acts, webhook_endpoints, webhook_rounds
from payments.services.events import described
from payments.services.webhook_rounds import Clock
from payments.webhook_choices import RETRY_AFTER
from tenants.models import Shop
from tests.payments.services.webhook_world import ACTOR, add, go, happen, receiver
from tests.payments.services.webhook_world import allow_this_machine as allow_this_machine  # noqa: PLC0414 - a fixture
from tests.payments.services.webhook_world import there as there  # noqa: PLC0414 - a fixture

pytestmark = pytest.mark.django_db
THREE = ("payment.created", "payment.pending", "payment.completed")


@pytest.fixture
def hook(shop, there, now):
    return add(shop, there.url, now=now)


def only():
    return WebhookDelivery.objects.get()


class TestDelivering:
    def test_sends_the_events_as_the_feed_tells_them(self, shop, there, hook, now):
        endpoint, secret = hook
        events = happen(shop, *THREE, now=now)

        assert go(now) == 3
        assert there.events(secret) == [described(event) for event in events]
        assert [headers["webhook-id"] for headers, _body in there.came] == [
            str(event.pk) for event in events
        ]
        assert set(WebhookDelivery.objects.values_list("status", "attempts")) == {("delivered", 1)}
        endpoint.refresh_from_db()
        assert (endpoint.last_seq, endpoint.leased_by) == (3, None)
        assert endpoint.last_delivered_at is not None

    def test_signs_with_nobody_elses_secret(self, shop, there, hook, now):
        happen(shop, "payment.created", now=now)
        go(now)
        headers, body = there.came[0]

        with pytest.raises(WebhookVerificationError):
            Webhook("whsec_" + "A" * 44).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(hook[1]).verify(body.replace(b"sandbox", b"sandbax"), headers)

    def test_tells_nothing_of_before_it_was_added(self, shop, there, now):
        happen(shop, "payment.created", now=now)
        _endpoint, secret = add(shop, there.url, now=now)
        happen(shop, "payment.failed", now=now)
        go(now)

        assert [event["seq"] for event in there.events(secret)] == [2]

    def test_tells_only_the_types_that_were_asked_for(self, shop, there, now):
        endpoint, secret = add(shop, there.url, now=now, types=["payment.completed"])
        happen(shop, *THREE, "config.rotated", now=now)
        go(now)

        assert [event["type"] for event in there.events(secret)] == ["payment.completed"]
        endpoint.refresh_from_db()
        assert endpoint.last_seq == 4

    def test_tells_no_neighbour_and_no_other_world(self, shop, neighbour, there, hook, now):
        happen(neighbour, "payment.created", now=now)
        happen(shop, "payment.created", now=now, environment="production")

        assert go(now) == 0
        assert there.came == []

    def test_writes_nothing_where_events_are_recorded(
        self, shop, hook, now, django_assert_num_queries
    ):
        happen(shop, "payment.created", now=now)
        with django_assert_num_queries(2):
            happen(shop, "payment.created", now=now)


class TestTryingAgain:
    def test_follows_the_schedule_and_then_gives_up(self, shop, there, hook, now):
        endpoint, _secret = hook
        there.answer = lambda _request: 500
        happen(shop, "payment.created", now=now)
        at, waits = now, []
        go(at)
        while (row := only()).status == "pending":
            wait = row.next_try_at - row.last_tried_at
            waits.append(wait)
            assert go(at + wait - timedelta(seconds=1)) == 0
            at += wait + timedelta(seconds=1)
            assert go(at) == 1

        assert tuple(waits) == RETRY_AFTER
        assert (row.status, row.attempts, row.next_try_at) == ("failed", 8, None)
        assert (row.problem, row.response_status) == ("bad_status", 500)
        assert len(there.came) == 8
        assert len({headers["webhook-id"] for headers, _body in there.came}) == 1
        notice = Notice.objects.get(code=NoticeCode.WEBHOOK_FAILING)
        assert (notice.shop_id, notice.subject) == (shop.pk, str(endpoint.pk))
        assert go(at + timedelta(days=30)) == 0

    def test_says_nothing_to_the_shop_before_the_last(self, shop, there, hook, now):
        there.answer = lambda _request: 503
        happen(shop, "payment.created", now=now)
        go(now)

        assert not Notice.objects.exists()
        assert WebhookEndpoint.objects.get().failing_since is not None

    def test_takes_the_notice_back_once_one_arrives(self, shop, there, hook, now):
        there.answer = lambda _request: 500
        happen(shop, "payment.created", now=now)
        WebhookDelivery.objects.update(step=0)
        go(now)
        WebhookDelivery.objects.update(step=7, next_try_at=now)
        go(now)
        assert Notice.objects.get().closed_at is None

        there.answer = lambda _request: 204
        happen(shop, "payment.failed", now=now)
        go(now)

        assert Notice.objects.get().closed_at is not None
        assert WebhookEndpoint.objects.get().failing_since is None

    def test_blocks_no_other_event(self, shop, there, hook, now):
        statuses = iter([500, 200, 200, 200])
        there.answer = lambda _request: next(statuses)
        happen(shop, *THREE, now=now)
        go(now)
        go(now + timedelta(seconds=6))

        seqs = [event["seq"] for event in there.events(hook[1])]
        assert seqs == [1, 2, 3, 1]
        assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"delivered"}

    def test_follows_no_redirect(self, shop, there, hook, now):
        with receiver() as elsewhere:
            there.answer, there.headers = (lambda _request: 307), {"Location": elsewhere.url}
            happen(shop, "payment.created", now=now)
            go(now)

            assert elsewhere.came == []
        assert (only().problem, only().response_status) == ("redirected", 307)

    def test_outlives_nobody_listening(self, shop, now):
        add(shop, "http://127.0.0.1:9/closed", now=now)
        happen(shop, "payment.created", now=now)
        go(now)

        assert (only().status, only().problem) == ("pending", "no_connection")
        assert only().response_status is None

    def test_keeps_little_of_an_answer_and_no_number(self, shop, there, hook, now):
        said = b"call +254 712 345 678 or 0712345678 or 2547*****678\x00" + b"x" * 100_000
        there.answer = lambda _request: (500, said)
        happen(shop, "payment.created", now=now)
        go(now)

        assert len(only().answer) <= 1_000
        assert only().answer.startswith("call ******* or ******* or ******* xxx")

    def test_takes_a_long_yes_for_a_yes(self, shop, there, hook, now):
        there.answer = lambda _request: (200, b"x" * 200_000)
        happen(shop, "payment.created", now=now)
        go(now)

        assert (only().status, only().answer) == ("delivered", "")


class TestGone:
    def test_switches_it_off_and_tells_the_shop(self, shop, there, hook, now):
        statuses = iter([200, 410])
        there.answer = lambda _request: next(statuses)
        happen(shop, *THREE, now=now)
        go(now)

        endpoint = WebhookEndpoint.objects.get()
        assert (endpoint.is_active, endpoint.disabled_reason) == (False, "gone")
        assert list(WebhookDelivery.objects.order_by("seq").values_list("status", "problem")) == [
            ("delivered", ""),
            ("failed", "gone"),
            ("failed", "switched_off"),
        ]
        assert Notice.objects.get().code == NoticeCode.WEBHOOK_GONE
        happen(shop, "payment.failed", now=now)
        assert go(now + timedelta(days=2)) == 0

    def test_is_over_once_switched_on_again(self, shop, there, hook, now):
        there.answer = lambda _request: 410
        happen(shop, "payment.created", now=now)
        go(now)
        happen(shop, "payment.pending", now=now)
        there.answer = lambda _request: 200
        webhook_endpoints.update_endpoint(endpoint=hook[0], is_active=True, actor=ACTOR, now=now)
        happen(shop, "payment.completed", now=now)
        go(now)

        assert [event["seq"] for event in there.events(hook[1])] == [1, 3]
        assert Notice.objects.get().closed_at is not None

    def test_sends_nothing_to_what_is_switched_off(self, shop, there, hook, now):
        webhook_endpoints.update_endpoint(endpoint=hook[0], is_active=False, actor=ACTOR, now=now)
        happen(shop, "payment.created", now=now)

        assert go(now) == 0
        assert there.came == []


class TestAClosedShop:
    def test_is_told_nothing_while_it_is(self, shop, there, hook, now):
        happen(shop, "payment.created", now=now)
        Shop.objects.filter(pk=shop.pk).update(is_active=False)
        assert go(now) == 0

        Shop.objects.filter(pk=shop.pk).update(is_active=True)
        assert go(now) == 1


class TestWorkers:
    def test_one_that_dies_is_followed_once_its_lease_is_over(self, shop, there, hook, now):
        happen(shop, "payment.created", now=now)
        dead = webhook_rounds.claim(now=now)
        webhook_rounds.take_events(dead[0], now=now)

        assert go(now + timedelta(seconds=30)) == 0
        assert there.came == []
        assert go(now + webhook_rounds.LEASE) == 1
        assert only().status == "delivered"

    def test_one_that_died_after_sending_lets_it_be_sent_again(
        self, shop, there, hook, now, monkeypatch
    ):
        happen(shop, "payment.created", now=now)

        def die(*_args, **_more):
            raise SystemExit

        with monkeypatch.context() as patch:
            patch.setattr(webhook_rounds, "record_try", die)
            patch.setattr(webhook_rounds, "_release", lambda _endpoint: None)
            with pytest.raises(SystemExit):
                go(now)
        go(now + webhook_rounds.LEASE * 2)

        ids = [headers["webhook-id"] for headers, _body in there.came]
        assert len(ids) == 2
        assert len(set(ids)) == 1
        assert only().status == "delivered"

    def test_one_that_lost_its_lease_stops(self, shop, there, hook, now):
        happen(shop, *THREE, now=now)
        slow = webhook_rounds.claim(now=now)[0]
        assert go(now + webhook_rounds.LEASE) == 3

        assert webhook_rounds.serve(slow, Clock(now + webhook_rounds.LEASE)) == 0
        assert len(there.came) == 3

    def test_a_late_no_of_one_changes_no_yes_of_another(self, shop, there, hook, now):
        happen(shop, "payment.created", now=now)
        there.answer = lambda _request: 500
        endpoint = webhook_rounds.claim(now=now)[0]
        webhook_rounds.take_events(endpoint, now=now)
        stale = WebhookDelivery.objects.select_related("endpoint", "event").get()
        there.answer = lambda _request: 200
        fresh = WebhookDelivery.objects.select_related("endpoint", "event").get()
        webhook_rounds.send_delivery(fresh, is_scheduled=True, clock=Clock(now))
        there.answer = lambda _request: 500
        webhook_rounds.send_delivery(stale, is_scheduled=True, clock=Clock(now))

        assert (only().status, only().attempts, only().problem) == ("delivered", 2, "")

    def test_never_call_inside_a_transaction(self, shop, there, hook, now):

        with pytest.raises(RuntimeError), transaction.atomic():
            webhook_acts.try_out(endpoint=hook[0], actor=ACTOR, now=now)
        assert there.came == []


class TestRotation:
    def test_signs_with_both_secrets_for_a_day(self, shop, there, hook, now):
        endpoint, old = hook
        _endpoint, new = webhook_endpoints.rotate_secret(endpoint=endpoint, actor=ACTOR, now=now)
        happen(shop, "payment.created", now=now)
        go(now)
        headers, _body = there.came[0]

        assert old != new
        assert len(headers["webhook-signature"].split(" ")) == 2
        assert there.events(old) == there.events(new)

        happen(shop, "payment.failed", now=now)
        go(now + timedelta(hours=24))
        headers, body = there.came[1]
        assert len(headers["webhook-signature"].split(" ")) == 1
        assert Webhook(new).verify(body, headers)["seq"] == 2
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(body, headers)


class TestTheErased:
    def test_are_told_of_no_more_than_the_feed_tells(self, shop, there, hook, now):
        """What is sent is read when it is sent: an erased number is not in a try after that."""
        (event,) = happen(shop, "payment.created", now=now)
        Event.objects.filter(pk=event.pk).update(data={"phone_number": "2547*****678"})
        there.answer = lambda _request: (500, there.came[-1][1])
        go(now)
        Event.objects.filter(pk=event.pk).update(data={"phone_number": "erased"})
        go(now + timedelta(seconds=6))

        first, second = there.events(hook[1])
        assert first["data"] == {"phone_number": "2547*****678"}
        assert second["data"] == {"phone_number": "erased"}
        columns = str(list(WebhookDelivery.objects.values()))
        assert "2547" not in columns
        assert "678" not in only().answer
