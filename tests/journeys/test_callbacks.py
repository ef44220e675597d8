"""What comes through the callback door: duplicates, forgeries, strangers, and crashes."""

from __future__ import annotations

import hashlib
import io
import json

import pytest
from django.db import OperationalError
from django.test import Client

from payments import callback_urls
from payments.api import applier
from payments.api import callbacks as callback_views
from payments.choices import CallbackStatus
from payments.models import CallbackSource, Event, Evidence, ProviderCallback, Receipt, Review
from payments.services import callbacks, evidence
from tests.journeys.shopfloor import (
    Till,
    any_uuid,
    at_once,
    attempt_of,
    moves_of,
    open_reviews,
    sweep,
    sweep_all,
    wait_for_the_inbox,
)

ACCEPTED = {"ResultCode": 0, "ResultDesc": "Accepted"}


def post(web, path, body, **extra):
    return web.post(path, body, content_type="application/json", **extra)


class TestDuplicates:
    def test_sixty_four_at_once_credit_once(self, cashier, daraja):
        asked = cashier.sell()
        [(path, body)] = daraja.due_callbacks()

        answers = at_once([lambda: post(Client(), path, body).json()] * 64)
        wait_for_the_inbox()

        assert answers == [ACCEPTED] * 64
        assert cashier.look(asked)["paid"] is True
        assert moves_of(asked).count("completed") == 1
        assert Event.objects.filter(type="payment.completed").count() == 1
        assert Receipt.objects.get().status == "credited"
        assert Evidence.objects.count() == 1
        statuses = list(ProviderCallback.objects.values_list("status", flat=True))
        assert (statuses.count("applied"), statuses.count("duplicate")) == (1, 63)

    def test_of_different_words_at_once_still_credit_once(self, cashier, daraja):
        asked = cashier.sell()
        [(path, body)] = daraja.due_callbacks()
        bodies = [body.replace(b"successfully", b"well %d" % n) for n in range(16)]

        at_once([lambda body=b: post(Client(), path, body) for b in bodies])
        wait_for_the_inbox()

        assert cashier.look(asked)["paid"] is True
        assert Receipt.objects.filter(status="credited").count() == 1
        assert moves_of(asked).count("completed") == 1

    def test_from_daraja_itself_are_acknowledged(self, cashier, daraja, web):
        daraja.next("duplicate")
        asked = cashier.sell()

        answers = daraja.deliver(web)

        assert [a.json() for a in answers] == [ACCEPTED] * 3
        assert cashier.look(asked)["paid"] is True

    def test_for_many_payments_at_once_all_arrive(self, cashier, daraja, settings):
        settings.STK_RATE_PER_SHOP_PER_MINUTE = 0
        sales = [cashier.sell(phone_number=f"07220000{n:02}") for n in range(20)]
        calls = daraja.due_callbacks()

        at_once([lambda c=c: post(Client(), *c) for c in calls * 2])
        wait_for_the_inbox()

        assert all(cashier.look(sale)["paid"] for sale in sales)
        assert Receipt.objects.filter(status="credited").count() == 20
        feed = list(Event.objects.order_by("seq").values_list("seq", flat=True))
        assert feed == list(range(1, len(feed) + 1))


