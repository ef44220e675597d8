"""Pull Transactions: what Safaricom lists and what we have, both ways, within the budget."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

from payments.admin.check_told import told_of
from payments.models import AccessToken, Notice, PaymentConfig, Receipt, Review
from payments.providers.daraja.simulator import pulls
from payments.services import pull_registration, receipt_checks
from reconciliation import pull_accounts, pull_sweeps
from reconciliation.models import Run
from tests.committed import committed_db as committed_db  # noqa: PLC0414 - a fixture
from tests.payments.services.arrival_world import ask
from tests.payments.services.shown_messages import number_of

HOUR = timedelta(hours=1)


@pytest.fixture
def db(committed_db):
    """Commit for real: numbers are asked about in threads."""


@pytest.fixture
def clock(db):
    """Nairobi's afternoon: the night's pass of today is due until it is made."""
    start = timezone.now().replace(hour=11, minute=0, second=0, microsecond=0)
    with time_machine.travel(start, tick=False) as traveller:
        yield traveller


@pytest.fixture
def now(clock):
    return timezone.now()


@pytest.fixture
def pulled(paybill, daraja, actor, clock):
    """The paybill, registered for pulling."""
    return pull_registration.register_pull(
        config=paybill, nominated_number="0722000000", actor=actor, now=timezone.now()
    )


def recent():
    return pull_sweeps.pull_recent(now=timezone.now())


def nightly():
    return pull_sweeps.pull_nightly(now=timezone.now())


def later(clock, **by):
    clock.shift(timedelta(**by))


def last_run():
    return Run.objects.filter(kind="pull").latest("started_at")


def problems(run):
    return [name for name, _numbers in run.detail.get("problems", [])]


def receipts():
    return {row.number: row for row in Receipt.objects.all()}


class TestWhatWeDoNotHave:
    def test_enters_the_ledger_by_the_one_door(self, pulled, daraja, clock):
        number = daraja.pay_c2b("600100", "75", reference="shelf 3")
        later(clock, minutes=5)

        assert recent() == 1

        (row,) = receipts().values()
        assert (row.number, row.amount, row.channel) == (number, Decimal(75), "pull")
        assert (row.status, row.account_reference) == ("unallocated", "shelf 3")
        assert row.config == pulled
        assert "712345678" not in json.dumps([str(value) for value in vars(row).values()])
        run = last_run()
        assert (run.outcome, run.asked, run.found, run.changed) == ("done", 1, 1, 1)
        assert run.detail.get("problems", []) == []

    def test_completes_the_payment_it_names(self, pulled, daraja, clock, now):
        payment = ask(pulled, now=now)
        daraja.pay_c2b("600100", "150", reference=payment.account_reference)
        later(clock, minutes=5)

        recent()

        payment.refresh_from_db()
        (row,) = receipts().values()
        assert (payment.status, payment.receipt_number) == ("completed", row.number)
        assert row.status == "credited"

    def test_is_learnt_once_however_often_it_is_listed(self, pulled, daraja, clock):
        daraja.pay_c2b("600100", "75")
        for _pass in range(3):
            later(clock, minutes=16)
            recent()

        assert len(receipts()) == 1
        assert [run.changed for run in Run.objects.order_by("started_at")] == [1, 0, 0]

    def test_of_another_amount_is_looked_at_by_a_person(self, pulled, daraja, clock, now):
        number = daraja.pay_c2b("600100", "75")
        later(clock, minutes=5)
        recent()
        Receipt.objects.update(amount=Decimal(70))
        later(clock, minutes=16)

        recent()

        review = Review.objects.get()
        assert (review.code, review.receipt.number) == ("AMOUNT_MISMATCH", number)
        assert receipts()[number].status == "in_review"
        assert last_run().reviews == 1

    def test_never_touches_what_is_another_shops(
        self, pulled, daraja, clock, neighbour, make_config
    ):
        theirs = make_config(neighbour, provider="mpesa_paybill", shortcode="600900")
        number = daraja.pay_c2b("600100", "75")
        foreign = Receipt.objects.create(
            shop=neighbour,
            environment="sandbox",
            family="mpesa",
            number=number,
            amount=Decimal(75),
            status="unallocated",
            channel="c2b",
            config=theirs,
        )
        before = Receipt.objects.filter(pk=foreign.pk).values().get()
        later(clock, minutes=5)

        assert recent() == 0

        assert Receipt.objects.values().get() == before
        assert problems(last_run()) == ["foreign"]

    def test_is_not_asked_of_a_number_two_shops_use(
        self, pulled, daraja, clock, neighbour, make_config
    ):
        make_config(neighbour, provider="mpesa_paybill", shortcode="600100")
        daraja.pay_c2b("600100", "75")
        later(clock, minutes=5)

        recent()

        assert daraja.ledger.pulls == []
        assert problems(last_run()) == ["not_alone"]

    def test_one_bad_row_stops_no_other(self, pulled, daraja, clock, monkeypatch):
        numbers = [daraja.pay_c2b("600100", "75") for _ in range(3)]
        later(clock, minutes=5)
        enter = pull_sweeps.pull.pull_compare.arrivals.enter

        def break_on_the_second(money, **more):
            if money.receipt_number == numbers[1]:
                raise RuntimeError("a row nobody foresaw")
            return enter(money, **more)

        monkeypatch.setattr(pull_sweeps.pull.pull_compare.arrivals, "enter", break_on_the_second)

        assert recent() == 2

        assert receipts().keys() == {numbers[0], numbers[2]}
        assert problems(last_run()) == ["unreadable"]


class TestReversals:
    def test_take_the_receipt_back_and_tell_the_shop(self, pulled, daraja, clock, now):
        payment = ask(pulled, now=now)
        number = daraja.pay_c2b("600100", "150", reference=payment.account_reference)
        later(clock, minutes=5)
        recent()
        daraja.reverse(number)
        later(clock, minutes=16)

        recent()

        payment.refresh_from_db()
        assert payment.status == "reversed"
        assert receipts()[number].status == "reversed"
        assert Notice.objects.get(code="reversed").subject == number

    def test_of_money_we_never_saw_leave_nothing_to_claim(self, pulled, daraja, clock):
        number = daraja.pay_c2b("600100", "75")
        daraja.reverse(number)
        later(clock, minutes=5)

        recent()

        assert {row.number: row.status for row in receipts().values()} == {number: "reversed"}

    def test_that_name_nothing_we_know_are_counted(self, pulled, daraja, clock):
        number = daraja.pay_c2b("600100", "75")
        later(clock, hours=49)
        daraja.reverse(number)

        recent()

        assert receipts() == {}
        assert problems(last_run()) == ["untied"]


@pytest.fixture
def listed(pulled, daraja, clock):
    """One receipt that pulls list, so that the list itself is not in doubt."""
    number = daraja.pay_c2b("600100", "75")
    later(clock, minutes=5)
    recent()
    Receipt.objects.update(status="credited")
    return number


@pytest.fixture
def unlisted(listed, pulled, clock):
    """A credited receipt that Safaricom's list does not have."""
    return Receipt.objects.create(
        shop=pulled.shop,
        environment="sandbox",
        family="mpesa",
        number="TKA0000001",
        amount=Decimal(99),
        status="credited",
        channel="c2b",
        config=pulled,
        paid_at=timezone.now() + timedelta(minutes=2),
        created_at=timezone.now() + timedelta(minutes=2),
    )


