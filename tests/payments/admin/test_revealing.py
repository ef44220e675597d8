from __future__ import annotations

import pytest
from django.urls import reverse

from audit.actions import AuditAction
from audit.models import AuditEntry
from payments.models import Payment
from tests.world import let_support_in

pytestmark = pytest.mark.django_db


def reveal(payment):
    return reverse("admin:payments_payment_do", args=[payment.pk, "reveal_phone"])


def revealed():
    return AuditEntry.objects.filter(action=AuditAction.PHONE_REVEALED)


class TestRevealPhone:
    def test_shows_the_number_once_and_writes_it_down_first(self, ours, browse):
        client, payment = browse(ours.users["admin"]), ours.payments["here"]
        number = payment.phone.reveal()

        asked = client.get(reveal(payment))
        shown = client.post(reveal(payment), {"reason": "Customer called"})
        later = client.get(reverse("admin:payments_payment_change", args=[payment.pk]))

        assert number not in asked.text
        assert f"+{number}" in shown.text
        assert "no-store" in shown["Cache-Control"]
        assert number not in later.text
        assert number not in str(dict(client.session))
        entry = revealed().get()
        assert (entry.object_id, entry.reason) == (str(payment.pk), "Customer called")
        assert entry.actor_label == ours.users["admin"].email
        assert number not in str(AuditEntry.objects.values())

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
    def test_needs_a_reason(self, ours, browse, reason):
        payment = ours.payments["here"]

        answer = browse(ours.users["admin"]).post(reveal(payment), {"reason": reason})

        assert payment.phone.reveal() not in answer.text
        assert not revealed().exists()

    @pytest.mark.parametrize("who", ["manager", "cashier", "support", "root"])
    def test_is_for_the_shops_admin_alone(self, ours, root, support, browse, who, now):
        let_support_in(ours, now=now)
        client = browse({"root": root, "support": support, **ours.users}[who])
        payment = ours.payments["here"]

        answer = client.post(reveal(payment), {"reason": "x"})

        assert answer.status_code == 403
        assert payment.phone.reveal() not in answer.text
        assert not revealed().exists()

    def test_is_not_for_a_neighbour(self, ours, theirs, browse):
        answer = browse(theirs.users["admin"]).post(reveal(ours.payments["here"]), {"reason": "x"})

        assert answer.status_code == 404

    def test_has_nothing_to_show_where_there_is_no_number(self, ours, browse):
        payment = ours.payments["here"]
        Payment.objects.filter(pk=payment.pk).update(phone="", phone_masked="", phone_index="")

        answer = browse(ours.users["admin"]).post(reveal(payment), {"reason": "x"})

        assert answer.status_code == 302
        assert not revealed().exists()

    def test_shows_nothing_that_could_not_be_written_down(self, ours, browse, monkeypatch):
        def fail(*args, **kwargs):
            raise RuntimeError

        monkeypatch.setattr("payments.services.revealing.record", fail)
        payment = ours.payments["here"]

        with pytest.raises(RuntimeError):
            browse(ours.users["admin"]).post(reveal(payment), {"reason": "x"})
