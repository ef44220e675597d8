"""Something is wrong: each check on its border, told once, reminded daily, muted, well again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.utils import translation

from payments.choices import NoticeCode
from payments.models import (
    AccessToken,
    CredentialVersion,
    Notice,
    Payment,
    PaymentConfig,
    ProviderCallback,
    Receipt,
    Review,
)
from payments.services import notice_mails, notice_words
from reconciliation import health, health_checks
from reconciliation.models import StatementImport, SweepState
from tests import world
from tests.backoffice import browse, ours, root, theirs

__all__ = ["browse", "ours", "root", "theirs"]
pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def long_ago(ours, now):
    """What the furniture took and registered is no news."""
    Payment.objects.update(created_at=now - 30 * DAY)
    PaymentConfig.objects.update(c2b_registered_at=now - 30 * DAY, last_callback_at=now - 2 * HOUR)


@pytest.fixture
def prompts(ours, now):
    """Send prompts that nobody calls back; the first is of eight minutes ago."""

    def send(times, *, ago=8 * MINUTE, place="shop", corner=ours):
        for number in range(times):
            at = now - ago + timedelta(seconds=number)
            id_ = world.checkout_id_of(corner.name, f"{place} {ago} {number}")
            attempt = world.prompt(corner, place, checkout_id=id_, now=at, sale=f" {ago} {number}")
            yield attempt

    return lambda *args, **more: list(send(*args, **more))


def called_back(attempt, now):
    return ProviderCallback.objects.create(
        kind="stk", subject_id=attempt.pk, digest="0" * 64, size=2, received_at=now
    )


def of(corner, *, place="shop"):
    return corner.configs[place]


def open_codes(corner):
    rows = Notice.objects.filter(shop=corner.shop, closed_at=None)
    return sorted(rows.values_list("code", flat=True))


class TestCallbacksSilent:
    def test_is_told_with_the_numbers(self, ours, prompts, now):
        prompts(3)

        health.watch(now=now)

        notice = Notice.objects.get(shop=ours.shop)
        assert (notice.code, notice.config) == ("callbacks_silent", of(ours))
        assert "3 were expected, and 3 payments still wait." in notice_words.sentence_of(notice)

    def test_says_where_none_ever_came(self, ours, prompts, now):
        PaymentConfig.objects.update(last_callback_at=None)
        prompts(3)

        health.watch(now=now)

        said = notice_words.sentence_of(Notice.objects.get())
        assert said.startswith("No callback has ever come")

    @pytest.mark.parametrize(
        "spoil", ["too few", "too young", "too old", "nobody waits", "one came", "not in use"]
    )
    def test_is_not_told(self, ours, prompts, now, spoil):
        asked = prompts(
            2 if spoil == "too few" else 3,
            ago={"too young": 4 * MINUTE, "too old": 40 * MINUTE}.get(spoil, 8 * MINUTE),
        )
        if spoil == "nobody waits":
            for attempt in asked:
                Payment.objects.filter(pk=attempt.payment_id).update(status="expired")
        if spoil == "one came":
            called_back(asked[0], now)
        if spoil == "not in use":
            PaymentConfig.objects.update(is_active=False)

        health.watch(now=now)

        assert open_codes(ours) == []

    def test_goes_on_through_a_quiet_hour_until_a_callback_comes(self, ours, prompts, now):
        prompts(3)
        health.watch(now=now)

        health.watch(now=now + HOUR)
        assert open_codes(ours) == ["callbacks_silent"]
        PaymentConfig.objects.update(last_callback_at=now + HOUR)
        health.watch(now=now + HOUR + MINUTE)

        assert open_codes(ours) == []

    def test_is_each_shops_own(self, ours, theirs, prompts, now):
        PaymentConfig.objects.update(c2b_registered_at=now - 30 * DAY)
        prompts(3)

        health.watch(now=now)

        assert open_codes(theirs) == []


def paid_by_hand(config, times, *, number=0):
    rows = [
        Receipt(
            shop_id=config.shop_id,
            environment=config.environment,
            family=config.family,
            number=f"HAND{number + place:06d}",
            amount=Decimal(50),
            status="unallocated",
            channel="c2b",
            config=config,
            created_at=at,
        )
        for place, at in enumerate(times)
    ]
    Receipt.objects.bulk_create(rows)


class TestC2bSilent:
    @pytest.fixture(autouse=True)
    def nothing_else(self, long_ago):
        Receipt.objects.update(channel="stk")

    def test_is_told_after_one_and_a_half_of_the_longest_pause(self, ours, now):
        last = now - 19 * HOUR
        paid_by_hand(of(ours), [last - number * 12 * HOUR for number in range(20)])

        health.watch(now=now)

        notice = Notice.objects.get(shop=ours.shop)
        assert (notice.code, notice.data["hours"]) == ("c2b_silent", 12)

    @pytest.mark.parametrize(
        ("last_h", "every_h", "times"), [(17, 12, 20), (19, 12, 10), (2, 0.1, 200), (80, 1, 40)]
    )
    def test_is_not_told_within_the_habit_or_without_one(self, ours, now, last_h, every_h, times):
        last = now - last_h * HOUR
        paid_by_hand(of(ours), [last - number * every_h * HOUR for number in range(times)])

        health.watch(now=now)

        assert open_codes(ours) == []

    def test_is_over_with_the_next_payment(self, ours, now):
        last = now - 19 * HOUR
        paid_by_hand(of(ours), [last - number * 12 * HOUR for number in range(20)])
        health.watch(now=now)

        paid_by_hand(of(ours), [now], number=100)
        health.watch(now=now + MINUTE)

        assert open_codes(ours) == []


class TestTheOtherChecks:
    def test_a_live_number_without_addresses(self, ours, now):
        PaymentConfig.objects.update(c2b_registered_at=None, verified_at=now - 25 * HOUR)

        health.watch(now=now)

        notice = Notice.objects.get(shop=ours.shop)
        assert (notice.code, notice.config) == ("c2b_unregistered", of(ours, place="live"))

    def test_a_live_number_of_today_has_a_day(self, ours, now):
        PaymentConfig.objects.update(c2b_registered_at=None, verified_at=now - 23 * HOUR)

        assert list(health_checks.c2b_unregistered(now)) == []

    def test_a_token_that_cannot_be_renewed(self, ours, now):
        CredentialVersion.objects.filter(config=of(ours)).update(app_fingerprint="f" * 64)
        token = AccessToken.objects.create(
            app_fingerprint="f" * 64, environment="sandbox", expires_at=now - 9 * MINUTE
        )
        assert list(health_checks.token_refused(now)) == []
        token.expires_at = now - 11 * MINUTE
        token.save()

        health.watch(now=now)

        assert open_codes(ours) == ["token_refused"]

    def test_a_statement_that_is_overdue(self, ours, now):
        def applied(until, status="applied"):
            return StatementImport.objects.create(
                shop=ours.shop,
                environment="sandbox",
                config=of(ours),
                status=status,
                filename="a.csv",
                digest=str(until)[:64],
                size=1,
                until=until,
                uploaded_by="a",
            )

        applied(now - 11 * DAY)
        applied(now - DAY, status="refused")
        health.watch(now=now)
        assert open_codes(ours) == ["statement_overdue"]

        applied(now - 2 * DAY)
        health.watch(now=now + MINUTE)
        assert open_codes(ours) == []

    def test_reviews_that_hold_goods_back_for_a_day(self, ours, now):
        Review.objects.filter(shop=ours.shop).update(blocking=True, opened_at=now - 25 * HOUR)
        Review.objects.filter(pk=ours.reviews["live"].pk).update(opened_at=now - 23 * HOUR)

        health.watch(now=now)

        notice = Notice.objects.get(shop=ours.shop)
        assert (notice.code, notice.subject) == ("reviews_ageing", "sandbox")
        assert notice_words.sentence_of(notice).startswith("2 reviews hold goods back")

    def test_payments_nobody_can_tell_the_end_of(self, ours, prompts, now):
        stuck = [row.payment for row in prompts(3, ago=4 * DAY)]
        for payment in stuck:
            Payment.objects.filter(pk=payment.pk).update(status="expired")
        for payment in stuck[:2]:
            self.doubt(payment, now)
        assert list(health_checks.payments_stuck(now)) == []
        self.doubt(stuck[2], now)

        health.watch(now=now)

        notice = Notice.objects.get(shop=ours.shop)
        assert (notice.code, notice.data["count"]) == ("payments_stuck", 3)

    def doubt(self, payment, now):
        Review.objects.create(
            shop_id=payment.shop_id,
            environment=payment.environment,
            payment=payment,
            code="UNRESOLVED",
            opened_at=now,
        )


@pytest.fixture
def trouble(ours, now):
    """Reviews of the sandbox wait for too long."""
    Review.objects.filter(shop=ours.shop, environment="sandbox").update(
        blocking=True, opened_at=now - 25 * HOUR
    )
    health.watch(now=now)
    return Notice.objects.get(shop=ours.shop)


def mend():
    Review.objects.update(blocking=False)


class TestTelling:
    def test_happens_once(self, trouble, now):
        assert health.watch(now=now + MINUTE) == 0
        assert Notice.objects.count() == 1

    def test_a_check_that_breaks_silences_no_other_and_closes_nothing(
        self, ours, trouble, now, monkeypatch
    ):
        def broken(now):
            raise ZeroDivisionError

        monkeypatch.setattr(health, "CHECKS", (broken, health_checks.payments_stuck))

        with pytest.raises(ZeroDivisionError):
            health.watch(now=now + MINUTE)

        assert open_codes(ours) == ["reviews_ageing"]

    def test_looks_at_everything_in_few_statements(
        self, ours, trouble, now, django_assert_max_num_queries
    ):
        with django_assert_max_num_queries(20):
            health.watch(now=now + MINUTE)

    def test_is_closed_when_over_and_opened_anew(self, ours, trouble, now):
        mend()
        health.watch(now=now + MINUTE)
        assert open_codes(ours) == []

        Review.objects.filter(shop=ours.shop, environment="sandbox").update(blocking=True)
        health.watch(now=now + 2 * MINUTE)

        assert Notice.objects.filter(shop=ours.shop).count() == 2

    def test_of_a_muted_one_waits_until_it_may_speak(self, ours, trouble, now):
        Notice.objects.update(muted_until=now + HOUR)
        mend()

        health.watch(now=now + MINUTE)
        assert open_codes(ours) == ["reviews_ageing"]
        health.watch(now=now + 2 * HOUR)

        assert open_codes(ours) == []


class TestMails:
    def test_go_once_in_both_languages_to_the_shops_admins(self, ours, trouble, now):
        notice_mails.send_due(now=now)
        notice_mails.send_due(now=now + MINUTE)

        [message] = mail.outbox
        assert message.bcc == ["admin@zawadi.test"]
        assert "2 reviews hold goods back" in message.body
        with translation.override("sw"):
            assert str(NoticeCode.REVIEWS_AGEING.label) in message.body.partition("--")[2]

    def test_remind_after_a_day(self, trouble, now):
        notice_mails.send_due(now=now)
        health.watch(now=now + 23 * HOUR)
        notice_mails.send_due(now=now + 23 * HOUR)
        assert len(mail.outbox) == 1

        health.watch(now=now + 25 * HOUR)
        notice_mails.send_due(now=now + 25 * HOUR)

        assert len(mail.outbox) == 2

    def test_say_once_that_all_is_well_again(self, trouble, now):
        notice_mails.send_due(now=now)
        mend()
        health.watch(now=now + MINUTE)

        for minute in (2, 3, 4):
            notice_mails.send_due(now=now + minute * MINUTE)

        assert len(mail.outbox) == 2
        assert mail.outbox[1].subject.startswith("All is well again: ")

    def test_say_nothing_of_the_end_of_what_nobody_was_told(self, trouble, now):
        mend()
        health.watch(now=now + MINUTE)

        notice_mails.send_due(now=now + 2 * MINUTE)

        assert mail.outbox == []

    def test_stop_while_muted(self, trouble, now):
        notice_mails.send_due(now=now)
        Notice.objects.update(muted_until=now + 3 * DAY)
        health.watch(now=now + 25 * HOUR)

        notice_mails.send_due(now=now + 25 * HOUR)

        assert len(mail.outbox) == 1


class TestTheBanner:
    @pytest.fixture(autouse=True)
    def sweeps_run(self, now):
        SweepState.objects.create(name="expire_overdue", finished_at=now)

    @pytest.mark.parametrize("page", ["", "tenants/branch/", "payments/paymentconfig/"])
    def test_says_what_is_wrong_and_what_to_do(self, ours, browse, trouble, page):
        shown = browse(ours.users["admin"]).get(f"/admin/{page}")

        assert "2 reviews hold goods back" in shown.text
        assert "decide each of them" in shown.text
        assert f"/admin/payments/notice/{trouble.pk}/change/" in shown.text

    @pytest.mark.parametrize("who", ["cashier", "branch_admin"])
    def test_of_the_whole_shop_is_not_for_others(self, ours, browse, trouble, who):
        assert "hold goods back" not in browse(ours.users[who]).get("/admin/").text

    def test_is_not_for_neighbours(self, theirs, browse, trouble):
        assert "hold goods back" not in browse(theirs.users["admin"]).get("/admin/").text

    def test_is_quiet_while_muted_and_when_over(self, ours, browse, trouble, now):
        client = browse(ours.users["admin"])
        Notice.objects.update(muted_until=now + DAY)
        assert "hold goods back" not in client.get("/admin/").text
        Notice.objects.update(muted_until=None, closed_at=now)
        assert "hold goods back" not in client.get("/admin/").text

    def test_of_a_branch_says_nothing_of_another(self, ours, browse, prompts, now):
        prompts(3, place="elsewhere")
        health.watch(now=now)
        client = browse(ours.users["admin"])

        def banner_of(place):
            page = f"/admin/tenants/branch/{ours.branches[place].pk}/change/"
            return client.get(page).context_data["troubles"].shown

        assert [each.what for each in banner_of("elsewhere")] == [
            "No callbacks while payments wait"
        ]
        assert banner_of("here") == []

    def test_stands_on_the_configs_page(self, ours, browse, prompts, now):
        prompts(3)
        health.watch(now=now)

        page = browse(ours.users["admin"]).get(
            f"/admin/payments/paymentconfig/{of(ours).pk}/change/"
        )

        assert "3 were expected" in page.text
        assert "reached from outside" in page.text

    def test_counts_what_it_does_not_show(self, ours, browse, now):
        for number in range(5):
            Notice.objects.create(
                shop=ours.shop,
                code="reviews_ageing",
                subject=str(number),
                data={"count": 1, "at": now.isoformat()},
            )

        troubles = browse(ours.users["admin"]).get("/admin/").context_data["troubles"]

        assert (len(troubles.shown), troubles.more) == (3, 2)


class TestStandstill:
    @pytest.fixture
    def state(self, now):
        return SweepState.objects.create(name="expire_overdue", finished_at=now)

    def test_is_none_while_sweeps_run(self, state, now):
        assert health.standstill(now=now + 3 * MINUTE) is None

    def test_is_told_to_everybody_when_none_runs(self, ours, state, browse, now):
        SweepState.objects.update(finished_at=now - 4 * MINUTE)

        page = browse(ours.users["cashier"]).get("/admin/").text

        assert "no sweep has run" in page
        assert "/admin/reconciliation/sweepstate/" not in page

    def test_is_told_where_none_ever_ran(self, ours, browse):
        assert "No sweep has ever run" in browse(ours.users["admin"]).get("/admin/").text

    def test_of_one_sweep_is_the_operators(self, ours, state, root, browse, now):
        SweepState.objects.create(name="pull_nightly", finished_at=now - 10 * DAY)

        assert "pull_nightly" in browse(root).get("/admin/").text
        assert "pull_nightly" not in browse(ours.users["admin"]).get("/admin/").text

    def test_of_one_that_fails_is_told(self, state, now):
        SweepState.objects.create(name="watch_health", finished_at=now, error="ZeroDivisionError")

        assert health.standstill(now=now).names == ("watch_health",)
