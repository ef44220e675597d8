"""Suspicious patterns: each rule on the border, told once, reminded daily, muted, over by itself."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail

from audit.models import AuditEntry
from payments.errors import InvalidInput, InvalidTransition
from payments.fields import blind_index
from payments.models import Notice, Payment, ReceiptCheck
from payments.services import notice_mails, suspicions
from payments.services.suspicion_rules import BY_NAME, RULES, WATCHED
from tests.backoffice import ours, theirs

__all__ = ["ours", "theirs"]
pytestmark = pytest.mark.django_db
PHONE = "254712345678"


@pytest.fixture
def sell(ours, now):
    """Put payments into the ledger as they end; the furniture's own are long ago."""
    Payment.objects.update(created_at=now - timedelta(days=90))

    def put(status="failed", *, times=1, at=now, amount=150, corner=ours, **more):
        values = {"origin": "prompt", "created_by": "Till 1", "version": 1, **more}
        rows = [
            Payment(
                shop=corner.shop,
                environment="sandbox",
                config=corner.configs["shop"],
                provider="mpesa_paybill",
                account_reference=f"R{number}",
                amount=Decimal(amount),
                status=status,
                created_at=at,
                completed_at=at if status == "completed" else None,
                expires_at=at,
                **values,
            )
            for number in range(times)
        ]
        return Payment.objects.bulk_create(rows)

    return put


@pytest.fixture
def show(ours, now):
    """Let a cashier check a receipt."""

    def check(answer="already_used", *, times=1, at=now, branch=None, code="TKL4ABC123", **more):
        for _time in range(times):
            ReceiptCheck.objects.create(
                shop=ours.shop,
                environment="sandbox",
                branch=ours.branches[branch] if branch else None,
                answer=answer,
                code_index=blind_index("receipt", code),
                code_masked=f"{code[:3]}****{code[-3:]}",
                asked_by="Till 1",
                at=at,
                **more,
            )

    return check


def of_phone(**more):
    return {"phone_index": blind_index("phone", PHONE), "phone_masked": "2547*****678", **more}


def codes():
    return sorted(Notice.objects.filter(closed_at=None).values_list("code", flat=True))


class TestTheRules:
    def test_are_data_that_explains_itself(self):
        assert len(BY_NAME) == len(RULES)
        assert all(rule.says and rule.what_to_do and rule.threshold > 1 for rule in RULES)

    def test_see_nothing_in_a_quiet_shop(self, ours, theirs, now):
        assert suspicions.watch(now=now) == 0
        assert codes() == []

    @pytest.mark.parametrize(("times", "told"), [(4, []), (5, ["failures_of_phone"])])
    def test_failures_of_one_phone(self, sell, now, times, told):
        sell(times=times - 1, **of_phone())
        sell("expired", **of_phone())
        sell("completed", times=3, **of_phone())

        suspicions.watch(now=now)

        assert codes() == told

    @pytest.mark.parametrize(
        ("failed", "good", "told"),
        [(7, 0, []), (8, 0, ["failures_of_cashier"]), (8, 5, ["failures_of_cashier"]), (8, 6, [])],
    )
    def test_failures_of_one_cashier(self, sell, now, failed, good, told):
        sell(times=failed)
        sell("completed", times=good, amount=1)
        sell("failed", times=7, created_by="Till 2")

        suspicions.watch(now=now)

        assert codes() == told

    @pytest.mark.parametrize(("times", "told"), [(4, []), (5, ["used_codes"])])
    @pytest.mark.parametrize("answer", ["already_used", "looks_fake", "reversed", "wrong_business"])
    def test_used_and_invented_receipts_at_a_branch(self, show, now, answer, times, told):
        for number in range(times):
            show(answer, branch="here", code=f"TKL4ABC12{number}")
        show("genuine_unclaimed", branch="here", times=9, code="TKL4ABC999")

        suspicions.watch(now=now)

        assert codes() == told

    @pytest.mark.parametrize(("times", "told"), [(2, []), (3, ["used_codes"])])
    def test_the_same_used_receipt_again_and_again(self, show, now, times, told):
        for number in range(times):
            show(at=now - timedelta(hours=5 * number))

        suspicions.watch(now=now)

        assert codes() == told

    @pytest.mark.parametrize(("times", "told"), [(9, []), (10, ["same_amounts"])])
    def test_a_burst_of_one_amount(self, sell, now, times, told):
        sell("completed", times=times, amount=4999)

        suspicions.watch(now=now)

        assert codes() == told

    def test_a_usual_price_is_no_burst(self, sell, now):
        sell("completed", times=20, amount=50, at=now - timedelta(days=3))
        sell("completed", times=80, amount=70, at=now - timedelta(days=3))
        sell("completed", times=15, amount=50)

        suspicions.watch(now=now)

        assert codes() == []

    @pytest.mark.parametrize(
        ("amount", "known", "told"),
        [
            (15_000, 20, ["unusual_amount"]),
            (15_000, 19, []),
            (10_000, 20, []),
            (10_001, 20, ["unusual_amount"]),
        ],
    )
    def test_a_payment_far_above_the_habit(self, sell, now, amount, known, told):
        sell("completed", times=known, amount=500, at=now - timedelta(days=3))
        sell("completed", amount=amount)

        suspicions.watch(now=now)

        assert codes() == told

    def test_a_large_payment_is_usual_in_a_shop_of_large_ones(self, sell, now):
        sell("completed", times=30, amount=20_000, at=now - timedelta(days=3))
        sell("completed", amount=150_000)

        suspicions.watch(now=now)

        assert codes() == []

    def test_one_receipt_at_two_branches(self, show, now):
        show("genuine_unclaimed", branch="here", times=2)
        suspicions.watch(now=now)
        assert codes() == []

        show("already_used", branch="elsewhere")
        suspicions.watch(now=now)

        assert codes() == ["claimed_elsewhere"]
        notice = Notice.objects.get()
        assert "Zawadi elsewhere, Zawadi here" in suspicions.explained(notice)

    def test_look_at_their_window_alone(self, sell, show, now):
        sell(times=9, at=now - timedelta(minutes=61), **of_phone())
        show(times=4, at=now - timedelta(hours=25), branch="here")

        suspicions.watch(now=now)

        assert codes() == []

    def test_mix_no_shops(self, sell, theirs, now):
        sell(times=4, **of_phone())
        sell(times=4, corner=theirs, **of_phone())

        suspicions.watch(now=now)

        assert codes() == []

    def test_hold_no_phone_number(self, sell, now):
        sell(times=5, **of_phone(phone=PHONE))

        suspicions.watch(now=now)

        notice = Notice.objects.get()
        assert PHONE not in f"{notice.subject} {notice.data}"
        assert suspicions.explained(notice) == (
            "5 prompts to 2547*****678 failed or expired within an hour."
        )
        assert len(notice.data["payments"]) == 5


