"""Support comes in by the shop's word, sees masked rows while it lasts, and is seen itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from audit.actions import AuditAction
from audit.models import AuditEntry
from tenants import support as support_access
from tenants.models import SupportAccess
from tenants.signals import By
from tests.world import let_support_in

pytestmark = pytest.mark.django_db

FENCED = ("payments_payment", "payments_review", "payments_providercallback", "audit_auditentry")
SANDBOX = {"environment": "sandbox"}


def rows_of(corner):
    return {
        "payments_payment": corner.payments["here"],
        "payments_review": corner.reviews["here"],
        "payments_providercallback": corner.callbacks["here"],
        "audit_auditentry": AuditEntry.objects.filter(shop=corner.shop).first(),
    }


def page(name, row, kind="change", *more):
    return reverse(f"admin:{name}_{kind}", args=[row.pk, *more])


def listed(client, name):
    query = SANDBOX if name in {"payments_payment", "payments_review"} else {}
    response = client.get(reverse(f"admin:{name}_changelist"), query)
    return {row.shop_id for row in response.context["cl"].result_list}


def reads(corner):
    rows = AuditEntry.objects.filter(shop=corner.shop, action=AuditAction.SUPPORT_READ)
    return [(row.changes[0]["new"], row.object_id) for row in rows.order_by("seq")]


class TestTheFence:
    @pytest.mark.parametrize("name", FENCED)
    def test_is_closed_until_the_shop_opens_it(self, ours, theirs, support, browse, name, now):
        client, row = browse(support), rows_of(ours)[name]
        before = listed(client, name), client.get(page(name, row)).status_code

        let_support_in(ours, now=now)

        assert before == (set(), 404)
        assert listed(client, name) == {ours.shop.pk}
        assert client.get(page(name, row)).status_code == 200
        assert client.get(page(name, rows_of(theirs)[name])).status_code == 404

    @pytest.mark.parametrize("how", ["revoked", "over", "not yet"])
    def test_closes_again(self, ours, support, browse, how, now):
        access, client = let_support_in(ours, now=now), browse(support)
        rows = SupportAccess.objects.filter(pk=access.pk)
        if how == "revoked":
            support_access.revoke_support_access(access=access, now=now, by=By(ours.users["admin"]))
        elif how == "over":
            rows.update(expires_at=now - timedelta(seconds=1))
        else:
            rows.update(granted_at=now + timedelta(hours=1))

        for name, row in rows_of(ours).items():
            assert listed(client, name) == set()
            assert client.get(page(name, row)).status_code == 404
        ask = page("payments_payment", ours.payments["here"], "do", "ask_again")
        assert client.post(ask).status_code == 404

    def test_shows_a_configs_status_without_it(self, ours, support, browse):
        client, config = browse(support), ours.configs["here"]

        shown = client.get(page("payments_paymentconfig", config))

        assert shown.status_code == 200
        assert config.shortcode in shown.text
        assert config.name not in shown.text.partition("<h1>")[2].partition("</h1>")[2]
        assert "consumer" not in shown.text.lower().partition("<main")[2]

    def test_holds_for_support_and_not_for_platform_admins(self, ours, root, browse):
        assert listed(browse(root), "payments_payment") == {ours.shop.pk}

    def test_leaves_the_first_page_without_numbers(self, ours, support, browse, now):
        client = browse(support)
        before = client.get("/admin/", SANDBOX).context["cards"][0]["value"]
        let_support_in(ours, now=now)

        assert before == "KES 0"
        assert client.get("/admin/", SANDBOX).context["cards"][0]["value"] != "KES 0"


class TestReads:
    def test_are_told_to_the_shop(self, ours, theirs, support, browse, now):
        let_support_in(ours, now=now)
        client, payment = browse(support), ours.payments["here"]

        listed(client, "payments_payment")
        client.get(page("payments_payment", payment))
        client.get("/admin/")
        client.get(page("payments_paymentconfig", ours.configs["here"]))

        assert reads(ours) == [
            ("payments_payment_changelist", str(ours.shop.pk)),
            ("payments_payment_change", str(payment.pk)),
            ("index", str(ours.shop.pk)),
            ("payments_paymentconfig_change", str(ours.configs["here"].pk)),
        ]
        assert reads(theirs) == []
        seen = browse(ours.users["admin"]).get(
            reverse("admin:audit_auditentry_changelist"),
            {"action__exact": AuditAction.SUPPORT_READ},
        )
        assert len(seen.context["cl"].result_list) == 4
        entry = AuditEntry.objects.filter(action=AuditAction.SUPPORT_READ).first()
        assert (entry.actor_role, entry.actor_label) == ("support", support.email)

    def test_of_a_bare_status_are_told_to_every_shop_in_the_list(
        self, ours, theirs, support, browse
    ):
        listed(browse(support), "payments_paymentconfig")

        for corner in (ours, theirs):
            read = ("payments_paymentconfig_changelist", str(corner.shop.pk))
            assert reads(corner) == [read]

    def test_of_nothing_are_not_told(self, ours, support, browse):
        client = browse(support)

        listed(client, "payments_payment")
        client.get(page("payments_payment", ours.payments["here"]))
        client.get("/admin/")

        assert reads(ours) == []

    def test_of_others_are_their_own_business(self, ours, root, browse):
        for user in (root, ours.users["admin"]):
            browse(user).get(page("payments_payment", ours.payments["here"]))

        assert reads(ours) == []

    @pytest.mark.parametrize("name", FENCED)
    def test_of_every_page_are_told_once(self, ours, support, browse, name, now):
        let_support_in(ours, now=now)
        row = rows_of(ours)[name]

        browse(support).get(page(name, row))

        assert reads(ours) == [(f"{name}_change", str(row.pk))]


class TestTheShop:
    def test_is_reminded_on_its_first_page(self, ours, theirs, browse, now):
        let_support_in(ours, now=now)

        for post, is_told in (("admin", True), ("manager", True), ("cashier", False)):
            text = browse(ours.users[post]).get("/admin/").text
            assert ("Platform support may see the shop until" in text) is is_told, post
        assert "Platform support may see" not in browse(theirs.users["admin"]).get("/admin/").text


class TestThePage:
    def test_grants_and_ends(self, ours, browse, now):
        client = browse(ours.users["admin"])

        client.post(
            reverse("admin:tenants_supportaccess_add"),
            {"shop": ours.shop.pk, "hours": "8", "reason": "Ticket 12"},
        )
        access = SupportAccess.objects.get()
        shown = client.get(reverse("admin:tenants_supportaccess_changelist")).text
        client.post(page("tenants_supportaccess", access, "do", "revoke"))

        access.refresh_from_db()
        assert access.expires_at - access.granted_at == timedelta(hours=8)
        assert (access.granted_by, access.reason) == (ours.users["admin"], "Ticket 12")
        assert "Open" in shown
        assert access.revoked_at is not None

    @pytest.mark.parametrize("hours", ["0", "73", "-1", "x", "", "1000000"])
    def test_opens_for_hours_and_not_for_ever(self, ours, browse, hours):
        answer = browse(ours.users["admin"]).post(
            reverse("admin:tenants_supportaccess_add"), {"shop": ours.shop.pk, "hours": hours}
        )

        assert answer.status_code == 200
        assert not SupportAccess.objects.exists()

    @pytest.mark.parametrize("who", ["manager", "cashier", "branch_admin", "root", "support"])
    def test_lets_nobody_but_the_shops_admin_open_it(self, ours, root, support, browse, who, now):
        client = browse({"root": root, "support": support, **ours.users}[who])
        access = let_support_in(ours, now=now)
        add = reverse("admin:tenants_supportaccess_add")

        assert client.post(add, {"shop": ours.shop.pk, "hours": "4"}).status_code == 403
        end = page("tenants_supportaccess", access, "do", "revoke")
        assert client.post(end).status_code in {403, 404}
        assert SupportAccess.objects.filter(revoked_at=None).count() == 1

    def test_is_not_for_another_shops_admin(self, ours, theirs, browse):
        client = browse(theirs.users["admin"])
        add = reverse("admin:tenants_supportaccess_add")

        assert client.post(add, {"shop": ours.shop.pk, "hours": "4"}).status_code == 200
        assert not SupportAccess.objects.exists()


class TestTheService:
    @pytest.mark.parametrize("hours", [0, -1, 73])
    def test_refuses_other_hours(self, ours, now, hours):
        admin = ours.users["admin"]

        with pytest.raises(ValueError, match="1 to 72"):
            support_access.grant_support_access(
                shop=ours.shop, hours=hours, granted_by=admin, now=now, by=By(admin)
            )

    def test_ends_a_grant_once(self, ours, now):
        access, by = let_support_in(ours, now=now), By(ours.users["admin"])

        support_access.revoke_support_access(access=access, now=now, by=by)
        later = now + timedelta(hours=1)
        again = support_access.revoke_support_access(access=access, now=later, by=by)

        assert again.revoked_at == now
        assert AuditEntry.objects.filter(action=AuditAction.SUPPORT_REVOKED).count() == 1

    def test_leaves_no_other_grant_open(self, ours, theirs, support, browse, now):
        first, by = let_support_in(ours, now=now), By(ours.users["admin"])
        let_support_in(ours, now=now)
        let_support_in(theirs, now=now)

        support_access.revoke_support_access(access=first, now=now, by=by)

        assert listed(browse(support), "payments_payment") == {theirs.shop.pk}
        assert AuditEntry.objects.filter(action=AuditAction.SUPPORT_REVOKED).count() == 2
