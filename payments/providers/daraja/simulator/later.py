"""
The desk whose answers come later: transaction status, reversal, account balance.

What is acknowledged is only that the fields fit. Who asks, and about what, is looked at when the
result is made (live sandbox, 2026-09-28: a wrong credential is acknowledged too).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from payments.providers.daraja.simulator import checks, result_wire, wire
from payments.providers.daraja.simulator.calls import Call
from payments.providers.daraja.simulator.initiators import Initiators
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.ledger import Ledger, RequestSeen
from payments.providers.daraja.simulator.result_plans import ResultPlan, plan_of
from payments.providers.daraja.simulator.timeline import Timeline
from payments.providers.daraja.simulator.tokens import TokenDesk
from payments.providers.daraja.simulator.transactions import Transaction, TransactionBook

PATHS = {
    "/mpesa/transactionstatus/v1/query": "status",
    "/mpesa/reversal/v1/request": "reversal",
    "/mpesa/accountbalance/v1/query": "balance",
}
UNKNOWN_RECEIPT, INVALID_ORIGINAL, ALREADY_REVERSED, NO_FUNDS = "2032", "R000002", "R000001", "1"

_COMMON: checks.Rules = {
    "Initiator": checks.is_text(1, 100),
    "SecurityCredential": checks.is_text(1, 2048),
    "ResultURL": checks.is_url,
    "QueueTimeOutURL": checks.is_url,
    "Remarks": checks.is_text(2, 100),
}
_OCCASION = {"Occasion": lambda value: value is None or checks.is_text(0, 100)(value)}
_RECEIPT = checks.like(r"[A-Za-z0-9]{6,32}")
RULES: dict[str, checks.Rules] = {
    "status": {
        **_COMMON,
        **_OCCASION,
        "CommandID": lambda value: value == "TransactionStatusQuery",
        "TransactionID": lambda value: value is None or _RECEIPT(value),
        "PartyA": checks.is_shortcode,
        "IdentifierType": checks.like("[124]"),
    },
    "reversal": {
        **_COMMON,
        **_OCCASION,
        "CommandID": lambda value: value == "TransactionReversal",
        "TransactionID": _RECEIPT,
        "Amount": checks.is_amount,
        "ReceiverParty": checks.is_shortcode,
        "RecieverIdentifierType": checks.like("11"),
    },
    "balance": {
        **_COMMON,
        "CommandID": lambda value: value == "AccountBalance",
        "PartyA": checks.is_shortcode,
        "IdentifierType": checks.like("[124]"),
    },
}


@dataclass(frozen=True)
class Request:
    """One request that was acknowledged."""

    asked: result_wire.Asked
    plan: ResultPlan
    initiator: str
    credential: str = field(repr=False)
    shortcode: str
    receipt_number: str
    amount: int
    result_url: str
    timeout_url: str


@dataclass
class LaterDesk:
    """Acknowledges requests and makes their results."""

    tokens: TokenDesk
    ids: wire.Ids
    ledger: Ledger
    knobs: Knobs
    timeline: Timeline
    transactions: TransactionBook
    initiators: Initiators
    _planned: dict[str, deque[ResultPlan]] = field(
        default_factory=lambda: {kind: deque() for kind in RULES}
    )

    def clear(self) -> None:
        self.initiators.clear()
        for plans in self._planned.values():
            plans.clear()

    def plan(self, kind: str, name: str, *, times: int = 1) -> None:
        """
        Let the next requests of this kind go that way.

        :raises KeyError: when there is no such kind or plan.
        """
        self._planned[kind].extend([plan_of(name)] * times)

    def answer(self, kind: str, call: Call) -> wire.Answer:
        """Answer one request; its result comes later."""
        app, request, fields = "", None, checks.Fields()
        try:
            app = self.tokens.authenticate(call.headers, call.now)
            fields = call.fields()
            checks.check_fields(fields, RULES[kind], call.request_id)
            request = self._take(kind, fields, call.now)
            answer = wire.accepted_later(
                conversation_id=request.asked.conversation_id,
                originator_id=request.asked.originator_id,
            )
        except wire.Refusal as refusal:
            answer = refusal.answer
        code = self._carry_out(request, call.now) if request else ""
        self.ledger.requests.append(_row(app, kind, fields, request, answer, code, call.now))
        return answer

    def _take(self, kind: str, fields: checks.Fields, now: datetime) -> Request:
        asked = result_wire.Asked(
            kind,
            self.ids.new_conversation_id(now),
            self.ids.new_request_id(),
            str(fields.get("Occasion") or ""),
        )
        planned = self._planned[kind]
        return Request(
            asked=asked,
            plan=planned.popleft() if planned else plan_of("usual"),
            initiator=fields["Initiator"],
            credential=fields["SecurityCredential"],
            shortcode=str(fields.get("PartyA") or fields.get("ReceiverParty")),
            receipt_number=str(fields.get("TransactionID") or ""),
            amount=int(fields.get("Amount") or 0),
            result_url=fields["ResultURL"],
            timeout_url=fields["QueueTimeOutURL"],
        )

    def _carry_out(self, request: Request, at: datetime) -> str:
        """Do what is asked, put what is told on the timeline, return the result's code."""
        plan, parameters = request.plan, result_wire.Parameters()
        receipt = result_wire.filler(at, self.ids)
        code = plan.code or self.initiators.refusal(request.initiator, request.credential)
        if not code and plan.carried_out:
            code, parameters, receipt = self._do(request, at, receipt)
        told_at = at + timedelta(seconds=self.knobs.result_after_s)
        post = partial(self.timeline.post_soon, at=told_at, kind=request.asked.kind)
        if plan.times_out:
            post(request.timeout_url, result_wire.timeout_body(request.asked))
        body = result_wire.result_body(
            request.asked, code, parameters, receipt=receipt, form=plan.form
        )
        for _ in range(plan.results):
            post(request.result_url, body, after_s=plan.after_s)
        return code if plan.results else ""

    def _do(
        self, request: Request, at: datetime, filler: str
    ) -> tuple[str, result_wire.Parameters, str]:
        if request.asked.kind == "balance":
            held = self.transactions.held_by(request.shortcode)
            is_till = request.shortcode in self.knobs.tills.values()
            return "0", result_wire.balance_of(held, is_till=is_till, at=at), filler
        transaction = self.transactions.find(request.receipt_number)
        if transaction and transaction.shortcode != request.shortcode:
            transaction = None
        if request.asked.kind == "status":
            return *self._status(transaction), filler
        return self._reverse(transaction, request, at, filler)

    def _status(self, transaction: Transaction | None) -> tuple[str, result_wire.Parameters]:
        if transaction is None:
            return UNKNOWN_RECEIPT, {}
        status = self.knobs.reversed_status if transaction.reversed_by else "Completed"
        told = result_wire.status_of(
            transaction, business=self._name_of(transaction), status=status, ids=self.ids
        )
        return "0", told

    def _reverse(
        self, transaction: Transaction | None, request: Request, at: datetime, filler: str
    ) -> tuple[str, result_wire.Parameters, str]:
        amount = Decimal(request.amount)
        if transaction is None or amount > transaction.amount:
            return INVALID_ORIGINAL, {}, filler
        if transaction.reversed_by:
            return ALREADY_REVERSED, {}, filler
        if amount > self.transactions.held_by(request.shortcode):
            return NO_FUNDS, {}, filler
        receipt = self.ids.new_receipt_number(at)
        self.transactions.take_back(transaction, amount, reversal_receipt=receipt, by="api", at=at)
        held = self.transactions.held_by(request.shortcode)
        told = result_wire.reversal_of(
            transaction, business=self._name_of(transaction), held=held, at=at
        )
        return "0", told, receipt

    def _name_of(self, transaction: Transaction) -> str:
        names = self.knobs.names
        return names.get(transaction.party_b) or names.get(transaction.shortcode, "A Business")


def _row(
    app: str,
    kind: str,
    fields: checks.Fields,
    request: Request | None,
    answer: wire.Answer,
    code: str,
    at: datetime,
) -> RequestSeen:
    amount = str(fields.get("Amount") or "")
    return RequestSeen(
        at=at,
        app=app,
        kind=kind,
        shortcode=str(fields.get("PartyA") or fields.get("ReceiverParty") or ""),
        initiator=str(fields.get("Initiator", "")),
        receipt_number=str(fields.get("TransactionID") or ""),
        amount=int(amount) if amount.isdecimal() else 0,
        plan=request.plan.name if request else "",
        conversation_id=request.asked.conversation_id if request else "",
        status=answer.status,
        error_code=wire.error_of(answer)[0],
        result_code=code,
    )
