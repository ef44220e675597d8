"""Many tills, double clicks, lost answers: one sale, one prompt."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from payments.models import IdempotencyKey, Payment, PaymentConfig
from payments.services import idempotency, initiation, upstream
from tests.journeys.shopfloor import (
    Till,
    at_once,
    attempt_of,
    moves_of,
    new_key,
    row_of,
    sweep,
)


def outcomes(answers):
    """Count answers by status and, where there is one, error code."""
    return Counter((a.status_code, a.json().get("code")) for a in answers)


class TestOneKey:
    def test_replays_the_first_answer_whole(self, cashier, daraja, web):
        first = cashier.ask(key="k-1")
        daraja.deliver(web)

        again = cashier.ask(key="k-1")

        assert (again.status_code, again.json()) == (201, first.json())
        assert again["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first
        assert daraja.prompts_sent == 1

    def test_with_another_body_is_refused_without_effect(self, cashier, daraja):
        cashier.ask(key="k-1")

        again = cashier.ask(key="k-1", amount="151")

        assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")
        assert Payment.objects.count() == 1

    def test_is_not_used_up_by_a_refusal(self, cashier, daraja, till):
        PaymentConfig.objects.update(is_active=False)
        refused = cashier.ask(key="k-1")
        PaymentConfig.objects.update(is_active=True)

        again = cashier.ask(key="k-1")

        assert (refused.status_code, refused.json()["code"]) == (409, "no_active_config")
        assert again.status_code == 201

    def test_at_fifty_tills_at_once_prompts_once(self, cashier, daraja):
        answers = at_once([lambda: cashier.ask(key="k-1")] * 50)

        fresh = [a for a in answers if a.status_code == 201 and "Idempotent-Replayed" not in a]
        assert len(fresh) == 1
        assert set(outcomes(answers)) <= {(201, None), (409, "request_in_progress")}
        assert daraja.prompts_sent == 1
        assert Payment.objects.count() == 1

    def test_is_the_shops_own(self, cashier, daraja, neighbour, make_config, neighbour_key, api):
        make_config(neighbour, shortcode="600300")
        cashier.ask(key="k-1")

        other = api(neighbour_key).post(
            "/payments",
            {"amount": "150", "phone_number": "0712345678"},
            **{"Idempotency-Key": "k-1"},
        )

        assert other.status_code == 201
        assert "Idempotent-Replayed" not in other

    @pytest.mark.parametrize("key", ["", " ", "ä", "x" * 256, "a\tb"])
    def test_must_be_one(self, cashier, daraja, key):
        headers = {"Idempotency-Key": key} if key else {}
        body = {"amount": "150", "phone_number": "0712345678"}

        answer = cashier.api.post("/payments", body, **headers)

        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
        assert not Payment.objects.exists()

    def test_of_a_process_that_died_answers_with_its_payment(self, cashier, daraja):
        first = cashier.ask(key="k-1").json()
        # As if the process died before it could keep the answer.
        IdempotencyKey.objects.update(
            status_code=None, body=None, running_until=timezone.now() - timedelta(seconds=1)
        )

        again = cashier.ask(key="k-1")

        assert (again.status_code, again.json()["id"]) == (201, first["id"])
        assert daraja.prompts_sent == 1

    def test_taken_over_is_lost_to_the_slow_process(
        self, cashier, shop, till, daraja, actor, clock
    ):
        """Its lease ran out while it was stopped; another process took the request over."""
        lease = {"shop": shop, "environment": "sandbox", "key": "k-1", "fingerprint": "f"}
        slow = idempotency.begin(**lease, now=clock.now)
        clock.forward(61)
        fast = idempotency.begin(**lease, now=clock.now)
        world = {"shop": shop, "environment": "sandbox", "branch": None, "actor": actor}
        asked = initiation.NewPayment(amount=150, msisdn="254712345678")

        with pytest.raises(idempotency.RequestInProgress):
            initiation.initiate_payment(**world, asked=asked, idempotency_key=slow, now=clock.now)
        idempotency.give_back(key=slow)
        paid = initiation.initiate_payment(
            **world, asked=asked, idempotency_key=fast, now=clock.now
        )

        assert daraja.prompts_sent == 1
        assert Payment.objects.get() == paid
        assert IdempotencyKey.objects.get().payment_id == paid.pk

    def test_is_forgotten_after_seven_days_not_before(self, cashier, daraja, clock):
        cashier.ask(key="k-1")
        clock.forward(7 * 86_400 - 60)
        assert sweep("purge_idempotency_keys") == 0
        clock.forward(120)
        assert sweep("purge_idempotency_keys") == 1


class TestOnePhone:
    def test_at_fifty_tills_at_once_prompts_once(self, cashier, daraja):
        answers = at_once([cashier.ask] * 50)

        assert outcomes(answers) == {(201, None): 1, (409, "prompt_open"): 49}
        assert daraja.prompts_sent == 1
        assert Payment.objects.count() == 1

    def test_with_a_live_prompt_is_not_asked_again(self, cashier, daraja):
        cashier.sell()

        refused = cashier.ask(amount="20")

        assert (refused.status_code, refused.json()["code"]) == (409, "prompt_open")
        assert 0 < refused.json()["retry_after"] <= 301
        assert refused["Retry-After"]

    def test_with_a_prompt_past_its_time_is_free(self, cashier, daraja, clock):
        daraja.next("silent")
        first = cashier.sell()
        clock.forward(301)

        second = cashier.sell()

        assert row_of(first).status == "expired"
        assert second["status"] == "pending"

    def test_of_another_shop_is_free(
        self, cashier, daraja, neighbour, make_config, neighbour_key, api
    ):
        make_config(neighbour, shortcode="600300")
        cashier.sell()

        other = api(neighbour_key).post(
            "/payments",
            {"amount": "150", "phone_number": "0712345678"},
            **{"Idempotency-Key": new_key()},
        )

        # Daraja refuses, not we: one subscriber, one prompt.
        assert other.status_code == 201

    def test_cools_down_for_the_same_amount(self, cashier, daraja, web, clock):
        cashier.sell()
        daraja.deliver(web)

        refused = cashier.ask()
        assert (refused.status_code, refused.json()["code"]) == (409, "cool_down")
        assert 0 < refused.json()["retry_after"] <= 121
        assert cashier.ask(amount="151").status_code == 201

    def test_is_free_again_after_two_minutes(self, cashier, daraja, web, clock):
        cashier.sell()
        daraja.deliver(web)
        clock.forward(121)

        assert cashier.ask().status_code == 201

    def test_pays_a_second_sale_when_told_so(self, cashier, daraja, web):
        first = cashier.sell()
        refused = cashier.ask(second_sale=True)
        assert refused.json()["code"] == "prompt_open"
        daraja.deliver(web)

        second = cashier.sell(second_sale=True)

        assert second["id"] != first["id"]

    def test_is_not_cooled_by_a_refused_request(self, cashier, daraja):
        daraja.next("no_merchant")
        cashier.sell()

        assert cashier.ask().status_code == 201

    def test_of_unknown_outcome_is_not_a_second_sale(self, cashier, daraja, clock):
        daraja.next("lost")
        asked = cashier.sell()
        Payment.objects.filter(pk=asked["id"]).update(expires_at=clock.now)

        refused = cashier.ask(second_sale=True)

        assert (refused.status_code, refused.json()["code"]) == (409, "cool_down")


class TestOneOrder:
    def test_is_asked_for_once_at_many_tills(self, cashier, daraja):
        answers = at_once(
            [
                lambda n=n: cashier.ask(order_ref="ORDER-1", phone_number=f"07220000{n:02}")
                for n in range(20)
            ]
        )

        assert outcomes(answers) == {(201, None): 1, (409, "order_in_progress"): 19}
        assert daraja.prompts_sent == 1

    def test_while_an_earlier_one_is_settled_never_deadlocks(
        self, cashier, daraja, web, clock, settings
    ):
        settings.STK_RATE_PER_SHOP_PER_MINUTE = 0
        for number in range(5):
            daraja.next("late")
            first = cashier.sell(order_ref=f"R-{number}", phone_number=f"07220000{number:02}")
            clock.forward(601)
            # The second prompt of the round before may have been paid too: its callback is due as well.
            own = attempt_of(first).pk.hex
            calls = [call for call in daraja.due_callbacks() if own in call[0]]

            answers = at_once(
                [
                    lambda c=calls[0]: web.post(*c, "application/json"),
                    lambda n=number: cashier.ask(
                        order_ref=f"R-{n}", phone_number=f"07330000{n:02}"
                    ),
                ]
            )

            assert answers[0].status_code == 200
            assert answers[1].status_code in {201, 409}
            sweep("reprocess_callbacks")
            assert row_of(first).status == "completed"
            clock.forward(301)


class TestLimits:
    def test_per_shop_hold_at_many_tills(self, cashier, daraja, settings):
        settings.STK_RATE_PER_SHOP_PER_MINUTE = 5

        answers = at_once(
            [lambda n=n: cashier.ask(phone_number=f"07220000{n:02}") for n in range(20)]
        )

        assert outcomes(answers) == {(201, None): 5, (429, "rate_limited"): 15}
        refused = next(a for a in answers if a.status_code == 429)
        assert 0 < int(refused["Retry-After"]) <= 60
        assert daraja.prompts_sent == 5
        assert Payment.objects.count() == 5

    def test_per_phone_hold_too(self, cashier, daraja, settings):
        settings.STK_RATE_PER_PHONE_PER_MINUTE = 2
        daraja.set_default("no_merchant")

        answers = [cashier.ask(amount=str(10 + n)) for n in range(4)]

        assert [a.status_code for a in answers] == [201, 201, 429, 429]

    def test_per_phone_are_not_felt_next_door(
        self, cashier, neighbour, neighbour_key, make_config, api, daraja, settings
    ):
        settings.STK_RATE_PER_PHONE_PER_MINUTE = 1
        make_config(neighbour, name="Theirs", shortcode="600999")
        cashier.sell()

        assert Till(api(neighbour_key)).ask().status_code == 201

    def test_per_key_hold_too(self, cashier, daraja, settings):
        settings.API_RATE_PER_KEY_PER_MINUTE = 10

        answers = at_once([lambda: cashier.api.get("/me")] * 20)

        assert Counter(a.status_code for a in answers) == {200: 10, 429: 10}

    def test_of_a_day_hold_at_many_tills(self, cashier, till, daraja):
        PaymentConfig.objects.filter(pk=till.pk).update(daily_limit=450)

        answers = at_once(
            [lambda n=n: cashier.ask(phone_number=f"07220000{n:02}") for n in range(12)]
        )

        assert outcomes(answers) == {(201, None): 3, (409, "daily_limit_reached"): 9}
        assert daraja.prompts_sent == 3

    def test_of_a_day_count_no_failures(self, cashier, till, daraja, web, clock):
        PaymentConfig.objects.filter(pk=till.pk).update(daily_limit=150)
        daraja.next("cancel")
        failed = cashier.sell()
        daraja.deliver(web)

        paid = cashier.sell(phone_number="0722000001")
        daraja.deliver(web)

        assert moves_of(failed)[-1] == "failed"
        assert cashier.look(paid)["paid"] is True
        refused = cashier.ask(phone_number="0722000002", amount="1")
        assert refused.json()["code"] == "daily_limit_reached"

    def test_of_this_process_refuse_at_once_and_keep_nothing(self, cashier, daraja, monkeypatch):
        def full():
            raise upstream.ProviderUnavailable("full", retry_after=5)

        monkeypatch.setattr(upstream, "take_slot", full)
        refused = cashier.ask(key="k-1")
        monkeypatch.undo()

        assert (refused.status_code, refused.json()["code"]) == (503, "provider_unavailable")
        assert not Payment.objects.exists()
        assert cashier.ask(key="k-1").status_code == 201


class TestTokens:
    def test_killed_under_a_prompt_are_renewed_once(self, cashier, daraja, web):
        cashier.sell(phone_number="0722000001")
        daraja.kill_token()

        asked = cashier.sell()
        daraja.deliver(web)

        assert cashier.look(asked)["paid"] is True
        assert daraja.tokens_issued == 2
        assert daraja.prompts_sent == 2

    def test_killed_under_the_first_push_too(self, cashier, daraja, web):
        daraja.on("254712345678", "token_killed")

        asked = cashier.sell()

        assert asked["status"] == "pending"
        assert daraja.prompts_sent == 1
        assert daraja.tokens_issued == 2

    def test_refused_twice_prove_that_nobody_was_asked(self, cashier, daraja):
        daraja.break_next("push", "dead_token", times=2)

        asked = cashier.sell()

        assert asked["status"] == "failed"
        assert attempt_of(asked).submission == "refused"
        assert daraja.prompts_sent == 0

    def test_killed_under_twenty_tills_are_fetched_few_times(self, cashier, daraja, settings):
        settings.STK_RATE_PER_SHOP_PER_MINUTE = 0
        cashier.sell(phone_number="0733000001")
        daraja.kill_token()

        answers = at_once(
            [lambda n=n: cashier.ask(phone_number=f"07220000{n:02}") for n in range(20)]
        )

        assert {a.json()["status"] for a in answers} == {"pending"}
        assert daraja.prompts_sent == 21
        assert daraja.tokens_issued == 2
