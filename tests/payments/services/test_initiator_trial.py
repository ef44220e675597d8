"""A rotation's new initiator is tried once it is in use, and goes back where Safaricom refuses him."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from audit.models import AuditEntry
from payments.models import CredentialVersion, Event, Notice, ProviderRequest
from payments.services import credentials_health, requests, rotation
from tests.payments.services.config_world import revealed
from tests.payments.services.request_world import WITH_INITIATOR
from tests.payments.services.request_world import at_once as at_once  # noqa: PLC0414 - a fixture
from tests.payments.services.request_world import paybill as paybill  # noqa: PLC0414 - a fixture

pytestmark = pytest.mark.django_db

NEW = {"initiator_name": "canary-newer-op", "initiator_password": "canary-newer-op-password"}
NEW_KEY = {"consumer_key": "canary-newer-key-wxyz", "consumer_secret": "canary-newer-secret"}


@pytest.fixture
def rotate(paybill, actor, now):
    def rotate(credentials, at=now):
        return rotation.rotate_credentials(
            config=paybill, credentials=credentials, reason="Yearly", actor=actor, now=at
        )

    return rotate


def statuses(config):
    rows = CredentialVersion.objects.filter(config=config).order_by("number")
    return [str(row.status) for row in rows]


def trial_of(config):
    log = config.verifications.get(stage="balance")
    return log.version.number, log.result, log.response_payload["finding"]


class TestTrial:
    def test_asks_with_the_new_one_once_it_is_in_use(self, rotate, paybill, daraja):
        rotate(NEW)
        asked = trial_of(paybill)

        daraja.deliver(Client())

        assert asked == (2, "pending", "balance_asked")
        assert trial_of(paybill) == (2, "success", "balance_ok")
        assert statuses(paybill) == ["rotated", "current"]

    def test_is_not_made_where_he_stays(self, rotate, paybill, daraja):
        rotate(NEW_KEY)

        assert not paybill.verifications.filter(stage="balance").exists()
        assert not ProviderRequest.objects.exists()

    def test_brings_back_what_was_before_where_he_is_refused(self, rotate, paybill, daraja):
        daraja.engine.plan_result("balance", "2001")
        rotate(NEW)

        daraja.deliver(Client())

        paybill.refresh_from_db()
        assert trial_of(paybill) == (2, "failed", "balance_wrong_initiator")
        assert statuses(paybill) == ["current", "rejected"]
        assert revealed(paybill) == WITH_INITIATOR
        assert (paybill.status, paybill.is_active) == ("verified", True)
        assert Notice.objects.get(config=paybill).code == "rolled_back"
        entry = AuditEntry.objects.get(action="payment_config.rolled_back")
        assert entry.reason == "The initiator of version 2 was refused in its first hour."
        assert Event.objects.latest("seq").data["version"] == 1

    @pytest.mark.parametrize("code", ["8006", "21", "26", "timeout"])
    def test_goes_back_for_nothing_else(self, rotate, paybill, daraja, code):
        daraja.engine.plan_result("balance", code)
        rotate(NEW)

        daraja.deliver(Client())

        assert trial_of(paybill)[1] != "success"
        assert statuses(paybill) == ["rotated", "current"]

    def test_says_that_it_could_not_be_asked(self, rotate, paybill, daraja):
        daraja.break_next("balance", "no_product", times=3)

        rotate(NEW)

        assert trial_of(paybill) == (2, "error", "balance_refused")
        assert statuses(paybill) == ["rotated", "current"]


class TestRefusedLater:
    def refuse(self, paybill, daraja, actor, at):
        daraja.engine.plan_result("balance", "2001")
        requests.ask_balance(config=paybill, purpose="page", actor=actor, now=at)
        daraja.deliver(Client())

    def test_blames_nobody_who_did_not_come_with_it(self, rotate, paybill, daraja, actor, now):
        rotate(NEW_KEY)

        self.refuse(paybill, daraja, actor, now)

        assert statuses(paybill) == ["rotated", "current"]

    def test_is_too_late_after_an_hour(self, rotate, paybill, daraja, now):
        rotate(NEW)
        version = CredentialVersion.objects.get(number=2)

        late = now + timedelta(hours=1)
        was_put_back = credentials_health.note_initiator_refused(version=version, now=late)

        assert not was_put_back
        assert statuses(paybill) == ["rotated", "current"]

    def test_goes_not_back_to_what_was_refused_itself(self, rotate, paybill, daraja):
        CredentialVersion.objects.filter(config=paybill).update(refused_count=5)
        daraja.engine.plan_result("balance", "2001")
        rotate(NEW)

        daraja.deliver(Client())

        assert statuses(paybill) == ["rotated", "current"]
