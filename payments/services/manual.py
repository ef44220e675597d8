"""
Money a person writes down: cash, a card, a till without an API.

It is paid on his word, with his name on it; nothing of it is ever deleted, a mistake is voided.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, QuerySet

from audit import recording
from audit.actions import AuditAction
from payments import msisdn as msisdns
from payments.choices import ConfigStatus, PaymentStatus, ReceiptChannel, ReceiptStatus
from payments.errors import (
    AmountDiffers,
    InvalidInput,
    InvalidTransition,
    ReceiptAlreadyUsed,
)
from payments.models import IdempotencyKey, Payment, PaymentConfig, Receipt
from payments.models.requests import OPEN_REFUNDS
from payments.receipt_choices import ManualMethod, PaymentOrigin
from payments.services import cases, guards, idempotency, locks, manual_receipts, receipt_acts
from payments.services.configs import check_reason
from payments.services.initiation import phone_index
from payments.services.manual_receipts import FAMILY_BY_METHOD
from payments.services.transitions import Change, move_payment, record_creation
from tenants.ids import new_id

if TYPE_CHECKING:
    from audit.actors import Actor
    from payments.services.manual_receipts import TypedReceipt
    from tenants.models import Branch, Shop

HIGHEST = Decimal("9999999999.99")
_AUDITED = ("amount", "method", "external_reference", "order_ref", "receipt_number")


@dataclass(frozen=True)
class ManualPayment:
    """What a person writes down: shillings with at most two decimals, a normalised MSISDN."""

    amount: Decimal
    method: str
    reference: str = ""
    order_ref: str = ""
    reason: str = ""
    msisdn: str = field(default="", repr=False)


class _Waiting(Exception):
    """The shop has this very money unallocated: it is claimed and not written down again."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt.number)
        self.receipt = receipt


def record(
    *,
    shop: Shop,
    environment: str,
    branch: Branch | None,
    given: ManualPayment,
    idempotency_key: IdempotencyKey | None,
    actor: Actor,
    now: datetime,
) -> Payment:
    """
    Write a payment down; it is completed at once.

    A reference that is a receipt number enters the ledger. Where the shop received that money
    already and nobody used it, the payment returned is made of that receipt.

    :raises ReceiptAlreadyUsed: when the shop holds the receipt for something else.
    :raises AmountDiffers: when the money that came under this number is another amount.
    :raises OrderAlreadyPaid: when the order has a completed payment.
    """
    check(given)
    payment = _new(shop, environment, branch, given, actor=actor, now=now)
    try:
        with transaction.atomic():
            _store(payment, given, actor=actor, now=now)
            idempotency.bind(key=idempotency_key, payment=payment)
    except _Waiting as waiting:
        return _claim(waiting.receipt, payment, given, idempotency_key, actor=actor, now=now)
    return payment


def check(given: ManualPayment) -> None:
    """
    Refuse what is no amount or no method.

    :raises InvalidInput: naming the field.
    """
    amount = given.amount
    if not (amount.is_finite() and 0 < amount <= HIGHEST and amount == round(amount, 2)):
        _refuse("amount", "Give an amount above nothing, with at most two decimals.")
    if given.method not in ManualMethod.values:
        _refuse("method", "Choose how the money came.")


@transaction.atomic
def void(*, payment: Payment, reason: str, actor: Actor, now: datetime) -> Payment:
    """
    Take back a payment that was written down by mistake; its row and its history stay.

    :raises InvalidTransition: when it was not written by hand, is void already, or a refund of it
        is under way.
    """
    check_reason(reason)
    row = cases.lock_payment(payment.pk)
    if row.origin != PaymentOrigin.MANUAL:
        raise InvalidTransition("Only a payment written down by hand is voided.")
    if row.status != PaymentStatus.COMPLETED:
        raise InvalidTransition("The payment is void already.")
    if row.refunds.filter(status__in=OPEN_REFUNDS).exists():
        raise InvalidTransition("A refund of this payment is under way.")
    before = recording.state_of(row, ("status", "receipt_number"))
    _withdraw_receipts(row, reason, actor=actor, now=now)
    row.receipt_number = ""
    actor = replace(actor, reason=reason)
    why = f"Voided: {reason}"
    change = Change(row, [], cases.reviews_of(row), actor, path=[PaymentStatus.REVERSED], why=why)
    move_payment(change, now=now)
    act, shop_id = AuditAction.MANUAL_VOIDED, row.shop_id
    recording.record_change(act, row, shop_id=shop_id, before=before, actor=actor, now=now)
    return row


