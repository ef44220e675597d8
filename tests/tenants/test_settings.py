"""What a shop's own admins decide of their shop."""

from __future__ import annotations

from decimal import Decimal

import pytest

from audit.models import AuditEntry
from tenants.models import Shop
from tests.backoffice import browse, ours, root, theirs

__all__ = ["browse", "ours", "root", "theirs"]
pytestmark = pytest.mark.django_db


def page_of(corner):
    return f"/admin/tenants/shopsettings/{corner.shop.pk}/change/"


def limit_of(corner):
    return Shop.objects.get(pk=corner.shop.pk).two_people_above


class TestTwoPeople:
    def test_are_asked_for_from_an_amount_on(self, ours, browse):
        client = browse(ours.users["admin"])

        client.post(page_of(ours), {"two_people_above": "5000.50"})

        assert limit_of(ours) == Decimal("5000.50")
        entry = AuditEntry.objects.filter(shop=ours.shop, action="shop.updated").get()
        assert entry.changes == [{"field": "two_people_above", "old": None, "new": "5000.50"}]
        assert entry.actor_label == ours.users["admin"].email
        log = client.get(f"/admin/tenants/shopsettings/{ours.shop.pk}/history/")
        assert log["Location"].endswith(f"tenants.shop%3A{ours.shop.pk}")

        client.post(page_of(ours), {"two_people_above": ""})
        assert limit_of(ours) is None

    @pytest.mark.parametrize("who", ["manager", "cashier", "branch_admin"])
    def test_are_set_by_admins_of_the_whole_shop(self, ours, browse, who):
        answer = browse(ours.users[who]).post(page_of(ours), {"two_people_above": "1"})

        assert answer.status_code in {403, 404}
        assert limit_of(ours) is None

    def test_are_not_the_neighbours(self, ours, theirs, browse):
        answer = browse(theirs.users["admin"]).post(page_of(ours), {"two_people_above": "1"})

        assert answer.status_code == 404
        assert limit_of(ours) is None

    def test_take_a_reason_of_the_platform(self, ours, root, browse):
        client = browse(root)

        assert client.post(page_of(ours), {"two_people_above": "1"}).status_code == 200
        assert limit_of(ours) is None
        client.post(page_of(ours), {"two_people_above": "1", "reason": "Asked by phone"})
        assert limit_of(ours) == 1

    def test_change_nothing_else(self, ours, browse):
        body = {"two_people_above": "1", "name": "Taken", "slug": "taken", "is_active": ""}

        browse(ours.users["admin"]).post(page_of(ours), body)

        shop = Shop.objects.get(pk=ours.shop.pk)
        assert (shop.name, shop.is_active) == (ours.shop.name, True)

    @pytest.mark.parametrize("text", ["-1", "x", "1e99"])
    def test_are_no_nonsense(self, ours, browse, text):
        answer = browse(ours.users["admin"]).post(page_of(ours), {"two_people_above": text})

        assert answer.status_code == 200
        assert limit_of(ours) is None


class TestContact:
    GIVEN = {
        "owner_name": "Njeri Kamau",
        "business_type": "Groceries",
        "contact_email": "njeri@duka.example",
        "contact_phone": "0712 345 678",
    }

    def test_is_kept_up_by_the_shop_itself(self, ours, browse):
        client = browse(ours.users["admin"])

        client.post(page_of(ours), {**self.GIVEN, "two_people_above": ""})

        assert Shop.objects.filter(pk=ours.shop.pk, **self.GIVEN).exists()
        entry = AuditEntry.objects.filter(shop=ours.shop, action="shop.updated").get()
        assert {change["field"] for change in entry.changes} == self.GIVEN.keys()
        assert "Njeri Kamau" in client.get(page_of(ours)).content.decode()

    @pytest.mark.parametrize(
        ("field", "value"), [("contact_phone", "call me"), ("contact_email", "njeri")]
    )
    def test_refuses_what_nobody_can_reach(self, ours, browse, field, value):
        answer = browse(ours.users["admin"]).post(page_of(ours), {**self.GIVEN, field: value})

        assert answer.status_code == 200
        assert field in answer.context["adminform"].form.errors
        assert Shop.objects.get(pk=ours.shop.pk).owner_name == ""

    def test_is_taken_at_registration(self, root, browse):
        client = browse(root)
        given = {"name": "Kiosk", "slug": "kiosk", **self.GIVEN, "reason": "Signed up"}

        client.post("/admin/tenants/shop/add/", given)

        assert Shop.objects.filter(slug="kiosk", **self.GIVEN).exists()
        assert "Njeri Kamau" in client.get("/admin/tenants/shop/").content.decode()