def doubts():
    return list(Review.objects.filter(code="NOT_AT_SAFARICOM"))


class TestWhatSafaricomDoesNotHave:
    def test_is_doubted_once_two_passes_agree(self, unlisted, clock):
        later(clock, minutes=40)
        recent()
        first = len(doubts())
        later(clock, hours=1)
        nightly()

        (review,) = doubts()
        assert first == 0
        assert (review.receipt, review.blocking) == (unlisted, False)
        assert last_run().reviews == 1

    def test_is_doubted_once_and_for_all(self, unlisted, clock):
        for _pass in range(5):
            later(clock, minutes=35)
            recent()
        nightly()
        review = doubts()[0]
        review.resolved_at, review.resolved_by = timezone.now(), "a person"
        review.save()
        later(clock, hours=24)
        nightly()

        assert len(doubts()) == 1

    def test_is_left_alone_while_it_is_young(self, unlisted, clock):
        later(clock, minutes=20)
        recent()
        nightly()

        assert last_run().detail["missing"] == []
        assert doubts() == []

    def test_is_no_longer_doubted_once_it_is_listed(self, unlisted, daraja, clock):
        later(clock, minutes=40)
        recent()
        later(clock, hours=1)
        nightly()
        (doubt,) = doubts()
        late = daraja.pay_c2b("600100", "99")
        Receipt.objects.filter(pk=unlisted.pk).update(number=late)
        later(clock, minutes=16)

        recent()

        doubt.refresh_from_db()
        assert doubt.resolved_at is not None

    @pytest.mark.parametrize(
        "change",
        [{"channel": "manual"}, {"status": "unallocated"}, {"status": "reversed"}],
        ids=["by hand", "nobody's", "taken back"],
    )
    def test_does_not_count_money_no_list_need_have(self, unlisted, clock, change):
        Receipt.objects.filter(pk=unlisted.pk).update(**change)
        later(clock, minutes=40)
        recent()
        later(clock, hours=1)
        nightly()

        assert doubts() == []

    def test_is_not_told_where_the_list_has_nothing_of_ours(self, unlisted, daraja, clock):
        """A number that is not registered is answered like one without payments."""
        daraja.engine._pulls.registered.clear()
        later(clock, minutes=40)
        recent()
        later(clock, hours=1)
        nightly()

        assert doubts() == []
        assert problems(last_run()) == ["none_ours"]


