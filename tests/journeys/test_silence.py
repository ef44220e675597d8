"""Callbacks that come early, late, twice or never; answers that are lost; queries that lie."""

from __future__ import annotations

import json
import threading

import pytest

from payments.models import Evidence, Receipt
from payments.services import attempts, prompting, upstream
from tests.journeys.shopfloor import (
    attempt_of,
    make_due,
    moves_of,
    open_reviews,
    row_of,
    sweep,
    sweep_all,
    wait_for,
)


class TestACallbackOvertakesTheAnswer:
    def test_and_the_payment_is_completed_at_once(self, cashier, daraja, web):
        daraja.next("early")
        daraja.deliver_early_through(web)

        told = cashier.sell()

        assert (told["status"], told["paid"]) == ("completed", True)
        assert moves_of(told) == ["created", "completed"]
        assert told["attempts"][0]["submission"] == "sent"
        assert told["attempts"][0]["status"] == "succeeded"

    def test_with_a_refusal_and_both_moves_are_recorded(self, cashier, daraja, web):
        daraja.next("early", result="1032")
        daraja.deliver_early_through(web)

        told = cashier.sell()

        assert told["status"] == "failed"
        assert moves_of(told) == ["created", "pending", "failed"]


class TestTheAnswerIsLost:
    @pytest.mark.parametrize("scenario", ["lost", "error_but_sent", "hang", "cut", "huge"])
    def test_and_the_callback_completes_it(self, cashier, daraja, web, scenario):
        daraja.next(scenario)

        asked = cashier.sell()
        assert asked["attempts"][0]["submission"] == "unknown"
        assert asked["attempts"][0]["checkout_request_id"] is None
        daraja.deliver(web)

        paid = cashier.look(asked)
        assert paid["paid"] is True
        assert attempt_of(asked).checkout_request_id == daraja.ledger.money[0].checkout_request_id

    def test_the_till_is_answered_in_seconds_and_a_late_answer_kept(
        self, cashier, daraja, web, monkeypatch
    ):
        monkeypatch.setattr(prompting, "ANSWER_WITHIN_S", 0.05)
        answered = threading.Event()
        bodies = []

        def hold(url, body):
            bodies.append((url, body))
            answered.wait(10)

        daraja.on_callback = hold
        daraja.next("early")
        free_before = upstream._slots._value

        asked = cashier.sell()

        assert asked["status"] == "pending"
        assert asked["attempts"][0]["submission"] == "unknown"
        assert asked["result"]["next_step"] == "wait"
        assert upstream._slots._value == free_before - 1

        answered.set()
        wait_for(lambda: attempt_of(asked).submission == "sent")
        wait_for(lambda: upstream._slots._value == free_before)
        assert cashier.look(asked)["status"] == "pending"

        url, body = bodies[0]
        web.post(url.removeprefix("https://pay.test"), body, content_type="application/json")
        assert cashier.look(asked)["paid"] is True

    def test_and_a_late_refusal_still_fails_it(self, cashier, daraja, monkeypatch):
        monkeypatch.setattr(prompting, "ANSWER_WITHIN_S", 0.05)
        answered = threading.Event()
        answer = daraja.engine.handle

        def slowly(*args):
            answered.wait(10)
            return answer(*args)

        cashier.sell(phone_number="0700000001")  # a token is there
        monkeypatch.setattr(daraja.engine, "handle", slowly)
        daraja.next("locked")

        asked = cashier.sell()
        answered.set()

        wait_for(lambda: row_of(asked).status == "failed")
        assert attempt_of(asked).submission == "refused"


