from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client, override_settings

from payments.providers.daraja import result_codes
from tenants import services as tenants
from tenants.roles import Role

pytestmark = pytest.mark.django_db

CONFIGS = "/payments/configs"


def is_problem(response, status, code):
    body = response.json()
    return (
        response.status_code == body["status"] == status
        and body["code"] == code
        and response["Content-Type"] == "application/problem+json"
        and {"type", "title", "detail", "errors", "message"} <= body.keys()
        and {"en", "sw"} == body["message"].keys()
    )


class TestBodies:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"{", "malformed"),
            (b"name=x", "malformed"),
            (b" ", "empty"),
            (b"[]", "not_an_object"),
            (b'"text"', "not_an_object"),
            (b"7", "not_an_object"),
            (b"null", "not_an_object"),
            (b"\xef\xbb\xbf{}", "encoding"),
            (b'{"name": "\xff"}', "encoding"),
            (b'{"name": "\\ud800"}', "encoding"),
            ("{}".encode("utf-16"), "encoding"),
            (b'{"name": "a\x00b"}', "malformed"),
            (b'{"min_amount": NaN}', "not_a_number"),
            (b'{"min_amount": -Infinity}', "not_a_number"),
            (b'{"min_amount": ' + b"9" * 5000 + b"}", "number_too_long"),
            (b'{"min_amount": 1e999999999}', "number_too_long"),
            (b'{"name": "a", "name": "b"}', "duplicate_key"),
            (b'{"metadata": ' + b"[" * 16 + b"]" * 16 + b"}", "too_deep"),
            (b'{"a":' * 2500, "too_deep"),
        ],
    )
    def test_refuses_what_is_no_plain_object(self, api, admin_key, body, reason):
        response = api(admin_key).post(CONFIGS, body)

        assert is_problem(response, 400, "invalid"), response.text
        assert [row["code"] for row in response.json()["errors"]] == [reason]

    @pytest.mark.parametrize("nesting", [8_000, 100_000])
    def test_survives_any_nesting(self, api, admin_key, nesting):
        response = api(admin_key).post(CONFIGS, b"[" * nesting + b"]" * nesting)

        assert response.status_code in {400, 413}

    def test_takes_sixteen_kibibytes_and_no_more(self, api, admin_key):
        fitting = b'{"name": "x"' + b" " * (16_384 - 13) + b"}"

        at_the_edge = api(admin_key).post(CONFIGS, fitting)
        beyond = api(admin_key).post(CONFIGS, fitting + b" ")

        assert len(fitting) == 16_384
        assert {row["field"] for row in at_the_edge.json()["errors"]} == {"provider", "shortcode"}
        assert is_problem(beyond, 413, "too_large")

    @pytest.mark.parametrize(
        "content_type",
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"],
    )
    def test_reads_only_json(self, api, admin_key, content_type):
        response = api(admin_key).post(CONFIGS, b"{}", content_type=content_type)

        assert is_problem(response, 415, "unsupported_media_type")

    @pytest.mark.parametrize(
        "content_type", ["application/json; charset=utf-8", "Application/JSON"]
    )
    def test_reads_json_however_it_is_written(self, api, admin_key, content_type):
        assert api(admin_key).post(CONFIGS, b"{}", content_type=content_type).status_code == 400

    def test_shortens_a_field_name_it_does_not_know(self, api, admin_key):
        response = api(admin_key).post(CONFIGS, {"x" * 5000: 1})

        assert response.json()["errors"][0]["field"] == "x" * 64


