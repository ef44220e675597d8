"""
What our ledger and the text itself say of a receipt somebody shows; nobody else is asked.

Whatever the shop may not know of has one answer, not seen yet: held, doubted and another shop's
receipts are looked for no further than invented ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from payments.choices import Environment, ReceiptStatus
from payments.models import ProviderRequest, Receipt
from payments.providers.daraja import sms
from payments.providers.daraja.receipt_dates import FORM
from payments.providers.daraja.sms import Kind
from payments.receipt_choices import CheckAnswer, UnallocatedReason
from payments.services import check_words, fakes, manual_receipts, receipt_rows
from payments.services.check_reading import Shown
from payments.services.receipt_giving import has_refund
from tenants.models import Branch, Shop
from tenants.prepared import Reader

RETRY_AFTER_S = 15
# What is invented, or not here yet, costs one prepared statement: somebody may try many codes.
_KNOWN = Reader(
    """
    FROM payments_receipt r
    WHERE r.shop_id = %s AND r.environment = %s AND r.number = ANY (%s) LIMIT 1
    """,
    r=(Receipt, ("id",)),
)
_HIDDEN = frozenset({ReceiptStatus.HELD, ReceiptStatus.IN_REVIEW})
_WRONG_KINDS: dict[Kind, str] = {
    Kind.SENT_PHONE: "sent_to_phone",
    Kind.RECEIVED_PHONE: "received_by_phone",
    Kind.RECEIVED_POCHI: "received_by_phone",
    Kind.FAILED: "failed",
    Kind.DECLINED: "failed",
    **dict.fromkeys(
        (
            Kind.WITHDRAWAL,
            Kind.DEPOSIT,
            Kind.AIRTIME,
            Kind.SAVINGS,
            Kind.MOVED,
            Kind.FULIZA,
            Kind.BALANCE,
        ),
        "not_a_payment",
    ),
}


@dataclass(frozen=True)
class Checked:
    """
    What a cashier is told; receipt only where it is the shop's and may be seen.

    why refines the answer (check_words.py), message is {"en", "sw"}, retry_after in seconds. facts
    fill the places of the sentences; request is what Safaricom was asked.
    """

    answer: str
    why: str = ""
    number: str = ""
    receipt: Receipt | None = None
    facts: dict[str, str] = field(default_factory=dict)
    retry_after: int | None = None
    request: ProviderRequest | None = None

    @property
    def message(self) -> dict[str, str]:
        return check_words.message_of(self.answer, self.why, self.facts)


def look(
    shop: Shop, environment: str, branch: Branch | None, shown: Shown, *, now: datetime
) -> Checked:
    """Answer from our ledger and the text alone."""
    receipt = held_by(shop, environment, branch, shown.number)
    if receipt is not None and not _is_hidden(receipt):
        return _of_receipt(receipt, shown, now=now)
    if answer := _of_text(shown, environment, now=now):
        return answer
    return Checked(CheckAnswer.NOT_SEEN_YET, "", shown.number, retry_after=RETRY_AFTER_S)


def held_by(shop: Shop, environment: str, branch: Branch | None, number: str) -> Receipt | None:
    """Return what the ledger holds for this till; of two families' equal numbers, the unused."""
    if not number or not _KNOWN.all([shop.pk, environment, [number, number.upper()]]):
        return None
    rows = receipt_rows.receipts_at_till(
        shop_id=shop.pk, environment=environment, branch_id=branch.pk if branch else None
    )
    rows = rows.filter(manual_receipts.in_force())
    found = list(receipt_rows.with_number(rows, number)[:5])
    unused = [row for row in found if row.status == ReceiptStatus.UNALLOCATED]
    return next(iter((*unused, *found)), None)


def _is_hidden(receipt: Receipt) -> bool:
    """Tell whether the till knows nothing of it: held, doubted, or of an amount nobody can read."""
    if receipt.status in _HIDDEN:
        return receipt.reason != UnallocatedReason.REFUND_NEEDED
    is_whole = receipt.amount is not None and receipt.config_id is not None
    return receipt.status == ReceiptStatus.UNALLOCATED and not is_whole


