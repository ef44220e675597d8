"""A production config takes its first payment once a second person said yes."""

from __future__ import annotations

import pytest

from audit.actors import Actor
from audit.models import AuditEntry
from payments.errors import InvalidInput, InvalidTransition, NotVerified
from payments.models import GoLiveApproval, Notice
from payments.services import approvals, configs
from tenants import services as tenants
from tenants.models import User
from tenants.roles import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(shop):
    def make(name, role=Role.ADMIN, of=None):
        user = User.objects.create_user(f"{name}@duka.test", None)
        tenants.grant_role(user=user, shop=of or shop, role=role)
        return user

    return make


@pytest.fixture
def amina(person):
    return person("amina")


@pytest.fixture
def live(shop, make_config, now):
    config = make_config(shop, environment="production", shortcode="600777", is_active=False)
    config.proven_at = now
    config.save()
    return config


@pytest.fixture
def staff(db):
    return User.objects.create_user("root@malipo.test", None, platform_role=Role.SUPER_ADMIN)


def ask(config, user, now):
    return approvals.ask_approval(config=config, user=user, actor=who(user), now=now)


def who(user):
    return Actor.from_user(user, None)


def decide(approval, user, now, *, yes=True, note="Seen it"):
    decided = approvals.approve if yes else approvals.refuse
    return decided(approval=approval, user=user, note=note, actor=who(user), now=now)


def activate(config, actor, now):
    return configs.activate_config(config=config, actor=actor, now=now)


class TestActivate:
    def test_waits_for_the_proof(self, live, actor, now):
        live.proven_at = None
        live.save()

        with pytest.raises(NotVerified) as caught:
            activate(live, actor, now)

        assert caught.value.data["missing"] == ["prompt"]

    def test_waits_for_a_second_person(self, live, actor, now):
        with pytest.raises(InvalidTransition) as caught:
            activate(live, actor, now)

        live.refresh_from_db()
        assert caught.value.data["missing"] == ["approval"]
        assert not live.is_active

    def test_works_once_he_said_yes(self, live, amina, person, actor, now):
        decide(ask(live, amina, now), person("baraka"), now)

        assert activate(live, actor, now).is_active

    def test_does_not_once_he_said_no(self, live, amina, person, actor, now):
        decide(ask(live, amina, now), person("baraka"), now, yes=False)

        with pytest.raises(InvalidTransition):
            activate(live, actor, now)

    def test_wants_a_new_yes_after_it_was_verified_again(self, live, amina, person, actor, now):
        decide(ask(live, amina, now), person("baraka"), now)
        live.verified_at = now.replace(year=now.year + 1)
        live.save()

        with pytest.raises(InvalidTransition):
            activate(live, actor, now)

    def test_needs_nobody_in_the_sandbox(self, shop, make_config, actor, now):
        assert activate(make_config(shop, is_active=False), actor, now).is_active


class TestAsking:
    def test_puts_it_before_the_shop_and_on_the_trail(self, live, amina, now):
        ask(live, amina, now)

        notice = Notice.objects.get(code="approval_waits", closed_at=None)
        entry = AuditEntry.objects.get(action="payment_config.approval_asked")
        assert (notice.config, entry.actor_label) == (live, amina.email)

    def test_happens_once(self, live, amina, person, now):
        ask(live, amina, now)

        with pytest.raises(InvalidTransition, match="already"):
            ask(live, person("baraka"), now)

    def test_is_for_what_is_verified_and_proven(self, live, amina, now):
        live.proven_at = None
        live.save()

        with pytest.raises(NotVerified):
            ask(live, amina, now)

    def test_is_not_for_the_sandbox(self, shop, make_config, amina, now):
        with pytest.raises(InvalidTransition):
            ask(make_config(shop), amina, now)


class TestDeciding:
    def test_is_not_for_who_asked(self, live, amina, person, now):
        person("baraka")
        approval = ask(live, amina, now)

        with pytest.raises(approvals.NotASecondPerson):
            decide(approval, amina, now)

    @pytest.mark.parametrize("role", [Role.MANAGER, Role.CASHIER])
    def test_is_not_for_other_roles(self, live, amina, person, now, role):
        approval = ask(live, amina, now)

        with pytest.raises(approvals.NotASecondPerson):
            decide(approval, person("baraka", role), now)

    def test_is_not_for_another_shops_admin(self, live, amina, person, neighbour, now):
        approval = ask(live, amina, now)

        with pytest.raises(approvals.NotASecondPerson):
            decide(approval, person("jirani", of=neighbour), now)

    def test_is_platform_staffs_where_the_shop_has_one_admin(self, live, amina, staff, now):
        assert decide(ask(live, amina, now), staff, now).is_approved

    def test_is_not_platform_staffs_where_it_has_two(self, live, amina, person, staff, now):
        person("baraka")
        approval = ask(live, amina, now)

        with pytest.raises(approvals.NotASecondPerson):
            decide(approval, staff, now)

    def test_happens_once(self, live, amina, person, now):
        approval, baraka = ask(live, amina, now), person("baraka")
        decide(approval, baraka, now)

        with pytest.raises(InvalidTransition, match="decided"):
            decide(approval, baraka, now, yes=False)

    def test_closes_the_notice_and_goes_on_the_trail(self, live, amina, person, now):
        decide(ask(live, amina, now), person("baraka"), now)

        assert not Notice.objects.filter(closed_at=None).exists()
        entry = AuditEntry.objects.get(action="payment_config.approved")
        assert entry.actor_label == "baraka@duka.test"

    def test_says_why_not(self, live, amina, person, now):
        approval = ask(live, amina, now)

        with pytest.raises(InvalidInput):
            decide(approval, person("baraka"), now, yes=False, note="")

    def test_is_about_the_config_as_it_was(self, live, amina, person, actor, now):
        approval = ask(live, amina, now)
        configs.suspend_config(config=live, reason="Stolen phone", actor=actor, now=now)

        with pytest.raises(InvalidTransition, match="changed"):
            decide(approval, person("baraka"), now)

        assert GoLiveApproval.objects.get().decided_at is None
