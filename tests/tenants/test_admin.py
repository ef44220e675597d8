from __future__ import annotations

import pytest
from django.urls import reverse

from audit.actions import AuditAction
from audit.models import AuditEntry
from tenants.models import ApiKey, Branch, Membership, Shop, User
from tenants.roles import Role

pytestmark = pytest.mark.django_db
PLATFORM_PAGES = (
    "tenants_shop",
    "tenants_user",
    "payments_callbacksource",
    "payments_accesstoken",
    "django_celery_beat_periodictask",
    "axes_accessattempt",
    "reconciliation_sweepstate",
)


def lists(name):
    return reverse(f"admin:{name}_changelist")


def page(name, row):
    return reverse(f"admin:{name}_change", args=[row.pk])


def button(name, row, method):
    return reverse(f"admin:{name}_do", args=[row.pk, method])


class TestPlatformPages:
    @pytest.mark.parametrize("name", PLATFORM_PAGES)
    def test_are_open_to_platform_admins_alone(self, ours, root, support, browse, name):
        assert browse(root).get(lists(name)).status_code == 200
        for user in (support, *ours.users.values()):
            assert browse(user).get(lists(name)).status_code == 403

    def test_let_a_shop_be_switched_off_with_a_reason(self, ours, root, browse):
        client, url = browse(root), button("tenants_shop", ours.shop, "switch_off")

        refused = client.post(url, {"reason": ""})
        still_on = Shop.objects.get(pk=ours.shop.pk).is_active
        client.post(url, {"reason": "Contract ended"})

        assert refused.status_code == 200
        assert still_on
        assert not Shop.objects.get(pk=ours.shop.pk).is_active
        entry = AuditEntry.objects.get(action=AuditAction.SHOP_SWITCHED_OFF)
        assert (entry.shop, entry.reason) == (ours.shop, "Contract ended")
        assert browse(ours.users["admin"]).get("/admin/").status_code == 302

    def test_have_no_inline_script(self, root, browse):
        answer = browse(root).get(reverse("admin:django_celery_beat_periodictask_add"))

        assert answer.status_code == 200
        assert b"readableCrontabs" not in answer.content


class TestBranchAdmin:
    def test_shows_and_changes_own_branches_only(self, ours, theirs, browse):
        client = browse(ours.users["admin"])

        listed = client.get(lists("tenants_branch")).content.decode()

        assert "Zawadi here" in listed
        assert "Baraka" not in listed
        assert client.get(page("tenants_branch", theirs.branches["here"])).status_code == 404

    def test_offers_and_takes_no_other_shop(self, ours, theirs, browse):
        client, url = browse(ours.users["admin"]), reverse("admin:tenants_branch_add")

        form = client.get(url).content.decode()
        answer = client.post(
            url, {"shop": theirs.shop.pk, "name": "Spy", "code": "SPY", "is_active": "on"}
        )

        assert "Baraka" not in form
        assert answer.status_code == 200
        assert not Branch.objects.filter(code="SPY").exists()

    def test_asks_a_platform_admin_why(self, ours, root, browse):
        client, branch = browse(root), ours.branches["here"]
        asked = {"name": "Renamed", "is_active": "on"}

        refused = client.post(page("tenants_branch", branch), asked)
        taken = client.post(page("tenants_branch", branch), {**asked, "reason": "Asked by phone"})

        assert refused.status_code == 200
        assert taken.status_code == 302
        assert Branch.objects.get(pk=branch.pk).name == "Renamed"
        entry = AuditEntry.objects.get(action=AuditAction.BRANCH_UPDATED)
        assert (entry.shop, entry.actor_role) == (ours.shop, Role.SUPER_ADMIN)
        assert entry.reason == "Asked by phone"

    @pytest.mark.parametrize("post", ["manager", "cashier", "branch_cashier"])
    def test_is_closed_to_other_roles(self, ours, browse, post):
        client = browse(ours.users[post])

        assert client.get(lists("tenants_branch")).status_code == 403
        assert client.get(reverse("admin:tenants_branch_add")).status_code == 403


