from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import OperationalError

from audit.models import AuditEntry
from payments.choices import ConfigStatus, NoticeCode, VersionStatus
from payments.errors import CredentialsRefused, PaymentsError
from payments.models import AccessToken, CredentialVersion, Event, Notice, TokenRefusal
from payments.providers.daraja.simulator import faults, wire
from payments.services import configs, readiness, rotation, token_wars, verification
from payments.services.connections import connect
from reconciliation import sweeps
from tests.payments.services.config_world import revealed

pytestmark = pytest.mark.django_db

NEW = {"consumer_key": "canary-newer-key-wxyz", "consumer_secret": "canary-newer-secret"}
OTHER = {"consumer_key": "canary-other-key-wxyz", "consumer_secret": "s", "passkey": "p"}
HOUR = timedelta(hours=1)


@pytest.fixture
def old_till(till, now):
    """A till whose credentials have served for a while."""
    CredentialVersion.objects.filter(config=till).update(activated_at=now - 2 * HOUR)
    return till


def be_refused(config, daraja, now, times):
    """Let Safaricom refuse the key and secret so many times, as payments run into it."""
    AccessToken.objects.all().delete()
    for _time in range(times):
        daraja.break_next("oauth", "refuse_key")
        with pytest.raises(CredentialsRefused):
            connect(config=config, now=now)


def current(config):
    return CredentialVersion.objects.get(config=config, status=VersionStatus.CURRENT)


@pytest.fixture
def daraja(daraja, monkeypatch):
    """A Safaricom that can refuse an app it knew."""
    refuse = faults._error(400, "400.008.01", "Invalid Authentication passed")
    monkeypatch.setitem(faults.FAULTS, "refuse_key", refuse)
    return daraja


class TestFirstHour:
    def test_rolls_back_after_three_refusals(self, till, daraja, actor, now):
        before = revealed(till)
        rotation.rotate_credentials(
            config=till, credentials=NEW, reason="Yearly", actor=actor, now=now
        )
        events = Event.objects.count()

        be_refused(till, daraja, now + timedelta(minutes=10), 2)
        assert current(till).number == 2
        be_refused(till, daraja, now + timedelta(minutes=10), 1)

        till.refresh_from_db()
        assert current(till).number == 1
        assert revealed(till) == before
        assert (till.status, till.is_active) == (ConfigStatus.VERIFIED, True)
        assert CredentialVersion.objects.get(number=2).status == VersionStatus.REJECTED
        notice = Notice.objects.get(closed_at=None)
        assert (notice.code, notice.data["back_to"]) == (NoticeCode.ROLLED_BACK, 1)
        assert AuditEntry.objects.latest("seq").action == "payment_config.rolled_back"
        assert Event.objects.count() == events + 1

    def test_does_not_roll_back_later(self, till, daraja, actor, now):
        rotation.rotate_credentials(
            config=till, credentials=NEW, reason="Yearly", actor=actor, now=now
        )

        be_refused(till, daraja, now + HOUR, 4)

        assert current(till).number == 2

    def test_does_not_roll_back_to_nothing(self, till, daraja, now):
        be_refused(till, daraja, now + timedelta(minutes=1), 4)

        assert current(till).number == 1
        assert not Notice.objects.exists()

    def test_does_not_hand_back_and_forth(self, till, daraja, actor, now):
        rotation.rotate_credentials(
            config=till, credentials=NEW, reason="Yearly", actor=actor, now=now
        )
        be_refused(till, daraja, now, 3)

        be_refused(till, daraja, now, 4)

        assert current(till).number == 1


