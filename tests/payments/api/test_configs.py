from __future__ import annotations

import uuid

import pytest

from payments.models import PaymentConfig
from tests.conftest import DARAJA_SECRETS
from tests.payments.api.config_requests import BODY, LIST, OUTPUT, errors

pytestmark = pytest.mark.django_db


class TestCreate:
    def test_answers_the_draft_without_a_secret(self, api, admin_key, shop):
        response = api(admin_key).post(LIST, BODY)

        body = response.json()
        assert response.status_code == 201
        assert body.keys() == OUTPUT
        assert body["status"] == "draft"
        assert body["shop"] == str(shop.pk)
        assert body["environment"] == "sandbox"
        assert body["credentials"] == {
            "consumer_key": "****abcd",
            "consumer_secret": "********",
            "passkey": "********",
        }
        assert (body["min_amount"], body["max_amount"]) == ("1.00", "250000.00")
        assert body["daily_limit"] is None
        assert (body["version"], body["previous_version"]) == (1, None)
        assert not any(secret in response.text for secret in DARAJA_SECRETS.values())

    def test_takes_every_field(self, api, admin_key, branch):
        more = {
            "environment": "sandbox",
            "shop": str(admin_key.row.shop_id),
            "branch": str(branch.pk),
            "priority": 3,
            "min_amount": 10,
            "max_amount": "1500.50",
            "daily_limit": "100000",
            "monthly_limit": None,
            "purposes": ["rent", "rent", "a-b_9"],
            "metadata": {"tags": ["x"], "till": {"n": 1, "f": 1.5, "no": None}},
        }

        body = api(admin_key).post(LIST, {**BODY, **more}).json()

        assert body["branch"] == str(branch.pk)
        assert (body["min_amount"], body["max_amount"]) == ("10.00", "1500.50")
        assert (body["daily_limit"], body["monthly_limit"]) == ("100000.00", None)
        assert body["purposes"] == ["rent", "a-b_9"]
        assert body["metadata"] == more["metadata"]

    def test_says_that_a_store_number_is_missing(self, api, admin_key):
        response = api(admin_key).post(LIST, {**BODY, "store_number": ""})

        assert response.status_code == 400
        assert response.json()["code"] == "missing_store_number"
        assert errors(response) == {("store_number", "missing_store_number")}

    def test_names_the_config_in_the_way(self, api, admin_key, till):
        response = api(admin_key).post(LIST, BODY)

        assert response.status_code == 409
        assert response.json()["code"] == "duplicate_shortcode"
        assert response.json()["config"] == str(till.pk)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("environment", "production"),
            ("shop", "e67e9735-8848-442a-97b4-66bfa8f0f23c"),
            ("branch", "d67da4a3-6953-47a1-96ef-fbf1644e456c"),
            ("branch", "WEST"),
            ("callback_url", "https://evil.example"),
            ("status", "verified"),
            ("is_active", True),
            ("name", ""),
            ("name", 7),
            ("name", "a\x00b"),
            ("name", "a\nb"),
            ("name", "a\u202eb"),
            ("name", "x" * 101),
            ("name", None),
            ("provider", "mpesa"),
            ("provider", ["mpesa_till"]),
            ("shortcode", 174379),
            ("shortcode", "\uff11\uff17\uff14\uff13\uff17\uff19"),
            ("priority", "1"),
            ("priority", True),
            ("priority", 32_768),
            ("min_amount", "1_0"),
            ("min_amount", "1e1"),
            ("min_amount", 1.5),
            ("min_amount", "\u0661"),
            ("min_amount", " 10"),
            ("min_amount", "10\n"),
            ("min_amount", "1.234"),
            ("min_amount", -1),
            ("min_amount", True),
            ("max_amount", "250000.01"),
            ("daily_limit", "1" * 13),
            ("daily_limit", "0"),
            ("purposes", "rent"),
            ("purposes", ["Rent"]),
            ("purposes", [["rent"]]),
            ("purposes", [f"p{n}" for n in range(21)]),
            ("metadata", []),
            ("metadata", {"a": "\x00"}),
            ("metadata", {"\u202e": 1}),
            ("credentials", "abc"),
            ("credentials", {"passkey": 7}),
            ("credentials", {"pin": "1234"}),
        ],
    )
    def test_refuses_and_names_the_field(self, api, admin_key, field, value):
        response = api(admin_key).post(LIST, {**BODY, field: value})

        assert response.status_code == 400, response.text
        assert response.json()["code"] == "invalid"
        assert any(name.split(".")[0] == field for name, _code in errors(response))
        assert not PaymentConfig.objects.exists()

    def test_normalises_text(self, api, admin_key):
        body = api(admin_key).post(LIST, {**BODY, "name": "  Cafe\u0301 "}).json()

        assert body["name"] == "Caf\u00e9"

    def test_echoes_no_secret_in_an_error(self, api, admin_key):
        secrets = {**DARAJA_SECRETS, "passkey": "canary with spaces"}

        response = api(admin_key).post(LIST, {**BODY, "credentials": secrets})

        assert response.status_code == 400
        assert "canary" not in response.text


