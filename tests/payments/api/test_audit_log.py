from __future__ import annotations

from urllib.parse import unquote

import pytest

from audit.actions import AuditAction
from tests.conftest import DARAJA_SECRETS

pytestmark = pytest.mark.django_db


def path(config):
    return f"/payments/configs/{config.pk}/audit-log"


@pytest.fixture
def lived(api, admin_key, till):
    """A config with a few acts behind it."""
    client = api(admin_key)
    client.post(f"/payments/configs/{till.pk}/deactivate", {})
    client.post(f"/payments/configs/{till.pk}/activate", {})
    client.post(f"/payments/configs/{till.pk}/suspend", {"reason": "Stolen"})
    return till


class TestAuditLog:
    @pytest.mark.parametrize("key", ["admin_key", "manager_key"])
    def test_tells_newest_first_what_was_done(self, api, lived, request, key):
        answer = api(request.getfixturevalue(key)).get(path(lived))

        results = answer.json()["results"]
        assert [row["action"] for row in results] == [
            AuditAction.CONFIG_SUSPENDED,
            AuditAction.CONFIG_ACTIVATED,
            AuditAction.CONFIG_DEACTIVATED,
            AuditAction.CONFIG_CREATED,
        ]
        newest = results[0]
        assert newest["reason"] == "Stolen"
        assert newest["actor"]["kind"] == "api_key"
        assert newest["actor"]["role"] == "admin"
        assert {"field": "status", "old": "verified", "new": "suspended"} in newest["changes"]
        assert newest["previous_state"]["credentials.consumer_key"] == "****abcd"

    def test_shows_no_secret(self, api, manager_key, lived):
        text = api(manager_key).get(path(lived)).content.decode()

        assert not [value for value in DARAJA_SECRETS.values() if value in text]

    def test_is_read_in_pages(self, api, admin_key, lived):
        client, url, seqs = api(admin_key), path(lived), []
        answer = client.get(url, {"limit": "3"}).json()
        seqs += [row["seq"] for row in answer["results"]]
        cursor = answer["next"].partition("cursor=")[2].partition("&")[0]
        rest = client.get(url, {"limit": "3", "cursor": unquote(cursor)}).json()

        seqs += [row["seq"] for row in rest["results"]]
        assert seqs == sorted(seqs, reverse=True)
        assert len(seqs) == 4
        assert rest["next"] is None

    def test_is_closed_to_cashiers_and_strangers(self, api, cashier_key, neighbour_key, lived):
        assert api(cashier_key).get(path(lived)).status_code == 403
        assert api(neighbour_key).get(path(lived)).status_code == 404

    def test_takes_no_parameter_it_does_not_know(self, api, admin_key, lived):
        assert api(admin_key).get(path(lived), {"action": "x"}).status_code == 400
