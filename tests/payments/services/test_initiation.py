from __future__ import annotations

import pytest

from payments import references
from payments.choices import Environment
from payments.errors import RateLimited
from payments.models import Event, Payment
from payments.receipt_choices import RuleKind
from payments.services import initiation
from payments.services.account_rule_changes import NewRule, save_rules
from tenants import services as tenants

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sell(api, cashier_key, till, daraja):
    def post(phone, **more):
        key = {"Idempotency-Key": phone}
        return api(cashier_key).post(
            "/payments", {"amount": 150, "phone_number": phone, **more}, **key
        )

    return post


class TestAReferenceOfOurs:
    def test_names_one_payment_though_it_was_drawn_twice(self, sell, monkeypatch):
        drawn = iter(["2222222A", "2222222A", "3333333B"])
        monkeypatch.setattr(references, "new_reference", lambda _prefix: next(drawn))

        first, second = sell("0712345678"), sell("0722345678")

        assert first.json()["account_reference"] == "2222222A"
        assert second.status_code == 201
        assert second.json()["account_reference"] == "3333333B"
        assert Payment.objects.count() == 2

    def test_of_the_tills_own_may_repeat(self, sell):
        first = sell("0712345678", account_reference="TABLE 4")
        second = sell("0722345678", account_reference="TABLE 4")

        assert (first.status_code, second.status_code) == (201, 201)


class TestAccountRules:
    @pytest.fixture
    def ruled(self, till, branch, actor, now):
        rules = [
            NewRule(RuleKind.EXACT, "GOLD001", label="Gold", branch=branch, order_ref="ORD-1"),
            NewRule(RuleKind.DEFAULT, label="Walk-in"),
        ]
        return save_rules(config=till, rules=rules, actor=actor, now=now)

    def test_label_a_payment_and_give_it_a_branch(self, sell, ruled, branch):
        answer = sell("0712345678", account_reference="gold001").json()

        assert (answer["label"], answer["branch"]["code"]) == ("Gold", branch.code)
        # The order is the till's to name: it is what makes a prompt unique.
        assert not answer["order_ref"]

    def test_a_reference_of_ours_has_the_label_of_everything_else(self, sell, ruled):
        answer = sell("0712345678").json()

        assert (answer["label"], answer["branch"]) == ("Walk-in", None)

    def test_do_not_move_a_payment_to_another_branch(
        self, api, branch_cashier_key, till, shop, actor, now, daraja
    ):
        east = tenants.add_branch(shop=shop, code="EAST", name="Eastleigh")
        rules = [NewRule(RuleKind.DEFAULT, label="East", branch=east)]
        save_rules(config=till, rules=rules, actor=actor, now=now)

        answer = api(branch_cashier_key).post(
            "/payments", {"amount": 150, "phone_number": "0712345678"}, **{"Idempotency-Key": "1"}
        )

        assert answer.json()["label"] == "East"
        assert answer.json()["branch"]["code"] == "WEST"

    def test_are_told_in_the_events(self, sell, ruled):
        sell("0712345678", account_reference="GOLD001")

        assert Event.objects.latest("seq").data["label"] == "Gold"


@pytest.mark.parametrize("environment", Environment.values)
def test_the_prompts_of_a_phone_are_counted_in_every_world(shop, environment, now, settings):
    settings.STK_RATE_PER_PHONE_PER_MINUTE = 1
    index = initiation.phone_index("254712345678")
    payment = Payment(shop=shop, environment=environment, phone_index=index)
    initiation.take_rate(payment, now=now)

    with pytest.raises(RateLimited):
        initiation.take_rate(payment, now=now)
