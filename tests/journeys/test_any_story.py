"""
Any story: whatever tills, customers, Safaricom, sweeps and time do, in any order.

Hypothesis writes the stories. After each step the promises about money are held against the
database, and against the ledger the simulator keeps of what really happened. STORIES=500 in the
environment reads more of them.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from datetime import UTC, datetime, timedelta

import time_machine
from django.conf import settings as django_settings
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from audit.actors import Actor
from payments.choices import ConfigStatus, PaymentStatus, Provider
from payments.errors import PaymentsError
from payments.models import Attempt, CredentialVersion, IdempotencyKey, Payment, Receipt
from payments.services import (
    callbacks,
    checking,
    configs,
    idempotency,
    initiation,
    retrying,
)
from payments.services.config_rules import ConfigFields
from payments.services.money_audit import audit_money
from reconciliation import sweeps
from tenants import services as tenants
from tests.committed import delete_our_rows
from tests.conftest import DARAJA_SECRETS
from tests.daraja import FakeDaraja

ACTOR = Actor.system("story")
PHONES = ("254712000001", "254712000002")
ORDERS = ("", "A", "B")
AMOUNTS = (100, 150)
SCENARIOS = (
    "pay",
    "pay",
    "cancel",
    "unreachable",
    "paid_silently",
    "silent",
    "late",
    "duplicate",
    "early",
    "lost",
    "error_but_sent",
    "server_error",
    "wrong_amount",
    "no_receipt",
    "no_amount",
    "drift",
    "unknown_code",
    "query_lies",
    "locked",
    "spike",
    "token_killed",
)
STEPS_S = (5, 25, 95, 130, 301, 700, 4_000, 90_000)


class Story(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.tidy = contextlib.ExitStack()
        self.traveller = self.tidy.enter_context(
            time_machine.travel(datetime(2026, 3, 2, 6, 0, tzinfo=UTC), tick=True)
        )
        self.tidy.enter_context(override_settings(QUERY_BUDGET_PER_MINUTE=0))
        self.daraja = self.tidy.enter_context(
            FakeDaraja(clock=timezone.now, base_url=django_settings.DARAJA_SANDBOX_URL)
        )
        self.daraja.on_callback = self._receive
        self._watch_pushes()
        self.delivered: list[tuple[str, bytes]] = []
        self.undelivered: list[tuple[str, bytes]] = []
        self.unwritten_pushes: list[str] = []
        self.completed: set[uuid.UUID] = set()
        self.key_numbers = 0
        self.payment_of_key: dict[str, uuid.UUID] = {}

    @initialize()
    def open_shop(self):
        self.shop = tenants.create_shop(name="Duka", slug="duka")
        for number, name in enumerate(("First", "Second")):
            config = configs.create_config(
                shop=self.shop,
                environment="sandbox",
                fields=ConfigFields(
                    name=name,
                    provider=Provider.MPESA_TILL,
                    shortcode=f"60010{number}",
                    store_number="600996",
                    priority=number,
                ),
                credentials=DARAJA_SECRETS,
                actor=ACTOR,
                now=timezone.now(),
            )
            config.status, config.is_active = ConfigStatus.VERIFIED, True
            config.save(update_fields=["status", "is_active"])
            CredentialVersion.objects.filter(config=config).update(activated_at=timezone.now())

    # What people do.

    @rule(
        phone=st.sampled_from(PHONES),
        amount=st.sampled_from(AMOUNTS),
        order_ref=st.sampled_from(ORDERS),
        scenario=st.sampled_from(SCENARIOS),
        second_sale=st.booleans(),
    )
    def sell(self, phone, amount, order_ref, scenario, second_sale):
        self.key_numbers += 1
        asked = initiation.NewPayment(
            amount=amount, msisdn=phone, order_ref=order_ref, second_sale=second_sale
        )
        self._sell(f"k-{self.key_numbers}", asked, scenario)

    @precondition(lambda self: self.payment_of_key)
    @rule(data=st.data())
    def press_the_button_again(self, data):
        key = data.draw(st.sampled_from(sorted(self.payment_of_key)))

        begun = self._begin(key)

        assert isinstance(begun, idempotency.Replay)
        assert begun.payment.pk == self.payment_of_key[key]

    @precondition(lambda self: Payment.objects.exists())
    @rule(data=st.data(), scenario=st.sampled_from(SCENARIOS))
    def retry(self, data, scenario):
        payment = self._some_payment(data)
        self._plan(scenario)
        with contextlib.suppress(PaymentsError):
            retrying.retry_payment(payment=payment, actor=ACTOR, now=timezone.now())

    @precondition(lambda self: Payment.objects.exists())
    @rule(data=st.data())
    def check(self, data):
        checking.ask_now(payment=self._some_payment(data), actor=ACTOR, now=timezone.now())

    # What Safaricom, our sweeps and time do.

    @rule(data=st.data())
    def deliver_some_callback(self, data):
        self._collect()
        if self.undelivered:
            at = data.draw(st.integers(0, len(self.undelivered) - 1))
            self._deliver(self.undelivered.pop(at))

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def deliver_a_duplicate(self, data):
        self._deliver(data.draw(st.sampled_from(self.delivered)))

    @rule()
    def ask(self):
        sweeps.ask_due_attempts(now=timezone.now())

    @rule()
    def expire(self):
        sweeps.expire_overdue(now=timezone.now())

    @rule(seconds=st.sampled_from(STEPS_S))
    def let_time_pass(self, seconds):
        self.traveller.shift(timedelta(seconds=seconds))

    # What must hold after every step.

    @invariant()
    def the_money_audit_is_clean(self):
        assert audit_money() == []

    @invariant()
    def every_push_was_written_before_i9(self):
        assert self.unwritten_pushes == []

    @invariant()
    def what_is_completed_was_paid_i6(self):
        moved = {row.checkout_request_id: row for row in self.daraja.ledger.money}
        for payment in Payment.objects.filter(status=PaymentStatus.COMPLETED):
            asked = payment.attempts.exclude(checkout_request_id=None)
            ids = set(asked.values_list("checkout_request_id", flat=True))
            assert ids & moved.keys(), "completed, and nobody paid"
            blocked = payment.reviews.filter(blocking=True, resolved_at=None).exists()
            amounts = {moved[i].amount for i in ids & moved.keys()}
            # A query names no amount, and its yes counts as the amount asked (safety.md 5.3):
            # until a receipt comes nobody here can know better.
            unknowing = payment.receipt_pending
            assert blocked or unknowing or payment.amount in amounts, "paid, by another amount"

    @invariant()
    def completed_is_absorbing_i4(self):
        now = set(
            Payment.objects.filter(status=PaymentStatus.COMPLETED).values_list("pk", flat=True)
        )
        assert self.completed <= now
        self.completed = now

    @invariant()
    def a_receipt_is_credited_once_i3(self):
        credited = Receipt.objects.filter(status="credited")
        assert credited.count() == credited.values("number").distinct().count()
        assert credited.count() == credited.values("payment").distinct().count()

    @invariant()
    def one_prompt_a_key_and_a_round_i10(self):
        for payment in Payment.objects.all():
            rounds = payment.attempts.exclude(submission="refused").values_list("round", flat=True)
            assert len(set(rounds)) == len(rounds) <= 3
        assert Payment.objects.count() == len(self.payment_of_key)

    def teardown(self):
        try:
            if Payment.objects.exists():
                self._let_it_all_end()
        finally:
            self.tidy.close()
            delete_our_rows()

    def _let_it_all_end(self):
        """After every callback and the horizon: paid is completed, or a person was told (I5)."""
        self.traveller.shift(timedelta(seconds=1_000))
        self._collect()
        for callback in self.undelivered:
            self._deliver(callback)
        for _ in range(2):
            self.traveller.shift(timedelta(hours=73))
            for sweep in (sweeps.ask_due_attempts, sweeps.expire_overdue):
                sweep(now=timezone.now())
        for row in self.daraja.ledger.money:
            attempt = Attempt.objects.filter(checkout_request_id=row.checkout_request_id).first()
            if attempt is None:
                # Answer and callback both lost: nobody can know, so nobody may say no.
                continue
            payment = attempt.payment
            told = payment.reviews.exists()
            assert payment.status == PaymentStatus.COMPLETED or told, "paid, and nobody knows"
        self.the_money_audit_is_clean()
        assert not Payment.objects.filter(status__in=["created", "pending"]).exists()

    # How it is done.

    def _sell(self, key, asked, scenario):
        begun = self._begin(key)
        self._plan(scenario)
        try:
            payment = initiation.initiate_payment(
                shop=self.shop,
                environment="sandbox",
                branch=None,
                asked=asked,
                idempotency_key=begun,
                actor=ACTOR,
                now=timezone.now(),
            )
        except PaymentsError:
            idempotency.give_back(key=begun)
            assert not IdempotencyKey.objects.filter(key=key).exists()
            return
        idempotency.finish(key=begun, status_code=201, body={}, payment=payment)
        self.payment_of_key[key] = payment.pk

    def _begin(self, key):
        return idempotency.begin(
            shop=self.shop, environment="sandbox", key=key, fingerprint="f", now=timezone.now()
        )

    def _plan(self, scenario):
        self.daraja.engine.scenarios.clear()
        self.daraja.next(scenario)

    def _some_payment(self, data):
        ids = sorted(Payment.objects.values_list("pk", flat=True))
        return Payment.objects.get(pk=data.draw(st.sampled_from(ids)))

    def _collect(self):
        self.undelivered += self.daraja.due_callbacks()

    def _deliver(self, callback):
        self.delivered.append(callback)
        self._receive(*callback)

    def _receive(self, url, body):
        row = callbacks.receive(
            kind="stk",
            subject_id=_attempt_in(url),
            body=body,
            content_type="application/json",
            source_ip="196.201.214.200",
            now=timezone.now(),
        )
        assert callbacks.apply_rows([row], now=timezone.now()) == 1
        return 200

    def _watch_pushes(self):
        """Look, from the provider's side of the wire, whether the attempt is committed."""
        handle = self.daraja.engine.handle

        def watched(method, path, headers, body, now):
            answer = handle(method, path, headers, body, now)
            pushes = self.daraja.ledger.pushes
            if "stkpush/" in path and pushes and pushes[-1].callback_url:
                url = pushes[-1].callback_url
                if not Attempt.objects.filter(pk=_attempt_in(url)).exists():
                    self.unwritten_pushes.append(url)
            return answer

        self.daraja.engine.handle = watched


def _attempt_in(url: str) -> uuid.UUID:
    return uuid.UUID(hex=url.split("/cb/s/")[1].split("/", maxsplit=1)[0])


def test_any_story_keeps_the_promises(committed_db):
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=int(os.environ.get("STORIES", "12")),
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
