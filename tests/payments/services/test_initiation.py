from __future__ import annotations

import pytest

from payments import references
from payments.models import Payment

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
