"""A production shortcode belongs to the first shop that proves control of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from audit.models import AuditEntry
from payments.errors import ConfigInUse, InvalidInput, InvalidTransition, ShortcodeClaimed
from payments.models import Attempt, GoLiveApproval, PaymentConfig, ShortcodeClaim
from payments.services import claims, configs, verification
from payments.services.money_audit import audit_money
from tests.committed import committed_db as committed_db  # noqa: PLC0414 - a fixture
from tests.daraja import FakeDaraja
from tests.journeys.shopfloor import at_once
from tests.payments.services.config_world import pay
from tests.payments.services.doctor_world import LIVE_NUMBER, PHONE, findings, prompt_of, visit

OTHER_PHONE = "0722000111"


@pytest.fixture
def live_daraja():
    with FakeDaraja(clock=timezone.now, base_url=settings.DARAJA_PRODUCTION_URL) as fake:
        yield fake


@pytest.fixture
def make_live(make_config):
    def make(shop, **more):
        fields = {"shortcode": LIVE_NUMBER, "store_number": "600778", **more}
        return make_config(shop, status="draft", environment="production", **fields)

    return make


@pytest.fixture
def held(shop, make_live, live_daraja, actor, now):
    """Our proven, verified config, switched off, and its claim."""
    config = make_live(shop)
    visit(config, actor, now, phone_number=PHONE)
    live_daraja.deliver(Client())
    config.refresh_from_db()
    return config


def release(config, actor, now):
    claim = claims.own_claim(config)
    claims.release_claim(claim=claim, reason="Sold", actor=actor, now=now)
    config.refresh_from_db()


@pytest.mark.django_db
class TestReleasing:
    def test_lets_another_shop_prove_control(
        self, held, neighbour, make_live, live_daraja, actor, now
    ):
        theirs = make_live(neighbour)
        release(held, actor, now)

        visit(theirs, actor, now, phone_number=OTHER_PHONE)
        live_daraja.deliver(Client())

        theirs.refresh_from_db()
        assert theirs.status == "verified"
        assert ShortcodeClaim.objects.get().shop == neighbour
        assert audit_money() == []

    def test_lets_the_first_shop_back_in_by_a_new_proof_and_a_new_yes_only(
        self, held, live_daraja, actor, now
    ):
        GoLiveApproval.objects.create(
            shop=held.shop, config=held, asked_by_label="a", is_approved=True, decided_at=now
        )
        release(held, actor, now)
        after = [held.status, held.proven_at]

        later = now + timedelta(minutes=5)
        verification.restore_config(config=held, reason="Still ours", actor=actor, now=later)
        held.refresh_from_db()
        unproven = held.status
        visit(held, actor, later, phone_number=PHONE, stages=["prompt"])
        live_daraja.deliver(Client())

        held.refresh_from_db()
        assert after == ["suspended", None]
        assert unproven == "pending"
        assert held.status == "verified"
        assert claims.own_claim(held) is not None
        with pytest.raises(InvalidTransition) as caught:
            configs.activate_config(config=held, actor=actor, now=later)
        assert caught.value.data["missing"] == ["approval"]

    def test_keeps_the_first_shop_out_once_another_has_it(
        self, held, neighbour, make_live, live_daraja, actor, now
    ):
        theirs = make_live(neighbour)
        release(held, actor, now)
        visit(theirs, actor, now, phone_number=OTHER_PHONE)
        live_daraja.deliver(Client())

        verification.restore_config(config=held, reason="Still ours", actor=actor, now=now)
        with pytest.raises(ShortcodeClaimed):
            visit(held, actor, now, phone_number=PHONE)

        held.refresh_from_db()
        assert (held.status, held.is_active) == ("failed", False)
        assert audit_money() == []

    def test_is_refused_while_it_is_switched_on(self, held, actor, now):
        PaymentConfig.objects.filter(pk=held.pk).update(is_active=True)

        with pytest.raises(ConfigInUse, match="switch it off"):
            release(held, actor, now)

        assert claims.own_claim(held) is not None

    def test_is_refused_while_another_branchs_config_of_the_number_is_on(
        self, held, shop, branch, make_live, actor, now
    ):
        other = make_live(shop, branch=branch)
        PaymentConfig.objects.filter(pk=other.pk).update(status="verified", is_active=True)

        with pytest.raises(ConfigInUse):
            release(held, actor, now)

    @pytest.mark.parametrize(("hours", "free"), [(71, False), (73, True)])
    def test_waits_72_hours_after_the_last_payment(self, held, actor, now, hours, free):
        payment = pay(held, now, status="failed")
        Attempt.objects.filter(payment=payment).update(
            requested_at=now - timedelta(hours=hours), next_ask_at=None
        )

        if free:
            release(held, actor, now)
        else:
            with pytest.raises(ConfigInUse, match="72 hours"):
                release(held, actor, now)

        assert (claims.own_claim(held) is None) is free

    def test_counts_payments_of_a_deleted_config(self, held, actor, now):
        payment = pay(held, now)
        PaymentConfig.objects.filter(pk=held.pk).update(deleted_at=now)

        with pytest.raises(ConfigInUse):
            release(held, actor, now)

        assert payment.status == "created"

    def test_is_for_a_reason(self, held, actor, now):
        with pytest.raises(InvalidInput):
            claims.release_claim(claim=claims.own_claim(held), reason=" ", actor=actor, now=now)

    def test_is_twice_the_same_as_once(self, held, actor, now):
        claim = claims.own_claim(held)
        for _time in range(2):
            claims.release_claim(claim=claim, reason="Sold", actor=actor, now=now)

        assert AuditEntry.objects.filter(action="payment_config.claim_released").count() == 1


@pytest.mark.django_db
class TestTheBooks:
    def test_name_two_shops_with_one_live_number(self, held, neighbour, make_live):
        theirs = make_live(neighbour)
        clean = audit_money()
        PaymentConfig.objects.filter(pk=theirs.pk).update(status="verified")

        assert clean == []
        assert {breach.code for breach in audit_money()} == {"I20"}

    def test_allow_it_where_staff_shared_the_number(self, held, neighbour, make_live, actor, now):
        theirs = make_live(neighbour)
        claims.share_claim(claim=claims.own_claim(held), reason="Mall", actor=actor, now=now)
        PaymentConfig.objects.filter(pk=theirs.pk).update(status="verified")

        assert audit_money() == []


@pytest.mark.django_db
class TestClaims:
    def test_have_one_winner_and_tell_the_other_nothing_of_him(
        self, shop, neighbour, make_live, live_daraja, actor, now
    ):
        mine, theirs = make_live(shop), make_live(neighbour)
        visit(mine, actor, now, phone_number=PHONE)
        live_daraja.deliver(Client())

        with pytest.raises(ShortcodeClaimed) as caught:
            visit(theirs, actor, now, phone_number=OTHER_PHONE)

        theirs.refresh_from_db()
        told = f"{caught.value.detail} {caught.value.data} {prompt_of(theirs).response_payload}"
        assert theirs.status == "failed"
        assert prompt_of(theirs).response_code == "shortcode_claimed"
        assert live_daraja.prompts_sent == 1
        assert shop.name not in told
        assert str(shop.pk) not in told

    def test_are_decided_at_the_proof_where_both_prompts_went_out(
        self, shop, neighbour, make_live, live_daraja, actor, now
    ):
        mine, theirs = make_live(shop), make_live(neighbour)
        visit(mine, actor, now, phone_number=PHONE)
        visit(theirs, actor, now, phone_number=OTHER_PHONE)

        live_daraja.deliver(Client())

        statuses = PaymentConfig.objects.order_by("created_at").values_list("status", flat=True)
        assert sorted(statuses) == ["failed", "verified"]
        assert ShortcodeClaim.objects.count() == 1
        lost = PaymentConfig.objects.get(status="failed")
        assert findings([prompt_of(lost)]) == ["shortcode_claimed"]
        assert lost.proven_at is None

    def test_let_drafts_collide(self, shop, neighbour, make_live):
        assert make_live(shop).status == make_live(neighbour).status == "draft"

    def test_are_one_for_all_branches_of_a_shop(self, shop, branch, make_live, now):
        first, second = make_live(shop), make_live(shop, branch=branch)

        one = claims.claim_shortcode(config=first, now=now)
        two = claims.claim_shortcode(config=second, now=now)

        assert one == two

    def test_know_no_owner_in_the_sandbox(self, shop, neighbour, make_config, now):
        for each in (shop, neighbour):
            assert claims.claim_shortcode(config=make_config(each), now=now) is None

        assert not ShortcodeClaim.objects.exists()

    def test_stand_beside_each_other_once_staff_says_so(
        self, shop, neighbour, make_live, actor, now
    ):
        claim = claims.claim_shortcode(config=make_live(shop), now=now)
        theirs = make_live(neighbour)

        claims.share_claim(claim=claim, reason="One till for the mall", actor=actor, now=now)
        shared = claims.claim_shortcode(config=theirs, now=now)

        assert shared.is_shared
        entry = AuditEntry.objects.get(action="payment_config.shared")
        assert (entry.shop, entry.reason) == (shop, "One till for the mall")

    def test_are_shared_for_a_reason(self, shop, make_live, actor, now):
        claim = claims.claim_shortcode(config=make_live(shop), now=now)

        with pytest.raises(InvalidInput):
            claims.share_claim(claim=claim, reason=" ", actor=actor, now=now)


class TestRaces:
    @pytest.fixture
    def db(self, committed_db):
        """Commit for real: threads see each other's rows."""

    @pytest.mark.parametrize("turn", range(5))
    def test_have_one_winner(self, db, shop, neighbour, make_live, now, turn):
        del turn
        configs = [make_live(shop), make_live(neighbour)]

        def claim(config):
            try:
                return bool(claims.claim_shortcode(config=config, now=now))
            except ShortcodeClaimed:
                return False

        answers = at_once([lambda config=config: claim(config) for config in configs])

        assert sorted(answers) == [False, True]
        assert ShortcodeClaim.objects.count() == 1

    def test_of_two_proofs_arriving_at_once_have_one_winner(
        self, db, shop, neighbour, make_live, live_daraja, actor, now
    ):
        configs = [make_live(shop), make_live(neighbour)]
        for config, phone in zip(configs, (PHONE, OTHER_PHONE), strict=True):
            visit(config, actor, now, phone_number=phone)
        told = live_daraja.due_callbacks()

        def deliver(path, body):
            return Client().post(
                path, body, content_type="application/json", REMOTE_ADDR="196.201.214.200"
            )

        answers = at_once([lambda row=row: deliver(*row).status_code for row in told])

        statuses = PaymentConfig.objects.values_list("status", flat=True)
        assert answers == [200, 200]
        assert sorted(statuses) == ["failed", "verified"]
        assert ShortcodeClaim.objects.count() == 1