class TestRefusals:
    def test_suspend_after_five_in_a_row(self, old_till, daraja, now):
        be_refused(old_till, daraja, now, 4)
        old_till.refresh_from_db()
        assert old_till.status == ConfigStatus.VERIFIED

        be_refused(old_till, daraja, now, 1)

        old_till.refresh_from_db()
        assert (old_till.status, old_till.is_active) == (ConfigStatus.SUSPENDED, False)
        assert "5 times" in old_till.suspended_reason
        assert Notice.objects.get(closed_at=None).code == NoticeCode.CREDENTIALS_REFUSED
        entry = AuditEntry.objects.latest("seq")
        assert (entry.action, entry.actor_kind) == ("payment_config.suspended", "system")
        assert Event.objects.latest("seq").type == "config.suspended"

    def test_are_over_once_it_is_restored(self, old_till, daraja, actor, now):
        be_refused(old_till, daraja, now, 5)
        old_till.refresh_from_db()

        restored = verification.restore_config(
            config=old_till, reason="Mended in the portal", actor=actor, now=now
        )

        assert restored.status == ConfigStatus.VERIFIED
        assert not Notice.objects.filter(closed_at=None).exists()
        be_refused(old_till, daraja, now, 4)
        old_till.refresh_from_db()
        assert old_till.status == ConfigStatus.VERIFIED

    def test_are_forgotten_after_a_success(self, old_till, daraja, now):
        be_refused(old_till, daraja, now, 4)
        connect(config=old_till, now=now).query_payment("ws_CO_1", now=now)
        be_refused(old_till, daraja, now, 4)

        old_till.refresh_from_db()
        assert old_till.status == ConfigStatus.VERIFIED

    def test_of_an_old_version_say_nothing(self, old_till, daraja, actor, now):
        old = current(old_till)
        rotation.rotate_credentials(
            config=old_till, credentials=NEW, reason="Yearly", actor=actor, now=now
        )
        AccessToken.objects.all().delete()

        for _time in range(6):
            daraja.break_next("oauth", "refuse_key")
            with pytest.raises(CredentialsRefused):
                connect(config=old_till, version=old, now=now)

        old_till.refresh_from_db()
        assert old_till.status == ConfigStatus.VERIFIED
        assert current(old_till).refused_count == 0

    @pytest.mark.parametrize("fault", ["html", "server_error", "empty", "dropped", "spike"])
    def test_are_not_what_silence_says(self, old_till, daraja, now, fault):
        for _time in range(6):
            daraja.break_next("oauth", fault)
            with pytest.raises(PaymentsError):
                connect(config=old_till, now=now)

        assert current(old_till).refused_count == 0

    def test_count_when_the_job_renews_the_token(self, old_till, daraja, now):
        for _time in range(5):
            daraja.break_next("oauth", "refuse_key")
            sweeps.refresh_tokens(now=now)

        old_till.refresh_from_db()
        assert old_till.status == ConfigStatus.SUSPENDED


