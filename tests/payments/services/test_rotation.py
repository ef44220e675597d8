from __future__ import annotations

from datetime import timedelta

import pytest

from audit.models import AuditEntry
from payments.choices import ConfigStatus, NoticeCode, VersionStatus
from payments.errors import (
    CredentialsRequired,
    InvalidInput,
    InvalidTransition,
    VerificationFailed,
)
from payments.models import CredentialVersion, Event, Notice, PaymentConfig
from payments.services import configs, rotation, rotation_schedule
from payments.services.connections import connect
from reconciliation.sweeps import run_due_rotations
from tests.conftest import DARAJA_SECRETS
from tests.payments.services.config_world import pay, revealed

pytestmark = pytest.mark.django_db

NEW = {"consumer_key": "canary-newer-key-wxyz", "consumer_secret": "canary-newer-secret"}
BAD = {"consumer_secret": "bad-secret"}


def rotate(config, actor, now, credentials=None, reason="Yearly", **more):
    return rotation.rotate_credentials(
        config=config, credentials=credentials or NEW, reason=reason, actor=actor, now=now, **more
    )


def statuses(config):
    rows = CredentialVersion.objects.filter(config=config).order_by("number")
    return [str(row.status) for row in rows]


def trail(config):
    rows = AuditEntry.objects.filter(object_id=str(config.pk)).order_by("seq")
    return [row.action.removeprefix("payment_config.") for row in rows]


def is_usable(config):
    usable = PaymentConfig.objects.usable().filter(pk=config.pk)
    current = CredentialVersion.objects.filter(config=config, status=VersionStatus.CURRENT)
    return usable.exists() and current.count() == 1


