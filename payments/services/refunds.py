"""
Giving a customer's money back: asked by one person, approved by another, sent once.

The whole receipt or nothing: whether Safaricom takes back part of one is not proven. What becomes
of a refund once it left is told by refund_outcomes.py. Without an initiator nothing is sent: a
person reverses it on the M-Pesa portal and says so.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import PaymentStatus, ProviderFamily, ReceiptChannel, ReceiptStatus
from payments.errors import InvalidInput, InvalidTransition
from payments.models import Payment, Receipt, Refund
from payments.receipt_choices import RefundStatus, UnallocatedReason
from payments.services import refund_outcomes, requests, reversals, upstream
from payments.services.configs import check_reason
from payments.services.request_sending import send_quietly
from tenants.models import User

_TRAIL = ("status", "amount", "reason", "asked_by_label", "decided_by_label", "note")
_LOOSE = frozenset({ReceiptStatus.UNALLOCATED, ReceiptStatus.IN_REVIEW})


class NotAnotherPerson(InvalidTransition):
    """Somebody else than who asked for the refund decides."""


def ask_refund(
    *,
    receipt: Receipt,
    amount: Decimal | None = None,
    reason: str,
    user: User,
    actor: Actor,
    now: datetime,
) -> Refund:
    """
    Ask that a receipt's money be given back; without an amount, the whole of it.

    :raises InvalidInput: without a reason, or for part of the receipt.
    :raises InvalidTransition: when the receipt is not one to give back, or a refund is under way.
    """
    check_reason(reason)
    with transaction.atomic():
        row = reversals.lock_receipt(receipt)
        if (row.status, row.payment_id) != (receipt.status, receipt.payment_id):
            raise InvalidTransition("Somebody else has just decided about this receipt.")
        if obstacle := obstacle_to(row):
            raise InvalidTransition(obstacle)
        assert row.amount is not None  # noqa: S101 - no obstacle
        if amount is not None and amount != row.amount:
            detail = (
                "Only the whole amount can be given back: whether Safaricom takes back part of a"
                " receipt is not proven."
            )
            raise InvalidInput(detail, errors=[("amount", "invalid", detail)])
        refund = Refund(
            shop_id=row.shop_id,
            environment=row.environment,
            payment=_paid_by(row),
            receipt=row,
            amount=row.amount,
            reason=reason.strip(),
            asked_by=user,
            asked_by_label=actor.label,
            asked_at=now,
        )
        _save_once(refund)
        _record(AuditAction.REFUND_ASKED, refund, actor=actor, now=now, reason=reason)
    return refund


def obstacle_to(receipt: Receipt) -> str:
    """Say why a receipt is not one to give back, "" where it is; receipt knows its payment."""
    if not _is_safaricoms(receipt):
        return "Safaricom did not tell of this money, so it cannot give it back: void it instead."
    if receipt.amount is None or receipt.amount <= 0 or receipt.config_id is None:
        return "Nobody knows how much this receipt is, so nothing can be given back."
    if receipt.status == ReceiptStatus.REVERSED:
        return "The money went back already."
    payment = receipt.payment
    if receipt.status == ReceiptStatus.CREDITED and payment is not None:
        is_paid = payment.status == PaymentStatus.COMPLETED
        return "" if is_paid else "The payment of this receipt is not completed."
    if receipt.status in _LOOSE and receipt.reason == UnallocatedReason.REFUND_NEEDED:
        return ""
    return "Assign the receipt, or mark it to be given back, before a refund is asked for."


def _is_safaricoms(receipt: Receipt) -> bool:
    """Tell whether Safaricom told of it, and the account is the shop's own to give back from."""
    is_banks = receipt.config is not None and receipt.config.family != ProviderFamily.MPESA
    is_mpesas = receipt.family == ProviderFamily.MPESA and not is_banks
    return is_mpesas and receipt.channel != ReceiptChannel.MANUAL


def _paid_by(receipt: Receipt) -> Payment | None:
    return receipt.payment if receipt.status == ReceiptStatus.CREDITED else None


def open_refund(receipt: Receipt) -> Refund | None:
    """Return the refund of a receipt that is not at its end, if one is."""
    rows = Refund.objects.filter(receipt=receipt)
    ended = [RefundStatus.DECLINED, RefundStatus.DONE, RefundStatus.FAILED]
    found: Refund | None = rows.exclude(status__in=ended).first()
    return found