class TestRefusalsWithoutAReason:
    """400 with an empty body or HTML: this app, or an outage of Safaricom's?"""

    @pytest.fixture(params=["empty", "html"])
    def vague(self, request, monkeypatch):
        body = {"empty": b"", "html": b"<html><body>Bad Request</body></html>"}[request.param]
        monkeypatch.setitem(faults.FAULTS, "vague", lambda _: wire.Answer(400, body))

    @pytest.fixture
    def other_app(self, shop, make_config):
        """Another Daraja app of the same environment."""
        return make_config(shop, name="Other", shortcode="600200", credentials=OTHER)

    def be_refused(self, config, daraja, now, times):
        for _time in range(times):
            daraja.break_next("oauth", "vague")
            with pytest.raises(CredentialsRefused):
                connect(config=config, now=now)

    def test_suspend_nobody_while_it_may_be_an_outage(
        self, vague, old_till, other_app, daraja, now
    ):
        connect(config=other_app, now=now)
        AccessToken.objects.exclude(pk=current(other_app).app_fingerprint).delete()

        self.be_refused(old_till, daraja, now + timedelta(minutes=1), 12)

        old_till.refresh_from_db()
        assert old_till.status == ConfigStatus.VERIFIED
        assert current(old_till).refused_count == 0
        assert not Notice.objects.exists()

    def test_suspend_once_another_app_was_given_a_token_meanwhile(
        self, vague, old_till, other_app, daraja, now
    ):
        self.be_refused(old_till, daraja, now, 1)
        connect(config=other_app, now=now + timedelta(minutes=1))

        self.be_refused(old_till, daraja, now + timedelta(minutes=2), 4)
        old_till.refresh_from_db()
        before = old_till.status
        self.be_refused(old_till, daraja, now + timedelta(minutes=2), 1)

        old_till.refresh_from_db()
        assert before == ConfigStatus.VERIFIED
        assert old_till.status == ConfigStatus.SUSPENDED

    def test_suspend_nobody_for_a_token_of_the_other_world_or_another_provider(
        self, vague, shop, old_till, make_config, daraja, now
    ):
        live = make_config(shop, environment="production", shortcode="600300", credentials=OTHER)
        airtel = make_config(
            shop,
            provider="airtel_money",
            shortcode="M-1",
            credentials={"client_id": "a-client", "client_secret": "a-secret"},
        )
        CredentialVersion.objects.filter(config=airtel).update(app_fingerprint="a" * 64)
        self.be_refused(old_till, daraja, now, 1)
        for config in (live, airtel):
            AccessToken.objects.create(
                app_fingerprint=current(config).app_fingerprint,
                environment=config.environment,
                obtained_at=now + timedelta(minutes=1),
            )

        self.be_refused(old_till, daraja, now + timedelta(minutes=2), 6)

        assert current(old_till).refused_count == 0

    def test_are_forgotten_once_a_token_comes(self, vague, old_till, other_app, daraja, now):
        self.be_refused(old_till, daraja, now, 3)
        connect(config=old_till, now=now)
        connect(config=other_app, now=now + timedelta(minutes=1))
        AccessToken.objects.filter(pk=current(old_till).app_fingerprint).update(token="")

        self.be_refused(old_till, daraja, now + timedelta(minutes=2), 6)

        assert current(old_till).refused_count == 0

    def test_roll_nothing_back_in_the_first_hour(self, vague, till, daraja, actor, now):
        rotation.rotate_credentials(
            config=till, credentials=NEW, reason="Yearly", actor=actor, now=now
        )
        AccessToken.objects.all().delete()

        self.be_refused(till, daraja, now + timedelta(minutes=10), 6)

        assert current(till).number == 2

    def test_expire_nothing(self, vague, old_till, daraja, now):
        be_refused(old_till, daraja, now, 5)
        old_till.refresh_from_db()

        for hour in range(1, 6):
            daraja.break_next("oauth", "vague")
            assert sweeps.expire_configs(now=now + hour * HOUR) == 0

        assert old_till.status == ConfigStatus.SUSPENDED

    def test_count_with_401_whatever_the_body(self, old_till, daraja, now, monkeypatch):
        monkeypatch.setitem(faults.FAULTS, "vague", lambda _: wire.Answer(401, b""))

        self.be_refused(old_till, daraja, now, 5)

        old_till.refresh_from_db()
        assert old_till.status == ConfigStatus.SUSPENDED


class TestExpireConfigs:
    def test_expires_what_is_refused_on_and_on(self, old_till, daraja, now):
        be_refused(old_till, daraja, now, 5)

        moved = []
        for hour in range(1, 4):
            daraja.break_next("oauth", "refuse_key")
            moved.append(sweeps.expire_configs(now=now + hour * HOUR))

        old_till.refresh_from_db()
        assert moved == [0, 0, 1]
        assert (old_till.status, old_till.is_active) == (ConfigStatus.EXPIRED, False)
        assert AuditEntry.objects.latest("seq").action == "payment_config.expired"

    def test_leaves_what_a_person_suspended_alone(self, old_till, daraja, actor, now):
        configs.suspend_config(config=old_till, reason="Stolen", actor=actor, now=now)

        assert sweeps.expire_configs(now=now) == 0
        assert daraja.tokens_issued == 0

    @pytest.mark.parametrize(("days", "moved"), [(-1, 1), (0, 0), (1, 0)])
    def test_expires_the_day_after_the_last(self, till, now, days, moved):
        noon = now.astimezone(ZoneInfo("Africa/Nairobi")).replace(hour=12)
        till.credentials_expire_on = (noon + timedelta(days=days)).date()
        till.save(update_fields=["credentials_expire_on"])

        assert sweeps.expire_configs(now=noon) == moved
        till.refresh_from_db()
        assert till.status == (ConfigStatus.EXPIRED if moved else ConfigStatus.VERIFIED)
        assert till.is_active is not bool(moved)


