"""The desk that answers STK queries: `POST /mpesa/stkpushquery/v1/query`."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from payments.providers.daraja.simulator import checks, faults, wire
from payments.providers.daraja.simulator.calls import Call
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.ledger import Ledger, QueryAnswered
from payments.providers.daraja.simulator.prompts import Prompt, PromptBook
from payments.providers.daraja.simulator.tokens import TokenDesk


@dataclass
class QueryDesk:
    """Says what became of a prompt, or that it is not settled, and writes down what it said."""

    tokens: TokenDesk
    book: PromptBook
    ledger: Ledger
    knobs: Knobs
    rng: random.Random
    passkeys: dict[str, str]
    _asked: dict[str, deque[datetime]] = field(default_factory=dict)

    def clear(self) -> None:
        self._asked.clear()

    def answer(self, call: Call) -> wire.Answer:
        row = {"app": "", "checkout_request_id": "", "msisdn": ""}
        try:
            answer = self._answer_query(call, row)
        except wire.Refusal as refusal:
            answer = refusal.answer
        code, message = wire.error_of(answer)
        answered = QueryAnswered(
            at=call.now,
            status=answer.status,
            result_code=wire.result_code_of(answer),
            error_code=code,
            error_message=message,
            **row,
        )
        self.ledger.queries.append(answered)
        return replace(answer, delay_s=self.knobs.delay_s(self.rng))

    def _answer_query(self, call: Call, row: dict[str, str]) -> wire.Answer:
        row["app"] = self.tokens.authenticate(call.headers, call.now)
        self._check_spike(row["app"], call.now)
        fields = call.fields()
        shortcode, checkout_id = checks.read_query(fields, request_id=call.request_id)
        row["checkout_request_id"] = checkout_id
        checks.check_password(fields, self.passkeys, request_id=call.request_id)
        prompt = self.book.find(checkout_id)
        if prompt is None or prompt.form.shortcode != shortcode:
            return call.error(500, "500.001.1001", "The transaction does not Exist")
        row["msisdn"] = prompt.form.msisdn
        return self._say(prompt, call)

    def _say(self, prompt: Prompt, call: Call) -> wire.Answer:
        code = prompt.scenario.query or prompt.result_code
        pending = prompt.scenario.pending or self.knobs.pending_as
        if not code and pending == "400":
            message = "Bad Request - Invalid CheckoutRequestID"
            return call.error(400, "400.002.02", message)
        if not code and pending == "500":
            late = replace(call, request_id=prompt.checkout_request_id)
            return late.error(500, "500.001.1001", "The transaction is being processed")
        return wire.query_settled(
            merchant_request_id=prompt.merchant_request_id,
            checkout_request_id=prompt.checkout_request_id,
            code=code or wire.PENDING_CODE,
            drift=prompt.scenario.drift,
        )

    def _check_spike(self, app: str, now: datetime) -> None:
        limit = self.knobs.query_limit_per_minute
        if limit is None:
            return
        asked = self._asked.setdefault(app, deque())
        while asked and asked[0] <= now - timedelta(minutes=1):
            asked.popleft()
        if len(asked) >= limit:
            raise wire.Refusal(faults.spike_arrest(limit))
        asked.append(now)
