"""Whose number is whose: platform staff share a claim, or release it with a reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from audit.models import AuditEntry
from payments.models import Attempt, PaymentConfig, ShortcodeClaim
from payments.services.money_audit import audit_money

pytestmark = pytest.mark.django_db
LIST = reverse("admin:payments_shortcodeclaim_changelist")


@pytest.fixture
def claim(ours, now):
    """A claim of a proven config that is switched off and whose payments are old."""
    config = ours.configs["live"]
    PaymentConfig.objects.filter(pk=config.pk).update(is_active=False, proven_at=now)
    Attempt.objects.filter(config=config).update(
        requested_at=now - timedelta(hours=73), next_ask_at=None
    )
    return ShortcodeClaim.objects.create(
        shop=ours.shop,
        environment="production",
        family="mpesa",
        shortcode=config.shortcode,
        config=config,
    )


def button(claim, method):
    return reverse("admin:payments_shortcodeclaim_do", args=[claim.pk, method])


class TestWrittenTwice:
    def test_is_told_to_staff_where_nobody_proved_it(self, ours, theirs, make_config, root, browse):
        client = browse(root)
        for corner in (ours, theirs):
            make_config(
                corner.shop,
                name=f"By hand of {corner.shop.name}",
                environment="production",
                shortcode="600777",
                has_api=False,
                credentials={},
            )
        text = client.get(LIST).content.decode()
        PaymentConfig.objects.filter(shop=theirs.shop, shortcode="600777").update(
            status="suspended", is_active=False
        )

        assert "Written down by two shops" in text
        assert f"By hand of {ours.shop.name}" in text
        assert f"By hand of {theirs.shop.name}" in text
        assert "Written down by two shops" not in client.get(LIST).content.decode()


class TestTheList:
    def test_is_staffs_alone(self, ours, claim, root, support, browse):
        found = {
            who: browse(user).get(LIST).status_code
            for who, user in {**ours.users, "root": root, "support": support}.items()
        }

        assert found.pop("root") == 200
        assert set(found.values()) == {403}

    def test_says_what_it_is_for_while_it_is_empty(self, root, browse):
        text = browse(root).get(LIST).content.decode()

        assert "No shop has proven control of a production number yet." in text


class TestReleasing:
    def test_frees_the_number_and_is_on_the_trail(self, ours, claim, root, browse):
        answer = browse(root).post(button(claim, "release"), {"reason": "Sold the shop"})

        config = PaymentConfig.objects.get(pk=claim.config_id)
        entry = AuditEntry.objects.get(action="payment_config.claim_released")
        assert answer.url == LIST
        assert not ShortcodeClaim.objects.exists()
        assert (entry.shop, entry.reason, entry.actor_label) == (
            ours.shop,
            "Sold the shop",
            root.email,
        )
        assert (config.status, config.proven_at) == ("suspended", None)
        assert audit_money() == []

    def test_wants_a_reason(self, claim, root, browse):
        browse(root).post(button(claim, "release"), {"reason": " "})

        assert ShortcodeClaim.objects.exists()

    def test_says_what_to_do_where_it_is_refused(self, claim, root, browse):
        PaymentConfig.objects.filter(pk=claim.config_id).update(is_active=True)

        answer = browse(root).post(button(claim, "release"), {"reason": "Asked"}, follow=True)

        assert "switch it off" in answer.content.decode()
        assert ShortcodeClaim.objects.exists()

    def test_is_not_for_shops(self, ours, claim, browse):
        for user in ours.users.values():
            answer = browse(user).post(button(claim, "release"), {"reason": "Mine"})

            assert answer.status_code in {403, 404}
        assert ShortcodeClaim.objects.exists()


class TestSharing:
    def test_is_a_button_too(self, claim, root, browse):
        browse(root).post(button(claim, "share"), {"reason": "One till for the mall"})

        claim.refresh_from_db()
        assert claim.is_shared