class TestPaidInSilence:
    def test_the_query_completes_it_and_the_receipt_follows(self, cashier, daraja, web, clock):
        daraja.next("pay", callback_after_s=60)
        asked = cashier.sell()

        clock.forward(40)
        sweep_all()
        paid = cashier.look(asked)

        assert (paid["status"], paid["paid"]) == ("completed", True)
        assert (paid["receipt_number"], paid["receipt_pending"]) == (None, True)

        clock.forward(30)
        daraja.deliver(web)
        paid = cashier.look(asked)

        receipt_number = daraja.ledger.money[0].receipt_number
        assert (paid["receipt_number"], paid["receipt_pending"]) == (receipt_number, False)
        assert Receipt.objects.get().status == "credited"
        assert moves_of(asked) == ["created", "pending", "completed"]

    def test_a_person_may_ask_too(self, cashier, daraja):
        daraja.next("paid_silently")
        asked = cashier.sell()

        answer = cashier.check(asked)

        assert answer.status_code == 200
        assert answer.json()["paid"] is True

    def test_within_the_budget_of_the_account(self, cashier, daraja, settings):
        settings.QUERY_BUDGET_PER_MINUTE = 1
        daraja.next("handset")
        asked = cashier.sell()

        assert cashier.check(asked).status_code == 200
        refused = cashier.check(asked)

        assert refused.status_code == 429
        assert refused.json()["retry_after"] > 0
        assert len(daraja.ledger.queries) == 1

    def test_a_till_asks_about_a_payment_each_ten_seconds(self, cashier, daraja, clock):
        daraja.next("handset")
        asked = cashier.sell()
        assert cashier.check(asked).status_code == 200

        refused = cashier.check(asked)

        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.json()["retry_after"] == 10
        clock.forward(10)
        assert cashier.check(asked).status_code == 200

    def test_tills_leave_half_of_the_budget_to_the_sweeps(
        self, cashier, api, admin_key, daraja, clock, settings
    ):
        settings.QUERY_BUDGET_PER_MINUTE = 5
        daraja.set_default("handset")
        asked = [cashier.sell(phone_number=f"071234567{n}") for n in range(6)]

        answers = [cashier.check(each) for each in asked[:3]]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 0 < answers[-1].json()["retry_after"] <= 60
        admin = api(admin_key)
        told = [
            admin.post(f"/payments/{each['id']}/check").status_code
            for each in [*asked[3:], asked[3]]
        ]
        assert told == [200, 200, 200, 429], "what is left is for those who are not held back"

    def test_a_provider_that_is_too_busy_is_left_alone(self, cashier, daraja, clock):
        daraja.next("handset")
        asked = cashier.sell()
        daraja.break_next("query", "spike")
        clock.forward(30)

        sweep_all()
        make_due(asked)
        sweep_all()

        assert len(daraja.ledger.queries) == 0  # the fault stood before the desk
        clock.forward(61)
        make_due(asked)
        sweep_all()
        assert len(daraja.ledger.queries) == 1


class TestNobodyAnswers:
    def test_it_expires_honestly_and_is_asked_up_to_the_horizon(
        self, cashier, daraja, clock, settings
    ):
        settings.QUERY_BUDGET_PER_MINUTE = 0
        daraja.set_default("handset")
        asked = cashier.sell()
        daraja.engine.scenarios.set_default("pay")
        prompt = daraja.engine.prompts(clock.now)[0]
        # The phone shows the prompt for ever: every query says "being processed".
        prompt.closes_at = clock.now.replace(year=clock.now.year + 1)
        daraja.engine._book._timeline.clear()

        asked_at = attempt_of(asked).requested_at
        times = []
        while (due := attempt_of(asked).next_ask_at) is not None:
            clock.forward((due - clock.now).total_seconds() + 0.001)
            sweep_all()
            times.append((clock.now - asked_at).total_seconds())
            assert len(times) <= attempts.MAX_ASKS

        assert len(times) == len(attempts.LADDER_S)
        for told, step in zip(times, attempts.LADDER_S, strict=True):
            assert 0.79 * step <= told <= 1.21 * step + 3
        # Long past a cashier's today.
        told = row_of(asked)
        assert (told.status, told.late) == ("expired", False)
        assert open_reviews(asked) == {"UNRESOLVED": False}
        assert attempt_of(asked).asked_count == len(attempts.LADDER_S)

    def test_the_till_hears_that_it_is_not_known_to_be_paid(self, cashier, daraja, clock):
        daraja.next("silent")
        asked = cashier.sell()

        clock.forward(301)
        sweep_all()
        told = cashier.look(asked)

        assert (told["status"], told["paid"], told["can_retry"]) == ("expired", False, True)
        assert told["poll_after"] is None
        assert told["result"]["next_step"] == "retry"

    def test_a_success_after_that_is_late_but_paid(self, cashier, daraja, web, clock):
        daraja.next("late")
        asked = cashier.sell()
        daraja.set_default("pay")

        clock.forward(301)
        assert sweep("expire_overdue") == 1
        clock.forward(300)
        daraja.deliver(web)

        paid = cashier.look(asked)
        assert (paid["status"], paid["paid"], paid["late"]) == ("completed", True, True)
        assert moves_of(asked) == ["created", "pending", "expired", "completed"]

    def test_a_refusal_after_that_fails_it(self, cashier, daraja, web, clock):
        daraja.next("late", result="1032")
        asked = cashier.sell()

        clock.forward(301)
        sweep("expire_overdue")
        clock.forward(300)
        daraja.deliver(web)

        assert cashier.look(asked)["status"] == "failed"

    def test_what_never_left_is_not_offered_for_retry(self, cashier, daraja, clock):
        daraja.next("lost_unsent")
        asked = cashier.sell()

        clock.forward(301)
        sweep_all()
        told = cashier.look(asked)

        # Without an id nobody can be asked first: a second prompt could charge twice.
        assert (told["status"], told["can_retry"]) == ("expired", False)
        assert cashier.retry(asked).status_code == 409


