"""The list of who asked to go live: what waits first, decided on the config's page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from payments.models import GoLiveApproval
from tenants.models import User

pytestmark = pytest.mark.django_db
LIST = reverse("admin:payments_goliveapproval_changelist")


@pytest.fixture
def asked(now):
    def make(config, *, minutes_ago, decided=None, note=""):
        return GoLiveApproval.objects.create(
            shop=config.shop,
            config=config,
            asked_by_label=f"{config.shop.slug}@asked.test",
            asked_at=now - timedelta(minutes=minutes_ago),
            is_approved=decided,
            decided_at=None if decided is None else now,
            decided_by=None
            if decided is None
            else User.objects.get(email=f"admin@{config.shop.slug}.test"),
            note=note,
        )

    return make


def rows_of(response):
    return [row.pk for row in response.context["cl"].result_list]


class TestTheList:
    def test_begins_with_what_waits_longest(self, ours, asked, browse):
        old = asked(ours.configs["here"], minutes_ago=90, decided=False, note="Wrong till")
        young = asked(ours.configs["live"], minutes_ago=1)
        waits = asked(ours.configs["shop"], minutes_ago=60)

        response = browse(ours.users["admin"]).get(LIST)

        assert rows_of(response) == [waits.pk, young.pk, old.pk]
        text = response.content.decode()
        assert "zawadi@asked.test" in text
        assert "Wrong till" in text
        assert "admin@zawadi.test" in text
        setup = reverse("admin:payments_paymentconfig_setup", args=[ours.configs["live"].pk])
        assert f'href="{setup}"' in text

    def test_is_filtered_by_the_decision(self, ours, asked, browse):
        made = {
            "approved": asked(ours.configs["here"], minutes_ago=90, decided=True),
            "refused": asked(ours.configs["shop"], minutes_ago=60, decided=False),
            "open": asked(ours.configs["live"], minutes_ago=1),
        }
        client = browse(ours.users["admin"])

        found = {name: rows_of(client.get(LIST, {"decision": name})) for name in made}

        assert found == {name: [row.pk] for name, row in made.items()}
        assert len(rows_of(client.get(LIST, {"decision": "colour"}))) == 3

    def test_shows_a_shop_its_own_and_staff_all(self, ours, theirs, asked, browse, root):
        mine = asked(ours.configs["live"], minutes_ago=2)
        other = asked(theirs.configs["live"], minutes_ago=1)

        assert rows_of(browse(ours.users["admin"]).get(LIST)) == [mine.pk]
        assert rows_of(browse(root).get(LIST)) == [mine.pk, other.pk]
        foreign = reverse("admin:payments_goliveapproval_change", args=[other.pk])
        assert browse(ours.users["admin"]).get(foreign).status_code == 404

    def test_takes_no_form(self, ours, asked, browse):
        row = asked(ours.configs["live"], minutes_ago=1)
        url = reverse("admin:payments_goliveapproval_change", args=[row.pk])
        client = browse(ours.users["admin"])

        client.post(url, {"is_approved": "true", "note": "me"})

        row.refresh_from_db()
        assert (row.is_approved, row.note) == (None, "")
        assert '<input type="submit"' not in client.get(url).content.decode()

    def test_says_what_it_is_for_while_it_is_empty(self, ours, browse):
        text = browse(ours.users["admin"]).get(LIST).content.decode()

        assert "Nobody has asked to go live yet." in text
        assert "a second person says yes" in text

    def test_leads_nowhere_once_the_config_is_gone(self, ours, asked, browse, now):
        config = ours.configs["live"]
        asked(config, minutes_ago=1)
        config.deleted_at = now
        config.is_active = False
        config.save(update_fields=["deleted_at", "is_active"])

        text = browse(ours.users["admin"]).get(LIST).content.decode()

        assert config.name in text
        assert f"{config.pk}/setup" not in text

    def test_reads_in_a_fixed_number_of_queries(
        self, ours, asked, browse, django_assert_max_num_queries
    ):
        for minutes in range(8):
            asked(ours.configs["live"], minutes_ago=minutes, decided=bool(minutes % 2))
        client = browse(ours.users["admin"])

        with django_assert_max_num_queries(18):
            assert len(rows_of(client.get(LIST))) == 8