def _of_receipt(receipt: Receipt, shown: Shown, *, now: datetime) -> Checked:
    """Answer about a receipt of the shop; first what it is, then whether it is the one shown."""
    told = Checked("", "", receipt.number, receipt, _facts(receipt))
    if receipt.status == ReceiptStatus.REVERSED:
        return replace(told, answer=CheckAnswer.REVERSED)
    if receipt.status == ReceiptStatus.CREDITED:
        why = "at_branch" if told.facts.get("branch") else ""
        return replace(told, answer=CheckAnswer.ALREADY_USED, why=why)
    if receipt.status != ReceiptStatus.UNALLOCATED or has_refund(receipt):
        return replace(told, answer=CheckAnswer.REVERSED, why="refund")
    if mismatch := _mismatch(receipt, shown, now=now):
        answer, why, asked = mismatch
        facts = {**told.facts, "asked": shillings(asked)}
        return replace(told, answer=answer, why=why, facts=facts)
    return replace(told, answer=CheckAnswer.GENUINE_UNCLAIMED)


def _mismatch(
    receipt: Receipt, shown: Shown, *, now: datetime
) -> tuple[str, str, Decimal | None] | None:
    """Return where an unused receipt is not what is shown or expected: answer, why, which amount."""
    message = shown.message
    if message is not None:
        signs = [s for s in fakes.signs_of(message, now=now) if s in fakes.OF_EDITING]
        if signs := signs + fakes.differences(message, receipt):
            return (CheckAnswer.LOOKS_FAKE, signs[0], None)
        if message.amount is not None and message.amount != receipt.amount:
            return (CheckAnswer.AMOUNT_DIFFERS, "message", message.amount)
    if fakes.is_other_phone(shown.last3, receipt):
        return (CheckAnswer.LOOKS_FAKE, "other_phone", None)
    if shown.amount is not None and shown.amount != receipt.amount:
        return (CheckAnswer.AMOUNT_DIFFERS, "", shown.amount)
    return None


def _of_text(shown: Shown, environment: str, *, now: datetime) -> Checked | None:
    """Answer from the text where it betrays itself, or says that it is none of the shop's."""
    told = Checked("", "", shown.number)
    message = shown.message
    if message is None:
        return _of_bare_code(told, environment, now=now)
    if signs := fakes.signs_of(message, now=now):
        return replace(told, answer=CheckAnswer.LOOKS_FAKE, why=signs[0])
    if message.kind is Kind.REVERSAL:
        return replace(told, answer=CheckAnswer.REVERSED, why="message")
    if why := _WRONG_KINDS.get(message.kind):
        return replace(told, answer=CheckAnswer.WRONG_BUSINESS, why=why)
    return None


def _of_bare_code(told: Checked, environment: str, *, now: datetime) -> Checked | None:
    if not FORM.fullmatch(told.number):
        return replace(told, answer=CheckAnswer.LOOKS_FAKE, why="code_form")
    if not fakes.is_impossible_number(told.number, now=now):
        return None
    # The sandbox's codes are made up, with any letters: there it is a hint and no more.
    if environment == Environment.SANDBOX:
        return replace(
            told, answer=CheckAnswer.NOT_SEEN_YET, why="date_letters", retry_after=RETRY_AFTER_S
        )
    return replace(told, answer=CheckAnswer.LOOKS_FAKE, why="date_letters")


def _facts(receipt: Receipt) -> dict[str, str]:
    payment = receipt.payment
    used_at = receipt.claimed_at or (payment.completed_at if payment else None) or receipt.paid_at
    branch = (payment.branch if payment else None) or receipt.branch
    return {
        "amount": shillings(receipt.amount),
        "when": eat(used_at),
        "branch": branch.name if branch else "",
    }


def shillings(amount: Decimal | None) -> str:
    """Write an amount as a message does: 1,500.00."""
    return "" if amount is None else f"{amount:,.2f}"


def eat(moment: datetime | None) -> str:
    """Write a moment as people in Kenya read it, in either language."""
    return moment.astimezone(sms.EAT).strftime("%d/%m/%Y %H:%M") if moment else "–"  # noqa: RUF001


def describe(checked: Checked, *, role: str) -> dict[str, Any]:
    """Describe a check as the API does (api.md)."""
    receipt = checked.receipt
    described: dict[str, Any] = {
        "answer": checked.answer,
        "why": checked.why or None,
        "receipt": receipt_rows.describe_receipt(receipt, role=role) if receipt else None,
        "message": checked.message,
    }
    if checked.retry_after is not None:
        described["retry_after"] = checked.retry_after
    return described
