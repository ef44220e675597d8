"""
Any receipt: prompts, money by hand, claims, assignments, refunds and repeats, in any order.

Hypothesis writes the stories; Safaricom is the simulator on the wire, and what it tells comes
through the callback doors: late, twice, never, at a wrong address. After every step the promises
of receipt_promises.py are held against what customers really paid. STORIES=500 in the environment
reads more stories, STEPS=40 longer ones.
"""

from __future__ import annotations

import os
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from payments.choices import EvidenceSource
from payments.models import Payment, Receipt, Refund
from payments.providers.daraja.simulator import c2b_wire
from payments.receipt_choices import CheckAnswer, PaymentOrigin
from payments.services import (
    checking,
    counter_claims,
    initiation,
    manual,
    radar,
    receipt_acts,
    receipt_checks,
    refund_outcomes,
    refunds,
    requests,
)
from payments.services.check_reading import read
from tests.journeys.receipt_story import SWEEPS, ReceiptStory
from tests.journeys.shopfloor import sweep
from tests.journeys.two_shops import SYSTEM, receipts, sums

MOST_RECEIPTS = 3
PROMPTS = ("pay", "pay", "duplicate", "late", "cancel", "wrong_amount", "paid_silently", "lost")
RESULTS = ("usual", "usual", "twice", "late", "timeout", "timeout_done", "2001", "R000001")
desks = st.integers(0, 2)
amounts = st.sampled_from((100, 150))
phones = st.sampled_from(("254712000101", "254712000202"))
orders = st.sampled_from(("", "A", "B"))