class TestForgeries:
    def test_leave_nothing_behind(self, cashier, daraja, web):
        asked = cashier.sell()
        [(path, body)] = daraja.due_callbacks()
        _, _, kind, subject, mac = path.split("/")
        wrong = "0" * 32 if mac != "0" * 32 else "1" * 32
        forged = [
            f"/cb/{kind}/{subject}/{wrong}",
            f"/cb/{kind}/{subject}/{mac[:-1]}",
            f"/cb/{kind}/{subject}/{mac.upper()}" if mac.upper() != mac else "/cb/s",
            f"/cb/{kind}/{subject}/{mac}/",
            f"/cb/{kind}/{any_uuid().hex}/{mac}",
            f"/cb/{kind}/{subject.upper()}/{mac}",
            f"/cb/c/{subject}/{mac}",
            f"/cb/{kind}/{subject}",
        ]

        answers = [post(web, path, body).status_code for path in forged]

        assert answers == [404] * len(forged)
        assert not ProviderCallback.objects.exists()
        assert cashier.look(asked)["status"] == "pending"

    def test_with_another_attempts_address_are_quarantined(self, cashier, daraja, web):
        first = cashier.sell(phone_number="0722000001")
        second = cashier.sell(phone_number="0722000002")
        (_path_1, body_1), (path_2, _body_2) = daraja.due_callbacks()

        answer = post(web, path_2, body_1)

        assert answer.json() == ACCEPTED
        assert ProviderCallback.objects.get().status == CallbackStatus.QUARANTINED
        assert cashier.look(first)["status"] == cashier.look(second)["status"] == "pending"
        assert open_reviews(second) == {"DEAD_CALLBACK": False}
        assert open_reviews(first) == {}

    def test_with_the_mac_of_another_ring_key_are_known(self, cashier, daraja, web, settings):
        asked = cashier.sell()
        [(path, body)] = daraja.due_callbacks()
        old = settings.CALLBACK_MAC_KEYS
        settings.CALLBACK_MAC_KEYS = {"new": hashlib.sha256(b"new").digest(), **old}

        assert post(web, path, body).status_code == 200
        assert cashier.look(asked)["paid"] is True
        assert callback_urls.callback_path("s", attempt_of(asked).pk) != path

        settings.CALLBACK_MAC_KEYS = {"new": hashlib.sha256(b"new").digest()}
        assert post(web, path, body).status_code == 404

    def test_of_an_attempt_nobody_made_are_buried(self, web, db):
        path = callback_urls.callback_path("s", any_uuid())

        assert post(web, path, b"{}").json() == ACCEPTED
        assert ProviderCallback.objects.get().status == CallbackStatus.DEAD

    def test_that_adopt_anothers_checkout_id_are_refused(self, cashier, daraja, web):
        paid = cashier.sell(phone_number="0722000001")
        [(_path, body)] = daraja.due_callbacks()
        daraja.next("lost_unsent")
        unknown = cashier.sell(phone_number="0722000002")
        path = callback_urls.callback_path("s", attempt_of(unknown).pk)

        post(web, path, body)

        assert cashier.look(unknown)["status"] == "pending"
        assert ProviderCallback.objects.get().status == CallbackStatus.QUARANTINED
        assert cashier.look(paid)["status"] == "pending"


class TestStrangers:
    """In production an unlisted address is kept, not believed, and the provider asked."""

    @pytest.fixture
    def live(self, shop, make_config, issue_key, api):
        make_config(shop, environment="production")
        return Till(api(issue_key(shop, "cashier", environment="production")))

    def test_are_not_believed_but_asked_about_at_once(self, live, live_daraja, web):
        asked = live.sell()
        live_daraja.deliver(web, REMOTE_ADDR="203.0.113.9")

        told = live.look(asked)
        assert (told["status"], told["paid"]) == ("pending", False)
        assert open_reviews(asked) == {"UNLISTED_SOURCE": True}
        assert ProviderCallback.objects.get().status == CallbackStatus.QUARANTINED
        assert not Evidence.objects.exists()
        assert not Receipt.objects.exists()

        assert sweep("ask_fresh_attempts") == 1

        told = live.look(asked)
        assert (told["status"], told["paid"], told["receipt_pending"]) == ("completed", True, True)
        assert open_reviews(asked) == {}
        types = set(Event.objects.values_list("type", flat=True))
        assert {"payment.review_opened", "payment.review_resolved"} <= types

    def test_whose_no_the_query_repeats_leave_no_doubt(self, live, live_daraja, web, clock):
        live_daraja.next("cancel")
        asked = live.sell()
        live_daraja.deliver(web, REMOTE_ADDR="203.0.113.9")
        clock.forward(95)

        sweep("ask_fresh_attempts")

        told = live.look(asked)
        assert (told["status"], told["can_retry"]) == ("failed", True)
        assert open_reviews(asked) == {}

    def test_are_as_good_as_listed_in_the_sandbox(self, cashier, daraja, web):
        asked = cashier.sell()

        daraja.deliver(web, REMOTE_ADDR="203.0.113.9")

        assert cashier.look(asked)["paid"] is True

    def test_hidden_behind_a_header_are_strangers_still(self, live, live_daraja, web):
        asked = live.sell()

        live_daraja.deliver(web, REMOTE_ADDR="203.0.113.9", HTTP_X_FORWARDED_FOR="196.201.214.200")

        assert live.look(asked)["status"] == "pending"

    def test_behind_our_own_proxy_are_seen_through(self, live, live_daraja, web, settings):
        settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
        asked = live.sell()

        live_daraja.deliver(web, REMOTE_ADDR="10.1.2.3", HTTP_X_FORWARDED_FOR="196.201.214.200")

        assert live.look(asked)["paid"] is True

    def test_written_as_ipv6_are_the_same_address(self, live, live_daraja, web):
        asked = live.sell()

        live_daraja.deliver(web, REMOTE_ADDR="::ffff:196.201.214.200")

        assert live.look(asked)["paid"] is True

    def test_an_operator_takes_off_the_list_are_strangers(self, live, live_daraja, web):
        CallbackSource.objects.update(is_active=False)
        try:
            asked = live.sell()
            live_daraja.deliver(web)
            assert live.look(asked)["status"] == "pending"
        finally:
            CallbackSource.objects.update(is_active=True)

    def test_are_believed_when_a_person_vouches(self, live, live_daraja, web, actor, clock):
        asked = live.sell()
        live_daraja.deliver(web, REMOTE_ADDR="203.0.113.9")

        callbacks.apply_again(callback=ProviderCallback.objects.get(), actor=actor, now=clock.now)

        told = live.look(asked)
        assert (told["paid"], told["receipt_pending"]) == (True, False)
        assert open_reviews(asked) == {}