class TestList:
    def test_shows_the_keys_own_world_newest_first(
        self, api, admin_key, till, paybill, neighbour, shop, make_config
    ):
        make_config(neighbour)
        make_config(shop, environment="production")

        body = api(admin_key).get(LIST).json()

        assert [row["id"] for row in body["results"]] == [str(paybill.pk), str(till.pk)]
        assert body["next"] is body["previous"] is None

    def test_opens_no_secret_and_asks_no_more_for_more(
        self, api, admin_key, shop, make_config, django_assert_max_num_queries, monkeypatch
    ):
        for digit in range(6):
            make_config(shop, shortcode=f"60010{digit}")
        monkeypatch.setattr("payments.fields.Sealed.reveal_bytes", None)

        with django_assert_max_num_queries(5):
            body = api(admin_key).get(LIST).json()

        assert len(body["results"]) == 6
        assert body["results"][0]["credentials"]["passkey"] == "********"

    def test_pages(self, api, admin_key, shop, make_config):
        made = [make_config(shop, shortcode=f"60010{digit}") for digit in range(5)]
        wanted = [str(config.pk) for config in reversed(made)]
        till = api(admin_key)

        pages, url = [], f"{LIST}?limit=2"
        while url:
            body = till.get(url).json()
            pages.append([row["id"] for row in body["results"]])
            url = body["next"] and body["next"].partition("/api/v1")[2]

        assert pages == [wanted[:2], wanted[2:4], wanted[4:]]
        assert body["previous"]

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ({"provider": "mpesa_till"}, 1),
            ({"provider": "card"}, 0),
            ({"status": "verified"}, 2),
            ({"status": "draft"}, 0),
            ({"is_active": "true"}, 2),
            ({"is_active": "false"}, 0),
            ({"purpose": "rent"}, 0),
            ({"environment": "sandbox"}, 2),
            ({"branch": str(uuid.uuid4())}, 0),
        ],
    )
    def test_filters(self, api, admin_key, till, paybill, query, count):
        response = api(admin_key).get(LIST, query)

        assert response.status_code == 200, response.text
        assert len(response.json()["results"]) == count

    @pytest.mark.parametrize(
        "query",
        [
            "colour=red",
            "environment=production",
            "shop=00000000-0000-0000-0000-000000000000",
            "status=VERIFIED",
            "is_active=1",
            "branch=WEST",
            "branch=",
            "limit=0",
            "limit=201",
            "limit=-1",
            "limit=ten",
            "limit=%D9%A1",
            "limit=",
            "cursor=nonsense",
            "cursor=cD1ub3RhdGltZQ%3D%3D",
            "cursor=bz14",
            "status=draft&status=verified",
        ],
    )
    def test_refuses_what_it_does_not_know(self, api, admin_key, till, query):
        response = api(admin_key).get(f"{LIST}?{query}")

        assert response.status_code == 400, response.text
        assert response.json()["code"] == "invalid"
        assert errors(response)

    def test_takes_the_largest_page(self, api, admin_key, till):
        assert api(admin_key).get(f"{LIST}?limit=200").status_code == 200
