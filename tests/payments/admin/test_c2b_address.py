"""The address of a relay is the lock of payments by hand: shown to the shop's admin, on record."""

from __future__ import annotations

import json

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from payments import callback_urls
from payments.models import ProviderCallback, Review
from tests.payloads import body_of

pytestmark = pytest.mark.django_db
SHOWN = "payment_config.c2b_address_shown"


def button(config):
    return reverse("admin:payments_paymentconfig_do", args=[config.pk, "c2b_address"])


def test_is_shown_once_and_kept_on_record(ours, browse):
    config = ours.configs["shop"]
    address = callback_urls.c2b_urls(config.pk)[1]

    answer = browse(ours.users["admin"]).post(button(config), {})

    text = answer.content.decode()
    assert address in text
    assert "unless the platform&#x27;s operator lists the relay&#x27;s address" in text
    assert "no-store" in answer["Cache-Control"]
    assert AuditEntry.objects.get(action=SHOWN).actor_label == ours.users["admin"].email
    assert address not in str(AuditEntry.objects.values())


def test_is_nobody_elses_to_see(ours, theirs, support, browse):
    config = ours.configs["shop"]
    found = {
        post: browse(user).post(button(config), {"reason": "x"}).status_code
        for post, user in (
            ("manager", ours.users["manager"]),
            ("cashier", ours.users["cashier"]),
            ("support", support),
            ("neighbour", theirs.users["admin"]),
        )
    }

    assert set(found.values()) <= {403, 404}
    assert not AuditEntry.objects.filter(action=SHOWN).exists()


def test_is_for_those_safaricom_tells_only(ours, make_config, browse):
    bank = make_config(
        ours.shop,
        provider="bank_transfer",
        shortcode="247247",
        account_number="0110012345678",
        has_api=False,
        credentials={},
    )

    browse(ours.users["admin"]).post(button(bank), {})

    assert not AuditEntry.objects.filter(action=SHOWN).exists()


def test_what_a_relay_passes_on_waits_for_a_person_in_production(ours):
    config = ours.configs["live"]
    path = callback_urls.c2b_urls(config.pk)[1].removeprefix(settings.PUBLIC_BASE_URL)
    recorded = json.loads(body_of("c2b_confirmation", "05-v2-masked-msisdn-spaces-2023"))
    told = {**recorded, "BusinessShortCode": config.shortcode}

    Client().post(path, told, content_type="application/json", REMOTE_ADDR="41.90.1.2")

    row = ProviderCallback.objects.get(kind="c2b")
    assert row.status == "quarantined"
    assert Review.objects.get(callback=row).code == "UNLISTED_SOURCE"