class TestBodiesNobodyExpects:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b"[]",
            b"null",
            b"\xff\xfe",
            b"\xef\xbb\xbf{}",
            b'{"a":"\\u0000"}',
            b'{"Body":{"stkCallback":[]}}',
            b'{"Body":{"stkCallback":{"ResultCode":NaN}}}',
            b'{"Body":{"stkCallback":{"ResultCode":' + b"9" * 5000 + b"}}}",
            b"[" * 100_00 + b"]" * 100_00,
            '{"Body":{"stkCallback":{"ResultCode":"\u0660","CheckoutRequestID":"x"}}}'.encode(),
            b"x" * 65_536,
        ],
    )
    def test_are_kept_acknowledged_and_move_nothing(self, cashier, daraja, web, body):
        asked = cashier.sell()
        [(path, _)] = daraja.due_callbacks()

        answer = web.generic("POST", path, body, content_type="text/plain")

        assert (answer.status_code, answer.json()) == (200, ACCEPTED)
        row = ProviderCallback.objects.get()
        assert row.size == len(body)
        assert row.digest == hashlib.sha256(body).hexdigest()
        assert (row.body.reveal_bytes() if row.body else b"") == body
        assert row.status in {CallbackStatus.DEAD, CallbackStatus.QUARANTINED}
        assert "DEAD_CALLBACK" in open_reviews(asked)
        assert cashier.look(asked)["status"] == "pending"

    def test_larger_than_64_kib_are_refused(self, cashier, daraja, web):
        cashier.sell()
        [(path, _)] = daraja.due_callbacks()

        assert post(web, path, b"x" * 65_537).status_code == 413
        assert not ProviderCallback.objects.exists()

    def test_sent_in_chunks_are_kept_whole(self, cashier, daraja, web):
        asked = cashier.sell()
        [(path, body)] = daraja.due_callbacks()

        answer = web.generic(
            "POST",
            path,
            body,
            content_type="application/json",
            CONTENT_LENGTH="",
            HTTP_TRANSFER_ENCODING="chunked",
            **{"wsgi.input": io.BytesIO(body)},
        )

        assert answer.status_code == 200
        assert ProviderCallback.objects.get().size == len(body)
        assert cashier.look(asked)["paid"] is True

    def test_that_break_off_are_not_acknowledged(self, cashier, daraja, web):
        class Broken(io.BytesIO):
            def read(self, *_args):
                raise OSError("connection reset")

        cashier.sell()
        [(path, body)] = daraja.due_callbacks()

        answer = web.generic("POST", path, body, **{"wsgi.input": Broken()})

        assert answer.status_code == 503
        assert not ProviderCallback.objects.exists()

    def test_asked_for_with_get_are_405(self, cashier, daraja, web):
        cashier.sell()
        [(path, _)] = daraja.due_callbacks()

        assert web.get(path).status_code == 405


