from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from payments.models import AccessToken, Breaker, Evidence, Payment, PaymentConfig, Review
from payments.providers.daraja import result_codes
from reconciliation.dashboards_heartbeat import beats_of
from reconciliation.models import SweepState
from tenants.roles import Role
from tests import world
from tests.client import ApiClient
from tests.reconciliation.dashboard_world import address, noon, sell

__all__ = ["noon", "sell"]

pytestmark = pytest.mark.django_db
SANDBOX = {"environment": "sandbox"}


@pytest.fixture
def look(ours, browse):
    """Open a page as somebody of the shop."""

    def open_page(name, post="admin", **asked):
        return browse(ours.users[post]).get(address(name), {**SANDBOX, **asked})

    return open_page


class TestFailed:
    def test_counts_reasons_as_the_api_does(self, ours, sell, look):
        for code, times in (("1032", 3), ("1", 2), ("", 1)):
            for _ in range(times):
                sell("failed", result_code=code)
        sell("expired", result_code="1037")
        told = ApiClient(world.issue(ours.shop, Role.ADMIN)).get("/payments/stats").json()

        reasons = look("failed", period="month").context["reasons"]

        failed = {each.code or None: each.count for each in reasons if each.code != "1037"}
        assert failed == {each["code"]: each["count"] for each in told["failed"]["by_code"]}
        assert sum(each.count for each in reasons) == 7

    def test_explains_in_english_and_swahili(self, ours, sell, browse):
        sell("failed", result_code="1")
        client = browse(ours.users["admin"])

        english = client.get(address("failed"), SANDBOX).text
        swahili = client.get(address("failed"), SANDBOX, headers={"Accept-Language": "sw"}).text

        assert result_codes.explain("1").message.en in english
        assert "Tell the customer: top up M-Pesa, or pay a part." in english
        assert result_codes.explain("1").message.sw in swahili

    def test_compares_with_the_week_before(self, sell, look):
        week = timedelta(days=7, hours=1)
        for _ in range(2):
            sell("failed", result_code="1032", ago=week)
        sell("failed", result_code="1032")
        sell("failed", result_code="1032", ago=week - timedelta(hours=11))

        page = look("failed", period="today")

        (reason,) = page.context["reasons"]
        assert (reason.count, reason.before) == (1, 2)
        today = page.context["trend_days"][-1]
        assert (today.now, today.before, today.is_today) == (1, 3, True)

    def test_blames_our_own_settings_where_they_are_wrong(self, sell, look):
        sell("failed", result_code="2028")
        sell("failed", result_code="1032")

        text = look("failed").text

        assert "1 payment failed by our own settings" in text
        assert "Do not call the customer" in text

    def test_offers_to_ask_again_and_masks_the_phone(self, sell, look):
        payment = sell("expired", phone_masked="2547*****678")

        text = look("failed").text

        assert f"/payment/{payment.pk}/do/ask_again/" in text
        assert "2547*****678" in text
        assert "Ask Safaricom first" in text

    def test_offers_a_new_prompt_where_one_helps_and_to_whom_may_send_it(
        self, ours, root, browse, sell, look
    ):
        helps = sell("failed", result_code="1032")
        poor = sell("failed", result_code="1")

        def offered(page):
            return {each.payment.pk for each in page.context["newest"] if each.retry_url}

        platform = browse(root).get(
            address("failed"), {"environment": "sandbox", "shop": ours.shop.pk}
        )
        assert f"/payment/{helps.pk}/do/retry/" in look("failed", "cashier").text
        assert offered(look("failed", "cashier")) == {helps.pk}
        assert poor.pk not in offered(look("failed"))
        assert offered(platform) == {helps.pk}

    def test_shows_a_cashier_todays_alone(self, sell, look):
        old = sell("failed", result_code="1032", ago=timedelta(days=2))
        new = sell("failed", result_code="1032")

        newest = look("failed", "cashier").context["newest"]

        assert [each.payment.pk for each in newest] == [new.pk]
        assert old.pk in [each.payment.pk for each in look("failed").context["newest"]]

    def test_says_that_nothing_failed(self, look):
        text = look("failed").text

        assert "Nothing failed in this time." in text
        assert "<svg class" not in text.partition("<main")[2]


