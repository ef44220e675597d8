"""The address a bank is given is its lock: shown to the shop's admin alone, and on record."""

from __future__ import annotations

import pytest
from django.urls import reverse

from audit.models import AuditEntry
from payments import callback_urls

pytestmark = pytest.mark.django_db


def button(config):
    return reverse("admin:payments_paymentconfig_do", args=[config.pk, "bank_address"])


@pytest.fixture
def bank(ours, make_config):
    return make_config(
        ours.shop,
        name="Bank",
        provider="bank_transfer",
        shortcode="247247",
        account_number="0110012345678",
        has_api=False,
        credentials={},
    )


def test_is_shown_once_and_kept_on_record(ours, bank, browse):
    answer = browse(ours.users["admin"]).post(button(bank), {})

    assert callback_urls.bank_url(bank.pk) in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    entry = AuditEntry.objects.get(action="payment_config.address_shown")
    assert entry.actor_label == ours.users["admin"].email
    assert callback_urls.bank_url(bank.pk) not in str(AuditEntry.objects.values())


def test_is_nobody_elses_to_see(ours, theirs, support, bank, browse):
    found = {
        post: browse(user).post(button(bank), {"reason": "x"}).status_code
        for post, user in (
            ("manager", ours.users["manager"]),
            ("cashier", ours.users["cashier"]),
            ("support", support),
            ("neighbour", theirs.users["admin"]),
        )
    }

    assert found == {"manager": 403, "cashier": 404, "support": 403, "neighbour": 404}
    assert not AuditEntry.objects.filter(action="payment_config.address_shown").exists()


def test_is_of_banks_alone(ours, browse):
    client, config = browse(ours.users["admin"]), ours.configs["shop"]

    client.post(button(config), {})

    assert not AuditEntry.objects.filter(action="payment_config.address_shown").exists()