class TestRoutes:
    @pytest.mark.parametrize(
        "path",
        [
            "/nowhere",
            "/me/",
            "/payments/configs/",
            "/payments/configs/7",
            "/payments/configs/ABCDEF00-0000-0000-0000-000000000000",
            "//me",
            "/me%00",
        ],
    )
    def test_answers_404_without_a_redirect(self, api, admin_key, path):
        assert is_problem(api(admin_key).get(path), 404, "not_found")

    @pytest.mark.parametrize("path", ["/api", "/api/", "/api/v2/me", "/api/v1", "/api/docs/"])
    def test_answers_404_around_it_too(self, db, path):
        assert is_problem(Client().get(path), 404, "not_found")

    @pytest.mark.parametrize(
        "method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"]
    )
    def test_answers_405_and_says_what_is_allowed(self, api, admin_key, method):
        response = api(admin_key).send(method, "/me")

        assert response.status_code == 405
        assert response["Allow"] == "GET"

    def test_wants_a_key_first(self, api, till):
        for key in ("", "nonsense", "mlp_test_aaaaaaaaaaaa_" + "0" * 64):
            response = api(key).get(f"{CONFIGS}/{till.pk}")

            assert is_problem(response, 401, "not_authenticated")
            assert response["WWW-Authenticate"].startswith("Bearer")

    def test_answers_json_whatever_is_accepted(self, api, admin_key):
        response = api(admin_key).get("/me", Accept="text/html")

        assert (response.status_code, response["Content-Type"]) == (200, "application/json")

    def test_takes_no_session(self, db, client):
        assert client.get("/api/v1/me").status_code == 401

    def test_echoes_the_request_id_and_keeps_nothing_in_caches(self, api, admin_key):
        response = api(admin_key).get("/me", X_Request_ID="till-7.4711")

        assert response["X-Request-ID"] == "till-7.4711"
        assert response["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in response

    @override_settings(API_RATE_PER_KEY_PER_MINUTE=2)
    def test_counts_down(self, api, admin_key):
        left = [api(admin_key).get("/me")["RateLimit-Remaining"] for _ in range(2)]

        beyond = api(admin_key).get("/me")

        assert left == ["1", "0"]
        assert is_problem(beyond, 429, "rate_limited")
        assert beyond["Retry-After"] == str(beyond.json()["retry_after"])

    @override_settings(ALLOWED_HOSTS=["pay.test"])
    def test_makes_links_for_no_strange_host(self, api, admin_key):
        response = api(admin_key).get("/me", Host="evil.example")

        assert is_problem(response, 400, "invalid")

    @override_settings(DEBUG_PROPAGATE_EXCEPTIONS=False)
    def test_tells_nothing_of_an_error_of_ours(self, api, admin_key, monkeypatch, caplog):
        monkeypatch.setattr("payments.api.identity.Me.get", _fail)

        response = api(admin_key).get("/me")

        assert is_problem(response, 500, "unavailable")
        assert "canary" not in response.text


class TestMe:
    def test_says_who_one_is(self, api, branch_cashier_key, shop, branch):
        body = api(branch_cashier_key).get("/me").json()

        row = branch_cashier_key.row
        assert body == {
            "shop": {"id": str(shop.pk), "name": "Duka", "slug": "duka"},
            "branch": {"id": str(branch.pk), "code": "WEST", "name": "Westlands"},
            "role": "cashier",
            "environment": "sandbox",
            "key": {"id": str(row.pk), "name": row.name, "expires_at": None},
        }

    def test_has_no_branch_without_one(self, api, admin_key):
        assert api(admin_key).get("/me").json()["branch"] is None

    def test_ends_with_the_key(self, api, issue_key, shop, now):
        expired = issue_key(shop, Role.ADMIN, expires_at=now - timedelta(seconds=1))
        revoked = issue_key(shop, Role.ADMIN)
        tenants.revoke_api_key(key=revoked.row, now=now)

        assert api(expired).get("/me").status_code == 401
        assert api(revoked).get("/me").status_code == 401


class TestResultCodes:
    def test_lists_every_code(self, api, cashier_key):
        client = api(cashier_key)

        codes, url = [], "/result-codes?limit=7"
        while url:
            body = client.get(url).json()
            codes += [row["code"] for row in body["results"]]
            url = body["next"] and body["next"].partition("/api/v1")[2]

        assert codes == [row.code for row in result_codes.ALL]
        assert body["previous"]

    @pytest.mark.parametrize("code", ["0", "1032", "SFC_IC0003", "404.001.03"])
    def test_explains_one(self, api, cashier_key, code):
        body = api(cashier_key).get(f"/result-codes/{code}").json()

        assert body.keys() == {
            "code",
            "provider",
            "finality",
            "fault",
            "message",
            "next_step",
            "who_acts",
            "retry_after",
            "source",
        }
        assert body["code"] == code
        assert body["message"]["en"]
        assert body["message"]["sw"]

    def test_knows_what_it_does_not_know(self, api, cashier_key):
        assert is_problem(api(cashier_key).get("/result-codes/77777"), 404, "not_found")

    @pytest.mark.parametrize("query", ["limit=0", "cursor=x", "cursor=-1", "colour=red"])
    def test_is_strict(self, api, cashier_key, query):
        assert api(cashier_key).get(f"/result-codes?{query}").status_code == 400


def _fail(*_args, **_kwargs):
    raise RuntimeError("canary")
