from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db(transaction=True)


class TestACashierIsPaid:
    def test_by_till(self, cashier, sale, daraja, web):
        created = cashier.post("/payments", sale, **{"Idempotency-Key": "k-1"})
        print(created.status_code, created.json())
        assert created.status_code == 201
        assert created.json()["status"] == "pending"
        daraja.deliver(web)
        payment = cashier.get(f"/payments/{created.json()['id']}").json()
        print(payment)
        assert payment["status"] == "completed"
        assert payment["paid"] is True
        assert payment["release_goods"] is False
