from __future__ import annotations

import json
import uuid

import pytest

from payments.services import configs
from tenants.roles import Role
from tests.payments.api.config_requests import BODY, LIST, of

pytestmark = pytest.mark.django_db


WRITES = [
    ("POST", "", BODY),
    ("PUT", "/{id}", BODY),
    ("PATCH", "/{id}", {"name": "X"}),
    ("DELETE", "/{id}", None),
    *[
        ("POST", f"/{{id}}/{act}", {})
        for act in ("activate", "deactivate", "set-default", "verify")
    ],
    *[("POST", f"/{{id}}/{act}", {"reason": "x"}) for act in ("suspend", "restore")],
]
READS = [("GET", "", None), ("GET", "/{id}", None), ("GET", "/{id}/verification-logs", None)]


class TestWho:
    @pytest.mark.parametrize(("method", "path", "body"), WRITES + READS)
    def test_gives_the_neighbour_a_strangers_answer(
        self, api, neighbour_key, live_admin_key, till, method, path, body
    ):
        for key in (neighbour_key, live_admin_key):
            if not path:
                continue
            foreign = api(key).send(method, LIST + path.format(id=till.pk), body)
            absent = api(key).send(method, LIST + path.format(id=uuid.uuid4()), body)

            assert foreign.status_code == absent.status_code == 404
            assert foreign.json() == absent.json()
        till.refresh_from_db()
        assert till.is_active

    @pytest.mark.parametrize(("method", "path", "body"), WRITES)
    def test_lets_only_the_admin_write(
        self, api, manager_key, cashier_key, till, method, path, body
    ):
        for key in (manager_key, cashier_key):
            for target in (till.pk, uuid.uuid4()):
                response = api(key).send(method, LIST + path.format(id=target), body)

                assert (response.status_code, response.json()["code"]) == (403, "permission_denied")

    @pytest.mark.parametrize(("method", "path", "body"), READS)
    def test_lets_the_manager_read_and_not_the_cashier(
        self, api, manager_key, cashier_key, till, method, path, body
    ):
        target = LIST + path.format(id=till.pk)

        assert api(manager_key).send(method, target).status_code == 200
        assert api(cashier_key).send(method, target).status_code == 403
        assert api().send(method, target).status_code == 401
        assert api(cashier_key).get("/payments/active-config").status_code == 403

    def test_keeps_a_bound_key_to_its_branch(
        self, api, issue_key, shop, branch, till, make_config, actor, now
    ):
        own = make_config(shop, branch=branch)
        client = api(issue_key(shop, Role.ADMIN, branch=branch))

        created = client.post(LIST, {**BODY, "shortcode": "600777"}).json()

        assert created["branch"] == str(branch.pk)
        assert {row["id"] for row in client.get(LIST).json()["results"]} == {
            str(own.pk),
            created["id"],
        }
        assert client.get(of(till)).status_code == 404
        assert client.patch(of(own), {"branch": None}).status_code == 400

    def test_hides_what_is_deleted(self, api, admin_key, till, actor, now):
        configs.delete_config(config=till, actor=actor, now=now)

        assert till.name not in json.dumps(api(admin_key).get(LIST).json())
