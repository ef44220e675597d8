"""
Any order: prompts' words, queries, questions, confirmations, repeats, claims, reversals of receipts.

Hypothesis writes the stories. The promises about money hold after every step; and of one payment
and one receipt, whatever came first, the same becomes of both (safety.md, I13). STORIES=500 in the
environment reads more of them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from payments.choices import EvidenceSource, PaymentStatus, Provider
from payments.errors import PaymentsError
from payments.models import CredentialVersion, Payment, PaymentConfig, Receipt
from payments.services import arrivals, c2b_questions, configs, expiry, radar, receipt_acts
from payments.services.config_rules import ConfigFields
from payments.services.money_audit import audit_money
from payments.services.representation import is_paid
from tenants import services as tenants
from tests.conftest import DARAJA_SECRETS
from tests.payments.services.arrival_world import (
    ACTOR,
    NO,
    QUERY_YES,
    ask,
    body,
    confirm,
    money,
    say,
    yes,
)

STORIES = int(os.environ.get("STORIES", "15"))
START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
PHONES = ("254712000101", "254712000202", "254712000303")
NUMBERS = ("TKA0000001", "TKA0000002", "TKA0000003")
RULES = settings(
    max_examples=STORIES, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


def make_config(shop: Any, *, provider: str, shortcode: str) -> PaymentConfig:
    is_till = provider == Provider.MPESA_TILL
    config = configs.create_config(
        shop=shop,
        environment="sandbox",
        fields=ConfigFields(
            name=shortcode,
            provider=provider,
            shortcode=shortcode,
            store_number="600996" if is_till else "",
        ),
        credentials=DARAJA_SECRETS,
        actor=ACTOR,
        now=START,
    )
    config.status, config.is_active = "verified", True
    config.save(update_fields=["status", "is_active"])
    CredentialVersion.objects.filter(config=config).update(activated_at=START)
    return config


@dataclass
class Money:
    """What really happened: whose prompt was paid, or what was paid by hand to which account."""

    number: str
    config: PaymentConfig
    amount: int
    prompt: Payment | None
    reference: str
    payer: str

    def body(self, now: datetime) -> dict[str, Any]:
        return body(
            self.config,
            now=now,
            TransID=self.number,
            TransAmount=f"{self.amount}.00",
            BillRefNumber=self.reference,
            MSISDN=f"2547 ***** {self.payer[-3:]}",
        )


class Arrivals(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.tidy = contextlib.ExitStack()
        self.tidy.enter_context(transaction.atomic())
        self.tidy.callback(transaction.set_rollback, True)
        self.now = START
        self.money: dict[str, Money] = {}
        self.completed: set[Any] = set()
        self.claimed: set[str] = set()

    def teardown(self):
        try:
            self.the_last_word()
        finally:
            self.tidy.close()

    @initialize()
    def open_shops(self):
        shop = tenants.create_shop(name="Duka", slug="duka")
        neighbour = tenants.create_shop(name="Jirani", slug="jirani")
        self.configs = [
            make_config(shop, provider=Provider.MPESA_TILL, shortcode="174379"),
            make_config(shop, provider=Provider.MPESA_PAYBILL, shortcode="600100"),
            make_config(neighbour, provider=Provider.MPESA_PAYBILL, shortcode="600200"),
        ]
        self.payments: list[Payment] = []

    # What people do.

    @precondition(lambda self: len(self.payments) < 3)
    @rule(
        at=st.integers(0, 2),
        amount=st.sampled_from((100, 150)),
        phone=st.sampled_from(PHONES),
        reference=st.sampled_from(("", "TABLE5")),
    )
    def prompt(self, at, amount, phone, reference):
        config = self.configs[at]
        live = Payment.objects.filter(shop=config.shop_id, status__in=["created", "pending"])
        if any(payment.phone.reveal() == phone for payment in live):
            return
        self.payments.append(
            ask(config, now=self.now, amount=amount, msisdn=phone, account_reference=reference)
        )

    @precondition(lambda self: self.payments and len(self.money) < 3)
    @rule(data=st.data())
    def somebody_pays_a_prompt(self, data):
        payment = data.draw(st.sampled_from(self.payments))
        if any(each.prompt == payment for each in self.money.values()):
            return
        config = payment.attempts.get().config
        is_till = config.provider == Provider.MPESA_TILL
        self._pay(
            Money(
                NUMBERS[len(self.money)],
                config,
                int(payment.amount),
                payment,
                "" if is_till else payment.account_reference,
                payment.phone.reveal(),
            )
        )

    @precondition(lambda self: len(self.money) < 3)
    @rule(
        data=st.data(),
        at=st.integers(0, 2),
        amount=st.sampled_from((100, 150)),
        phone=st.sampled_from(PHONES),
    )
    def somebody_pays_by_hand(self, data, at, amount, phone):
        known = sorted({payment.account_reference for payment in self.payments})
        reference = data.draw(st.sampled_from(["", "NOBODYS", *known]))
        number = NUMBERS[len(self.money)]
        self._pay(Money(number, self.configs[at], amount, None, reference, phone))

    def _pay(self, paid: Money) -> None:
        self.money[paid.number] = paid

    # What Safaricom tells of it.

    @precondition(lambda self: any(each.prompt for each in self.money.values()))
    @rule(data=st.data())
    def callback(self, data):
        paid = data.draw(st.sampled_from([m for m in self.money.values() if m.prompt]))
        say(paid.prompt, yes(paid.number, f"{paid.amount}.00"), now=self.now)

    @precondition(lambda self: self.payments)
    @rule(data=st.data())
    def callback_of_a_no(self, data):
        payment = data.draw(st.sampled_from(self.payments))
        if not any(each.prompt == payment for each in self.money.values()):
            say(payment, NO, now=self.now)

    @precondition(lambda self: any(each.prompt for each in self.money.values()))
    @rule(data=st.data())
    def query(self, data):
        paid = data.draw(st.sampled_from([m for m in self.money.values() if m.prompt]))
        say(paid.prompt, QUERY_YES, now=self.now, source=EvidenceSource.STK_QUERY)

    @precondition(lambda self: self.money)
    @rule(data=st.data())
    def confirmation(self, data):
        paid = data.draw(st.sampled_from(list(self.money.values())))
        confirm(paid.config, paid.body(self.now), now=self.now)

    @precondition(lambda self: self.money)
    @rule(data=st.data(), at=st.integers(0, 2))
    def confirmation_at_a_wrong_address(self, data, at):
        paid = data.draw(st.sampled_from(list(self.money.values())))
        if paid.config != self.configs[at]:
            confirm(self.configs[at], paid.body(self.now), now=self.now)

    @precondition(lambda self: self.money)
    @rule(data=st.data())
    def question(self, data):
        paid = data.draw(st.sampled_from(list(self.money.values())))
        before = list(Payment.objects.order_by("pk").values_list("pk", "status"))
        raw = str(paid.body(self.now)).encode()
        assert c2b_questions.judge(config_id=paid.config.pk, body=raw).answer == "0"
        confirm(paid.config, paid.body(self.now), now=self.now, kind="c2b_ask")
        assert list(Payment.objects.order_by("pk").values_list("pk", "status")) == before

    @precondition(lambda self: Receipt.objects.exists())
    @rule(data=st.data())
    def reversal(self, data):
        numbers = sorted(Receipt.objects.values_list("number", flat=True))
        receipt = Receipt.objects.get(number=data.draw(st.sampled_from(numbers)))
        radar.note_reversal(
            receipt, source=EvidenceSource.TRANSACTION_STATUS, actor=ACTOR, now=self.now
        )

    # What cashiers do.

    @precondition(lambda self: self.money)
    @rule(data=st.data(), at=st.integers(0, 2))
    def claim(self, data, at):
        """Show any receipt at any shop's till; it pays once, and only where it was paid."""
        paid = data.draw(st.sampled_from(list(self.money.values())))
        before = Receipt.objects.filter(number=paid.number).first()
        shop = self.configs[at].shop
        try:
            sale = receipt_acts.claim(
                shop=shop, environment="sandbox", branch=None, receipt_number=paid.number,
                order_ref="", amount=Decimal(paid.amount), idempotency_key=None, actor=ACTOR,
                now=self.now,
            )  # fmt: skip
        except PaymentsError:
            free = before is not None and before.status == "unallocated"
            assert not (free and before.shop_id == shop.pk)
            return
        assert (before.status, before.shop_id) == ("unallocated", shop.pk)
        assert (sale.status, sale.receipt_number) == ("completed", paid.number)
        assert paid.number not in self.claimed
        self.claimed.add(paid.number)

    # What time and sweeps do.

    @rule(seconds=st.sampled_from((5, 100, 400, 90_000)))
    def let_time_pass(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule()
    def sweep(self):
        expiry.expire_overdue(now=self.now)
        arrivals.settle_held(now=self.now)

    # What must hold.

    @invariant()
    def the_money_audit_is_clean(self):
        assert audit_money() == []

    @invariant()
    def completed_is_absorbing_but_for_reversal_i4(self):
        statuses = dict(Payment.objects.values_list("pk", "status"))
        was = {statuses[pk] for pk in self.completed}
        assert was <= {PaymentStatus.COMPLETED, PaymentStatus.REVERSED}
        self.completed = {pk for pk, status in statuses.items() if status == "completed"}

    @invariant()
    def money_is_where_it_was_paid_i8(self):
        for receipt in Receipt.objects.select_related("payment"):
            paid = self.money[receipt.number]
            assert receipt.shop_id == paid.config.shop_id
            if receipt.payment:
                assert receipt.payment.shop_id == paid.config.shop_id

    @invariant()
    def a_prompts_money_is_its_own_payments_i3(self):
        for receipt in Receipt.objects.filter(status="credited"):
            paid = self.money[receipt.number]
            is_elsewhere = paid.prompt and receipt.payment_id != paid.prompt.pk
            if is_elsewhere and receipt.number not in self.claimed:
                # Named by its reference, which the till gave to more than one.
                assert paid.reference == "TABLE5"

    def the_last_word(self):
        """Everything paid is told of once more: then all of it is in the ledger (I5)."""
        for paid in self.money.values():
            confirm(paid.config, paid.body(self.now), now=self.now)
        self.sweep()
        assert set(Receipt.objects.values_list("number", flat=True)) == set(self.money)
        self.the_money_audit_is_clean()


def test_any_arrival_keeps_the_promises(db):
    run_state_machine_as_test(Arrivals, settings=settings(RULES, stateful_step_count=18))


# One payment, one receipt: any order.

WORDS = ("stk_yes", "stk_no", "query_yes", "query_no", "c2b", "c2b_again", "pull", "question")


@pytest.fixture
def account(db):
    shop = tenants.create_shop(name="Duka", slug="duka")
    return {
        provider: make_config(shop, provider=provider, shortcode=shortcode)
        for provider, shortcode in (("mpesa_till", "174379"), ("mpesa_paybill", "600100"))
    }


def tell(config: PaymentConfig, words: tuple[str, ...], *, told: str, reference: str) -> Any:
    """Say words of a fresh payment in this order; return what has become of it, and forget it."""
    with transaction.atomic():
        payment = ask(config, now=START, account_reference=reference)
        typed = payment.account_reference if config.provider == Provider.MPESA_PAYBILL else ""
        after = START + timedelta(seconds=120)
        content = body(config, now=START, TransAmount=told, BillRefNumber=typed)
        for word in words:
            if word == "stk_yes":
                say(payment, yes(), now=after)
            elif word == "stk_no":
                say(payment, NO, now=after)
            elif word in {"query_yes", "query_no"}:
                outcome = QUERY_YES if word == "query_yes" else NO
                say(payment, outcome, now=after, source=EvidenceSource.STK_QUERY)
            elif word == "pull":
                arrived = money(config, now=START, amount=Decimal(told), account_reference=typed)
                arrivals.take(arrived, config=config, channel="pull", actor=ACTOR, now=after)
            else:
                kind = "c2b_ask" if word == "question" else "c2b"
                confirm(config, content, now=after, kind=kind)
        arrivals.settle_held(now=after)
        assert audit_money() == []
        payment.refresh_from_db()
        reviews = list(payment.reviews.all())
        became = (
            payment.status,
            payment.receipt_number,
            payment.receipt_pending,
            is_paid(payment, reviews),
            sorted((review.code, review.blocking) for review in reviews),
            [
                (row.status, row.reason, row.amount, row.payment_id == payment.pk)
                for row in Receipt.objects.all()
            ],
        )
        transaction.set_rollback(True)
    return became


@RULES
@given(
    words=st.lists(st.sampled_from(WORDS), min_size=2, max_size=5, unique=True),
    provider=st.sampled_from(("mpesa_till", "mpesa_paybill")),
    reference=st.sampled_from(("", "TABLE5")),
    shuffled=st.randoms(use_true_random=False),
)
def test_any_order_comes_to_the_same(account, words, provider, reference, shuffled):
    other = list(words)
    shuffled.shuffle(other)
    given_ = {"told": "150.00", "reference": reference}

    assert tell(account[provider], tuple(words), **given_) == tell(
        account[provider], tuple(other), **given_
    )


@pytest.mark.parametrize("reference", ["", "TABLE5"])
@pytest.mark.parametrize("provider", ["mpesa_till", "mpesa_paybill"])
def test_a_contradicted_amount_comes_to_the_same(account, provider, reference):
    orders = itertools.permutations(("stk_yes", "c2b", "c2b_again"))
    became = {
        str(tell(account[provider], words, told="100.00", reference=reference)[:5])
        for words in orders
    }

    assert len(became) == 1
    assert "AMOUNT_MISMATCH" in became.pop()
