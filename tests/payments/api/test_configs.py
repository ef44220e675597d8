from __future__ import annotations

import json
import uuid

import pytest

from payments.models import PaymentConfig
from payments.services import configs
from tenants.roles import Role
from tests.conftest import DARAJA_SECRETS

pytestmark = pytest.mark.django_db

LIST = "/payments/configs"
BODY = {
    "name": "Main till",
    "provider": "mpesa_till",
    "shortcode": "174379",
    "store_number": "600996",
    "credentials": DARAJA_SECRETS,
}
OUTPUT = {
    "id",
    "shop",
    "branch",
    "name",
    "provider",
    "environment",
    "shortcode",
    "store_number",
    "account_number",
    "account_prefix",
    "priority",
    "min_amount",
    "max_amount",
    "daily_limit",
    "monthly_limit",
    "purposes",
    "metadata",
    "status",
    "is_active",
    "is_default",
    "health",
    "suspended_reason",
    "version",
    "previous_version",
    "credentials",
    "verified_at",
    "verified_by",
    "last_tested_at",
    "last_test_result",
    "last_test_error",
    "rotation_scheduled_at",
    "token_expires_at",
    "last_token_refresh_at",
    "created_at",
    "updated_at",
}


def of(config, act=""):
    return f"{LIST}/{config.pk}{act and '/' + act}"


def errors(response):
    return {(row["field"], row["code"]) for row in response.json()["errors"]}


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
            ("shop", str(uuid.uuid4())),
            ("branch", str(uuid.uuid4())),
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


class TestDetail:
    def test_puts_defaults_where_nothing_is_said(self, api, admin_key, till):
        client = api(admin_key)
        client.patch(of(till), {"priority": 4, "purposes": ["rent"], "daily_limit": "9"})
        body = {name: value for name, value in BODY.items() if name != "credentials"}

        answer = client.put(of(till), body).json()

        assert (answer["priority"], answer["purposes"], answer["daily_limit"]) == (0, [], None)
        assert answer["credentials"]["consumer_key"] == "****abcd"

    def test_patches_only_what_is_said(self, api, admin_key, till):
        client = api(admin_key)
        client.patch(of(till), {"priority": 4, "metadata": {"a": 1}})

        answer = client.patch(of(till), {"name": "Front"}).json()

        assert (answer["name"], answer["priority"], answer["metadata"]) == ("Front", 4, {"a": 1})

    def test_wants_a_whole_config_in_a_put(self, api, admin_key, till):
        response = api(admin_key).put(of(till), {"name": "Front"})

        assert errors(response) == {("provider", "required"), ("shortcode", "required")}

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_leaves_credentials_of_a_verified_one_to_rotation(self, api, admin_key, till, method):
        response = api(admin_key).send(method, of(till), BODY)

        assert response.status_code == 409
        assert response.json()["code"] == "invalid_transition"
        assert response.json()["allowed"] == ["expired", "suspended"]

    def test_takes_new_credentials_in_draft(self, api, admin_key, shop, make_config):
        config = make_config(shop, status="draft")

        body = (
            api(admin_key)
            .patch(of(config), {"credentials": {"consumer_key": "another-key-wxyz"}})
            .json()
        )

        assert body["credentials"]["consumer_key"] == "****wxyz"
        assert body["credentials"]["passkey"] == "********"
        assert body["version"] == 2

    def test_is_gone_once_deleted(self, api, admin_key, till):
        client = api(admin_key)

        response = client.delete(of(till))

        assert (response.status_code, response.content) == (204, b"")
        assert client.get(of(till)).status_code == 404
        assert client.delete(of(till)).status_code == 404
        assert client.get(LIST).json()["results"] == []


