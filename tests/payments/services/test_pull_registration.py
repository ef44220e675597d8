"""Registering a number for pulling: once, by its own shop, with a way out where it is refused."""

from __future__ import annotations

import json

import pytest

from audit.models import AuditEntry
from payments.errors import InvalidPhoneNumber, InvalidTransition, VerificationFailed
from payments.models import Notice, PaymentConfig
from payments.services import configs, pull_registration

pytestmark = pytest.mark.django_db
PHONE = "0722 000 000"


def register(config, actor, now, phone=PHONE):
    return pull_registration.register_pull(
        config=config, nominated_number=phone, actor=actor, now=now
    )


class TestRegister:
    def test_registers_and_begins_to_pull(self, paybill, daraja, actor, now):
        config = register(paybill, actor, now)

        assert "600100" in daraja.engine._pulls.registered
        assert (config.pull_enabled, config.pull_registered_at) == (True, now)

    def test_knows_a_till_by_its_store_number(self, till, daraja, actor, now):
        register(till, actor, now)

        assert daraja.engine._pulls.registered == {till.store_number}

    def test_is_done_where_the_number_was_registered_before(self, paybill, daraja, actor, now):
        daraja.engine._pulls.registered.add("600100")

        assert register(paybill, actor, now).pull_enabled

    def test_keeps_the_phone_nowhere(self, paybill, daraja, actor, now):
        register(paybill, actor, now)

        entry = AuditEntry.objects.get(action="payment_config.pull_registered")
        kept = json.dumps([entry.changes, entry.previous_state])
        assert "722000000" not in kept
        assert "2547*****000" in kept

    def test_closes_the_notice_that_it_was_refused(self, paybill, daraja, actor, now):
        Notice.objects.create(shop=paybill.shop, config=paybill, code="pull_refused", opened_at=now)

        register(paybill, actor, now)

        assert Notice.objects.get().closed_at == now


class TestRefusals:
    def nothing_changed(self, config):
        config.refresh_from_db()
        assert (config.pull_enabled, config.pull_registered_at) == (False, None)

    def test_of_a_phone_that_is_none(self, paybill, daraja, actor, now):
        with pytest.raises(InvalidPhoneNumber):
            register(paybill, actor, now, phone="12345")

        assert daraja.engine._pulls.registered == set()
        self.nothing_changed(paybill)

    def test_of_a_config_that_is_not_verified(self, shop, make_config, daraja, actor, now):
        draft = make_config(shop, status="draft")

        with pytest.raises(InvalidTransition):
            register(draft, actor, now)

        self.nothing_changed(draft)

    def test_of_a_provider_that_lists_nothing(self, shop, make_config, actor, now):
        bank = make_config(
            shop,
            provider="bank_transfer",
            shortcode="247247",
            account_number="0011",
            credentials={},
        )

        with pytest.raises(VerificationFailed):
            register(bank, actor, now)

        self.nothing_changed(bank)

    def test_of_a_number_that_another_shop_uses_too(
        self, paybill, neighbour, make_config, daraja, actor, now
    ):
        make_config(neighbour, provider="mpesa_paybill", shortcode="600100")

        with pytest.raises(VerificationFailed) as caught:
            register(paybill, actor, now)

        assert caught.value.detail == pull_registration.NOT_ALONE
        assert daraja.engine._pulls.registered == set()
        self.nothing_changed(paybill)

    def test_of_an_app_without_the_product_names_the_way_out(self, paybill, daraja, actor, now):
        daraja.break_next("pull_register", "no_product", times=2)

        with pytest.raises(VerificationFailed) as caught:
            register(paybill, actor, now)

        assert caught.value.detail == pull_registration.NO_PRODUCT
        assert caught.value.data["next_action"] == pull_registration.ASK_FOR_PRODUCT
        self.nothing_changed(paybill)

    @pytest.mark.parametrize("fault", ["spike", "html", "hang", "empty"])
    def test_of_safaricom_changes_nothing(self, paybill, daraja, actor, now, fault):
        daraja.break_next("pull_register", fault)

        with pytest.raises(VerificationFailed) as caught:
            register(paybill, actor, now)

        assert caught.value.data["next_action"]
        self.nothing_changed(paybill)


class TestSwitching:
    def test_stops_and_begins_again(self, paybill, daraja, actor, now):
        config = register(paybill, actor, now)

        stopped = pull_registration.switch_pull(config=config, enabled=False, actor=actor, now=now)
        begun = pull_registration.switch_pull(config=config, enabled=True, actor=actor, now=now)

        assert (stopped.pull_enabled, begun.pull_enabled) == (False, True)
        assert AuditEntry.objects.filter(action="payment_config.pull_switched").count() == 2

    def test_never_begins_what_was_not_registered(self, paybill, actor, now):
        with pytest.raises(InvalidTransition):
            pull_registration.switch_pull(config=paybill, enabled=True, actor=actor, now=now)

        assert not PaymentConfig.objects.get(pk=paybill.pk).pull_enabled

    def test_another_number_has_to_be_registered_anew(self, shop, make_config, actor, now):
        config = make_config(shop, provider="mpesa_paybill", shortcode="600100", status="draft")
        PaymentConfig.objects.filter(pk=config.pk).update(pull_registered_at=now, pull_enabled=True)
        config.refresh_from_db()

        changed = configs.update_config(
            config=config, changes={"shortcode": "600200"}, actor=actor, now=now
        )

        assert (changed.pull_enabled, changed.pull_registered_at) == (False, None)
