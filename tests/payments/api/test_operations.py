from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from payments.errors import CannotOpen
from reconciliation.models import SweepState

pytestmark = pytest.mark.django_db


class TestProbes:
    def test_is_alive(self, client):
        response = client.get("/healthz", headers={"Host": "10.0.0.7"})

        assert (response.status_code, response.json()) == (200, {"status": "ok"})
        assert client.head("/healthz").status_code == 200
        assert client.post("/healthz").status_code == 405

    def test_is_ready_while_sweeps_run(self, client):
        SweepState.objects.create(name="reprocess_callbacks", finished_at=timezone.now())

        response = client.get("/readyz")

        assert response.json()["checks"].keys() == {
            "database",
            "durability",
            "migrations",
            "keys",
            "credentials",
            "sweep",
        }
        assert response.json()["checks"]["sweep"] == "ok"

    @pytest.mark.parametrize("age", [None, timedelta(minutes=10)])
    def test_is_not_ready_without_sweeps(self, client, age):
        if age is not None:
            SweepState.objects.create(name="x", finished_at=timezone.now() - age)

        response = client.get("/readyz")

        assert (response.status_code, response.json()["status"]) == (503, "not_ready")
        assert "sweep" in response.json()["checks"]["sweep"]

    def test_is_not_ready_when_a_check_breaks(self, client, monkeypatch):
        monkeypatch.setattr("payments.encryption.Keyring.open", _cannot_open)

        body = client.get("/readyz").json()

        assert body["checks"]["keys"] == "failed"
        assert "canary" not in str(body)

    def test_misses_a_key_that_credentials_need(self, client, till, settings, monkeypatch):
        monkeypatch.setattr("reconciliation.operations._credentials_ok.until", 0.0)
        settings.FIELD_ENCRYPTION_KEYS = {"new": b"n" * 32}

        response = client.get("/readyz")

        assert response.status_code == 503
        assert "lacks" in response.json()["checks"]["credentials"]

    @override_settings(DEBUG=False, SECURE_SSL_REDIRECT=False)
    def test_refuses_a_forgetful_database(self, client):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")

        assert client.get("/readyz").json()["checks"]["durability"] == "synchronous_commit is off"


class TestDocs:
    def test_describes_every_route(self, client):
        response = client.get("/api/schema", headers={"Accept": "application/json"})

        paths = response.json()["paths"]
        assert response.status_code == 200
        assert "/api/v1/payments/configs/{config_id}/verify" in paths
        assert "apiKey" in response.json()["components"]["securitySchemes"]
        operation = paths["/api/v1/payments/configs"]["get"]
        assert {row["name"] for row in operation["parameters"]} >= {"limit", "cursor", "status"}
        assert "application/problem+json" in operation["responses"]["default"]["content"]

    def test_shows_them_under_the_strict_policy(self, client):
        response = client.get("/api/docs")

        policy = response["Content-Security-Policy"]
        nonce = policy.partition("'nonce-")[2].partition("'")[0]
        assert response.status_code == 200
        assert "unsafe" not in policy
        assert nonce
        assert response.text.count("<style") == response.text.count(f'<style nonce="{nonce}"') == 1
        assert response.text.count("<script") == response.text.count("<script src=") == 3


def _cannot_open(*_args, **_kwargs):
    raise CannotOpen("canary")