class TestTheWindow:
    def test_is_the_last_hour_each_quarter_of_an_hour(self, pulled, daraja, clock):
        for _minute in range(46):
            recent()
            later(clock, minutes=1)

        runs = Run.objects.filter(kind="pull").order_by("started_at")
        assert len(runs) == 4
        assert all(run.until - run.since == HOUR for run in runs)

    def test_goes_back_to_the_last_pass_that_ended_well(self, pulled, daraja, clock):
        recent()
        good = last_run()
        number = daraja.pay_c2b("600100", "75")
        daraja.break_next("pull", "html", times=5)
        for _hour in range(5):
            later(clock, hours=1)
            recent()
        later(clock, hours=1)

        assert recent() == 1

        assert last_run().since == good.until - HOUR / 2
        assert number in receipts()

    def test_is_never_longer_than_daraja_lists(self, pulled, daraja, clock):
        recent()
        later(clock, days=5)
        recent()
        nightly()

        for run in Run.objects.all():
            assert run.until - run.since <= timedelta(hours=48)
        assert {row.status for row in daraja.ledger.pulls} == {200}

    def test_of_the_night_is_47_hours_once_a_night(self, pulled, daraja, clock):
        for _hour in range(20):
            nightly()
            later(clock, hours=1)

        runs = Run.objects.order_by("started_at")
        assert [run.until - run.since for run in runs] == [timedelta(hours=47)] * 2
        # Eleven in London is two in the afternoon in Nairobi; the next is at two at night.
        assert runs[1].started_at - runs[0].started_at == timedelta(hours=12)

    def test_of_the_night_is_asked_again_after_a_failure(self, pulled, daraja, clock):
        daraja.break_next("pull", "html")
        nightly()
        later(clock, minutes=30)
        nightly()
        later(clock, minutes=31)
        nightly()

        outcomes = Run.objects.order_by("started_at").values_list("outcome", flat=True)
        assert list(outcomes) == ["failed", "done"]

    def test_takes_rows_in_utc_for_what_they_are(self, pulled, daraja, clock, monkeypatch):
        """UNVERIFIED whether Safaricom's Z is meant: both ways the money lands where it was paid."""
        monkeypatch.setattr(pulls, "_date", lambda at: f"{at:%Y-%m-%dT%H:%M:%S}Z")
        number = daraja.pay_c2b("600100", "75")
        paid_at = timezone.now()
        later(clock, minutes=5)

        recent()

        assert receipts()[number].paid_at == paid_at

    def test_learns_the_clock_from_receipts_it_knows(self, listed, daraja, clock, monkeypatch):
        Receipt.objects.update(channel="c2b")
        number = daraja.pay_c2b("600100", "10")
        paid_at = timezone.now()
        monkeypatch.setattr(pulls, "_date", lambda at: f"{at:%Y-%m-%dT%H:%M:%S}Z")
        later(clock, hours=12)
        nightly()

        assert receipts()[number].paid_at == paid_at
        assert last_run().detail["hours_early"] == 3


