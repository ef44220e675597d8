"""A new prompt from the payment's page: who may, where, and what is said when it is refused."""

from __future__ import annotations

import pytest
from django.urls import reverse

from payments.errors import RetryNotAllowed
from payments.models import Payment
from payments.services import retrying

pytestmark = pytest.mark.django_db


def page(payment):
    return reverse("admin:payments_payment_change", args=[payment.pk])


def button(payment):
    return reverse("admin:payments_payment_do", args=[payment.pk, "retry"])


def failed(corner, place):
    """Put a payment that nobody paid into the ledger."""
    paid = corner.payments[place]
    names = ("shop", "environment", "branch", "config", "provider", "amount", "expires_at")
    payment = Payment(
        **{name: getattr(paid, name) for name in names}, account_reference=place, status="failed"
    )
    payment.save(force_insert=True)
    return payment


def told(answer):
    return [str(each) for each in answer.context["messages"]]


@pytest.fixture
def asked(monkeypatch):
    """Keep from the provider; note who asked for what."""
    calls = []

    def retry_payment(*, payment, actor, now):
        calls.append((payment.pk, actor.label, actor.role))
        return payment, False

    monkeypatch.setattr(retrying, "retry_payment", retry_payment)
    return calls


@pytest.fixture
def refused(monkeypatch):
    def retry_payment(**_asked):
        raise RetryNotAllowed("The last prompt is still being processed.", retry_after=20)

    monkeypatch.setattr(retrying, "retry_payment", retry_payment)


class TestTheButton:
    def test_says_first_that_the_customer_gets_a_new_prompt(self, ours, browse, asked):
        payment = failed(ours, "here")
        client = browse(ours.users["cashier"])

        offered = client.get(page(payment)).text
        text = client.get(button(payment)).text

        assert button(payment) in offered
        assert "The customer&#x27;s phone gets a new M-Pesa prompt" in text
        assert asked == []

    def test_asks_by_post_as_the_person(self, ours, browse, asked):
        payment = failed(ours, "here")

        answer = browse(ours.users["cashier"]).post(button(payment), {}, follow=True)

        assert asked == [(payment.pk, "cashier@zawadi.test", "cashier")]
        assert told(answer) == ["No new prompt went out: Safaricom says that it is paid."]

    def test_is_absent_from_a_paid_payment(self, ours, browse, asked):
        payment = ours.payments["here"]
        client = browse(ours.users["admin"])

        client.post(button(payment), {})

        assert button(payment) not in client.get(page(payment)).text
        assert asked == []

    def test_says_why_and_until_when_it_is_refused(self, ours, browse, refused):
        payment = failed(ours, "here")

        answer = browse(ours.users["manager"]).post(button(payment), {}, follow=True)

        assert told(answer) == [
            "No new prompt went out. The last prompt is still being processed. Try again in 20 s."
        ]

    def test_is_not_for_a_neighbour_nor_another_branch(self, ours, theirs, browse, asked):
        payment = failed(ours, "elsewhere")

        for user in (theirs.users["admin"], ours.users["branch_cashier"]):
            assert browse(user).post(button(payment), {}).status_code == 404
        assert asked == []

    def test_lets_the_platform_prompt_in_the_sandbox_alone(self, ours, root, browse, asked):
        client = browse(root)
        played, real = failed(ours, "here"), failed(ours, "live")

        assert client.post(button(played), {}).status_code == 302
        assert client.post(button(real), {}).status_code == 403
        assert button(real) not in client.get(page(real)).text
        assert [pk for pk, *_who in asked] == [played.pk]
