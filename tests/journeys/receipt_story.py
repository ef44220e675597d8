"""
What every story of receipts has: its world, its clock, and the rules of telling it.

What was refused has changed nothing; whatever one shop does or is told changes nothing of the
other; and once all is told, telling it again the other way round changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from audit import checking as audit_chains
from payments.errors import PaymentsError
from payments.models import Payment, Receipt
from payments.services.money_audit import audit_money
from tenants.models import Shop
from tests.journeys import receipt_promises as promises
from tests.journeys.shopfloor import sweep
from tests.journeys.two_shops import Sums, TwoShops, new_daraja, of, outcomes, receipts, sums

SWEEPS = (
    "expire_overdue",
    "settle_held_receipts",
    "recheck_receipts",
    "close_silent_requests",
)
BEGIN = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


class ReceiptStory(RuleBasedStateMachine):
    """A story that is rolled back when it is told; its rules are its heirs'."""

    @initialize(environment=st.sampled_from(("sandbox", "production")))
    def open_shops(self, environment: str) -> None:
        self.tidy = contextlib.ExitStack()
        self.clock = self.tidy.enter_context(time_machine.travel(BEGIN))
        self.tidy.enter_context(override_settings(QUERY_BUDGET_PER_MINUTE=0))
        story = transaction.atomic()
        # As Django's own test case marks the transaction that it rolls back.
        story._from_testcase = True  # type: ignore[attr-defined]
        self.tidy.enter_context(story)
        self.tidy.callback(transaction.set_rollback, True)
        self.daraja = self.tidy.enter_context(new_daraja(environment))
        self.world = TwoShops(self.daraja, environment, now=BEGIN)
        self.undelivered: list[tuple[str, bytes]] = []
        self.delivered: list[tuple[str, bytes]] = []
        # Receipts of which the right address heard, and prompts that went out.
        self.told: set[str] = set()
        self.asked: list[Any] = []
        self.held_at: object = None

    def teardown(self) -> None:
        try:
            self.the_last_word()
        finally:
            self.tidy.close()

    @invariant()
    def the_promises_hold(self) -> None:
        now = (sums(), self.world.paid(), self.world.returned(), len(self.told))
        if now == self.held_at:
            return
        for promise in promises.EACH_STEP:
            promise(self.world)
        promises.nothing_told_is_dropped_i5(self.world, self.told)
        assert audit_money() == []
        self.held_at = now

    def the_last_word(self) -> None:
        """All is told, and then told again the other way round: nothing is lost, nothing counts twice."""
        self.pass_time(1_000)
        for told in self.undelivered:
            self.hear(*told)
        self.the_promises_hold()
        before = outcomes()
        for path, body in reversed(self.delivered):
            self.post(path, body)
        assert outcomes() == before, "a repeat changed something"
        self.pass_time(200_000)
        for name in SWEEPS:
            sweep(name)
        self.the_promises_hold()
        connection.check_constraints()
        for chain in audit_chains.known_chains():
            assert audit_chains.check_chain(chain) is None

    # How it is told.

    def act(self, whose: Shop, does: Callable[..., Any], /, *args: Any, **given: Any) -> Any:
        """Do something in a shop, and return what came of it; None where it was refused."""
        before = sums()
        try:
            done = does(*args, **given, now=timezone.now())
        except PaymentsError:
            assert sums() == before, "refused, and yet something changed"
            return None
        self.only_touched(whose, before)
        self.collect()
        return done

    def at_desk(self, number: int, does: Callable[..., Any], **given: Any) -> Any:
        """Do something at a counter: its shop, branch and cashier, unless another actor is given."""
        desk = self.world.desks[number]
        where = {
            "shop": desk.shop,
            "environment": self.world.environment,
            "branch": desk.branch,
            "actor": desk.cashier,
        }
        return self.act(desk.shop, does, **where | given)

    def decide(self, row: Receipt, does: Callable[..., Any], **given: Any) -> Any:
        """Let the manager of the receipt's shop do something with it."""
        actor = self.world.desk_of(row.shop_id).manager[1]
        return self.act(row.shop, does, receipt=row, actor=actor, **given)

    def hear(self, path: str, body: bytes) -> None:
        """Let Safaricom tell us something, at the address it was meant for."""
        self.post(path, body)
        self.delivered.append((path, body))
        if path.startswith(("/cb/s/", "/cb/c/")):
            self.told |= {number for number in self.world.paid() if number.encode() in body}

    def post(self, path: str, body: bytes) -> None:
        before = sums()
        self.only_touched(self.world.post(path, body), before)

    def only_touched(self, shop: Shop, before: Sums) -> None:
        after = sums()
        for desk in self.world.desks:
            if desk.shop != shop:
                assert of(desk.shop, after) == of(desk.shop, before), "another shop was touched"

    def collect(self) -> None:
        """Take what Safaricom has to tell by now; when it comes, or whether, is the story's."""
        self.undelivered += self.daraja.due_callbacks()

    def pass_time(self, seconds: float) -> None:
        self.clock.shift(timedelta(seconds=seconds))
        self.collect()

    def draw_number(self, data: st.DataObject) -> str:
        """Choose a receipt that somebody really has, whatever we know of it."""
        return data.draw(st.sampled_from(list(self.world.paid())))

    def draw_receipt(self, data: st.DataObject) -> Receipt:
        return data.draw(st.sampled_from(receipts()))

    def draw_payment(self, data: st.DataObject) -> Payment:
        payment: Payment = Payment.objects.get(pk=data.draw(st.sampled_from(self.asked)))
        return payment