class TestAtACounter:
    """Somebody shows a message whose confirmation was lost; the shop has no initiator."""

    @pytest.fixture
    def show(self, pulled, actor, clock):
        def check(number):
            return receipt_checks.check(
                shop=pulled.shop,
                environment=pulled.environment,
                branch=None,
                shown=receipt_checks.read(number),
                actor=actor,
                now=timezone.now(),
            )

        return check

    def test_a_real_payment_is_genuine_once_the_sweep_has_pulled(self, pulled, daraja, clock, show):
        recent()
        later(clock, minutes=2)
        number = daraja.pay_c2b("600100", "75")
        later(clock, minutes=1)

        first = show(number)
        again = receipt_checks.look_again(
            shop=pulled.shop,
            environment=pulled.environment,
            branch=None,
            shown=receipt_checks.Shown(number),
            now=timezone.now(),
        )

        for told in (first, again):
            assert (told.answer, told.why, told.retry_after) == ("not_seen_yet", "pulling", 15)
            shown = told_of(told, again="token", now=timezone.now())
            assert shown["is_live"] is True
            assert "all payments of the last hour" in shown["steps"][-1]["says"]
        assert recent() == 1
        assert show(number).answer == "genuine_unclaimed"

    def test_costs_a_question_a_minute_at_most(self, pulled, daraja, clock, show):
        recent()
        for _try in range(8):
            later(clock, seconds=15)
            show(number_of(timezone.now()))
            recent()

        began = list(Run.objects.order_by("started_at").values_list("started_at", flat=True))
        assert len(began) == 3
        gaps = [late - early for early, late in itertools.pairwise(began)]
        assert min(gaps) >= timedelta(minutes=1)

    def test_is_asked_for_once_by_one_check(self, pulled, daraja, clock, show):
        recent()
        later(clock, minutes=2)
        show(number_of(timezone.now()))
        for _bell in range(5):
            recent()
            later(clock, minutes=1)

        assert Run.objects.count() == 2

    @pytest.mark.parametrize("why_not", ["off", "suspended", "no_product", "neighbour", "old"])
    def test_nobody_is_promised_a_pull_that_is_not_made(
        self, pulled, daraja, clock, show, neighbour, why_not
    ):
        recent()
        changes = {"off": {"pull_enabled": False}, "suspended": {"status": "suspended"}}
        PaymentConfig.objects.filter(pk=pulled.pk).update(
            **{
                **changes.get(why_not, {}),
                **({"is_active": False} if why_not == "suspended" else {}),
            }
        )
        if why_not == "no_product":
            Notice.objects.create(shop=pulled.shop, config=pulled, code="pull_refused")
        if why_not == "neighbour":
            PaymentConfig.objects.filter(pk=pulled.pk).update(shop=neighbour)
        later(clock, minutes=2)

        shown_at = timezone.now() - timedelta(days=3 if why_not == "old" else 0)
        assert show(number_of(shown_at)).why != "pulling"
        recent()

        assert Run.objects.count() == 1


class TestPages:
    @pytest.fixture
    def many(self, pulled, daraja, clock):
        numbers = {daraja.pay_c2b("600100", "10") for _ in range(250)}
        later(clock, minutes=5)
        return numbers

    def test_are_read_to_the_last_row(self, many, daraja):
        assert recent() == 250

        assert receipts().keys() == many
        assert [row.offset for row in daraja.ledger.pulls] == [0, 100, 200]
        assert last_run().asked == 3

    def test_wait_for_the_budget_and_go_on_where_they_stopped(self, many, daraja, clock, settings):
        settings.QUERY_BUDGET_PER_MINUTE = 1
        recent()
        waiting = last_run()
        assert (waiting.outcome, waiting.found, len(receipts())) == ("running", 100, 100)
        recent()
        assert len(daraja.ledger.pulls) == 1
        for _minute in range(2):
            later(clock, seconds=62)
            recent()

        run = last_run()
        assert Run.objects.count() == 1
        assert (run.outcome, run.found, run.asked) == ("done", 250, 3)
        assert receipts().keys() == many
        assert problems(run) == []

    def test_leave_an_app_alone_that_is_paused(self, pulled, daraja, clock):
        AccessToken.objects.update(query_paused_until=timezone.now() + HOUR)

        recent()

        assert daraja.ledger.pulls == []
        assert problems(last_run()) == ["budget"]

    def test_that_come_again_end_the_pass(self, many, daraja, monkeypatch):
        desk = daraja.engine._pulls
        rows_of = desk._rows_of
        monkeypatch.setattr(
            desk, "_rows_of", lambda fields, call: rows_of({**fields, "OffSetValue": "0"}, call)
        )

        recent()

        run = last_run()
        assert (run.outcome, run.asked, len(receipts())) == ("done", 2, 100)
        assert problems(run) == ["repeats"]

    def test_are_not_asked_for_twice_at_once(self, many, daraja, clock, settings):
        settings.QUERY_BUDGET_PER_MINUTE = 1
        recent()
        later(clock, seconds=62)
        run = pull_sweeps.pull.waiting(now=timezone.now())

        assert len(run) == 1
        assert pull_sweeps.pull.waiting(now=timezone.now()) == []
        assert nightly() == 0
        assert Run.objects.count() == 1

    def test_are_given_up_after_hours(self, many, clock, settings):
        settings.QUERY_BUDGET_PER_MINUTE = 1
        recent()
        later(clock, hours=4)
        recent()

        first = Run.objects.earliest("started_at")
        assert first.outcome == "failed"
        assert "gave_up" in problems(first)


