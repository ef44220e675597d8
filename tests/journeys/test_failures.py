from __future__ import annotations

import pytest

from tests.journeys.shopfloor import attempt_of, moves_of, open_reviews

# scenario: status, code, finality, next step, may be asked again
CUSTOMERS_NO = {
    "cancel": ("failed", "1032", "final", "retry", True),
    "wrong_pin": ("failed", "2001", "final", "retry", True),
    "no_funds": ("failed", "1", "final", "top_up", True),
    "expired": ("failed", "1019", "final", "retry", True),
    "too_much": ("failed", "4", "final", "use_other_phone", True),
    "not_sent": ("failed", "1025", "final", "retry_later", True),
    "not_assigned": ("failed", "2028", "final", "fix_config", True),
    # Not final: the payment waits, though nobody is asked any more.
    "unreachable": ("pending", "1037", "soft", "retry", True),
    "limit": ("pending", "17", "soft", "retry_later", True),
    "unknown_code": ("pending", "7777", "soft", "wait", False),
}


class TestACustomerDoesNotPay:
    @pytest.mark.parametrize("scenario", CUSTOMERS_NO)
    def test_and_the_cashier_is_told_why(self, cashier, daraja, web, scenario):
        status, code, finality, next_step, can_retry = CUSTOMERS_NO[scenario]
        daraja.next(scenario)

        asked = cashier.sell()
        daraja.deliver(web)
        told = cashier.look(asked)

        assert (told["status"], told["paid"], told["can_retry"]) == (status, False, can_retry)
        result = told["result"]
        assert (result["code"], result["finality"], result["next_step"]) == (
            code,
            finality,
            next_step,
        )
        assert result["message"]["en"]
        assert result["message"]["sw"]
        assert result["message"]["en"] != result["message"]["sw"]
        assert told["attempts"][0]["result_code"] == code
        assert not daraja.ledger.money
        assert open_reviews(asked) == {}

    @pytest.mark.parametrize("scenario", ["cancel", "no_funds", "unreachable"])
    def test_in_the_words_of_the_code_table(self, cashier, daraja, web, scenario):
        daraja.next(scenario)

        asked = cashier.sell()
        daraja.deliver(web)

        result = cashier.look(asked)["result"]
        row = cashier.api.get(f"/result-codes/{result['code']}").json()
        assert result == {name: row[name] for name in result}

    def test_and_an_unknown_code_never_fails_the_payment(self, cashier, daraja, web):
        daraja.next("unknown_code")

        asked = cashier.sell()
        daraja.deliver(web)

        assert moves_of(asked) == ["created", "pending"]
        assert attempt_of(asked).next_ask_at is not None


# scenario: code told, who acts
REFUSALS = {
    "locked": ("1001", "retry_later"),
    "wrong_credentials": (None, "fix_config"),
    "no_merchant": (None, "fix_config"),
    "spike": (None, "retry_later"),
}


class TestDarajaRefuses:
    @pytest.mark.parametrize("scenario", REFUSALS)
    def test_with_proof_that_nobody_was_asked(self, cashier, daraja, scenario):
        code, next_step = REFUSALS[scenario]
        daraja.next(scenario)

        told = cashier.sell()

        assert told["status"] == "failed"
        assert told["attempts"][0]["submission"] == "refused"
        assert told["can_retry"] is True
        assert told["result"]["next_step"] == next_step
        assert code is None or told["result"]["code"] == code
        assert daraja.prompts_sent == 0
        assert attempt_of(told).next_ask_at is None

    @pytest.mark.parametrize("scenario", ["html_403", "redirect"])
    def test_at_the_door_or_not(self, cashier, daraja, scenario):
        daraja.next(scenario)

        told = cashier.sell()

        # A page of the bot filter with 403 never reached M-Pesa; of a redirect nobody knows.
        expected = {"html_403": "failed", "redirect": "pending"}[scenario]
        assert told["status"] == expected

    def test_when_the_credentials_are_wrong(self, cashier, till, daraja):
        daraja.engine.register_app("canary-consumer-key-abcd", "another secret")

        told = cashier.sell()

        assert told["status"] == "failed"
        assert told["result"]["next_step"] == "fix_config"
        assert told["result"]["who_acts"] == "shop_admin"
        assert len(daraja.ledger.pushes) == 0

    def test_and_nothing_of_the_answer_leaks(self, cashier, daraja):
        daraja.next("wrong_credentials")

        told = cashier.sell()

        assert "canary" not in str(told)


class TestTheOutcomeIsUnknown:
    @pytest.mark.parametrize(
        "scenario",
        [
            "server_error",
            "busy",
            "html",
            "html_200",
            "empty",
            "lost",
            "lost_unsent",
            "huge",
            "cut",
            "hang",
        ],
    )
    def test_so_it_waits_and_asks_no_second_time(
        self, cashier, shop, make_config, daraja, scenario
    ):
        make_config(shop, name="Second till", shortcode="600200", priority=9)
        daraja.next(scenario)

        told = cashier.sell()

        assert told["status"] == "pending"
        assert told["attempts"][0]["submission"] == "unknown"
        assert len(told["attempts"]) == 1
        assert told["can_retry"] is False
        assert told["result"]["next_step"] == "wait"
        assert len(daraja.ledger.pushes) == 1


class TestTheNextConfigIsTried:
    @pytest.fixture
    def second(self, shop, make_config):
        return make_config(shop, name="Second till", shortcode="600200", priority=9)

    @pytest.mark.parametrize("scenario", ["wrong_credentials", "no_merchant", "spike"])
    def test_after_a_proven_refusal(self, cashier, second, daraja, web, scenario):
        daraja.next(scenario)

        told = cashier.sell()

        assert told["status"] == "pending"
        assert told["config"]["id"] == str(second.pk)
        assert [a["submission"] for a in told["attempts"]] == ["refused", "sent"]
        assert daraja.prompts_sent == 1

        daraja.deliver(web)

        paid = cashier.look(told)
        assert paid["paid"] is True
        assert moves_of(told) == ["created", "pending", "completed"]

    def test_not_when_the_customer_is_busy_with_another_request(self, cashier, second, daraja):
        """The second till's prompt would come on top of whatever the customer has before him."""
        daraja.next("locked")

        told = cashier.sell()

        assert told["status"] == "failed"
        assert told["result"]["code"] == "1001"
        assert [a["submission"] for a in told["attempts"]] == ["refused"]
        assert len(daraja.ledger.pushes) == 1

    def test_and_all_refusals_together_fail_it(self, cashier, second, daraja):
        daraja.set_default("no_merchant")

        told = cashier.sell()

        assert told["status"] == "failed"
        assert [a["submission"] for a in told["attempts"]] == ["refused", "refused"]
        assert moves_of(told) == ["created", "failed"]

    def test_when_the_first_has_no_token(self, cashier, second, daraja):
        daraja.break_next("oauth", "server_error")

        told = cashier.sell()

        assert told["config"]["id"] == str(second.pk)
        assert daraja.prompts_sent == 1
