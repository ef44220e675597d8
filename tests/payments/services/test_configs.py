from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection

from payments.choices import ConfigStatus, Provider, VersionStatus
from payments.errors import (
    CannotOpen,
    DuplicateShortcode,
    InvalidInput,
    InvalidTransition,
    MissingStoreNumber,
)
from payments.models import PaymentConfig
from payments.services import configs
from payments.services.config_rules import RULES
from tenants import services as tenants
from tests.conftest import DARAJA_SECRETS
from tests.payments.services.config_world import create, pay, revealed, update

pytestmark = pytest.mark.django_db


class TestCreateConfig:
    @pytest.mark.parametrize("provider", Provider.values)
    def test_makes_a_draft_for_every_provider(self, shop, actor, now, provider):
        rules = RULES[provider]
        secrets = {name: f"value-of-{name}" for name in rules.secrets}

        config = create(shop, actor, now, provider, secrets)

        config.refresh_from_db()
        assert config.status == ConfigStatus.DRAFT
        assert not config.is_active
        assert config.created_by == "tests"
        assert revealed(config) == secrets

    def test_keeps_masks_and_no_secret_in_the_clear(self, shop, actor, now):
        config = create(shop, actor, now, credentials=DARAJA_SECRETS)

        version = config.versions.get()
        assert version.masks == {
            "consumer_key": "****abcd",
            "consumer_secret": "********",
            "passkey": "********",
        }
        with connection.cursor() as cursor:
            cursor.execute("SELECT v::text FROM payments_credentialversion v")
            row = cursor.fetchone()[0]
        assert not any(secret in row for secret in DARAJA_SECRETS.values())
        assert len(version.app_fingerprint) == 64

    def test_trims_what_copy_and_paste_brings(self, shop, actor, now):
        config = create(shop, actor, now, credentials={"passkey": "  abc\n"})

        assert revealed(config) == {"passkey": "abc"}

    @pytest.mark.parametrize("value", ["two words", "a\tb", "a\x00b", "a\u200bb", "\u0661", "é"])
    def test_refuses_a_secret_no_key_looks_like(self, shop, actor, now, value):
        with pytest.raises(InvalidInput) as caught:
            create(shop, actor, now, credentials={"passkey": value})

        assert caught.value.errors[0][:2] == ("credentials.passkey", "invalid")
        assert value not in str(caught.value.errors)

    def test_refuses_another_providers_credential(self, shop, actor, now):
        with pytest.raises(InvalidInput) as caught:
            create(shop, actor, now, Provider.CARD, {"passkey": "abc"})

        assert caught.value.errors[0][:2] == ("credentials.passkey", "unknown_field")

    @pytest.mark.parametrize("store_number", ["", "174379"])
    def test_wants_a_tills_own_store_number(self, shop, actor, now, store_number):
        with pytest.raises(MissingStoreNumber):
            create(shop, actor, now, store_number=store_number)

    @pytest.mark.parametrize(
        ("provider", "field", "value"),
        [
            (Provider.MPESA_TILL, "shortcode", "1743"),
            (Provider.MPESA_TILL, "shortcode", "17437912"),
            (Provider.MPESA_PAYBILL, "shortcode", "\u0661\u0667\u0664\u0663\u0667\u0669"),
            (Provider.MPESA_PAYBILL, "shortcode", "60010a"),
            (Provider.MPESA_PAYBILL, "store_number", "600996"),
            (Provider.MPESA_PAYBILL, "account_prefix", "TOO-LONG"),
            (Provider.MPESA_TILL, "account_prefix", "DUKA"),
            (Provider.BANK_TRANSFER, "account_number", ""),
            (Provider.CARD, "account_number", "12345"),
            (Provider.AIRTEL_MONEY, "shortcode", "a b"),
            (Provider.MPESA_TILL, "name", "  "),
            (Provider.MPESA_TILL, "min_amount", Decimal("0.99")),
            (Provider.MPESA_TILL, "max_amount", Decimal(250_001)),
            (Provider.MPESA_TILL, "daily_limit", Decimal(0)),
            (Provider.MPESA_TILL, "priority", -1),
            (Provider.MPESA_TILL, "purposes", ("Rent",)),
            (Provider.MPESA_TILL, "purposes", ("x" * 33,)),
        ],
    )
    def test_names_the_field_that_does_not_fit(self, shop, actor, now, provider, field, value):
        with pytest.raises(InvalidInput) as caught:
            create(shop, actor, now, provider, **{field: value})

        assert field in {name for name, _code, _detail in caught.value.errors}

    def test_refuses_amounts_in_the_wrong_order(self, shop, actor, now):
        with pytest.raises(InvalidInput, match="not valid"):
            create(shop, actor, now, min_amount=Decimal(10), max_amount=Decimal(9))

    def test_takes_no_branch_of_the_neighbour(self, shop, neighbour, actor, now):
        branch = tenants.add_branch(shop=neighbour, code="N", name="N")

        with pytest.raises(InvalidInput) as caught:
            create(shop, actor, now, branch=branch)

        assert caught.value.errors[0][:2] == ("branch", "does_not_exist")

    def test_names_the_config_that_has_the_shortcode(self, shop, actor, now):
        first = create(shop, actor, now)

        with pytest.raises(DuplicateShortcode) as caught:
            create(shop, actor, now)

        assert caught.value.data == {"config": str(first.pk), "name": first.name}

    def test_lets_branch_neighbour_and_a_deleted_one_have_the_same(
        self, shop, neighbour, branch, actor, now
    ):
        first = create(shop, actor, now)

        create(shop, actor, now, branch=branch)
        create(neighbour, actor, now)
        configs.delete_config(config=first, actor=actor, now=now)
        create(shop, actor, now)

        assert PaymentConfig.objects.not_deleted().count() == 3