class TestRotateCredentials:
    def test_puts_the_new_version_in_the_old_ones_place(self, till, daraja, actor, now):
        config = rotate(till, actor, now)

        old, new = CredentialVersion.objects.filter(config=till).order_by("number")
        assert (old.status, old.retired_at) == (VersionStatus.ROTATED, now)
        assert (new.status, new.verified_at, new.activated_at) == (
            VersionStatus.CURRENT,
            now,
            now,
        )
        assert (new.reason, new.created_by) == ("Yearly", "tests")
        assert config.status == ConfigStatus.VERIFIED
        assert config.is_active
        assert config.last_test_result == "success"

    def test_keeps_the_secrets_that_are_not_given(self, till, daraja, actor, now):
        rotate(till, actor, now)

        assert revealed(till) == {**DARAJA_SECRETS, **NEW}

    def test_puts_start_and_end_on_the_trail_and_in_the_feed(self, till, daraja, actor, now):
        before = Event.objects.count()

        rotate(till, actor, now)

        assert trail(till)[-2:] == ["rotation_started", "rotated"]
        entry = AuditEntry.objects.get(action="payment_config.rotated")
        changed = {row["field"]: (row["old"], row["new"]) for row in entry.changes}
        assert entry.reason == "Yearly"
        assert changed["credentials.version"] == (1, 2)
        assert changed["credentials.consumer_key"] == ("****abcd", "****wxyz")
        assert Event.objects.count() == before + 1
        event = Event.objects.latest("seq")
        assert event.type == "config.rotated"
        assert (event.data["version"], event.data["previous_version"]) == (2, 1)

    def test_leaves_the_old_one_where_the_new_one_is_refused(self, till, daraja, actor, now):
        with pytest.raises(VerificationFailed) as caught:
            rotate(till, actor, now, BAD)

        assert caught.value.data["staged"] is False
        assert statuses(till) == ["current", "rejected"]
        assert is_usable(till)
        assert revealed(till) == DARAJA_SECRETS
        assert trail(till)[-2:] == ["rotation_started", "rotation_failed"]

    def test_tries_the_passkey_too(self, till, daraja, actor, now):
        with pytest.raises(VerificationFailed) as caught:
            rotate(till, actor, now, {"passkey": "bad-passkey"})

        assert caught.value.data["stage"] == "passkey"
        assert statuses(till) == ["current", "rejected"]
        assert is_usable(till)

    def test_leaves_it_staged_where_no_answer_came(self, till, daraja, actor, now):
        daraja.break_next("oauth", "html")

        with pytest.raises(VerificationFailed) as caught:
            rotate(till, actor, now)

        assert caught.value.data["staged"] is True
        assert statuses(till) == ["current", "staged"]
        assert is_usable(till)

    def test_lets_the_old_one_answer_for_its_own_attempts(self, till, daraja, actor, now):
        attempt = pay(till, now).attempts.get()

        rotate(till, actor, now)

        attempt.refresh_from_db()
        assert attempt.version.status == VersionStatus.ROTATED
        assert connect(config=till, version=attempt.version, now=now)
        assert attempt.version.secrets["consumer_key"].reveal() == DARAJA_SECRETS["consumer_key"]

    def test_ends_the_notices_and_the_date_of_the_old_credentials(self, till, daraja, actor, now):
        till.credentials_expire_on = (now + timedelta(days=3)).date()
        till.save(update_fields=["credentials_expire_on"])
        rotation_schedule.remind(now=now)

        config = rotate(till, actor, now)

        assert config.credentials_expire_on is None
        assert not Notice.objects.filter(closed_at=None).exists()

    def test_serves_a_suspended_one_without_waking_it(self, till, daraja, actor, now):
        configs.suspend_config(config=till, reason="Stolen", actor=actor, now=now)

        config = rotate(till, actor, now)

        assert (config.status, config.is_active) == (ConfigStatus.SUSPENDED, False)
        assert statuses(till) == ["rotated", "current"]

    @pytest.mark.parametrize("status", ["draft", "pending", "failed", "expired"])
    def test_refuses_the_others(self, shop, make_config, actor, now, status):
        config = make_config(shop, status=status)

        with pytest.raises(InvalidTransition) as caught:
            rotate(config, actor, now)

        assert caught.value.data["current"] == status
        assert statuses(config) == ["current"]

    def test_refuses_a_second_one_while_the_first_is_tried(self, till, daraja, actor, now):
        daraja.break_next("oauth", "html")
        with pytest.raises(VerificationFailed):
            rotate(till, actor, now)

        with pytest.raises(InvalidTransition) as caught:
            rotate(till, actor, now + timedelta(seconds=30))

        assert caught.value.retry_after == 120

    def test_replaces_one_that_was_left_behind(self, till, daraja, actor, now):
        daraja.break_next("oauth", "html")
        with pytest.raises(VerificationFailed):
            rotate(till, actor, now)

        rotate(till, actor, now + timedelta(minutes=3))

        assert statuses(till) == ["rotated", "rejected", "current"]

    def test_wants_a_credential(self, till, actor, now):
        with pytest.raises(CredentialsRequired):
            rotation.rotate_credentials(
                config=till, credentials={"passkey": " "}, reason="Yearly", actor=actor, now=now
            )

    def test_wants_a_reason(self, till, actor, now):
        with pytest.raises(InvalidInput):
            rotate(till, actor, now, reason="")

    def test_refuses_a_provider_nobody_can_ask(self, shop, make_config, actor, now):
        secrets = {"api_key": "k", "merchant_id": "m"}
        config = make_config(shop, provider="card", shortcode="12345", credentials=secrets)

        with pytest.raises(VerificationFailed):
            rotate(config, actor, now, {"api_key": "other"})

        assert statuses(config) == ["current"]


