"""
The desk of payments nobody asked for: `POST /mpesa/c2b/v1|v2/simulate`, and people paying by hand.

With validation on, the business is asked first and has eight seconds; its silence, or what is no
answer, counts as the ResponseType it registered (Daraja 3.0 portal, CustomerToBusiness). Without
registered addresses a payment completes and nobody is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from payments.providers.daraja.simulator import c2b_wire, checks, wire
from payments.providers.daraja.simulator.calls import Call
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.ledger import Ledger, Validated
from payments.providers.daraja.simulator.registrations import RegisterDesk
from payments.providers.daraja.simulator.timeline import Timeline
from payments.providers.daraja.simulator.tokens import TokenDesk
from payments.providers.daraja.simulator.transactions import Transaction, TransactionBook

PATHS = {f"/mpesa/c2b/{version}/simulate": version for version in ("v1", "v2")}
_COMMANDS = {checks.PAYBILL, checks.TILL}
_RULES: checks.Rules = {
    "ShortCode": checks.is_shortcode,
    "CommandID": lambda value: value in _COMMANDS,
    "Amount": checks.is_amount,
    "Msisdn": checks.is_msisdn,
    "BillRefNumber": lambda value: value is None or checks.is_text(0, 20)(value),
}


@dataclass(frozen=True)
class HandPayment:
    """
    One payment somebody makes; business is the paybill or till that was typed.

    confirmations and confirm_after_s are how often and how late the business is told of it.
    questions is how often it is asked first (with validation on; its first answer counts),
    late_questions how often once more behind the confirmation, when nothing hangs on the answer.
    msisdn_form and names win over the knobs.
    """

    business: str
    amount: Decimal
    msisdn: str
    reference: str = ""
    to_till: bool = False
    name: str = ""
    confirmations: int = 1
    confirm_after_s: float = 0.0
    questions: int = 1
    late_questions: int = 0
    msisdn_form: str = ""
    names: str = ""


@dataclass
class HandDesk:
    """Takes payments, asks the business, tells it."""

    tokens: TokenDesk
    ids: wire.Ids
    ledger: Ledger
    knobs: Knobs
    timeline: Timeline
    transactions: TransactionBook
    registrations: RegisterDesk
    _asked: dict[int, tuple[HandPayment, Transaction]] = field(default_factory=dict)

    def clear(self) -> None:
        self._asked.clear()

    def simulate(self, call: Call) -> wire.Answer:
        """Answer one simulation; what the payment leads to comes as callbacks."""
        try:
            self.tokens.authenticate(call.headers, call.now)
            fields = call.fields()
            checks.check_fields(fields, _RULES, call.request_id)
        except wire.Refusal as refusal:
            return refusal.answer
        payment = HandPayment(
            str(fields["ShortCode"]),
            Decimal(str(fields["Amount"])),
            str(fields["Msisdn"]),
            reference=fields.get("BillRefNumber") or "",
            to_till=fields["CommandID"] == checks.TILL,
        )
        self.pay(payment, at=call.now)
        return wire.simulated(conversation_id=self.ids.new_request_id())

    def pay(self, payment: HandPayment, *, at: datetime) -> str:
        """Let somebody pay; return the receipt, which is none while the business is asked."""
        transaction = self._begin(payment, at)
        registration = self.registrations.registered.get(transaction.shortcode)
        if registration is None or not self.knobs.c2b_validates:
            self._complete(payment, transaction, at)
            return transaction.receipt_number
        serial, *_repeats = self._ask(payment, transaction, at, times=max(1, payment.questions))
        self._asked[serial] = payment, transaction
        too_late = at + timedelta(seconds=self.knobs.validation_wait_s)
        self.timeline.at(too_late, partial(self._hear_nothing, serial))
        return transaction.receipt_number

    def hear(self, callback: wire.Callback, *, status: int, answer: str, now: datetime) -> None:
        """Take the business's word on a payment it was asked about."""
        if callback.serial not in self._asked:
            return
        code = c2b_wire.code_of(answer) if status == 200 else None
        if code is None:
            self._hear_nothing(callback.serial, now)
        else:
            outcome = "refused" if code.strip("0") else "accepted"
            self._decide(callback.serial, outcome, code, now)

    def confirm(self, transaction: Transaction, at: datetime) -> None:
        """Tell a paid prompt at the C2B addresses too, where the knob says so."""
        if self.knobs.stk_sends_c2b:
            payment = HandPayment(transaction.party_b, transaction.amount, transaction.msisdn)
            self._tell(payment, transaction, at)

    def _begin(self, payment: HandPayment, at: datetime) -> Transaction:
        return Transaction(
            receipt_number=self.ids.new_receipt_number(at),
            at=at,
            shortcode=self.registrations.number_of(payment.business),
            party_b=payment.business,
            amount=payment.amount,
            msisdn=payment.msisdn,
            reference=payment.reference,
            name=payment.name or self.knobs.payer_name,
            is_till=payment.to_till or payment.business in self.knobs.tills,
        )

    def _hear_nothing(self, serial: int, at: datetime) -> None:
        if serial in self._asked:
            self._decide(serial, "silent", "", at)

    def _decide(self, serial: int, outcome: str, code: str, at: datetime) -> None:
        payment, transaction = self._asked.pop(serial)
        registration = self.registrations.registered[transaction.shortcode]
        by_default = outcome == "silent" and registration.response_type == "Completed"
        is_taken = outcome == "accepted" or by_default
        self.ledger.validations.append(
            Validated(
                at=at,
                receipt_number=transaction.receipt_number,
                shortcode=transaction.shortcode,
                msisdn=transaction.msisdn,
                outcome=outcome,
                result_code=code,
                completed=is_taken,
            )
        )
        if is_taken:
            self._complete(payment, transaction, at)

    def _complete(self, payment: HandPayment, transaction: Transaction, at: datetime) -> None:
        self.transactions.add(transaction)
        self._tell(payment, transaction, at)

    def _tell(self, payment: HandPayment, transaction: Transaction, at: datetime) -> None:
        registration = self.registrations.registered.get(transaction.shortcode)
        if registration is None:
            return
        told_as = replace(
            self._told_as(payment, registration.version),
            balance=f"{self.transactions.held_by(transaction.shortcode):.2f}",
        )
        body = c2b_wire.body(transaction, told_as)
        for _ in range(payment.confirmations):
            self.timeline.post_soon(
                registration.confirmation_url,
                body,
                at,
                kind="c2b_confirmation",
                after_s=payment.confirm_after_s,
            )

        late, after_s = payment.late_questions, payment.confirm_after_s
        self._ask(payment, transaction, at, times=late, after_s=after_s)

    def _ask(
        self,
        payment: HandPayment,
        transaction: Transaction,
        at: datetime,
        *,
        times: int,
        after_s: float = 0.0,
    ) -> list[int]:
        """Put questions on the timeline; return their serials."""
        registration = self.registrations.registered[transaction.shortcode]
        body = c2b_wire.body(transaction, self._told_as(payment, registration.version))
        post = partial(self.timeline.post_soon, registration.validation_url, body, at)
        return [post(kind="c2b_validation", after_s=after_s) for _ in range(times)]

    def _told_as(self, payment: HandPayment, version: str) -> c2b_wire.ToldAs:
        usual = "hash" if version == "v1" else "mask"
        return c2b_wire.ToldAs(
            msisdn_form=payment.msisdn_form or self.knobs.msisdn_form or usual,
            names=payment.names or self.knobs.payer_names,
        )
