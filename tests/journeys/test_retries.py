"""A person asks the customer again: after proof, at most three times, never twice at once."""

from __future__ import annotations

import pytest

from payments.models import Attempt, PaymentConfig
from payments.providers.daraja.simulator import wire
from tests.journeys.shopfloor import (
    MSISDN,
    at_once,
    attempt_of,
    moves_of,
    new_key,
    open_reviews,
    row_of,
    sweep,
    sweep_all,
)


@pytest.fixture
def cancelled(cashier, daraja, web, clock):
    daraja.next("cancel")
    asked = cashier.sell(order_ref="SALE-1")
    daraja.deliver(web)
    return asked


class TestRetrying:
    def test_after_a_failure_asks_again_and_is_paid(self, cashier, cancelled, daraja, web, clock):
        clock.forward(100)

        answer = cashier.retry(cancelled)

        assert answer.status_code == 201
        told = answer.json()
        assert (told["status"], told["previous_status"]) == ("pending", "failed")
        assert [a["number"] for a in told["attempts"]] == [1, 2]
        assert told["result"]["code"] is None
        assert told["expires_at"] > cancelled["expires_at"]
        daraja.deliver(web)
        assert cashier.look(cancelled)["paid"] is True
        assert moves_of(cancelled) == ["created", "pending", "failed", "pending", "completed"]

    def test_after_no_answer_asks_the_provider_first(self, cashier, daraja, web, clock):
        daraja.next("unreachable")
        asked = cashier.sell()
        daraja.deliver(web)
        clock.forward(60)

        answer = cashier.retry(asked)

        assert answer.status_code == 201
        assert len(daraja.ledger.queries) == 1
        assert daraja.prompts_sent == 2
        assert moves_of(asked) == ["created", "pending"]

    def test_after_a_refusal_by_rule_waits_two_minutes(self, cashier, daraja, web, clock):
        daraja.next("limit")
        asked = cashier.sell()
        daraja.deliver(web)

        cool = cashier.retry(asked)
        assert (cool.status_code, cool.json()["code"]) == (409, "cool_down")
        assert 0 < cool.json()["retry_after"] <= 121
        assert daraja.prompts_sent == 1

        clock.forward(121)
        assert cashier.retry(asked).status_code == 201

    def test_is_refused_while_the_customer_is_asked(self, cashier, daraja):
        daraja.next("handset")
        asked = cashier.sell()

        answer = cashier.retry(asked)

        assert (answer.status_code, answer.json()["code"]) == (409, "retry_not_allowed")
        assert answer.json()["retry_after"] > 0
        assert daraja.prompts_sent == 1

    def test_does_not_believe_a_querys_early_no(self, cashier, daraja, clock):
        daraja.next("query_lies", callback_after_s=200)
        asked = cashier.sell()
        clock.forward(30)

        answer = cashier.retry(asked)

        assert (answer.status_code, answer.json()["code"]) == (409, "retry_not_allowed")
        assert daraja.prompts_sent == 1

    def test_hears_that_it_was_paid_meanwhile(self, cashier, daraja, clock):
        daraja.next("paid_silently")
        asked = cashier.sell()
        clock.forward(301)
        sweep("expire_overdue")

        answer = cashier.retry(asked)

        assert answer.status_code == 200
        assert answer.json()["paid"] is True
        assert answer.json()["late"] is True
        assert daraja.prompts_sent == 1

    def test_is_refused_when_nobody_can_say(self, cashier, daraja, clock):
        daraja.next("silent")
        asked = cashier.sell()
        clock.forward(301)
        sweep("expire_overdue")
        daraja.break_next("query", "html")

        answer = cashier.retry(asked)

        assert (answer.status_code, answer.json()["code"]) == (409, "retry_not_allowed")
        assert daraja.prompts_sent == 1

    def test_goes_at_most_three_times(self, cashier, daraja, web, clock):
        daraja.set_default("cancel")
        asked = cashier.sell()
        daraja.deliver(web)
        for _ in range(2):
            clock.forward(130)
            assert cashier.retry(asked).status_code == 201
            daraja.deliver(web)

        told = cashier.look(asked)
        refused = cashier.retry(asked)

        assert (refused.status_code, refused.json()["code"]) == (409, "retry_not_allowed")
        assert (told["can_retry"], len(told["attempts"])) == (False, 3)

    def test_of_a_paid_one_is_refused(self, cashier, daraja, web):
        asked = cashier.sell()
        daraja.deliver(web)

        assert cashier.retry(asked).status_code == 409
        assert daraja.prompts_sent == 1

    def test_an_earlier_prompt_may_still_pay(self, cashier, daraja, web, clock):
        daraja.next("unreachable", callbacks=0)
        asked = cashier.sell()
        clock.forward(60)
        daraja.next("handset")
        assert cashier.retry(asked).status_code == 201
        first, second = Attempt.objects.filter(payment=asked["id"]).order_by("number")
        body = _success(daraja, first.checkout_request_id)

        web.post(_path(daraja, 0), body, content_type="application/json")

        assert cashier.look(asked)["paid"] is True
        second.refresh_from_db()
        assert second.status == "submitted"

    def test_a_word_on_an_earlier_prompt_does_not_describe_the_live_one(
        self, cashier, daraja, web, clock
    ):
        daraja.next("unreachable", callback_after_s=70)
        asked = cashier.sell()
        clock.forward(60)
        daraja.next("handset")
        cashier.retry(asked)
        clock.forward(11)

        daraja.deliver(web)

        told = cashier.look(asked)
        assert told["status"] == "pending"
        assert told["result"]["next_step"] == "wait"

    def test_a_refused_retry_leaves_the_payment_where_it_was(
        self, cashier, cancelled, daraja, clock
    ):
        clock.forward(100)
        daraja.next("no_merchant")

        told = cashier.retry(cancelled).json()

        assert (told["status"], told["can_retry"]) == ("failed", True)

    def test_a_refused_retry_proves_nothing_of_the_prompt_before(self, cashier, daraja, web, clock):
        daraja.next("unreachable", query="")
        asked = cashier.sell()
        daraja.deliver(web)
        clock.forward(60)
        daraja.next("locked")
        assert cashier.retry(asked).json()["status"] == "pending"
        asked_before = len(daraja.ledger.queries)
        clock.forward(130)

        cashier.retry(asked)

        assert len(daraja.ledger.queries) == asked_before + 1

    def test_needs_a_config_that_is_in_use(self, cashier, cancelled, till, daraja, clock):
        clock.forward(100)
        PaymentConfig.objects.filter(pk=till.pk).update(is_active=False)

        answer = cashier.retry(cancelled)

        assert (answer.status_code, answer.json()["code"]) == (409, "no_active_config")
        assert daraja.prompts_sent == 1

    def test_counts_against_the_daily_limit(self, cashier, cancelled, till, daraja, web, clock):
        PaymentConfig.objects.filter(pk=till.pk).update(daily_limit=200)
        cashier.sell(phone_number="0722000001", amount="100")
        daraja.deliver(web)

        answer = cashier.retry(cancelled)

        assert (answer.status_code, answer.json()["code"]) == (409, "daily_limit_reached")

    def test_is_refused_while_the_phone_has_another_prompt(self, cashier, cancelled, daraja):
        daraja.next("handset")
        cashier.sell(amount="20")

        answer = cashier.retry(cancelled)

        assert (answer.status_code, answer.json()["code"]) == (409, "prompt_open")

    def test_is_refused_once_the_order_is_paid(self, cashier, cancelled, daraja, web, clock):
        clock.forward(130)
        cashier.sell(order_ref="SALE-1", phone_number="0722000001")
        daraja.deliver(web)

        answer = cashier.retry(cancelled)

        assert (answer.status_code, answer.json()["code"]) == (409, "order_already_paid")

    @pytest.mark.parametrize("same_key", [True, False])
    def test_by_many_hands_at_once_sends_one_prompt(
        self, cashier, cancelled, daraja, clock, same_key
    ):
        clock.forward(100)
        daraja.set_default("handset")
        keys = ["one"] * 8 if same_key else [new_key() for _ in range(8)]

        answers = at_once([lambda key=key: cashier.retry(cancelled, key=key) for key in keys])

        assert sorted({a.status_code for a in answers}) in ([201, 409], [201])
        fresh = [a for a in answers if a.status_code == 201 and "Idempotent-Replayed" not in a]
        assert len(fresh) == 1
        assert daraja.prompts_sent == 2
        assert row_of(cancelled).attempts.count() == 2

    def test_while_the_callback_comes_never_deadlocks(self, cashier, daraja, web, clock, settings):
        settings.QUERY_BUDGET_PER_MINUTE = 0
        for number in range(6):
            daraja.next("unreachable")
            asked = cashier.sell(order_ref=f"RACE-{number}", phone_number=f"07220000{number:02}")
            daraja.deliver(web)
            body = _success(daraja, attempt_of(asked).checkout_request_id)
            path = _path(daraja, -1)

            answers = at_once(
                [
                    lambda asked=asked: cashier.retry(asked),
                    lambda path=path, body=body: web.post(path, body, "application/json"),
                ]
            )

            assert answers[0].status_code in {200, 201, 409}
            sweep_all()
            assert row_of(asked).status == "completed"

    def test_with_one_key_sends_one_prompt(self, cashier, cancelled, daraja, clock):
        clock.forward(100)
        first = cashier.retry(cancelled, key="retry-1")

        again = cashier.retry(cancelled, key="retry-1")

        assert again.json() == first.json()
        assert again["Idempotent-Replayed"] == "true"
        assert daraja.prompts_sent == 2

    def test_of_a_doubtful_one_is_refused(self, cashier, daraja, web, clock):
        daraja.next("wrong_amount")
        asked = cashier.sell()
        daraja.deliver(web)
        clock.forward(301)
        sweep("expire_overdue")

        assert cashier.retry(asked).status_code == 409
        assert open_reviews(asked) == {"AMOUNT_MISMATCH": True}


def _path(daraja, number: int) -> str:
    return daraja.ledger.pushes[number].callback_url.removeprefix("https://pay.test")


def _success(daraja, checkout_request_id: str) -> bytes:
    return wire.success_body(
        merchant_request_id="29115-34620561-1",
        checkout_request_id=checkout_request_id,
        amount=150,
        receipt_number=f"T{abs(hash(checkout_request_id)) % 10**9:09}",
        msisdn=MSISDN,
        paid_at=daraja.clock(),
        omits=(),
        drift=False,
    )
