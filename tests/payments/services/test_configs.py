from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from payments.choices import ConfigStatus, Provider, VersionStatus
from payments.errors import (
    CannotOpen,
    ConfigInUse,
    DuplicateShortcode,
    InvalidInput,
    InvalidTransition,
    MissingStoreNumber,
    NotFound,
    NotVerified,
)
from payments.models import Attempt, CredentialVersion, Payment, PaymentConfig
from payments.services import configs
from payments.services.config_rules import RULES, ConfigFields
from tenants import services as tenants
from tests.conftest import DARAJA_SECRETS

pytestmark = pytest.mark.django_db

FITTING = {
    Provider.MPESA_PAYBILL: {"shortcode": "600100", "account_prefix": "DUKA"},
    Provider.MPESA_TILL: {"shortcode": "174379", "store_number": "600996"},
    Provider.AIRTEL_MONEY: {"shortcode": "MERCHANT-7"},
    Provider.BANK_TRANSFER: {"shortcode": "247247", "account_number": "0110012345678"},
    Provider.CARD: {"shortcode": "0001234567"},
}


def create(shop, actor, now, provider=Provider.MPESA_TILL, credentials=None, **more):
    fields = ConfigFields(**{"name": "A", "provider": provider, **FITTING[provider], **more})
    return configs.create_config(
        shop=shop,
        environment="sandbox",
        fields=fields,
        credentials=credentials,
        actor=actor,
        now=now,
    )


def update(config, actor, now, credentials=None, **changes):
    return configs.update_config(
        config=config, changes=changes, credentials=credentials, actor=actor, now=now
    )


def pay(config, now, **more):
    """Put a payment with one attempt under the config, as if it had been made."""
    payment = Payment.objects.create(
        shop=config.shop,
        environment=config.environment,
        config=config,
        provider=config.provider,
        account_reference="K7Q2M9",
        **{"amount": Decimal(100), "expires_at": now + timedelta(minutes=5), **more},
    )
    version = config.versions.get(status=VersionStatus.CURRENT)
    Attempt.objects.create(
        shop=config.shop,
        payment=payment,
        config=config,
        version=version,
        number=1,
        requested_at=now,
    )
    return payment


def revealed(config):
    version = CredentialVersion.objects.get(config=config, status=VersionStatus.CURRENT)
    return {name: sealed.reveal() for name, sealed in version.secrets.items()}


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


class TestDeleteConfig:
    def test_takes_it_away_and_keeps_the_row(self, till, actor, now):
        configs.set_default_config(config=till, actor=actor, now=now)

        configs.delete_config(config=till, actor=actor, now=now)

        till.refresh_from_db()
        assert till.deleted_at == now
        assert not till.is_active
        assert not till.is_default
        with pytest.raises(NotFound):
            configs.activate_config(config=till, actor=actor, now=now)

    def test_waits_for_live_payments(self, till, actor, now):
        pay(till, now, status="pending")

        with pytest.raises(ConfigInUse):
            configs.delete_config(config=till, actor=actor, now=now)

    def test_waits_for_attempts_still_to_be_asked_about(self, till, actor, now):
        payment = pay(till, now, status="expired")
        payment.attempts.update(next_ask_at=now + timedelta(hours=1))

        with pytest.raises(ConfigInUse):
            configs.delete_config(config=till, actor=actor, now=now)

    def test_does_not_wait_for_what_is_settled(self, till, actor, now):
        pay(till, now, status="failed")

        configs.delete_config(config=till, actor=actor, now=now)

        assert not PaymentConfig.objects.not_deleted().exists()


class TestActivateConfig:
    @pytest.mark.parametrize("status", ["draft", "pending", "failed", "suspended", "expired"])
    def test_takes_only_a_verified_one(self, shop, make_config, actor, now, status):
        config = make_config(shop, status=status)

        with pytest.raises(NotVerified):
            configs.activate_config(config=config, actor=actor, now=now)

    def test_switches_on_and_off(self, shop, make_config, actor, now):
        config = make_config(shop, is_active=False)

        assert configs.activate_config(config=config, actor=actor, now=now).is_active
        assert not configs.deactivate_config(config=config, actor=actor, now=now).is_active
        config.refresh_from_db()
        assert not config.is_active
        assert config.status == ConfigStatus.VERIFIED


class TestSetDefaultConfig:
    def test_swaps(self, shop, till, make_config, actor, now):
        other = make_config(shop, shortcode="600777")
        configs.set_default_config(config=till, actor=actor, now=now)

        configs.set_default_config(config=other, actor=actor, now=now)

        till.refresh_from_db()
        other.refresh_from_db()
        assert (till.is_default, other.is_default) == (False, True)

    def test_leaves_other_groups_alone(self, till, paybill, branch, make_config, actor, now):
        of_branch = make_config(till.shop, branch=branch)
        for config in (paybill, of_branch, till):
            configs.set_default_config(config=config, actor=actor, now=now)

        assert PaymentConfig.objects.filter(is_default=True).count() == 3

    @pytest.mark.django_db(transaction=True)
    def test_leaves_one_default_when_many_swap_at_once(self, shop, make_config, actor, now):
        group = [make_config(shop, shortcode=f"60010{digit}") for digit in range(4)]
        barrier = threading.Barrier(4)

        def swap(config):
            try:
                barrier.wait(10)
                configs.set_default_config(config=config, actor=actor, now=now)
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(swap, group))

        assert PaymentConfig.objects.filter(is_default=True).count() == 1


class TestSuspendConfig:
    def test_switches_off_and_says_why(self, till, actor, now):
        configs.suspend_config(config=till, reason="Stolen phone", actor=actor, now=now)

        till.refresh_from_db()
        assert till.status == ConfigStatus.SUSPENDED
        assert not till.is_active
        assert till.suspended_reason == "Stolen phone"

    def test_wants_a_reason(self, till, actor, now):
        with pytest.raises(InvalidInput):
            configs.suspend_config(config=till, reason=" ", actor=actor, now=now)

    def test_takes_only_a_verified_one(self, shop, make_config, actor, now):
        config = make_config(shop, status="draft")

        with pytest.raises(InvalidTransition) as caught:
            configs.suspend_config(config=config, reason="x", actor=actor, now=now)

        assert caught.value.data == {"current": "draft", "allowed": ["pending"]}


class TestMoveConfig:
    def test_lets_one_of_two_win(self, till, now):
        first = PaymentConfig.objects.get(pk=till.pk)
        second = PaymentConfig.objects.get(pk=till.pk)

        configs.move_config(config=first, to=ConfigStatus.SUSPENDED, now=now)
        with pytest.raises(InvalidTransition) as caught:
            configs.move_config(config=second, to=ConfigStatus.EXPIRED, now=now)

        assert caught.value.data["current"] == "suspended"
        till.refresh_from_db()
        assert till.status == ConfigStatus.SUSPENDED