class TestMembershipAdmin:
    def invite(self, client, shop, **given):
        asked = {"shop": shop.pk, "email": "new@duka.test", "name": "N", "role": "cashier"}
        return client.post(reverse("admin:tenants_membership_add"), {**asked, **given})

    def test_invites_somebody_new_by_a_link_that_sets_a_password_once(self, ours, browse, client):
        answer = self.invite(browse(ours.users["admin"]), ours.shop)
        link = answer.context_data["text"]

        form = client.get(link, follow=True)
        words = {"new_password1": "siku-njema-9", "new_password2": "siku-njema-9"}
        client.post(form.request["PATH_INFO"], words)

        assert User.objects.get(email="new@duka.test").check_password("siku-njema-9")
        assert Membership.objects.get(user__email="new@duka.test").shop == ours.shop
        assert "no-store" in answer["Cache-Control"]
        assert not client.get(link, follow=True).context["validlink"]

    def test_gives_no_link_for_somebody_known(self, ours, theirs, browse):
        known = theirs.users["admin"]

        answer = self.invite(browse(ours.users["admin"]), ours.shop, email=known.email)
        member = Membership.objects.get(shop=ours.shop, user=known)
        again = browse(ours.users["admin"]).post(
            button("tenants_membership", member, "invite_again"), {}, follow=True
        )

        assert answer.status_code == 302
        assert b"/invitation/" not in again.content

    def test_takes_no_branch_of_another_shop(self, ours, theirs, browse):
        foreign = theirs.branches["here"].pk

        answer = self.invite(browse(ours.users["admin"]), ours.shop, branches=[foreign])

        assert answer.status_code == 200
        assert not User.objects.filter(email="new@duka.test").exists()

    def test_removes_a_member_but_nobody_himself(self, ours, browse):
        client = browse(ours.users["admin"])

        client.post(button("tenants_membership", ours.members["cashier"], "remove"), {})
        client.post(button("tenants_membership", ours.members["admin"], "remove"), {})

        active = Membership.objects.filter(shop=ours.shop, is_active=True)
        assert ours.members["cashier"] not in active
        assert ours.members["admin"] in active

    @pytest.mark.parametrize("method", ["remove", "let_back", "invite_again"])
    def test_does_nothing_to_another_shops_member(self, ours, theirs, browse, method):
        url = button("tenants_membership", theirs.members["cashier"], method)
        client = browse(ours.users["admin"])

        assert client.get(url).status_code == 404
        assert client.post(url, {"reason": "x"}).status_code == 404
        assert Membership.objects.get(pk=theirs.members["cashier"].pk).is_active

    def test_is_hidden_from_an_admin_of_some_branches(self, ours, browse):
        client = browse(ours.users["branch_admin"])

        assert client.get(page("tenants_membership", ours.members["manager"])).status_code == 404
        assert client.get(reverse("admin:tenants_membership_add")).status_code == 403


class TestApiKeyAdmin:
    def test_shows_a_new_key_once_and_never_again(self, ours, browse):
        client = browse(ours.users["admin"])
        asked = {"shop": ours.shop.pk, "name": "T1", "environment": "sandbox", "role": "cashier"}

        answer = client.post(reverse("admin:tenants_apikey_add"), asked)
        key = ApiKey.objects.get(name="T1")
        secret = answer.context_data["text"].rpartition("_")[2]
        later = client.get(page("tenants_apikey", key)).content.decode()

        assert key.matches(secret)
        assert "no-store" in answer["Cache-Control"]
        assert secret not in later
        assert secret not in str(dict(client.session))
        assert secret not in str(list(AuditEntry.objects.values()))

    def test_revokes_by_post_alone(self, ours, browse):
        client, url = browse(ours.users["admin"]), button("tenants_apikey", ours.key, "revoke")

        client.get(url)
        after_get = ApiKey.objects.get(pk=ours.key.pk).revoked_at
        client.post(url, {})

        assert after_get is None
        assert ApiKey.objects.get(pk=ours.key.pk).revoked_at is not None

    def test_refuses_a_post_without_its_token(self, ours, browse):
        client = browse(ours.users["admin"])
        client.handler.enforce_csrf_checks = True

        answer = client.post(button("tenants_apikey", ours.key, "revoke"), {})

        assert answer.status_code == 403
        assert ApiKey.objects.get(pk=ours.key.pk).revoked_at is None

    def test_revokes_no_other_shops_key(self, ours, theirs, browse):
        answer = browse(ours.users["admin"]).post(button("tenants_apikey", theirs.key, "revoke"))

        assert answer.status_code == 404
        assert ApiKey.objects.get(pk=theirs.key.pk).revoked_at is None

    def test_judges_by_the_role_in_the_rows_own_shop(self, ours, theirs, browse):
        """An admin here who is a manager there does not revoke there."""
        Membership.objects.create(shop=theirs.shop, user=ours.users["admin"], role=Role.MANAGER)

        answer = browse(ours.users["admin"]).post(button("tenants_apikey", theirs.key, "revoke"))

        assert answer.status_code == 404
        assert ApiKey.objects.get(pk=theirs.key.pk).revoked_at is None

    def test_takes_no_time_in_the_past(self, ours, browse):
        asked = {"shop": ours.shop.pk, "name": "T1", "environment": "sandbox", "role": "cashier"}
        past = {"expires_at_0": "2020-01-01", "expires_at_1": "10:00:00"}

        answer = browse(ours.users["admin"]).post(
            reverse("admin:tenants_apikey_add"), {**asked, **past}
        )

        assert answer.status_code == 200
        assert not ApiKey.objects.filter(name="T1").exists()