class TestStuck:
    def wait(self, sell, status="pending", *, ago=60, ask_in=30, **more):
        """Sell something that waits; more goes to the attempt."""
        at = timezone.now() + timedelta(seconds=ask_in)
        attempt = {"next_ask_at": at, **more}
        index = f"{status}{ago}{ask_in}"
        return sell(status, ago=timedelta(seconds=ago), phone_index=index, attempt=attempt)

    def test_puts_the_oldest_first_and_says_what_comes(self, sell, look):
        young = self.wait(sell, ago=10)
        old = self.wait(sell, ago=200)
        late = self.wait(sell, "expired", ago=4000, ask_in=600, asked_count=6)

        rows = look("stuck").context["rows"]

        assert [row.payment.pk for row in rows] == [late.pk, old.pk, young.pk]
        assert rows[0].next == "Safaricom is asked at 12:10:00."
        assert rows[0].step == "asked 6 times"
        assert rows[1].next == "Expires at 12:01:40. Safaricom is asked at 12:00:30."

    def test_tells_a_prompt_nobody_knows_of(self, sell, look):
        self.wait(sell, submission="unknown", checkout_request_id=None)

        page = look("stuck")
        (row,) = page.context["rows"]

        assert row.is_unknown
        assert "gave no id to ask about" in row.next
        assert row.ask_url == ""
        assert page.context["cards"][1]["value"] == "1"

    def test_says_when_the_sweep_sleeps(self, sell, look):
        self.wait(sell, ago=1200, ask_in=-900)

        text = look("stuck").text

        assert "the sweep does not" in text
        assert "Should have been asked about at 11:45:00." in text

    def test_leaves_out_what_has_its_end(self, sell, look):
        sell("completed")
        sell("failed", result_code="1032")
        sell("expired", ago=timedelta(days=9))

        page = look("stuck")

        assert page.context["rows"] == []
        assert "Nothing is stuck: every payment has its end." in page.text

    def test_counts_what_waits_for_a_person(self, ours, look):
        Review.objects.filter(pk=ours.reviews["here"].pk).update(code="UNRESOLVED")

        assert look("stuck").context["cards"][3]["value"] == "1"

    def test_says_how_many_more_there_are(self, sell, look):
        for number in range(53):
            self.wait(sell, ago=100 + number)

        page = look("stuck")

        assert (len(page.context["rows"]), page.context["more"]) == (50, 3)

    def test_asks_at_the_press_of_a_button(self, ours, sell, browse, daraja):
        payment = self.wait(sell)
        client = browse(ours.users["manager"])
        url = client.get(address("stuck"), SANDBOX).context["rows"][0].ask_url

        response = client.post(url)

        assert (response.status_code, str(payment.pk) in response["Location"]) == (302, True)
        assert daraja.tokens_issued == 1