class TestCrashes:
    def test_between_storing_and_applying_lose_nothing(
        self, cashier, daraja, web, clock, monkeypatch
    ):
        asked = cashier.sell()
        monkeypatch.setattr(callback_views.callbacks, "apply_now", _die)
        monkeypatch.setattr(applier, "ring", lambda: None)

        answer = daraja.deliver(web)[0]

        # The process died: the sender heard an error, but the row was committed before.
        assert answer.status_code == 500
        assert ProviderCallback.objects.get().status == CallbackStatus.NEW
        assert cashier.look(asked)["status"] == "pending"

        monkeypatch.undo()
        clock.forward(400)
        sweep_all()

        paid = cashier.look(asked)
        assert (paid["paid"], paid["receipt_pending"]) == (True, False)
        # What was stored is believed before we give up or ask.
        assert "expired" not in moves_of(asked)
        assert not daraja.ledger.queries

    def test_of_the_database_are_told_to_the_sender(self, cashier, daraja, web, monkeypatch):
        cashier.sell()

        def fail(**_kwargs):
            raise OperationalError("no space left")

        monkeypatch.setattr(callback_views.callbacks, "receive", fail)
        answer = daraja.deliver(web)[0]

        assert answer.status_code == 503
        assert answer["Retry-After"]

    def test_while_applying_do_not_reach_the_sender(self, cashier, daraja, web, monkeypatch):
        asked = cashier.sell()
        monkeypatch.setattr(applier, "ring", lambda: None)
        monkeypatch.setattr(evidence, "apply_batch", _die_normally)

        assert daraja.deliver(web)[0].json() == ACCEPTED

        monkeypatch.undo()
        sweep("reprocess_callbacks")
        assert cashier.look(asked)["paid"] is True

    def test_eight_times_over_one_row_call_a_person(self, cashier, daraja, web, clock, monkeypatch):
        spoiled = cashier.sell(phone_number="0722000001")
        sound = cashier.sell(phone_number="0722000002")
        bad_attempt = attempt_of(spoiled).pk
        real = evidence.apply_batch

        def stumble(batch, *, now):
            if any(item.attempt_id == bad_attempt for item in batch):
                raise ValueError("nobody thought of this")
            return real(batch, now=now)

        monkeypatch.setattr(evidence, "apply_batch", stumble)
        monkeypatch.setattr(applier, "ring", lambda: None)
        calls = daraja.due_callbacks()
        monkeypatch.setattr(callback_views.callbacks, "apply_now", lambda *_a, **_k: False)
        for path, body in calls:
            assert post(web, path, body).status_code == 200

        for _ in range(callbacks.MAX_TRIES):
            sweep("reprocess_callbacks")
            clock.forward(3600)

        # The other row of the set was applied at the first go.
        assert cashier.look(sound)["paid"] is True
        row = ProviderCallback.objects.get(subject_id=bad_attempt)
        assert (row.status, row.tries) == (CallbackStatus.DEAD, callbacks.MAX_TRIES)
        assert "nobody thought" not in row.problem
        assert open_reviews(spoiled) == {"DEAD_CALLBACK": False}
        assert Review.objects.get().callback_id == row.pk

        monkeypatch.undo()
        sweep("reprocess_callbacks")
        assert cashier.look(spoiled)["status"] == "pending"

    def test_a_dead_row_is_applied_when_a_person_says_so(self, cashier, daraja, web, actor, clock):
        asked = cashier.sell()
        daraja.deliver(web, REMOTE_ADDR="196.201.214.200")
        row = ProviderCallback.objects.get()

        again = callbacks.apply_again(callback=row, actor=actor, now=clock.now)

        assert again.status == CallbackStatus.APPLIED
        assert moves_of(asked) == ["created", "pending", "completed"]


class TestRetention:
    def test_takes_the_body_and_leaves_what_identifies_it(self, cashier, daraja, web, clock):
        cashier.sell()
        [(path, body)] = daraja.due_callbacks()
        post(web, path, body)
        before = ProviderCallback.objects.get()

        clock.forward(90 * 86_400 - 60)
        assert sweep("purge_raw_bodies") == 0
        clock.forward(120)
        assert sweep("purge_raw_bodies") == 1

        after = ProviderCallback.objects.get()
        assert not after.body
        assert (after.digest, after.size, after.result_code) == (
            before.digest,
            len(body),
            json.loads(body)["Body"]["stkCallback"]["ResultCode"].__str__(),
        )


def _die(*_args, **_kwargs):
    raise SystemError("killed")


def _die_normally(*_args, **_kwargs):
    raise ValueError("nobody thought of this")
