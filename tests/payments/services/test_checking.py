from __future__ import annotations

import pytest

from payments.models import Attempt, ProviderCallback
from payments.services import callbacks

pytestmark = pytest.mark.django_db(transaction=True)


class TestAQuerysYes:
    def test_does_not_pass_a_stored_callback_that_names_another_amount(
        self, api, admin_key, till, daraja, now
    ):
        daraja.set_default("wrong_amount")
        made = api(admin_key).post(
            "/payments", {"amount": 150, "phone_number": "0712345678"}, **{"Idempotency-Key": "k"}
        )
        attempt = Attempt.objects.get(payment=made.json()["id"])
        (_url, body) = daraja.due_callbacks()[0]
        callbacks.receive(
            kind="stk",
            subject_id=attempt.pk,
            body=body,
            content_type="application/json",
            source_ip="127.0.0.1",
            now=now,
        )

        told = api(admin_key).post(f"/payments/{made.json()['id']}/check").json()

        assert told["status"] == "pending"
        assert told["paid"] is False
        assert [review["code"] for review in told["reviews"]] == ["AMOUNT_MISMATCH"]
        assert ProviderCallback.objects.get().status == "applied"
