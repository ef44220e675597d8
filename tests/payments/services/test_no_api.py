"""A config without an API: nobody is asked, and money is known by hand or by statement only."""

from __future__ import annotations

from decimal import Decimal

import pytest

from audit.actors import Actor
from payments.choices import ConfigStatus, Provider
from payments.errors import (
    InvalidInput,
    InvalidTransition,
    MissingStoreNumber,
    NoActiveConfig,
    ShortcodeClaimed,
    VerificationFailed,
)
from payments.models import PaymentConfig, ShortcodeClaim
from payments.services import (
    approvals,
    c2b_urls,
    claims,
    configs,
    connections,
    readiness,
    rotation,
    routing,
    setup_steps,
    verification,
)
from payments.services.money_audit import audit_money
from reconciliation import sweeps
from tenants import services as tenants
from tenants.models import User
from tenants.roles import Role
from tests.payments.services.config_world import FITTING, create, update

pytestmark = pytest.mark.django_db


@pytest.fixture
def by_hand(shop, make_config):
    """A till whose money is written down by hand; its store number nobody needs."""

    def make(provider=Provider.MPESA_TILL, status="draft", of=shop, **more):
        fields = {**FITTING[provider], "name": "By hand", "store_number": "", **more}
        return make_config(
            of, provider=provider, status=status, has_api=False, credentials={}, **fields
        )

    return make


@pytest.fixture
def person(shop):
    def make(name):
        user = User.objects.create_user(f"{name}@duka.test", None)
        tenants.grant_role(user=user, shop=shop, role=Role.ADMIN)
        return user

    return make


def verify(config, actor, now, **more):
    return verification.verify_config(config=config, actor=actor, now=now, **more)


class TestFields:
    def test_a_till_needs_a_store_number_only_where_somebody_is_asked(self, shop, actor, now):
        with pytest.raises(MissingStoreNumber):
            create(shop, actor, now, store_number="")

        assert create(shop, actor, now, store_number="", has_api=False).store_number == ""

    def test_what_is_verified_keeps_it(self, till, by_hand, actor, now):
        with pytest.raises(InvalidTransition, match="has_api of a verified config"):
            update(till, actor, now, has_api=False)
        verified = by_hand(status="verified", shortcode="600777", store_number="600996")
        with pytest.raises(InvalidTransition, match="has_api of a verified config"):
            update(verified, actor, now, has_api=True)

    def test_a_draft_may_change_its_mind(self, by_hand, actor, now):
        changed = update(by_hand(), actor, now, has_api=True, store_number="600996")

        assert changed.has_api

    @pytest.mark.parametrize("name", ["refuses_unknown_accounts", "assigns_close_references"])
    def test_switches_about_accounts_are_for_those_that_have_some(self, shop, actor, now, name):
        with pytest.raises(InvalidInput) as refused:
            create(shop, actor, now, **{name: True})

        assert refused.value.errors == [
            (name, "not_applicable", "Payers type no account number here.")
        ]
        paybill = create(shop, actor, now, provider=Provider.MPESA_PAYBILL, **{name: True})
        assert getattr(paybill, name)

    @pytest.mark.parametrize("amount", ["0", "-1", "250000.01"])
    def test_refuses_an_amount_nobody_pays(self, shop, actor, now, amount):
        with pytest.raises(InvalidInput) as refused:
            create(shop, actor, now, recheck_above=Decimal(amount))

        assert [field for field, *_rest in refused.value.errors] == ["recheck_above"]


class TestVerifying:
    @pytest.mark.parametrize("provider", sorted(Provider.values))
    def test_looks_at_the_fields_alone(self, by_hand, actor, now, provider):
        config = by_hand(provider)

        run = verify(config, actor, now)

        assert [(log.stage, log.result) for log in run.logs] == [("fields", "success")]
        assert run.logs[0].response_message == (
            "The fields are complete. Malipo asks nobody: money is known by hand or statement."
        )
        assert run.config.status == ConfigStatus.VERIFIED
        assert configs.activate_config(config=config, actor=actor, now=now).is_active

    def test_can_be_done_again_and_after_a_suspension(self, by_hand, actor, now):
        config = by_hand()
        verify(config, actor, now)
        assert verify(config, actor, now).result == "success"
        config = configs.suspend_config(config=config, reason="Fraud", actor=actor, now=now)

        config = verification.restore_config(config=config, reason="Over", actor=actor, now=now)

        assert config.status == ConfigStatus.VERIFIED

    @pytest.mark.parametrize(
        ("asked", "field"),
        [
            ({"stages": ["fields", "oauth"]}, "stages"),
            ({"phone_number": "0712345678"}, "phone_number"),
        ],
    )
    def test_asks_nobody_else_though_told_to(self, by_hand, actor, now, asked, field):
        config = by_hand()

        with pytest.raises(InvalidInput) as refused:
            verify(config, actor, now, **asked)

        assert [error[:2] for error in refused.value.errors] == [(field, "not_applicable")]
        config.refresh_from_db()
        assert config.status == ConfigStatus.DRAFT

    def test_of_fields_alone_verifies_no_other(self, shop, make_config, actor, now):
        config = make_config(shop, status="draft")

        verify(config, actor, now, stages=["fields"])

        config.refresh_from_db()
        assert config.status == ConfigStatus.DRAFT


