"""Every act leaves exactly one entry that says who did what, from where, why; undone acts none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule

from audit import checking
from audit.actions import AuditAction
from audit.actors import Actor
from audit.models import AuditEntry
from payments.models import AccessToken, CallbackSource, PaymentConfig
from payments.services import configs
from tenants import people
from tenants import services as tenants
from tenants.models import ApiKey, User
from tests.world import SECRETS, let_support_in

pytestmark = pytest.mark.django_db

SECRET_TEXT = "-canary-secret"


@dataclass(frozen=True)
class Act:
    """One act through its page: who presses which button, and what the entry says."""

    action: str
    who: str
    page: str
    of: str = ""
    given: dict[str, Any] = field(default_factory=dict)
    method: str = ""
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    reason: str = ""
    chain: str = "shop"


WHY = {"reason": "Asked by phone"}
CONFIG_FORM = {
    "name": "Till two",
    "provider": "mpesa_till",
    "environment": "sandbox",
    "shortcode": "555001",
    "store_number": "600996",
    "priority": "0",
    "min_amount": "1",
    "max_amount": "70000",
    "secret_consumer_key": f"key{SECRET_TEXT}-abcd",
    "secret_consumer_secret": f"secret{SECRET_TEXT}",
    "secret_passkey": f"passkey{SECRET_TEXT}",
}
KEY_FORM = {"name": "T1", "environment": "sandbox", "role": "cashier"}
A = AuditAction
ACTS = (
    Act(A.CONFIG_CREATED, "admin", "payments_paymentconfig", given=CONFIG_FORM,
        changed={"credentials.consumer_key": (None, "****abcd"),
                 "credentials.passkey": (None, "********"), "status": (None, "draft"),
                 "max_amount": (None, "70000.00")}),
    Act(A.CONFIG_CREATED, "root", "payments_paymentconfig", given={**CONFIG_FORM, **WHY},
        changed={"shortcode": (None, "555001")}, reason="Asked by phone"),
    Act(A.CONFIG_DEACTIVATED, "admin", "payments_paymentconfig", "config", method="deactivate",
        changed={"is_active": (True, False)}),
    Act(A.CONFIG_DEACTIVATED, "root", "payments_paymentconfig", "config", WHY, "deactivate",
        changed={"is_active": (True, False)}, reason="Asked by phone"),
    Act(A.CONFIG_MADE_DEFAULT, "admin", "payments_paymentconfig", "config", method="set_default",
        changed={"is_default": (False, True)}),
    Act(A.CONFIG_SUSPENDED, "admin", "payments_paymentconfig", "config", WHY, "suspend",
        changed={"status": ("verified", "suspended"), "is_active": (True, False),
                 "suspended_reason": ("", "Asked by phone")}, reason="Asked by phone"),
    Act(A.CONFIG_SUSPENDED, "support", "payments_paymentconfig", "config", WHY, "suspend",
        changed={"status": ("verified", "suspended")}, reason="Asked by phone"),
    Act(A.CONFIG_DELETED, "admin", "payments_paymentconfig", "unused", WHY, "delete",
        changed={"is_active": (True, False)}, reason="Asked by phone"),
    Act(A.BRANCH_ADDED, "admin", "tenants_branch",
        given={"name": "East", "code": "EAST", "is_active": "on"},
        changed={"name": (None, "East"), "code": (None, "EAST")}),
    Act(A.BRANCH_UPDATED, "root", "tenants_branch", "branch",
        {"name": "Renamed", "is_active": "on", **WHY},
        changed={"name": ("Zawadi here", "Renamed")}, reason="Asked by phone"),
    Act(A.MEMBER_GRANTED, "admin", "tenants_membership",
        given={"email": "new@duka.test", "name": "New", "role": "cashier"},
        changed={"role": (None, "cashier"), "branches": (None, [])}),
    Act(A.MEMBER_GRANTED, "admin", "tenants_membership", "member", {"role": "manager"},
        changed={"role": ("cashier", "manager")}),
    Act(A.MEMBER_REVOKED, "admin", "tenants_membership", "member", method="remove",
        changed={"is_active": (True, False)}),
    Act(A.KEY_ISSUED, "admin", "tenants_apikey", given=KEY_FORM,
        changed={"name": (None, "T1"), "role": (None, "cashier")}),
    Act(A.KEY_REVOKED, "root", "tenants_apikey", "key", WHY, "revoke", reason="Asked by phone"),
    Act(A.SUPPORT_GRANTED, "admin", "tenants_supportaccess",
        given={"hours": "4", "reason": "Ticket 12"}, reason="Ticket 12"),
    Act(A.SUPPORT_REVOKED, "admin", "tenants_supportaccess", "access", method="revoke"),
    Act(A.CALLBACK_REAPPLIED, "manager", "payments_providercallback", "dead", WHY, "apply_again",
        changed={"status": ("dead", "duplicate")}, reason="Asked by phone"),
    Act(A.PHONE_REVEALED, "admin", "payments_payment", "payment", WHY, "reveal_phone",
        reason="Asked by phone"),
    Act(A.SHOP_SWITCHED_OFF, "root", "tenants_shop", "shop", WHY, "switch_off",
        changed={"is_active": (True, False)}, reason="Asked by phone"),
    Act(A.SHOP_UPDATED, "root", "tenants_shop", "shop", {"name": "Zawadi Two"},
        changed={"name": ("Zawadi", "Zawadi Two")}),
    Act(A.USER_INVITED, "root", "tenants_user",
        given={"email": "ops@malipo.test", "platform_role": "support"},
        changed={"platform_role": (None, "support")}, chain="platform"),
    Act(A.USER_UPDATED, "root", "tenants_user", "user", {"name": "N", "is_active": ""},
        changed={"is_active": (True, False)}, chain="platform"),
    Act(A.SOURCE_CHANGED, "root", "payments_callbacksource",
        given={"network": "198.51.100.0/24", "note": "Test", "is_active": "on"},
        changed={"network": (None, "198.51.100.0/24")}, chain="platform"),
    Act(A.SOURCE_CHANGED, "root", "payments_callbacksource", "source",
        {"network": "192.0.2.0/24", "is_active": ""},
        changed={"is_active": (True, False)}, chain="platform"),
    Act(A.BUDGET_CHANGED, "root", "payments_accesstoken", "token",
        {"query_budget_per_minute": "9"},
        changed={"query_budget_per_minute": (None, 9)}, chain="platform"),
)  # fmt: skip


@pytest.fixture
def rows(ours, make_config, now):
    """Name what the acts are done to."""
    dead = ours.callbacks["here"]
    type(dead).objects.filter(pk=dead.pk).update(status="dead")
    return {
        "config": ours.configs["here"],
        "unused": make_config(ours.shop, name="Unused", shortcode="555777"),
        "branch": ours.branches["here"],
        "member": ours.members["cashier"],
        "key": ours.key,
        "access": let_support_in(ours, now=now),
        "dead": dead,
        "payment": ours.payments["here"],
        "shop": ours.shop,
        "user": ours.users["cashier"],
        "source": CallbackSource.objects.create(network="192.0.2.0/24", note=""),
        "token": AccessToken.objects.create(app_fingerprint="f" * 64, environment="sandbox"),
    }


@pytest.fixture
def perform(ours, root, support, browse, rows):
    def do(act):
        """Do an act through its page; return the entries it left, reads and logins apart."""
        who = {"root": root, "support": support, **ours.users}[act.who]
        client, page = browse(who), "add"
        args = [rows[act.of].pk] if act.of else []
        if act.of:
            page = "do" if act.method else "change"
        args += [act.method] if act.method else []
        last = set(AuditEntry.objects.values_list("pk", flat=True))
        shop = {} if act.of or act.chain == "platform" else {"shop": ours.shop.pk}
        response = client.post(reverse(f"admin:{act.page}_{page}", args=args), act.given | shop)
        entries = AuditEntry.objects.exclude(pk__in=last).exclude(action=A.SUPPORT_READ)
        return response, list(entries), who

    return do


class TestEveryAct:
    @pytest.mark.parametrize("act", ACTS, ids=lambda act: f"{act.action} by {act.who}")
    def test_leaves_one_right_entry(self, perform, ours, rows, act):
        response, entries, who = perform(act)

        assert response.status_code in {200, 302}, response.content[:2000]
        assert [entry.action for entry in entries] == [act.action]
        entry = entries[0]
        changed = {row["field"]: (row["old"], row["new"]) for row in entry.changes}
        assert {name: changed.get(name) for name in act.changed} == act.changed
        assert entry.shop_id == (None if act.chain == "platform" else ours.shop.pk)
        assert (entry.actor_kind, entry.actor_id) == ("user", str(who.pk))
        assert (entry.actor_label, entry.reason) == (who.email, act.reason)
        assert entry.actor_role == (who.platform_role or who.role_in(ours.shop.pk))
        assert (entry.ip, entry.user_agent, entry.request_id) == ("41.90.1.2", "Till/1", "req-1")
        assert not act.of or entry.object_id == str(rows[act.of].pk)
        assert SECRET_TEXT not in str(AuditEntry.objects.filter(pk=entry.pk).values())
        assert checking.check_chain(entry.shop_id) is None

    def test_that_needs_a_reason_does_nothing_without(self, perform, rows):
        for act in ACTS:
            if act.reason and act.method:
                bare = Act(act.action, act.who, act.page, act.of, {}, act.method)
                before = PaymentConfig.objects.values_list("pk", "status", "is_active").order_by(
                    "pk"
                )
                kept = list(before)

                _response, entries, _who = perform(bare)

                assert entries == [], act
                assert list(before.all()) == kept


class TestAnUndoneAct:
    @pytest.mark.parametrize("what", ["config", "branch", "member", "key", "access"])
    def test_leaves_nothing(self, ours, now, actor, what, rows):
        acts = {
            "config": lambda: configs.suspend_config(
                config=ours.configs["here"], reason="x", actor=actor, now=now
            ),
            "branch": lambda: tenants.add_branch(shop=ours.shop, code="E", name="E"),
            "member": lambda: people.end_membership(membership=ours.members["cashier"]),
            "key": lambda: tenants.revoke_api_key(key=ours.key, now=now),
            "access": lambda: let_support_in(ours, now=now),
        }
        before = AuditEntry.objects.count()

        with transaction.atomic():
            acts[what]()
            during = AuditEntry.objects.count()
            transaction.set_rollback(True)

        assert during == before + 1
        assert AuditEntry.objects.count() == before
        assert checking.check_chain(ours.shop.pk) is None

    def test_does_not_happen_where_it_cannot_be_written_down(self, ours, monkeypatch):
        def fail(*args, **kwargs):
            raise RuntimeError

        monkeypatch.setattr("audit.receivers.record", fail)
        with pytest.raises(RuntimeError):
            tenants.issue_api_key(shop=ours.shop, name="X", role="admin", environment="sandbox")

        assert not ApiKey.objects.filter(name="X").exists()


class TestAnActOfAKey:
    def test_names_the_key(self, api, admin_key, till):
        api(admin_key.text).post(f"/payments/configs/{till.pk}/deactivate", {})

        entry = AuditEntry.objects.get(action=A.CONFIG_DEACTIVATED)
        assert (entry.actor_kind, entry.actor_id) == ("api_key", str(admin_key.row.pk))
        assert (entry.actor_role, entry.shop_id) == ("admin", till.shop_id)

    def test_that_is_refused_leaves_nothing(self, api, admin_key, make_config, shop):
        draft = make_config(shop, status="draft")

        answer = api(admin_key.text).post(f"/payments/configs/{draft.pk}/activate", {})

        assert answer.status_code == 409
        assert not AuditEntry.objects.filter(action=A.CONFIG_ACTIVATED).exists()


class TestAnUpdate:
    def test_shows_which_secret_was_replaced_and_never_what(self, shop, make_config, actor, now):
        config = make_config(shop, status="draft")

        configs.update_config(
            config=config,
            changes={"name": "Renamed"},
            credentials={"passkey": f"new{SECRET_TEXT}"},
            actor=actor,
            now=now,
        )

        entry = AuditEntry.objects.get(action=A.CONFIG_UPDATED)
        changed = {row["field"]: (row["old"], row["new"]) for row in entry.changes}
        assert changed == {"name": ("Till", "Renamed"), "credentials.version": (1, 2)}
        assert entry.previous_state["credentials.passkey"] == "********"
        assert "canary" not in str(AuditEntry.objects.values())
        assert not any(
            text in str(entry.previous_state) for text in SECRETS.values() if len(text) > 3
        )


class TestASystemsAct:
    def test_has_the_system_as_its_actor(self, shop):
        entry = AuditEntry.objects.get(action=A.SHOP_CREATED)

        assert (entry.actor_kind, entry.actor_label) == ("system", "malipo")
        assert entry.seq == 1

    def test_of_one_person_is_not_anothers(self, ours):
        user = User.objects.get(pk=ours.users["admin"].pk)

        assert Actor.from_user(user, None, role="admin").ip is None


class TestALibrarysPage:
    def test_is_on_the_platforms_chain(self, ours, root, browse):
        interval = IntervalSchedule.objects.create(every=5, period="minutes")
        url = reverse("admin:django_celery_beat_intervalschedule_change", args=[interval.pk])

        none = {"periodictask_set-TOTAL_FORMS": "0", "periodictask_set-INITIAL_FORMS": "0"}
        answer = browse(root).post(url, {"every": "7", "period": "minutes", **none})

        assert answer.status_code == 302
        entry = AuditEntry.objects.get(action=A.PLATFORM_CHANGED)
        said = {row["field"]: row["new"] for row in entry.changes}
        assert said["page"] == "django_celery_beat.intervalschedule"
        assert (entry.shop_id, entry.actor_label) == (None, root.email)