class TestScheduled:
    def test_waits_for_its_time(self, till, daraja, actor, now):
        at = now + timedelta(days=30)

        config = rotate(till, actor, now, scheduled_at=at)

        assert config.rotation_scheduled_at == at
        assert statuses(till) == ["current", "staged"]
        assert daraja.tokens_issued == 0
        assert trail(till)[-1] == "rotation_scheduled"
        assert run_due_rotations(now=at - timedelta(seconds=1)) == 0
        assert run_due_rotations(now=at) == 1
        till.refresh_from_db()
        assert till.rotation_scheduled_at is None
        assert statuses(till) == ["rotated", "current"]
        assert revealed(till) == {**DARAJA_SECRETS, **NEW}

    def test_tells_the_shop_where_it_is_refused(self, till, daraja, actor, now):
        at = now + timedelta(days=1)
        rotate(till, actor, now, BAD, scheduled_at=at)

        assert run_due_rotations(now=at) == 0

        assert statuses(till) == ["current", "rejected"]
        notice = Notice.objects.get(closed_at=None)
        assert (notice.code, notice.subject) == (NoticeCode.CREDENTIALS_REFUSED, "v2")
        assert is_usable(till)

    def test_is_replaced_by_a_newer_one(self, till, daraja, actor, now):
        rotate(till, actor, now, scheduled_at=now + timedelta(days=1))

        rotate(till, actor, now)

        till.refresh_from_db()
        assert statuses(till) == ["rotated", "rejected", "current"]
        assert till.rotation_scheduled_at is None
        assert run_due_rotations(now=now + timedelta(days=2)) == 0

    def test_can_be_cancelled(self, till, daraja, actor, now):
        rotate(till, actor, now, scheduled_at=now + timedelta(days=1))

        config = rotation.cancel_rotation(config=till, reason="Not now", actor=actor, now=now)

        assert config.rotation_scheduled_at is None
        assert statuses(till) == ["current", "rejected"]
        with pytest.raises(InvalidTransition):
            rotation.cancel_rotation(config=till, reason="Again", actor=actor, now=now)

    def test_is_rejected_where_the_config_ended_meanwhile(self, till, daraja, actor, now):
        rotate(till, actor, now, scheduled_at=now + timedelta(days=1))
        configs.delete_config(config=till, actor=actor, now=now)

        assert run_due_rotations(now=now + timedelta(days=1)) == 0
        assert statuses(till) == ["current", "rejected"]

    @pytest.mark.parametrize("off", [timedelta(0), timedelta(days=-1), timedelta(days=400)])
    def test_takes_only_a_time_to_come(self, till, actor, now, off):
        with pytest.raises(InvalidInput) as caught:
            rotate(till, actor, now, scheduled_at=now + off)

        assert caught.value.errors[0][0] == "scheduled_at"


class TestDeathBetweenSteps:
    """A process that dies leaves the shop as able to take payments as it was."""

    STEPS = (
        "payments.services.verification.try_version",
        "payments.services.rotation._switch",
        "payments.services.rotation._retire_current",
        "payments.services.rotation._put_in_use",
        "payments.services.rotation._note_schedule",
        "payments.services.notices.close_notices",
        "payments.services.config_trail.record",
        "payments.services.config_events.tell",
    )

    @pytest.fixture
    def dies_at(self, monkeypatch, till, actor, now):
        """Stage a version, and let the process die when it comes to a step."""

        def die(step):
            def death(*args, **kwargs):
                raise SystemExit(step)

            version = rotation._stage(till, NEW, "Yearly", None, actor=actor, now=now)
            with monkeypatch.context() as patch:
                patch.setattr(step, death)
                with pytest.raises(SystemExit):
                    rotation.finish_rotation(version=version, actor=actor, now=now)
            return version

        return die

    @pytest.mark.parametrize("step", STEPS)
    def test_costs_nothing_and_is_taken_up_again(self, till, daraja, now, dies_at, step):
        dies_at(step)

        assert is_usable(till)
        assert statuses(till) == ["current", "staged"]
        assert run_due_rotations(now=now + timedelta(minutes=1)) == 0
        assert run_due_rotations(now=now + timedelta(minutes=6)) == 1
        assert is_usable(till)
        assert statuses(till) == ["rotated", "current"]
        assert trail(till)[-2:] == ["rotation_started", "rotated"]

    def test_is_given_up_after_a_day_without_an_answer(self, till, daraja, now, dies_at):
        dies_at("payments.services.rotation._switch")
        daraja.break_next("oauth", "html", times=9)

        assert run_due_rotations(now=now + timedelta(hours=1)) == 0
        assert statuses(till) == ["current", "staged"]
        assert run_due_rotations(now=now + timedelta(hours=25)) == 0
        assert statuses(till) == ["current", "rejected"]
        assert is_usable(till)

    def test_tries_no_more_often_than_every_five_minutes(self, till, daraja, now, dies_at):
        dies_at("payments.services.rotation._switch")
        daraja.break_next("oauth", "html", times=9)
        run_due_rotations(now=now + timedelta(minutes=10))
        asked = len(daraja.ledger.tokens)

        run_due_rotations(now=now + timedelta(minutes=11))

        assert len(daraja.ledger.tokens) == asked