def _store(payment: Payment, given: ManualPayment, *, actor: Actor, now: datetime) -> None:
    """Insert, enter the receipt, then take the order: in the order in which everybody locks."""
    payment.save(force_insert=True)
    if typed := manual_receipts.read(given.method, given.reference):
        payment.receipt_number = _enter(payment, typed, now=now)
    locks.lock_orders([payment] if payment.order_ref else [])
    guards.refuse_paid_order(payment)
    change = Change(payment, [], [], actor, why=f"By hand: {payment.method}")
    record_creation(change, now=now)
    change.path = [PaymentStatus.COMPLETED]
    move_payment(change, now=now)
    act, reason = AuditAction.MANUAL_RECORDED, given.reason
    changes = recording.changes_between({}, recording.state_of(payment, _AUDITED))
    recording.record(
        act,
        payment,
        shop_id=payment.shop_id,
        actor=actor,
        now=now,
        changes=changes,
        reason=reason,
    )


def _enter(payment: Payment, typed: TypedReceipt, *, now: datetime) -> str:
    """Return the receipt number this payment is credited with, "" where it is not ours to say."""
    holds = manual_receipts.held(payment, typed)
    if holds is None and manual_receipts.enter(payment, typed, now=now):
        return typed.number
    holds = holds or manual_receipts.held(payment, typed)
    if holds is None:
        return ""
    if holds.status != ReceiptStatus.UNALLOCATED:
        raise ReceiptAlreadyUsed("The shop holds this receipt for something else.")
    if holds.amount != payment.amount:
        raise AmountDiffers("The money that came under this receipt is another amount.")
    raise _Waiting(holds)


def _claim(
    receipt: Receipt,
    payment: Payment,
    given: ManualPayment,
    idempotency_key: IdempotencyKey | None,
    *,
    actor: Actor,
    now: datetime,
) -> Payment:
    return receipt_acts.claim(
        shop=payment.shop,
        environment=payment.environment,
        branch=payment.branch,
        receipt_number=receipt.number,
        order_ref=given.order_ref,
        amount=given.amount,
        idempotency_key=idempotency_key,
        actor=replace(actor, reason=given.reason or actor.reason),
        now=now,
    )


def _new(
    shop: Shop,
    environment: str,
    branch: Branch | None,
    given: ManualPayment,
    *,
    actor: Actor,
    now: datetime,
) -> Payment:
    config = _account_without_api(shop, environment, branch, given.method)
    return Payment(
        id=new_id(),
        shop=shop,
        environment=environment,
        branch=branch,
        config=config,
        provider=config.provider if config else "",
        origin=PaymentOrigin.MANUAL,
        method=given.method,
        external_reference=given.reference,
        note=given.reason,
        amount=given.amount,
        phone=given.msisdn,
        phone_index=phone_index(given.msisdn) if given.msisdn else "",
        phone_masked=msisdns.mask(given.msisdn) if given.msisdn else "",
        order_ref=given.order_ref,
        version=1,
        created_by=actor.label[:254],
        created_at=now,
        expires_at=now,
    )


def _account_without_api(
    shop: Shop, environment: str, branch: Branch | None, method: str
) -> PaymentConfig | None:
    """Find the account such money goes to, where the shop has one of which nobody tells us."""
    family = FAMILY_BY_METHOD.get(method)
    rows: QuerySet[PaymentConfig] = PaymentConfig.objects.not_deleted().filter(
        shop=shop,
        environment=environment,
        has_api=False,
        is_active=True,
        status=ConfigStatus.VERIFIED,
    )
    rows = rows.order_by(F("branch").asc(nulls_last=True), "priority", "name")
    fitting = [config for config in rows if config.family == family]
    own = {branch.pk if branch else None, None}
    return next((config for config in fitting if config.branch_id in own), None)


def _withdraw_receipts(payment: Payment, reason: str, *, actor: Actor, now: datetime) -> None:
    for receipt in manual_receipts.withdraw(payment, now=now):
        if receipt.channel != ReceiptChannel.MANUAL:
            recording.record(
                AuditAction.RECEIPT_RELEASED,
                receipt,
                shop_id=payment.shop_id,
                actor=actor,
                now=now,
                reason=reason,
            )


def _refuse(name: str, detail: str) -> None:
    raise InvalidInput(detail, errors=[(name, "invalid", detail)])