class TestOneNotice:
    def test_a_pattern(self, sell, now):
        sell(times=5, **of_phone())

        assert suspicions.watch(now=now) == 1
        assert suspicions.watch(now=now + timedelta(minutes=5)) == 0
        assert Notice.objects.count() == 1

    def test_counts_on(self, sell, now):
        sell(times=5, **of_phone())
        suspicions.watch(now=now)
        later = now + timedelta(minutes=5)
        sell(at=later, **of_phone())

        assert suspicions.watch(now=later) == 1
        assert Notice.objects.get().data["seen"] == 6

    def test_closes_after_a_quiet_day(self, sell, now):
        sell(times=5, **of_phone())
        suspicions.watch(now=now)

        suspicions.watch(now=now + timedelta(hours=23, minutes=59))
        assert codes() == ["failures_of_phone"]
        suspicions.watch(now=now + timedelta(hours=24))
        assert codes() == []

    def test_closes_no_other_notices(self, ours, now):
        old = Notice.objects.create(
            shop=ours.shop, code="token_war", opened_at=now - timedelta(days=9)
        )

        suspicions.watch(now=now)

        old.refresh_from_db()
        assert old.closed_at is None
        assert "token_war" not in WATCHED


class TestMails:
    def test_come_once_and_then_daily(self, sell, now):
        for hour in range(0, 49, 4):
            at = now + timedelta(hours=hour)
            sell(times=5, at=at, **of_phone())
            suspicions.watch(now=at)
            notice_mails.send_due(now=at)

        assert len(mail.outbox) == 3
        assert "5 prompts to 2547*****678" in mail.outbox[0].body

    def test_keep_silent_while_muted(self, sell, actor, now):
        sell(times=5, **of_phone())
        suspicions.watch(now=now)
        notice = Notice.objects.get()
        suspicions.mute(notice=notice, hours=4, reason="Training", actor=actor, now=now)

        assert notice_mails.send_due(now=now) == 0
        assert notice_mails.send_due(now=now + timedelta(hours=4)) == 1


class TestMuting:
    @pytest.fixture
    def notice(self, sell, now):
        sell(times=5, **of_phone())
        suspicions.watch(now=now)
        return Notice.objects.get()

    def test_is_on_the_trail(self, notice, actor, now):
        muted = suspicions.mute(notice=notice, hours=24, reason="Training", actor=actor, now=now)

        assert muted.muted_until == now + timedelta(hours=24)
        entry = AuditEntry.objects.get(action="notice.muted")
        assert (entry.reason, entry.shop) == ("Training", notice.shop)

    def test_outlasts_a_quiet_day(self, notice, sell, actor, now):
        """Or the pattern would open anew tomorrow, unmuted."""
        suspicions.mute(notice=notice, hours=72, reason="Training", actor=actor, now=now)
        later = now + timedelta(hours=48)
        suspicions.watch(now=later)
        sell(times=5, at=later, **of_phone())
        suspicions.watch(now=later)

        assert Notice.objects.count() == 1
        assert Notice.objects.get().closed_at is None
        suspicions.watch(now=now + timedelta(hours=73))
        assert codes() == []

    def test_is_taken_back(self, notice, actor, now):
        suspicions.mute(notice=notice, hours=24, reason="Training", actor=actor, now=now)
        spoken = suspicions.mute(notice=notice, hours=0, reason="Over", actor=actor, now=now)

        assert (spoken.muted_until, spoken.muted_by) == (None, "")

    @pytest.mark.parametrize(("hours", "reason"), [(24, " "), (-1, "why"), (721, "why")])
    def test_has_a_reason_and_an_end(self, notice, actor, now, hours, reason):
        with pytest.raises(InvalidInput):
            suspicions.mute(notice=notice, hours=hours, reason=reason, actor=actor, now=now)

    def test_is_for_open_ones(self, notice, actor, now):
        Notice.objects.update(closed_at=now)

        with pytest.raises(InvalidTransition):
            suspicions.mute(notice=notice, hours=1, reason="why", actor=actor, now=now)