class TestGoingLive:
    def test_takes_a_second_person_but_no_shilling(self, by_hand, person, actor, now):
        config = by_hand(environment="production", shortcode="600777")
        config = verify(config, actor, now).config
        amina, baraka = person("amina"), person("baraka")
        with pytest.raises(InvalidTransition) as caught:
            configs.activate_config(config=config, actor=actor, now=now)
        assert caught.value.data["missing"] == ["approval"]

        who = {"actor": Actor.from_user(amina, None), "now": now}
        asked = approvals.ask_approval(config=config, user=amina, **who)
        with pytest.raises(approvals.NotASecondPerson):
            approvals.approve(approval=asked, user=amina, note="Mine", **who)
        approvals.approve(approval=asked, user=baraka, note="Seen", **who)

        assert configs.activate_config(config=config, actor=actor, now=now).is_active

    def test_not_under_a_number_another_shop_proved_to_be_its_own(
        self, by_hand, neighbour, make_config, actor, now
    ):
        theirs = make_config(neighbour, environment="production", shortcode="600777")
        ShortcodeClaim.objects.create(
            shop=neighbour,
            environment="production",
            family="mpesa",
            shortcode="600777",
            config=theirs,
            claimed_at=now,
        )
        config = by_hand(environment="production", shortcode="600777")

        with pytest.raises(ShortcodeClaimed):
            verify(config, actor, now)

        config.refresh_from_db()
        assert config.status == ConfigStatus.FAILED

    def test_claims_no_number_by_writing_it_down(self, by_hand, neighbour, actor, now):
        theirs = by_hand(of=neighbour, environment="production", shortcode="600777")
        ours = by_hand(environment="production", shortcode="600777")

        for config in (theirs, ours):
            assert verify(config, actor, now).result == "success"

        assert not ShortcodeClaim.objects.exists()
        assert audit_money() == []

    def test_loses_a_number_another_shop_proves_afterwards(
        self, by_hand, neighbour, make_config, person, actor, now
    ):
        ours = verify(by_hand(environment="production", shortcode="600777"), actor, now).config
        proved = make_config(neighbour, environment="production", shortcode="600777")
        claim = claims.claim_shortcode(config=proved, now=now)
        with pytest.raises(ShortcodeClaimed):
            configs.activate_config(config=ours, actor=actor, now=now)
        PaymentConfig.objects.filter(pk=ours.pk).update(is_active=True)

        suspended = [sweeps.expire_configs(now=now), sweeps.expire_configs(now=now)]

        ours.refresh_from_db()
        assert suspended == [1, 0]
        assert (ours.status, ours.is_active) == (ConfigStatus.SUSPENDED, False)
        assert claim.shop.name not in ours.suspended_reason
        assert audit_money() == []
        with pytest.raises(ShortcodeClaimed):
            verify(ours, actor, now)

    def test_keeps_a_number_staff_marked_as_shared(self, by_hand, neighbour, make_config, now):
        ours = by_hand(status="verified", environment="production", shortcode="600777")
        proved = make_config(neighbour, environment="production", shortcode="600777")
        claims.claim_shortcode(config=proved, now=now)
        ShortcodeClaim.objects.update(is_shared=True)

        assert sweeps.expire_configs(now=now) == 0
        ours.refresh_from_db()
        assert ours.status == ConfigStatus.VERIFIED

    def test_a_banks_paybill_is_everybodys(self, by_hand, neighbour, actor, now):
        bank = Provider.BANK_TRANSFER
        theirs = by_hand(bank, of=neighbour, environment="production", account_number="1")
        ours = by_hand(bank, environment="production", account_number="2")

        for config in (theirs, ours):
            assert verify(config, actor, now).result == "success"


class TestNobodyIsAsked:
    @pytest.fixture
    def verified(self, by_hand):
        return by_hand(status="verified", shortcode="600777")

    def test_no_payment_is_routed_to_it(self, shop, verified, now):
        found = routing.resolve(shop_id=shop.pk, environment="sandbox", now=now)

        assert [step.why for step in found.steps] == [routing.Why.NO_API]
        assert found.candidates == []

    def test_another_is_chosen_whatever_the_order(self, shop, verified, till, now):
        till.priority = 9
        till.save(update_fields=["priority"])

        found = routing.resolve(shop_id=shop.pk, environment="sandbox", now=now)

        assert found.candidates == [till]

    def test_readiness_says_so(self, shop, verified, make_config, now):
        asked = {
            "shop_id": shop.pk,
            "environment": "sandbox",
            "branch_id": None,
            "provider": None,
            "now": now,
        }
        english = "By hand: It asks nobody: its money is known by hand or by statement only."
        swahili = (
            "By hand: Haimuulizi mtu: pesa zake hujulikana kwa kuandikwa au kwa taarifa ya akaunti"
            " tu."
        )
        said = {
            "code": "no_api",
            "message": english,
            "messages": {"en": english, "sw": swahili},
        }

        assert said in readiness.readiness_of(**asked)["blockers"]
        make_config(shop, shortcode="174379")
        ready = readiness.readiness_of(**asked)
        assert ready["ready"]
        assert said in ready["warnings"]

    def test_it_is_not_spoken_for_to_its_provider(self, verified, actor, now):
        who = {"actor": actor, "now": now}

        with pytest.raises(NoActiveConfig):
            connections.connect(config=verified, now=now)
        with pytest.raises(VerificationFailed):
            c2b_urls.register_urls(config=verified, response_type="Completed", **who)
        with pytest.raises(InvalidTransition, match="no credentials to rotate"):
            rotation.rotate_credentials(
                config=verified, credentials={"passkey": "x"}, reason="New", **who
            )

    def test_its_checklist_asks_for_no_credentials(self, by_hand, actor, now):
        config = by_hand()
        assert [step.name for step in setup_steps.steps_of(config)] == [
            "details",
            "verify",
            "activate",
        ]

        config = verify(config, actor, now).config

        step = setup_steps.next_step(config)
        assert step.name == "activate"
        assert step.says == "Switch it on: money by hand or by statement is then kept under it."