def may_decide(refund: Refund, user: User) -> bool:
    """Tell whether this person is another one than who asked."""
    return refund.asked_by_id != user.pk


def approve(*, refund: Refund, note: str = "", user: User, actor: Actor, now: datetime) -> Refund:
    """
    Say yes as the second person, and send the refund, once, where the config has an initiator.

    The order is committed with the yes and leaves after it: of two who approve at once, one does,
    and a process that dies on the way leaves a refund whose outcome is unknown, never one sent
    twice.

    :raises NotAnotherPerson: when this person asked for it.
    :raises InvalidTransition: when it is decided, or the receipt changed since.
    :raises ProviderUnavailable: when this process is at its cap of calls; nothing is approved.
    """
    with upstream.upstream_slot():
        with transaction.atomic():
            locked = _lock_undecided(refund, user)
            if obstacle := obstacle_to(locked.receipt):
                raise InvalidTransition(obstacle)
            if locked.payment != _paid_by(locked.receipt):
                raise InvalidTransition("Somebody else has just decided about this receipt.")
            _decide(locked, RefundStatus.APPROVED, user, note, actor=actor, now=now)
            _record(AuditAction.REFUND_APPROVED, locked, actor=actor, now=now, reason=note)
            _order(locked, actor=actor, now=now)
        if locked.request is not None:
            send_quietly(locked.request, now=now)
            refund_outcomes.note_sending(locked.request, actor=actor, now=now)
    locked.refresh_from_db()
    return locked


def decline(*, refund: Refund, note: str, user: User, actor: Actor, now: datetime) -> Refund:
    """Say no as the second person, and why; raises what approve raises."""
    check_reason(note)
    with transaction.atomic():
        locked = _lock_undecided(refund, user)
        _decide(locked, RefundStatus.DECLINED, user, note, actor=actor, now=now)
        locked.ended_at = now
        locked.save(update_fields=["ended_at"])
        _record(AuditAction.REFUND_DECLINED, locked, actor=actor, now=now, reason=note)
    return locked


def can_be_sent(receipt: Receipt) -> bool:
    """Tell whether Safaricom can be ordered: an initiator, and whole shillings."""
    if receipt.config is None or receipt.amount is None or receipt.amount != int(receipt.amount):
        return False
    return requests.has_initiator(receipt.config)


def _order(refund: Refund, *, actor: Actor, now: datetime) -> None:
    """Write the order down beside the yes, where it can be sent."""
    receipt = refund.receipt
    if not can_be_sent(receipt):
        return
    refund.request = requests.create_reversal(
        receipt=receipt, payment=refund.payment, actor=actor, now=now
    )
    refund.status = RefundStatus.SENT
    refund.save(update_fields=["request", "status"])


def _lock_undecided(refund: Refund, user: User) -> Refund:
    locked = refund_outcomes.lock(refund)
    if locked.status != RefundStatus.ASKED:
        raise InvalidTransition("It is decided already.", current=locked.status, allowed=[])
    if not may_decide(locked, user):
        raise NotAnotherPerson("You asked for this refund; another person must approve it.")
    return locked


def _decide(
    refund: Refund, status: RefundStatus, user: User, note: str, *, actor: Actor, now: datetime
) -> None:
    refund.status, refund.note = status, note.strip()[:300]
    refund.decided_by, refund.decided_by_label, refund.decided_at = user, actor.label, now
    refund.save(update_fields=["status", "note", "decided_by", "decided_by_label", "decided_at"])


def _save_once(refund: Refund) -> None:
    try:
        with transaction.atomic():
            refund.save(force_insert=True)
    except IntegrityError as error:
        if "refund_one_open" not in str(error):
            raise
        raise InvalidTransition("A refund of this receipt is under way.") from error


def _record(
    action: AuditAction, refund: Refund, *, actor: Actor, now: datetime, reason: str
) -> None:
    changes = recording.changes_between({}, recording.state_of(refund, _TRAIL))
    recording.record(
        action,
        refund,
        shop_id=refund.shop_id,
        actor=actor,
        now=now,
        changes=changes,
        reason=reason,
    )
