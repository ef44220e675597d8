"""The desk that takes STK pushes: `POST /mpesa/stkpush/v1/processrequest`."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta

from payments.providers.daraja.simulator import checks, faults, wire
from payments.providers.daraja.simulator.calls import Call
from payments.providers.daraja.simulator.choosing import ScenarioChooser
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.ledger import Ledger, PushSeen
from payments.providers.daraja.simulator.prompts import PromptBook
from payments.providers.daraja.simulator.scenarios import Scenario
from payments.providers.daraja.simulator.tokens import TokenDesk


@dataclass
class PushDesk:
    """Checks a push, asks for its scenario, puts the prompt on the phone and writes it down."""

    tokens: TokenDesk
    book: PromptBook
    scenarios: ScenarioChooser
    ledger: Ledger
    knobs: Knobs
    rng: random.Random
    #: What must have been used, by shortcode; a shortcode that is not here may use anything.
    passkeys: dict[str, str] = field(default_factory=dict)
    tills: dict[str, str] = field(default_factory=dict)

    def answer(self, call: Call) -> wire.Answer:
        seen = PushSeen(at=call.now)
        try:
            answer = self._take_push(call, seen)
        except wire.Refusal as refusal:
            answer = refusal.answer
        seen.status, seen.dropped, seen.delay_s = answer.status, answer.drop, answer.delay_s
        seen.error_code, seen.error_message = wire.error_of(answer)
        self.ledger.pushes.append(seen)
        return answer

    def _take_push(self, call: Call, seen: PushSeen) -> wire.Answer:
        seen.app = self.tokens.authenticate(call.headers, call.now)
        fields = call.fields()
        form = checks.read_push(fields, request_id=call.request_id)
        # PushForm's fields are PushSeen's of the same names.
        vars(seen).update(vars(form))
        checks.check_password(fields, self.passkeys, request_id=call.request_id)
        scenario = self._fitting(form, self.scenarios.choose(form.msisdn))
        seen.scenario = scenario.name
        if not scenario.fault:
            return self._accept(call, form, scenario, seen)
        real = self._accept(call, form, scenario, seen) if scenario.processed else None
        if scenario.fault == "dead_token":
            self.tokens.kill(seen.app)
        spoiled = faults.Spoiled(call.request_id, real, scenario.status)
        return faults.spoil(scenario.fault, spoiled)

    def _fitting(self, form: checks.PushForm, scenario: Scenario) -> Scenario:
        till = self.tills.get(form.shortcode, form.party_b)
        wrong = form.transaction_type == checks.TILL and form.party_b != till
        return replace(scenario, result="2028", handset=False) if wrong else scenario

    def _accept(
        self, call: Call, form: checks.PushForm, scenario: Scenario, seen: PushSeen
    ) -> wire.Answer:
        if self.book.open_on(form.msisdn) is not None:
            locked = faults.spoil("lock", faults.Spoiled(call.request_id))
            raise wire.Refusal(locked)
        delay_s = self.knobs.delay_s(self.rng)
        shown_at = seen.at + timedelta(seconds=delay_s)
        prompt = self.book.show(form, scenario, at=shown_at)
        seen.processed = True
        seen.checkout_request_id = prompt.checkout_request_id
        seen.merchant_request_id = prompt.merchant_request_id
        answer = wire.push_accepted(
            merchant_request_id=prompt.merchant_request_id,
            checkout_request_id=prompt.checkout_request_id,
        )
        if scenario.before_response:
            before = self.book.settle_before_answer(prompt, at=seen.at)
            return replace(answer, delay_s=delay_s, before=before)
        hangs = self.knobs.hang_share > 0 and self.rng.random() < self.knobs.hang_share
        return replace(answer, delay_s=faults.HANG_S if hangs else delay_s)