class TestAccounts:
    def test_two_configs_on_one_number_are_asked_about_once(
        self, shop, branch, pulled, make_config, daraja, clock
    ):
        second = make_config(
            shop, provider="mpesa_paybill", shortcode="600100", branch=branch, name="Branch"
        )
        PaymentConfig.objects.filter(pk=second.pk).update(
            pull_enabled=True, pull_registered_at=timezone.now()
        )

        recent()

        assert len(daraja.ledger.pulls) == 1
        (account,) = pull_accounts.accounts()
        assert set(account.config_ids) == {pulled.pk, second.pk}

    @pytest.mark.parametrize(
        "change",
        [
            {"pull_enabled": False},
            {"status": "suspended", "is_active": False},
            {"deleted_at": timezone.now()},
        ],
        ids=["not wanted", "suspended", "deleted"],
    )
    def test_are_left_alone_where(self, pulled, daraja, clock, change):
        PaymentConfig.objects.filter(pk=pulled.pk).update(**change)

        recent()
        nightly()

        assert daraja.ledger.pulls == []
        assert not Run.objects.exists()

    def test_a_failing_one_stops_no_other(self, shop, till, pulled, daraja, actor, clock):
        pull_registration.register_pull(
            config=till, nominated_number="0722000000", actor=actor, now=timezone.now()
        )
        daraja.pay_c2b("600100", "75")
        later(clock, minutes=5)
        daraja.unplug("/pulltransactions", times=1)

        recent()

        outcomes = sorted(Run.objects.values_list("outcome", flat=True))
        assert outcomes == ["done", "failed"]

    def test_money_of_the_second_till_on_a_store_number_goes_there(
        self, shop, till, make_config, daraja, actor, clock
    ):
        now = timezone.now()
        second = make_config(shop, name="Second", shortcode="174380")
        pull_registration.register_pull(
            config=till, nominated_number="0722000000", actor=actor, now=now
        )
        daraja.engine.knobs.turn(tills={"174379": "600996", "174380": "600996"})
        ask(second, now=now)
        daraja.pay_c2b("174380", "150", phone="254712345678")
        later(clock, minutes=5)

        recent()

        row = Receipt.objects.get()
        assert (row.config, row.shortcode, row.status) == (second, "174380", "held")


class TestRefusals:
    def test_a_missing_product_is_told_once_and_is_no_outage(self, pulled, daraja, clock):
        daraja.break_next("pull", "no_product", times=100)
        for _quarter in range(4):
            recent()
            later(clock, minutes=16)

        notice = Notice.objects.get()
        run = last_run()
        pulled.refresh_from_db()
        assert (notice.code, notice.closed_at) == ("pull_refused", None)
        assert (run.outcome, problems(run)) == ("failed", ["no_product"])
        assert Run.objects.count() == 1
        assert pulled.is_active
        assert pulled.health != "down"

    def test_is_over_once_the_night_finds_the_product(self, pulled, daraja, clock):
        daraja.break_next("pull", "no_product", times=2)
        recent()
        later(clock, hours=1)
        nightly()

        assert Notice.objects.get().closed_at is not None
        later(clock, minutes=16)
        recent()
        assert Run.objects.filter(outcome="done").count() == 2

    def test_a_busy_safaricom_is_left_alone_for_a_minute(self, pulled, daraja, clock):
        daraja.break_next("pull", "spike")

        recent()

        token = AccessToken.objects.get()
        assert token.query_paused_until == timezone.now() + timedelta(minutes=1)
        later(clock, seconds=62)
        recent()
        assert [run.outcome for run in Run.objects.all()] == ["done"]

    @pytest.mark.parametrize(
        ("fault", "said"),
        [("html", "no_answer"), ("hang", "no_answer"), ("wrong_credentials", "no_credentials")],
    )
    def test_say_what_it_was_in_plain_words(self, pulled, daraja, clock, fault, said):
        daraja.break_next("pull", fault)

        recent()

        run = last_run()
        assert (run.outcome, problems(run)) == ("failed", [said])
        assert run.problem
        assert not receipts()
