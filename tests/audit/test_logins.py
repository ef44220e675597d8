from __future__ import annotations

import pytest

from audit.actions import AuditAction
from audit.models import AuditEntry
from tenants import services as tenants

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
GOOD, WRONG = "correct horse battery", "hunter2-canary"


@pytest.fixture
def admin(ours):
    user = ours.users["admin"]
    user.set_password(GOOD)
    user.save()
    return user


def log_in(client, email, password):
    return client.post(LOGIN, {"username": email, "password": password})


def entries(action):
    rows = AuditEntry.objects.filter(action=action)
    return [(row.shop_id, row.actor_label, row.object_label) for row in rows]


class TestALogin:
    def test_is_an_entry_of_every_shop_it_opens(self, ours, theirs, admin, client):
        tenants.grant_role(user=admin, shop=theirs.shop, role="cashier")

        assert log_in(client, admin.email, GOOD).status_code == 302

        rows = AuditEntry.objects.filter(action=AuditAction.LOGGED_IN)
        assert {(row.shop_id, row.actor_role) for row in rows} == {
            (ours.shop.pk, "admin"),
            (theirs.shop.pk, "cashier"),
        }
        assert {row.actor_id for row in rows} == {str(admin.pk)}
        assert {row.ip for row in rows} == {"127.0.0.1"}

    def test_of_platform_staff_is_an_entry_of_the_platform(self, root, client):
        root.set_password(GOOD)
        root.save()

        log_in(client, root.email, GOOD)

        assert entries(AuditAction.LOGGED_IN) == [(None, root.email, root.email)]


class TestARefusedLogin:
    def test_of_somebody_known_names_him_to_his_shop(self, ours, admin, client):
        log_in(client, admin.email.upper(), WRONG)

        assert entries(AuditAction.LOGIN_FAILED) == [(ours.shop.pk, "", admin.email)]

    @pytest.mark.parametrize("typed", ["nobody@nowhere.test", WRONG, "", "a" * 300])
    def test_of_nobody_keeps_nothing_of_what_was_typed(self, ours, client, typed):
        log_in(client, typed, WRONG)

        found = entries(AuditAction.LOGIN_FAILED)
        assert found == ([(None, "", "")] if typed and len(typed) < 255 else found)
        assert "nowhere" not in str(AuditEntry.objects.values())
        assert WRONG not in str(AuditEntry.objects.values())

    def test_keeps_no_password(self, ours, admin, client):
        log_in(client, admin.email, WRONG)
        log_in(client, admin.email, GOOD)

        assert WRONG not in str(AuditEntry.objects.values())
        assert GOOD not in str(AuditEntry.objects.values())
