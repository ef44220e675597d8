from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db(transaction=True)


class TestEvents:
    @pytest.fixture
    def taken(self, api, cashier_key, till, daraja, client):
        made = api(cashier_key).post(
            "/payments", {"amount": 150, "phone_number": "0712345678"}, **{"Idempotency-Key": "k1"}
        )
        daraja.deliver(client)
        return made.json()

    def test_are_numbered_from_one_in_their_order(self, taken, api, admin_key):
        page = api(admin_key).get("/events").json()

        assert [row["seq"] for row in page["results"]] == [1, 2, 3]
        assert [row["type"] for row in page["results"]] == [
            "payment.created",
            "payment.pending",
            "payment.completed",
        ]
        assert page["last_seq"] == 3
        assert page["results"][2]["data"]["id"] == taken["id"]
        assert page["results"][2]["data"]["paid"] is True

    def test_go_on_after_a_number(self, taken, api, admin_key):
        page = api(admin_key).get("/events", {"after": "1", "limit": "1"}).json()

        assert [row["seq"] for row in page["results"]] == [2]
        assert page["last_seq"] == 3

    def test_are_found_by_type(self, taken, api, admin_key):
        page = api(admin_key).get("/events", {"type": "payment.completed"}).json()

        assert [row["seq"] for row in page["results"]] == [3]

    def test_show_no_whole_number_of_a_payer(self, taken, api, admin_key):
        assert "712345678" not in api(admin_key).get("/events").content.decode()

    def test_stay_in_their_shop_and_environment(self, taken, api, neighbour_key, live_admin_key):
        for key in (neighbour_key, live_admin_key):
            assert api(key).get("/events").json() == {"results": [], "last_seq": 0}

    def test_are_not_for_keys_bound_to_a_branch(self, taken, api, shop, branch, issue_key):
        key = issue_key(shop, "admin", branch=branch)

        assert api(key).get("/events").status_code == 403

    def test_are_not_for_cashiers(self, taken, api, cashier_key):
        assert api(cashier_key).get("/events").status_code == 403

    @pytest.mark.parametrize(
        "query", [{"after": "-1"}, {"after": "x"}, {"limit": "0"}, {"limit": "201"}]
    )
    def test_refuse_a_garbled_query(self, taken, api, admin_key, query):
        assert api(admin_key).get("/events", query).status_code == 400
