"""One access token per Daraja app, however many ask for it at once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from payments.errors import CredentialsRefused, ProviderError
from payments.models import AccessToken, CredentialVersion
from payments.services import tokens
from reconciliation import sweeps
from tests.committed import committed_db as committed_db  # noqa: PLC0414 - a fixture
from tests.journeys.shopfloor import at_once


@pytest.fixture
def db(committed_db):
    """Commit for real: threads ask."""


@pytest.fixture
def version(till):
    return CredentialVersion.objects.select_related("config").get(config=till)


def fresh(version):
    """The version as another process would read it."""
    return CredentialVersion.objects.select_related("config").get(pk=version.pk)


class TestValidToken:
    def test_is_fetched_once_by_sixteen(self, version, daraja, now):
        answers = at_once([lambda: tokens.valid_token(version=fresh(version), now=now)] * 16)

        assert len(set(answers)) == 1
        assert daraja.tokens_issued == 1

    def test_is_shared_by_configs_of_one_app(self, version, shop, make_config, daraja, now):
        other = CredentialVersion.objects.select_related("config").get(
            config=make_config(shop, shortcode="600200")
        )

        one = tokens.valid_token(version=version, now=now)

        assert tokens.valid_token(version=other, now=now) == one
        assert daraja.tokens_issued == 1

    def test_is_not_lent_to_who_knows_the_key_alone(
        self, version, neighbour, make_config, daraja, now
    ):
        """A neighbour who learnt our consumer key, but not the secret."""
        stolen = make_config(
            neighbour,
            credentials={
                "consumer_key": "canary-consumer-key-abcd",
                "consumer_secret": "bad-guess",
                "passkey": "x",
            },
        )
        tokens.valid_token(version=version, now=now)

        with pytest.raises(CredentialsRefused):
            tokens.valid_token(
                version=CredentialVersion.objects.select_related("config").get(config=stolen),
                now=now,
            )

    def test_is_renewed_when_it_has_less_than_a_minute(self, version, daraja, now):
        first = tokens.valid_token(version=version, now=now)
        row = AccessToken.objects.get()

        late = row.expires_at - timedelta(seconds=61)
        assert tokens.valid_token(version=version, now=late) == first
        too_late = row.expires_at - timedelta(seconds=59)
        assert tokens.valid_token(version=version, now=too_late) != first

    def test_lies_sealed_in_the_database(self, version, daraja, now):
        text = tokens.valid_token(version=version, now=now)
        row = AccessToken.objects.get()

        assert text not in str(vars(row))
        assert row.token.reveal() == text

    def test_of_a_process_that_died_fetching_is_fetched_by_another(self, version, daraja, now):
        AccessToken.objects.create(
            pk=version.app_fingerprint,
            environment="sandbox",
            refreshing_until=now - timedelta(seconds=1),
        )

        assert tokens.valid_token(version=version, now=now)

    def test_being_fetched_is_waited_for(self, version, daraja, now):
        AccessToken.objects.create(
            pk=version.app_fingerprint,
            environment="sandbox",
            refreshing_until=now + timedelta(seconds=30),
        )
        timer = threading.Timer(0.2, lambda: _put_token(version, "found"))
        timer.start()

        assert tokens.valid_token(version=version, now=now) == "found"
        assert daraja.tokens_issued == 0
        timer.join()

    def test_not_had_leaves_the_way_free_for_the_next(self, version, daraja, now):
        daraja.break_next("oauth", "server_error")
        with pytest.raises(ProviderError) as failure:
            tokens.valid_token(version=version, now=now)

        assert failure.value.may_have_reached_customer is False
        assert AccessToken.objects.get().refreshing_until is None
        assert tokens.valid_token(version=version, now=now)

    def test_that_no_secret_opens_for_leaves_the_way_free_too(self, version, daraja, now):
        broken = fresh(version)
        vars(broken)["secrets"]["consumer_secret"] = "v1.gone.AAAA.AAAA"

        with pytest.raises(Exception, match="does not open"):
            tokens.valid_token(version=broken, now=now)

        assert AccessToken.objects.get().refreshing_until is None


class TestRenewRefused:
    def test_renews_once_for_sixteen_who_were_refused(self, version, daraja, now):
        dead = tokens.valid_token(version=version, now=now)
        daraja.kill_token()

        answers = at_once(
            [lambda: tokens.renew_refused(version=fresh(version), refused=dead, now=now)] * 16
        )

        assert len(set(answers)) == 1
        assert dead not in answers
        assert daraja.tokens_issued == 2

    def test_takes_what_another_renewed_meanwhile(self, version, daraja, now):
        dead = tokens.valid_token(version=version, now=now)
        renewed = tokens.renew_refused(version=version, refused=dead, now=now)

        assert tokens.renew_refused(version=version, refused=dead, now=now) == renewed
        assert daraja.tokens_issued == 2


class TestTheJob:
    def test_renews_what_has_less_than_ten_minutes(self, version, daraja, now):
        assert sweeps.refresh_tokens(now=now) == 1
        assert sweeps.refresh_tokens(now=now) == 0
        expires_at = AccessToken.objects.get().expires_at

        assert sweeps.refresh_tokens(now=expires_at - timedelta(minutes=11)) == 0
        assert sweeps.refresh_tokens(now=expires_at - timedelta(minutes=9)) == 1

    def test_asks_each_app_once_and_survives_a_refusal(
        self, version, shop, make_config, daraja, now
    ):
        make_config(shop, shortcode="600200")
        make_config(
            shop,
            shortcode="600300",
            credentials={"consumer_key": "bad", "consumer_secret": "bad", "passkey": "x"},
        )

        assert sweeps.refresh_tokens(now=now) == 1
        assert daraja.tokens_issued == 1


def _put_token(version, text):
    row = AccessToken.objects.get(pk=version.app_fingerprint)
    row.token = text
    row.expires_at = timezone.now() + timedelta(hours=1)
    row.refreshing_until = None
    row.save()
    connection.close()
