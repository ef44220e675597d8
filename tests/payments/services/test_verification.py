from __future__ import annotations

import json

import pytest
import responses
from django.conf import settings

from payments.choices import ConfigStatus, VerificationResult, VersionStatus
from payments.errors import (
    CredentialsRequired,
    InvalidInput,
    InvalidTransition,
    VerificationFailed,
)
from payments.models import AccessToken, VerificationLog
from payments.services import configs, verification
from tests.conftest import DARAJA_SECRETS

pytestmark = pytest.mark.django_db
BASICS = ["fields", "base_url", "oauth", "passkey", "callback", "urls"]

BAD_SECRETS = {**DARAJA_SECRETS, "consumer_secret": "bad-secret"}


def verify(config, actor, now, **more):
    return verification.verify_config(config=config, actor=actor, now=now, **more)


@pytest.fixture
def draft(shop, make_config):
    return make_config(shop, status="draft")


@pytest.fixture
def silent_daraja():
    """A Safaricom that takes the request and never answers in time."""
    with responses.RequestsMock() as mock:
        mock.get(
            f"{settings.DARAJA_SANDBOX_URL}/oauth/v1/generate",
            body=b"<html>Service Unavailable</html>",
            status=503,
        )
        yield mock


class TestVerifyConfig:
    def test_verifies_a_draft(self, draft, daraja, actor, now):
        run = verify(draft, actor, now)

        draft.refresh_from_db()
        assert run.config.status == draft.status == ConfigStatus.VERIFIED
        assert not draft.is_active
        assert (draft.verified_at, draft.verified_by) == (now, "tests")
        assert (draft.last_tested_at, draft.last_test_result) == (now, "success")
        assert [(log.stage, log.result) for log in run.logs] == [
            (stage, "success") for stage in BASICS
        ]
        assert draft.versions.get().activated_at == now

    def test_keeps_the_token_as_the_shared_one(self, draft, daraja, actor, now):
        verify(draft, actor, now)

        token = AccessToken.objects.get(pk=draft.versions.get().app_fingerprint)
        assert token.expires_at > now
        assert daraja.tokens_issued == 1

    def test_asks_for_a_fresh_token_each_time(self, draft, daraja, actor, now):
        verify(draft, actor, now)
        verify(draft, actor, now)

        assert daraja.tokens_issued == 2

    def test_fails_what_safaricom_refuses(self, shop, make_config, daraja, actor, now):
        config = make_config(shop, status="draft", credentials=BAD_SECRETS)

        run = verify(config, actor, now)

        config.refresh_from_db()
        assert config.status == ConfigStatus.FAILED
        assert run.result == VerificationResult.FAILED
        assert config.last_test_result == "failed"
        assert "refused" in config.last_test_error

    def test_leaves_pending_what_got_no_answer(self, draft, silent_daraja, actor, now):
        run = verify(draft, actor, now)

        draft.refresh_from_db()
        assert draft.status == ConfigStatus.PENDING
        assert run.result == draft.last_test_result == VerificationResult.TIMEOUT

    def test_goes_on_from_pending(self, shop, make_config, daraja, actor, now):
        config = make_config(shop, status="pending")

        assert verify(config, actor, now).config.status == ConfigStatus.VERIFIED

    def test_goes_on_from_failed(self, shop, make_config, daraja, actor, now):
        config = make_config(shop, status="failed")

        assert verify(config, actor, now).config.status == ConfigStatus.VERIFIED

    def test_keeps_a_verified_config_verified_and_active(self, till, silent_daraja, actor, now):
        run = verify(till, actor, now)

        till.refresh_from_db()
        assert till.status == ConfigStatus.VERIFIED
        assert till.is_active
        assert till.last_test_result == VerificationResult.TIMEOUT
        assert [log.stage for log in run.logs] == BASICS[:3]

    def test_keeps_it_even_when_refused(self, shop, make_config, daraja, actor, now):
        config = make_config(shop, credentials=BAD_SECRETS)

        run = verify(config, actor, now)

        assert run.config.status == ConfigStatus.VERIFIED
        assert run.config.last_test_result == VerificationResult.FAILED

    def test_asks_for_what_is_missing(self, shop, make_config, daraja, actor, now):
        config = make_config(shop, status="draft", credentials={"consumer_key": "k" * 20})

        with pytest.raises(CredentialsRequired) as caught:
            verify(config, actor, now)

        missing = [name for name, _code, _detail in caught.value.errors]
        assert missing == ["credentials.consumer_secret", "credentials.passkey"]
        config.refresh_from_db()
        assert config.status == ConfigStatus.DRAFT

    def test_asks_for_credentials_where_there_are_none(self, shop, make_config, actor, now):
        config = make_config(shop, status="draft", credentials={})

        with pytest.raises(CredentialsRequired):
            verify(config, actor, now)

    def test_refuses_an_expired_one(self, shop, make_config, daraja, actor, now):
        config = make_config(shop, status="expired")

        with pytest.raises(InvalidTransition) as caught:
            verify(config, actor, now)

        assert caught.value.data["allowed"] == ["draft"]

    def test_says_so_where_nobody_can_ask(self, shop, make_config, actor, now):
        secrets = {"api_key": "k", "merchant_id": "m"}
        config = make_config(
            shop, provider="card", shortcode="12345", status="draft", credentials=secrets
        )

        with pytest.raises(VerificationFailed):
            verify(config, actor, now)

        config.refresh_from_db()
        assert config.status == ConfigStatus.DRAFT

    def test_runs_some_stages_without_moving_anything(self, draft, actor, now):
        run = verify(draft, actor, now, stages=["fields"])

        assert run.config.status == ConfigStatus.DRAFT
        assert [log.stage for log in run.logs] == ["fields"]

    @pytest.mark.parametrize("stages", [[], ["horoscope"], ["oauth", "horoscope"]])
    def test_knows_its_stages(self, draft, actor, now, stages):
        with pytest.raises(InvalidInput):
            verify(draft, actor, now, stages=stages)

    def test_writes_no_secret_and_no_token_into_its_log(self, draft, daraja, actor, now, caplog):
        with caplog.at_level("DEBUG"):
            verify(draft, actor, now)

        token = AccessToken.objects.get().token.reveal()
        written = json.dumps(list(VerificationLog.objects.values()), default=str) + caplog.text
        assert not any(secret in written for secret in (*DARAJA_SECRETS.values(), token))

    def test_uses_the_version_in_use(self, draft, daraja, actor, now):
        configs.update_config(
            config=draft,
            changes={},
            credentials={"consumer_secret": "bad-now"},
            actor=actor,
            now=now,
        )

        run = verify(draft, actor, now)

        assert run.result == VerificationResult.FAILED
        assert run.logs[-1].version.number == 2
        assert draft.versions.get(status=VersionStatus.CURRENT).activated_at is None


class TestRestoreConfig:
    def test_verifies_again_and_does_not_switch_on(self, till, daraja, actor, now):
        configs.suspend_config(config=till, reason="Stolen phone", actor=actor, now=now)

        config = verification.restore_config(config=till, reason="Found", actor=actor, now=now)

        assert config.status == ConfigStatus.VERIFIED
        assert not config.is_active
        assert config.suspended_reason == ""

    def test_takes_only_a_suspended_one(self, till, actor, now):
        with pytest.raises(InvalidTransition):
            verification.restore_config(config=till, reason="Found", actor=actor, now=now)

    def test_wants_a_reason(self, till, actor, now):
        configs.suspend_config(config=till, reason="Stolen phone", actor=actor, now=now)

        with pytest.raises(InvalidInput):
            verification.restore_config(config=till, reason="", actor=actor, now=now)