class AnyReceipt(ReceiptStory):
    # What customers do.

    @precondition(lambda self: len(self.world.paid()) < MOST_RECEIPTS)
    @rule(
        at=desks,
        provider=st.sampled_from(("mpesa_paybill", "mpesa_till")),
        amount=amounts,
        phone=phones,
        order=orders,
        reference=st.sampled_from(("", "", "TABLE5")),
        goes=st.sampled_from(PROMPTS),
    )
    def prompt(self, at, provider, amount, phone, order, reference, goes):
        self.daraja.engine.scenarios.clear()
        self.daraja.next(goes)
        asked = initiation.NewPayment(
            amount, phone, order_ref=order, account_reference=reference, provider=provider
        )
        payment = self.at_desk(at, initiation.initiate_payment, asked=asked, idempotency_key=None)
        self.asked += [payment.pk] if payment else []

    @precondition(lambda self: len(self.world.paid()) < MOST_RECEIPTS)
    @rule(
        data=st.data(),
        at=desks,
        amount=amounts,
        phone=phones,
        times=st.integers(0, 2),
        is_heard=st.booleans(),
    )
    def pay_by_hand(self, data, at, amount, phone, times, is_heard):
        known = [Payment.objects.get(pk=pk).account_reference for pk in self.asked]
        reference = data.draw(st.sampled_from(["", "NOBODYS", *known]))
        business = self.world.configs[at].shortcode
        self.daraja.pay_c2b(business, amount, phone, reference, confirmations=times)
        already = len(self.undelivered)
        self.collect()
        if is_heard:
            while len(self.undelivered) > already:
                self.hear(*self.undelivered.pop())

    @precondition(lambda self: len(self.world.paid()) < MOST_RECEIPTS)
    @rule(at=desks, amount=amounts, phone=phones, order=orders)
    def pay_and_show_it(self, at, amount, phone, order):
        """Pay by hand and claim at once, as at a counter; again, as somebody else would try."""
        business = self.world.configs[at].shortcode
        number = self.daraja.pay_c2b(business, amount, phone, "")
        self.collect()
        self.hear(*self.undelivered.pop())
        first = self.show(at, number, order=order, amount=amount)
        assert first is None or self.show(at, number, order="", amount=amount) is None

    @precondition(lambda self: set(self.world.paid()) - self.world.returned())
    @rule(data=st.data())
    def take_back(self, data):
        there = [n for n in self.world.paid() if n not in self.world.returned()]
        self.daraja.reverse(data.draw(st.sampled_from(there)))

    # What Safaricom tells.

    @precondition(lambda self: self.undelivered)
    @rule(data=st.data())
    def deliver(self, data):
        at = data.draw(st.integers(0, len(self.undelivered) - 1))
        self.hear(*self.undelivered.pop(at))

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def deliver_again(self, data):
        self.hear(*data.draw(st.sampled_from(self.delivered)))

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def deliver_at_a_wrong_address(self, data):
        right, body = data.draw(st.sampled_from(self.delivered))
        paths = {path for path, _body in self.delivered} | {*self.world.confirmation_paths()}
        same_kind = [path for path in paths - {right} if path[:6] == right[:6]]
        if same_kind:
            self.post(data.draw(st.sampled_from(sorted(same_kind))), body)

    @precondition(lambda self: self.world.paid())
    @rule(data=st.data(), at=desks)
    def ask_whether_it_is_welcome(self, data, at):
        money = self.daraja.engine.transactions.find(self.draw_number(data))
        body = c2b_wire.body(money, c2b_wire.ToldAs("mask", "first"))
        before = sums()
        self.post(self.world.question_path(self.world.configs[at]), body)
        assert sums() == before

    @precondition(lambda self: self.world.returned())
    @rule(source=st.sampled_from((EvidenceSource.STATEMENT, EvidenceSource.TRANSACTION_STATUS)))
    def tell_of_reversals(self, source):
        for row in receipts():
            is_theirs = row.shop == self.world.shop_of(self.world.paid()[row.number])
            if is_theirs and row.number in self.world.returned():
                self.act(row.shop, radar.note_reversal, row, source=source, actor=SYSTEM)

    # What time, sweeps and the impatient do.

    @precondition(lambda self: self.world.paid())
    @rule(seconds=st.sampled_from((5, 100, 400, 4_000, 90_000)), name=st.sampled_from(SWEEPS))
    def let_time_pass(self, seconds, name):
        self.pass_time(seconds)
        sweep(name)

    @precondition(lambda self: Receipt.objects.exclude(config=None).exists())
    @rule(data=st.data())
    def ask_what_became_of_it(self, data):
        row = self.draw_receipt(data)
        about = {"config": row.config, "receipt_number": row.number, "receipt": row}
        if row.config:
            self.act(row.shop, requests.ask_status, **about, purpose="page", actor=SYSTEM)

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def ask_about_a_prompt(self, data):
        payment = self.draw_payment(data)
        self.act(payment.shop, checking.ask_now, payment=payment, actor=SYSTEM)

    # What people do.

    @precondition(lambda self: self.world.paid())
    @rule(data=st.data(), at=desks)
    def check(self, data, at):
        shop, number = self.world.desks[at].shop, self.draw_number(data)
        checked = self.at_desk(at, receipt_checks.check, shown=read(number))
        is_theirs = self.world.shop_of(self.world.paid()[number]) == shop
        if checked.answer == CheckAnswer.GENUINE_UNCLAIMED:
            used = Payment.objects.filter(shop=shop, receipt_number=number, status="completed")
            assert is_theirs
            assert not used.exists()
        if not is_theirs and checked.receipt is not None:
            assert checked.receipt.channel == "manual", "another shop's receipt was shown"

    @precondition(lambda self: self.world.paid())
    @rule(
        data=st.data(),
        at=st.sampled_from((None, None, None, 0, 1, 2)),
        order=orders,
        wrong=st.sampled_from((0, 0, 0, 50)),
    )
    def claim(self, data, at, order, wrong):
        number = data.draw(st.sampled_from(sorted(self.told) or list(self.world.paid())))
        paid = self.world.paid()[number]
        # Mostly where the money came in: elsewhere it is nobody's.
        at = self.world.counter_of(paid) if at is None else at
        self.show(at, number, order=order, amount=paid.amount + wrong)

    @precondition(lambda self: self.asked and Receipt.objects.exists())
    @rule(data=st.data())
    def allocate(self, data):
        self.decide(self.draw_receipt(data), receipt_acts.allocate, payment=self.draw_payment(data))

    @precondition(lambda self: Receipt.objects.exists())
    @rule(data=st.data())
    def keep_as_sale(self, data):
        self.decide(self.draw_receipt(data), receipt_acts.keep_as_sale)

    @precondition(lambda self: Receipt.objects.exists())
    @rule(data=st.data(), does=st.sampled_from((receipt_acts.release, receipt_acts.mark_refund)))
    def undo_or_mark(self, data, does):
        self.decide(self.draw_receipt(data), does, reason="Because")

    @precondition(lambda self: self.world.paid())
    @rule(data=st.data(), at=desks, order=orders, amount=amounts)
    def write_down(self, data, at, order, amount):
        number = self.draw_number(data)
        given = manual.ManualPayment(Decimal(amount), "mpesa", number, order, "Seen on a phone")
        self.at_desk(at, manual.record, given=given, idempotency_key=None)

    @precondition(lambda self: Payment.objects.filter(origin=PaymentOrigin.MANUAL).exists())
    @rule(data=st.data())
    def void(self, data):
        rows = Payment.objects.filter(origin=PaymentOrigin.MANUAL).order_by("created_at", "pk")
        payment = data.draw(st.sampled_from(list(rows)))
        self.act(payment.shop, manual.void, payment=payment, reason="A mistake", actor=SYSTEM)

    @precondition(lambda self: Receipt.objects.exists())
    @rule(data=st.data())
    def ask_for_a_refund(self, data):
        row = self.draw_receipt(data)
        user, _actor = self.world.desk_of(row.shop_id).manager
        self.decide(row, refunds.ask_refund, reason="Because", user=user)

    @precondition(lambda self: Refund.objects.exists())
    @rule(
        data=st.data(),
        by=st.sampled_from(("owner", "owner", "manager")),
        act=st.sampled_from(("approve", "approve", "decline", "settle")),
        plan=st.sampled_from(RESULTS),
    )
    def decide_on_a_refund(self, data, by, act, plan):
        rows = Refund.objects.select_related("receipt", "shop").order_by("asked_at", "pk")
        refund = data.draw(st.sampled_from(list(rows)))
        user, actor = getattr(self.world.desk_of(refund.shop_id), by)
        who = {"refund": refund, "user": user, "actor": actor}
        if act == "settle":
            is_back = refund.receipt.number in self.world.returned()
            why = {"reason": "Seen on the portal", "was_reversed": is_back}
            done = self.act(refund.shop, refund_outcomes.settle_by_hand, **who, **why)
        elif act == "decline":
            done = self.act(refund.shop, refunds.decline, **who, note="No")
        else:
            self.daraja.next_result("reversal", plan)
            done = self.act(refund.shop, refunds.approve, **who)
        assert done is None or user.pk != refund.asked_by_id, "one person alone gave money back"

    def show(self, at, number, *, order, amount):
        """Claim a receipt at a counter; return the sale, None where it was refused."""
        sold = self.at_desk(
            at,
            counter_claims.claim,
            receipt_number=number,
            order_ref=order,
            amount=Decimal(amount),
            idempotency_key=None,
        )
        if sold is not None:
            paid = self.world.paid()[number]
            assert self.world.shop_of(paid) == sold.shop
            assert (sold.status, sold.amount) == ("completed", paid.amount)
        return sold


def test_any_receipt_keeps_the_promises(db):
    run_state_machine_as_test(
        AnyReceipt,
        settings=settings(
            max_examples=int(os.environ.get("STORIES", "5")),
            stateful_step_count=int(os.environ.get("STEPS", "25")),
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
