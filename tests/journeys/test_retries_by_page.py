"""A person at the payment's page asks the customer again; what Safaricom does is said as it is."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from payments.services import retrying
from tenants import services as tenants
from tenants.models import User
from tenants.roles import Role
from tests.journeys.shopfloor import moves_of, row_of


@pytest.fixture
def person(shop, db):
    user = User.objects.create_user("cashier@duka.test", None)
    tenants.grant_role(user=user, shop=shop, role=Role.CASHIER)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def cancelled(cashier, daraja, web, clock):
    daraja.next("cancel")
    asked = cashier.sell(order_ref="SALE-1")
    daraja.deliver(web)
    clock.forward(100)
    return asked


def press(person, payment):
    url = reverse("admin:payments_payment_do", args=[payment["id"], "retry"])
    answer = person.post(url, {}, follow=True)
    return [str(each) for each in answer.context["messages"]]


class TestRetryingByPage:
    def test_sends_one_more_prompt_which_is_paid(self, person, cancelled, daraja, web):
        (said,) = press(person, cancelled)
        daraja.deliver(web)

        assert said.startswith("Safaricom took the new prompt.")
        assert daraja.prompts_sent == 2
        assert moves_of(cancelled)[-2:] == ["pending", "completed"]
        again = row_of(cancelled).transitions.order_by("number")[3]
        assert again.actor_label == "cashier@duka.test"

    def test_pressed_twice_sends_one(self, person, cancelled, daraja):
        daraja.next("handset")

        press(person, cancelled)
        (said,) = press(person, cancelled)

        assert said.startswith("No new prompt went out. The last prompt is still being processed.")
        assert daraja.prompts_sent == 2

    def test_says_that_the_customer_was_not_asked(self, person, cancelled, daraja):
        daraja.next("html_403")

        assert press(person, cancelled) == [
            "Safaricom refused the new prompt: the customer was not asked."
        ]

    def test_says_where_nobody_knows(self, person, cancelled, daraja):
        daraja.next("cut")

        (said,) = press(person, cancelled)

        assert said.startswith("Nobody knows yet whether the new prompt reached the customer.")

    def test_goes_no_further_than_three(self, person, cancelled, daraja, web, clock):
        for _ in range(2):
            daraja.next("cancel")
            press(person, cancelled)
            daraja.deliver(web)
            clock.forward(130)

        (said,) = press(person, cancelled)

        assert said == "No new prompt went out. At most 3 attempts. Start a new payment."
        assert daraja.prompts_sent == retrying.MAX_ATTEMPTS
