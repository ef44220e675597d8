from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from tests.conftest import DARAJA_SECRETS
from tests.payments.api.config_requests import OUTPUT, errors, of

pytestmark = pytest.mark.django_db

NEW = {"consumer_key": "canary-newer-key-wxyz", "consumer_secret": "canary-newer-secret"}
BODY = {"credentials": NEW, "reason": "Yearly"}


class TestRotate:
    def test_answers_the_config_with_its_new_masks(self, api, admin_key, till, daraja):
        response = api(admin_key).post(of(till, "rotate"), BODY)

        body = response.json()
        assert response.status_code == 200
        assert body.keys() >= OUTPUT
        assert (body["version"], body["previous_version"]) == (2, 1)
        assert body["credentials"] == {
            "consumer_key": "****wxyz",
            "consumer_secret": "********",
            "passkey": "********",
        }
        assert not any(secret in response.text for secret in NEW.values())

    def test_says_what_the_provider_said(self, api, admin_key, till, daraja):
        body = {"credentials": {"consumer_secret": "bad-secret"}, "reason": "Yearly"}

        response = api(admin_key).post(of(till, "rotate"), body)

        said = response.json()
        assert response.status_code == 409
        assert (said["code"], said["stage"], said["staged"]) == (
            "verification_failed",
            "oauth",
            False,
        )
        assert "bad-secret" not in response.text

    def test_takes_a_time(self, api, admin_key, till, now):
        at = now.replace(microsecond=0) + timedelta(days=20)
        client = api(admin_key)

        body = client.post(of(till, "rotate"), {**BODY, "scheduled_at": at.isoformat()}).json()

        assert datetime.fromisoformat(body["rotation_scheduled_at"]) == at
        assert body["version"] == 1
        staged = client.get(of(till, "versions")).json()["results"][0]
        assert (staged["version"], staged["status"]) == (2, "staged")

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"reason": ""}, ("reason", "blank")),
            ({"reason": None}, ("reason", "null")),
            ({"credentials": {}}, ("credentials", "required")),
            ({"credentials": "all"}, ("credentials", "invalid")),
            ({"credentials": {"pin": "1234"}}, ("credentials.pin", "unknown_field")),
            ({"credentials": {"passkey": "a b"}}, ("credentials.passkey", "invalid")),
            ({"scheduled_at": "tomorrow"}, ("scheduled_at", "invalid")),
            ({"scheduled_at": "2020-01-01T00:00:00Z"}, ("scheduled_at", "out_of_range")),
            ({"surplus": 1}, ("surplus", "unknown_field")),
        ],
    )
    def test_says_what_is_wrong_field_by_field(self, api, admin_key, till, change, error):
        response = api(admin_key).post(of(till, "rotate"), {**BODY, **change})

        assert response.status_code == 400
        assert error in errors(response)
        assert till.versions.count() == 1

    def test_trims_what_was_pasted(self, api, admin_key, till, daraja):
        body = {**BODY, "credentials": {"passkey": "  canary-new-passkey\n"}}

        assert api(admin_key).post(of(till, "rotate"), body).status_code == 200

        current = till.versions.get(status="current")
        assert current.secrets["passkey"].reveal() == "canary-new-passkey"

    def test_names_what_is_allowed_instead(self, api, admin_key, shop, make_config):
        config = make_config(shop, status="draft")

        response = api(admin_key).post(of(config, "rotate"), BODY)

        assert response.status_code == 409
        assert response.json()["allowed"] == ["pending"]


class TestVersions:
    def test_are_listed_newest_first_with_who_when_and_why(self, api, admin_key, till, daraja):
        client = api(admin_key)
        client.post(of(till, "rotate"), BODY)

        response = client.get(of(till, "versions"))

        new, old = response.json()["results"]
        assert (new["version"], new["status"], new["reason"]) == (2, "current", "Yearly")
        assert (old["version"], old["status"]) == (1, "rotated")
        assert old["retired_at"] == new["activated_at"]
        assert new["created_by"] == "duka admin"
        assert new["credentials"]["consumer_key"] == "****wxyz"
        secrets = {*NEW.values(), *DARAJA_SECRETS.values()}
        assert not any(secret in response.text for secret in secrets)


class TestExpiry:
    def test_takes_a_day_to_come(self, api, admin_key, till):
        client = api(admin_key)
        day = (timezone.localdate() + timedelta(days=90)).isoformat()

        assert client.patch(of(till), {"credentials_expire_on": day}).status_code == 200
        assert client.get(of(till)).json()["credentials_expire_on"] == day

    @pytest.mark.parametrize(
        ("day", "code"),
        [("2020-01-01", "out_of_range"), ("tomorrow", "invalid"), (20300101, "invalid")],
    )
    def test_takes_no_other(self, api, admin_key, till, day, code):
        response = api(admin_key).patch(of(till), {"credentials_expire_on": day})

        assert errors(response) == {("credentials_expire_on", code)}