class TestHealth:
    def called_back(self, sell, seconds, **more):
        payment = sell("completed", ago=timedelta(minutes=10), **more)
        attempt = payment.attempts.get()
        Evidence.objects.create(
            shop=payment.shop,
            environment=payment.environment,
            payment=payment,
            attempt=attempt,
            source="stk_callback",
            verdict="succeeded",
            digest=payment.pk.hex,
            recorded_at=attempt.requested_at + timedelta(seconds=seconds),
        )

    def till(self, page, ours, place="here"):
        return next(t for t in page.context["tills"] if t.config == ours.configs[place])

    def test_leaves_customers_own_no_out(self, ours, sell, look):
        Payment.objects.update(created_at=timezone.now() - timedelta(days=3))
        sell("completed")
        sell("failed", result_code="1032")
        sell("failed", result_code="9999")

        page = look("health")

        assert self.till(page, ours).day.rate == 50.0
        cell = next(
            row for row in page.context["map"].rows if f"{ours.name} here" in row.whole_name
        ).cells[1]
        assert (cell.tone, cell.text) == ("bad", "50")
        assert cell.title == "11:00: Bad. 1 paid, 1 not, 1 declined by customers"

    def test_measures_how_late_callbacks_are(self, ours, sell, look):
        Payment.objects.update(created_at=timezone.now() - timedelta(days=3))
        for seconds in (4, 6, 8, 90):
            self.called_back(sell, seconds)

        page = look("health")
        till = self.till(page, ours)

        assert (till.callbacks.count, till.callbacks.late, till.callbacks.median_s) == (4, 1, 7.0)
        assert till.is_slow
        assert "Callbacks are late" in page.text

    def test_tells_prompts_nobody_called_back_about(self, ours, sell, look):
        Payment.objects.update(created_at=timezone.now() - timedelta(days=3))
        sell("completed", ago=timedelta(minutes=10))
        sell("pending", ago=timedelta(seconds=20), phone_index="a")

        page = look("health")

        assert self.till(page, ours).answers.uncalled == 1
        assert "no callback of any of them came" in page.text

    def test_counts_how_daraja_answers(self, ours, sell, look):
        Payment.objects.update(created_at=timezone.now() - timedelta(days=3))
        for submission, answer_ms in (("sent", 500), ("refused", 700), ("unknown", None)):
            sell("failed", attempt={"submission": submission, "answer_ms": answer_ms})

        answers = self.till(look("health"), ours).answers

        assert (answers.count, answers.refused, answers.unknown) == (3, 1, 1)
        assert answers.median_ms == 600

    def test_shows_the_token_and_never_its_text(self, ours, look):
        version = ours.configs["here"].versions.get()
        AccessToken.objects.create(
            app_fingerprint=version.app_fingerprint,
            environment="sandbox",
            token="canary-token",
            obtained_at=timezone.now(),
            expires_at=timezone.now() + timedelta(minutes=30),
        )

        page = look("health")

        assert "Valid until 12:30:00" in str(self.till(page, ours).token)
        assert "canary-token" not in page.text

    def test_says_what_is_out_of_use(self, ours, look):
        Breaker.objects.create(config=ours.configs["here"], state="open")

        assert "Left alone for a while: it failed again and again." in look("health").text

    def test_says_that_no_config_is_in_use(self, ours, look):
        PaymentConfig.objects.update(is_active=False, last_callback_at=None)

        assert "No payment config is in use here." in look("health").text


class TestAllShops:
    def test_puts_those_in_trouble_first(self, ours, theirs, root, browse, sell):
        sell("completed", amount="9999.00", corner=ours)
        Breaker.objects.create(config=theirs.configs["here"], state="open")

        page = browse(root).get(address("platform"), SANDBOX)

        lines = page.context["lines"]
        assert [line.shop for line in lines] == [theirs.shop, ours.shop]
        assert lines[1].tally.taken.amount == Decimal("10299.00")
        assert (lines[0].down, lines[0].reviews) == (1, 2)
        assert "A till is out of use at: Baraka." in page.text

    def test_finds_a_shop_by_name(self, ours, theirs, root, browse):
        page = browse(root).get(address("platform"), {**SANDBOX, "q": "zawa"})

        assert [line.shop for line in page.context["lines"]] == [ours.shop]
        nobody = browse(root).get(address("platform"), {**SANDBOX, "q": "<script>"})
        assert "No shop has such a name." in nobody.text
        assert "<script>" not in nobody.text.partition("<main")[2]

    def test_says_which_sweeps_stand_still(self, root, browse, now):
        SweepState.objects.create(name="expire_overdue", finished_at=now - timedelta(days=3))
        SweepState.objects.create(name="ask_due_attempts", finished_at=now, error="DataError")
        SweepState.objects.create(name="watch_configs", finished_at=now)

        text = browse(root).get(address("platform")).text

        assert "Sweeps that stand still or fail: ask_due_attempts, expire_overdue." in text
        assert [beat.is_bad for beat in beats_of(now=now)] == [True, True, False]

    def test_says_that_no_sweep_ever_ran(self, root, browse):
        assert "No sweep ever ran" in browse(root).get(address("platform")).text