class TestTheQueryLies:
    def test_before_ninety_seconds_its_no_is_not_even_shown(self, cashier, daraja, clock):
        daraja.next("query_lies", callback_after_s=200)
        asked = cashier.sell()

        clock.forward(60)
        make_due(asked)
        sweep_all()
        told = cashier.look(asked)

        assert told["status"] == "pending"
        assert told["result"]["code"] is None
        assert told["result"]["next_step"] == "wait"
        assert Evidence.objects.get().is_final is False

    def test_after_them_it_fails_and_the_callback_puts_it_right(self, cashier, daraja, web, clock):
        daraja.next("query_lies", callback_after_s=200)
        asked = cashier.sell()
        clock.forward(60)
        make_due(asked)
        sweep_all()

        clock.forward(60)
        make_due(asked)
        sweep_all()
        assert cashier.look(asked)["status"] == "failed"

        clock.forward(100)
        daraja.deliver(web)
        paid = cashier.look(asked)

        assert (paid["status"], paid["paid"]) == ("completed", True)
        assert paid["receipt_number"] == daraja.ledger.money[0].receipt_number
        assert moves_of(asked) == ["created", "pending", "failed", "completed"]
        assert open_reviews(asked) == {}

    def test_the_callback_first_and_its_no_changes_nothing(self, cashier, daraja, web, clock):
        daraja.next("query_lies")
        asked = cashier.sell()
        daraja.deliver(web)

        clock.forward(120)
        attempt = attempt_of(asked)
        attempt.status, attempt.next_ask_at = "submitted", clock.now
        attempt.save()
        sweep_all()

        assert cashier.look(asked)["paid"] is True
        assert open_reviews(asked) == {}


class TestBothYesAndNo:
    @pytest.mark.parametrize("first", ["yes", "no"])
    def test_from_callbacks_is_a_conflict_until_a_second_source(
        self, cashier, daraja, web, clock, first
    ):
        daraja.next("pay")
        asked = cashier.sell()
        [(path, yes)] = daraja.due_callbacks()
        no = _refusal_of(yes)
        for body in (yes, no) if first == "yes" else (no, yes):
            web.post(path, body, content_type="application/json")

        told = cashier.look(asked)
        assert (told["status"], told["paid"], told["can_retry"]) == ("completed", False, False)
        assert open_reviews(asked) == {"CONFLICT": True}
        assert told["result"]["next_step"] == "ask_support"

        attempt = attempt_of(asked)
        attempt.status, attempt.next_ask_at = "submitted", clock.now
        attempt.save()
        sweep("ask_due_attempts")

        assert cashier.look(asked)["paid"] is True
        assert open_reviews(asked) == {"CONFLICT": False}


def _refusal_of(body: bytes) -> bytes:
    callback = json.loads(body)["Body"]["stkCallback"]
    callback.pop("CallbackMetadata")
    callback |= {"ResultCode": 1032, "ResultDesc": "Request cancelled by user"}
    return json.dumps({"Body": {"stkCallback": callback}}).encode()