class TestSite:
    def test_speaks_swahili_where_asked(self, ours, browse):
        client = browse(ours.users["admin"])

        client.post(reverse("admin:set_language"), {"language": "sw", "next": "/admin/"})
        answer = client.get("/admin/")

        assert "Yaliyopokelewa leo" in answer.content.decode()

    def test_shows_each_role_its_own_pages(self, ours, root, support, browse):
        def pages(user):
            groups = browse(user).get("/admin/").context["available_apps"]
            return {model["object_name"] for group in groups for model in group["models"]}

        assert {"Payment", "Review", "Receipt", "ReceiptCheck"} <= pages(ours.users["cashier"])
        assert not pages(ours.users["cashier"]) & {
            "PaymentConfig",
            "ProviderCallback",
            "AuditEntry",
            "Refund",
            "AccountBalance",
            "StatementImport",
            "UnallocatedReceipt",
        }
        assert {"ProviderCallback", "PaymentConfig", "AuditEntry", "SupportAccess"} <= pages(
            ours.users["manager"]
        )
        assert not {"Branch", "Membership", "ApiKey", "AccountBalance"} & pages(
            ours.users["manager"]
        )
        assert {"Branch", "Membership", "ApiKey"} <= pages(ours.users["admin"])
        assert "User" not in pages(support)
        assert {"User", "Shop", "PeriodicTask"} <= pages(root)

    def test_locks_out_with_a_page_of_its_own(self, ours, client):
        user = ours.users["admin"]
        wrong = {"username": user.email, "password": "wrong"}

        answers = [client.post(reverse("admin:login"), wrong) for _ in range(9)]

        assert answers[-1].status_code == 429
        assert b"Too many wrong attempts" in answers[-1].content

    @pytest.mark.parametrize("path", ["/admin/", "/admin/login/"])
    def test_has_no_inline_script_or_style(self, ours, browse, client, path):
        page = (client if "login" in path else browse(ours.users["admin"])).get(path)

        text = page.content.decode()
        assert page.status_code == 200
        assert "<script>" not in text
        assert "<style" not in text
        assert " style=" not in text
        assert " onclick=" not in text

    def test_lists_in_a_fixed_number_of_queries(self, ours, browse, django_assert_max_num_queries):
        client = browse(ours.users["admin"])
        for number in range(20):
            user = User.objects.create_user(f"p{number}@duka.test", None)
            Membership.objects.create(shop=ours.shop, user=user, role=Role.CASHIER)

        with django_assert_max_num_queries(11):
            client.get(lists("tenants_membership"))

    def test_shows_nothing_after_a_membership_ended(self, ours, browse):
        client = browse(ours.users["manager"])
        Membership.objects.filter(pk=ours.members["manager"].pk).update(is_active=False)

        assert client.get(lists("payments_payment")).status_code == 302