class TestTokenWar:
    def meet(self, till, daraja, at):
        """Let another system kill our token before we use it."""
        line = connect(config=till, now=at)
        daraja.kill_token()
        return line.query_payment("ws_CO_1", now=at)

    def test_is_told_on_the_third_sign_in_an_hour(self, till, paybill, daraja, now):
        for minute in (0, 10):
            self.meet(till, daraja, now + timedelta(minutes=minute))
        assert not Notice.objects.exists()

        self.meet(till, daraja, now + timedelta(minutes=20))

        found = Notice.objects.filter(code=NoticeCode.TOKEN_WAR)
        assert {row.config_id for row in found} == {till.pk, paybill.pk}
        assert found[0].data["first_seen"] == now.isoformat()
        assert "separate" in found[0].data["what_to_do"]

    def test_is_told_to_whoever_asks_whether_all_is_ready(self, till, daraja, now):
        for minute in (0, 10, 20):
            self.meet(till, daraja, now + timedelta(minutes=minute))

        found = readiness.readiness_of(
            shop_id=till.shop_id,
            environment=till.environment,
            branch_id=None,
            provider=None,
            now=now,
        )

        assert found["ready"] is True
        assert NoticeCode.TOKEN_WAR in {row["code"] for row in found["warnings"]}

    def test_is_not_seen_in_signs_far_apart(self, till, daraja, now):
        for hour in range(4):
            self.meet(till, daraja, now + hour * timedelta(minutes=40))

        assert not Notice.objects.exists()

    def test_is_not_a_token_at_its_end(self, till, daraja, now):
        for _time in range(4):
            line = connect(config=till, now=now)
            AccessToken.objects.update(expires_at=now + timedelta(seconds=30))
            daraja.kill_token()
            line.query_payment("ws_CO_1", now=now)

        assert not TokenRefusal.objects.exists()

    def test_is_not_an_app_without_the_product(self, till, daraja, now):
        for _time in range(4):
            daraja.break_next("query", "dead_token", times=2)
            with pytest.raises(PaymentsError):
                connect(config=till, now=now).query_payment("ws_CO_1", now=now)

        assert not TokenRefusal.objects.exists()

    def test_never_costs_the_answer(self, till, daraja, now, monkeypatch):
        def fail(**given):
            raise OperationalError("the server closed the connection")

        monkeypatch.setattr(token_wars, "note_killed", fail)

        assert self.meet(till, daraja, now).checkout_request_id == "ws_CO_1"

    def test_counts_a_dead_token_once(self, till, daraja, now):
        lines = [connect(config=till, now=now) for _thread in range(5)]
        daraja.kill_token()
        for line in lines:
            line.query_payment("ws_CO_1", now=now)

        assert TokenRefusal.objects.count() == 1

    def test_is_over_after_a_day_of_quiet(self, till, daraja, now):
        for minute in (0, 10, 20):
            self.meet(till, daraja, now + timedelta(minutes=minute))

        assert token_wars.close_quiet(now=now + timedelta(hours=24, minutes=10)) == 0
        assert token_wars.close_quiet(now=now + timedelta(hours=24, minutes=20)) == 1
        assert not TokenRefusal.objects.exists()