class TestActs:
    def test_takes_a_config_from_draft_to_the_first_payment(self, api, admin_key, daraja):
        client = api(admin_key)
        path = f"{LIST}/{client.post(LIST, BODY).json()['id']}"

        refused = client.post(f"{path}/activate")
        verified = client.post(f"{path}/verify").json()
        active = client.post(f"{path}/activate", {}).json()
        default = client.post(f"{path}/set-default").json()

        assert (refused.status_code, refused.json()["code"]) == (409, "not_verified")
        assert [log["stage"] for log in verified["logs"]] == ["fields", "oauth"]
        assert verified["config"]["status"] == "verified"
        assert verified["config"]["token_expires_at"]
        assert active["is_active"]
        assert default["is_default"]
        found = client.get("/payments/active-config").json()
        assert found["config"]["id"] == active["id"]
        logs = client.get(f"{path}/verification-logs").json()
        assert [log["stage"] for log in logs["results"]] == ["oauth", "fields"]

    def test_answers_what_safaricom_refused(self, api, admin_key, daraja):
        client = api(admin_key)
        secrets = {**DARAJA_SECRETS, "consumer_secret": "bad-one"}
        created = client.post(LIST, {**BODY, "credentials": secrets}).json()

        response = client.post(f"{LIST}/{created['id']}/verify", {"stages": ["fields", "oauth"]})

        assert response.status_code == 200
        assert response.json()["config"]["status"] == "failed"
        assert response.json()["logs"][-1]["result"] == "failed"
        assert "bad-one" not in response.text

    def test_asks_for_missing_credentials(self, api, admin_key):
        client = api(admin_key)
        created = client.post(LIST, {**BODY, "credentials": {"passkey": "p"}}).json()

        response = client.post(f"{LIST}/{created['id']}/verify")

        assert (response.status_code, response.json()["code"]) == (400, "credentials_required")
        assert errors(response) == {
            ("credentials.consumer_key", "required"),
            ("credentials.consumer_secret", "required"),
        }

    def test_suspends_and_restores(self, api, admin_key, till, daraja):
        client = api(admin_key)

        suspended = client.post(of(till, "suspend"), {"reason": "Stolen phone"}).json()
        again = client.post(of(till, "suspend"), {"reason": "Stolen phone"})
        restored = client.post(of(till, "restore"), {"reason": "Found"}).json()

        assert (suspended["status"], suspended["is_active"]) == ("suspended", False)
        assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")
        assert (restored["status"], restored["is_active"]) == ("verified", False)

    @pytest.mark.parametrize("act", ["suspend", "restore"])
    @pytest.mark.parametrize("body", [None, {}, {"reason": " "}, {"reason": "x" * 201}])
    def test_wants_a_reason(self, api, admin_key, till, act, body):
        response = api(admin_key).post(of(till, act), body)

        assert response.status_code == 400
        assert {field for field, _code in errors(response)} == {"reason"}

    @pytest.mark.parametrize("act", ["activate", "deactivate", "set-default", "verify"])
    def test_takes_no_field_it_does_not_know(self, api, admin_key, till, act):
        response = api(admin_key).post(of(till, act), {"force": True})

        assert errors(response) == {("force", "unknown_field")}

    def test_deactivates(self, api, admin_key, till):
        assert api(admin_key).post(of(till, "deactivate")).json()["is_active"] is False


class TestActiveConfig:
    def test_says_why(self, api, manager_key, till, paybill):
        body = api(manager_key).get("/payments/active-config", {"amount": "150"}).json()

        assert body["config"]["id"] == str(till.pk)
        assert body["resolution"] == [
            {
                "config": str(till.pk),
                "name": "Main till",
                "level": "shop",
                "chosen": True,
                "why": "chosen",
            },
            {
                "config": str(paybill.pk),
                "name": "Paybill",
                "level": "shop",
                "chosen": False,
                "why": "lower_priority",
            },
        ]

    def test_says_why_there_is_none(self, api, admin_key, shop, make_config):
        make_config(shop, is_active=False)

        response = api(admin_key).get("/payments/active-config")

        assert (response.status_code, response.json()["code"]) == (404, "no_active_config")
        assert [step["why"] for step in response.json()["resolution"]] == ["inactive"]

    def test_answers_the_same_where_the_amount_does_not_fit(self, api, admin_key, till):
        response = api(admin_key).get("/payments/active-config?amount=250001")

        assert (response.status_code, response.json()["code"]) == (404, "no_active_config")
        assert response.json()["resolution"][0]["why"] == "amount_above_maximum"

    def test_looks_from_a_branch(self, api, admin_key, branch, till, shop, make_config):
        own = make_config(shop, branch=branch)

        found = api(admin_key).get("/payments/active-config", {"branch": str(branch.pk)}).json()

        assert found["config"]["id"] == str(own.pk)

    @pytest.mark.parametrize(
        "query", ["environment=production", "amount=1e3", "amount=-1", "colour=red", "branch=x"]
    )
    def test_is_strict(self, api, admin_key, till, query):
        assert api(admin_key).get(f"/payments/active-config?{query}").status_code == 400


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
