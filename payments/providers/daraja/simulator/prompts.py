"""Prompts from the moment they go out until their last callback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from payments.providers.daraja.simulator import wire
from payments.providers.daraja.simulator.checks import TILL, PushForm
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.scenarios import Scenario
from payments.providers.daraja.simulator.timeline import Timeline
from payments.providers.daraja.simulator.transactions import Transaction, TransactionBook

UNANSWERED = "1037"


@dataclass
class Prompt:
    """One prompt on one phone; result_code is "" while it is open."""

    form: PushForm
    scenario: Scenario
    checkout_request_id: str
    merchant_request_id: str
    shown_at: datetime
    closes_at: datetime
    is_ignored: bool = False
    result_code: str = ""
    settled_at: datetime | None = None
    receipt_number: str = ""
    paid: int = 0

    @property
    def is_open(self) -> bool:
        return not self.result_code


class PromptBook:
    """Opens prompts, settles them, makes their callbacks."""

    def __init__(
        self,
        *,
        ids: wire.Ids,
        knobs: Knobs,
        timeline: Timeline,
        transactions: TransactionBook,
        on_paid: Callable[[Transaction, datetime], None],
    ) -> None:
        self._ids, self._knobs = ids, knobs
        self._timeline, self._transactions, self._on_paid = timeline, transactions, on_paid
        self._prompts: dict[str, Prompt] = {}
        self._open: dict[str, Prompt] = {}

    def clear(self) -> None:
        self._prompts.clear()
        self._open.clear()

    def find(self, checkout_request_id: str) -> Prompt | None:
        return self._prompts.get(checkout_request_id)

    def open_on(self, msisdn: str) -> Prompt | None:
        return self._open.get(msisdn)

    def open_prompts(self) -> list[Prompt]:
        return list(self._open.values())

    def newest_first(self) -> Iterator[Prompt]:
        return reversed(self._prompts.values())

    def show(self, form: PushForm, scenario: Scenario, *, at: datetime) -> Prompt:
        """Put a prompt on the phone; it settles by itself when its scenario says so."""
        wait_s = self._wait_s(scenario)
        prompt = Prompt(
            form=form,
            scenario=scenario,
            checkout_request_id=self._ids.new_checkout_request_id(form.msisdn, at),
            merchant_request_id=self._ids.new_request_id(),
            shown_at=at,
            closes_at=at + timedelta(seconds=wait_s),
        )
        self._prompts[prompt.checkout_request_id] = prompt
        self._open[form.msisdn] = prompt
        self._timeline.at(prompt.closes_at, partial(self._close_by_itself, prompt))
        return prompt

    def settle(self, prompt: Prompt, code: str, *, at: datetime) -> None:
        """Close an open prompt with this result and put its callbacks on the timeline."""
        for callback in self._close(prompt, code, at):
            self._timeline.post(callback)

    def settle_before_answer(self, prompt: Prompt, *, at: datetime) -> tuple[wire.Callback, ...]:
        """Close a prompt at once and hand its callbacks out, to be delivered before the answer."""
        callbacks = self._close(prompt, self._own_result(prompt), at)
        return tuple(self._timeline.hand_out(callback, at) for callback in callbacks)

    def _close_by_itself(self, prompt: Prompt, at: datetime) -> None:
        if prompt.is_open:
            self.settle(prompt, self._own_result(prompt), at=at)

    def _wait_s(self, scenario: Scenario) -> float:
        if scenario.handset:
            return self._knobs.prompt_life_s
        usual = scenario.answer_after_s is None
        return self._knobs.answer_after_s if usual else scenario.answer_after_s or 0.0

    def _own_result(self, prompt: Prompt) -> str:
        return UNANSWERED if prompt.scenario.handset else prompt.scenario.result

    def _close(self, prompt: Prompt, code: str, at: datetime) -> list[wire.Callback]:
        prompt.result_code, prompt.settled_at = code, at
        if self._open.get(prompt.form.msisdn) is prompt:
            del self._open[prompt.form.msisdn]
        if code == "0":
            self._move_money(prompt, at)
        due_at = at + timedelta(seconds=prompt.scenario.callback_after_s)
        body = _callback_body(prompt, at)
        return [self._new_callback(prompt, body, due_at) for _ in range(prompt.scenario.callbacks)]

    def _move_money(self, prompt: Prompt, at: datetime) -> None:
        form = prompt.form
        # One shilling less than one shilling would be no payment at all: then it is one more.
        difference = prompt.scenario.paid_difference
        less = form.amount + difference
        prompt.paid = less if less > 0 else form.amount - difference
        prompt.receipt_number = self._ids.new_receipt_number(at)
        transaction = Transaction(
            receipt_number=prompt.receipt_number,
            at=at,
            shortcode=form.shortcode,
            party_b=form.party_b,
            amount=Decimal(prompt.paid),
            msisdn=form.msisdn,
            reference=form.account_reference,
            name=self._knobs.payer_name,
            is_till=form.transaction_type == TILL,
        )
        self._transactions.add(
            transaction, checkout_request_id=prompt.checkout_request_id, asked=form.amount
        )
        self._on_paid(transaction, at)

    def _new_callback(self, prompt: Prompt, body: bytes, due_at: datetime) -> wire.Callback:
        return self._timeline.new_callback(
            prompt.form.callback_url,
            body,
            due_at,
            kind="stk",
            checkout_request_id=prompt.checkout_request_id,
            msisdn=prompt.form.msisdn,
        )


def _callback_body(prompt: Prompt, at: datetime) -> bytes:
    ids = {
        "merchant_request_id": prompt.merchant_request_id,
        "checkout_request_id": prompt.checkout_request_id,
    }
    if prompt.result_code != "0":
        return wire.failure_body(code=prompt.result_code, **ids)
    return wire.success_body(
        amount=prompt.paid,
        receipt_number=prompt.receipt_number,
        msisdn=prompt.form.msisdn,
        paid_at=at,
        omits=prompt.scenario.omits,
        drift=prompt.scenario.drift,
        **ids,
    )