class TestUpdateConfig:
    def test_changes_fields_and_keeps_the_rest(self, till, actor, now):
        update(till, actor, now, name="Front till", daily_limit=Decimal(5000))

        till.refresh_from_db()
        assert till.name == "Front till"
        assert till.daily_limit == 5000
        assert till.shortcode == "174379"
        assert till.status == ConfigStatus.VERIFIED
        assert till.updated_by == "tests"

    def test_makes_a_new_version_and_keeps_empty_secrets(self, shop, actor, now):
        config = create(shop, actor, now, credentials=DARAJA_SECRETS)

        update(config, actor, now, {"passkey": "another", "consumer_key": " "})

        assert revealed(config) == {**DARAJA_SECRETS, "passkey": "another"}
        old, new = config.versions.order_by("number")
        assert (old.status, new.status) == (VersionStatus.REJECTED, VersionStatus.CURRENT)
        assert (old.number, new.number) == (1, 2)

    def test_makes_no_version_without_new_secrets(self, shop, actor, now):
        config = create(shop, actor, now, credentials=DARAJA_SECRETS)

        update(config, actor, now, name="B")

        assert config.versions.count() == 1

    @pytest.mark.parametrize("status", ["verified", "pending", "suspended"])
    def test_leaves_other_credentials_to_rotation(self, shop, make_config, actor, now, status):
        config = make_config(shop, status=status)

        with pytest.raises(InvalidTransition) as caught:
            update(config, actor, now, {"passkey": "another"})

        assert caught.value.data["current"] == status
        assert revealed(config) == DARAJA_SECRETS

    @pytest.mark.parametrize("field", ["shortcode", "store_number"])
    def test_does_not_move_a_verified_config_to_another_account(self, till, actor, now, field):
        with pytest.raises(InvalidTransition):
            update(till, actor, now, **{field: "600777"})

    def test_seals_the_secrets_again_for_a_new_shortcode(self, shop, actor, now):
        config = create(shop, actor, now, credentials=DARAJA_SECRETS)
        update(config, actor, now, {"passkey": "another"})

        config = update(config, actor, now, shortcode="600777")

        assert revealed(config) == {**DARAJA_SECRETS, "passkey": "another"}
        rejected = config.versions.get(status=VersionStatus.REJECTED)
        assert rejected.secrets["passkey"].reveal() == DARAJA_SECRETS["passkey"]
        PaymentConfig.objects.filter(pk=config.pk).update(shortcode="174379")
        with pytest.raises(CannotOpen):
            revealed(config)

    def test_drops_what_the_new_provider_has_no_use_for(self, shop, actor, now):
        config = create(shop, actor, now, credentials=DARAJA_SECRETS)

        changes = {"provider": Provider.CARD, "shortcode": "0001234567", "store_number": ""}
        config = update(config, actor, now, {"api_key": "k"}, **changes)

        assert revealed(config) == {"api_key": "k"}

    def test_keeps_the_shortcode_once_a_payment_used_it(self, shop, make_config, actor, now):
        config = make_config(shop, status="failed")
        pay(config, now, status="failed")

        with pytest.raises(InvalidTransition, match="once payments used"):
            update(config, actor, now, shortcode="600777")

    @pytest.mark.parametrize("status", ["failed", "expired"])
    def test_begins_anew_with_new_credentials(self, shop, make_config, actor, now, status):
        config = make_config(shop, status=status)
        config.versions.update(activated_at=now)

        config = update(config, actor, now, {"passkey": "another"})

        assert config.status == ConfigStatus.DRAFT
        # Payments may have been made with it: it still answers for them.
        assert config.versions.get(number=1).status == VersionStatus.ROTATED

    def test_does_not_bring_a_second_default_to_a_branch(self, till, branch, actor, now):
        configs.set_default_config(config=till, actor=actor, now=now)

        config = update(till, actor, now, branch=branch)

        assert not config.is_default

    def test_refuses_a_shortcode_that_is_taken(self, shop, till, actor, now):
        other = create(shop, actor, now, shortcode="600777")

        with pytest.raises(DuplicateShortcode):
            update(other, actor, now, shortcode=till.shortcode)
