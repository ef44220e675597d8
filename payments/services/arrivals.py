"""
Money that arrives by itself: C2B, pull, statement. Receipt first, then whose it is.

What the ledger knows already is a repeat, unless it tells more or contradicts. What is new goes to
the one payment it names, waits while a prompt may turn out to be what it paid for, or waits for a
person, with the reason (safety.md 5.4 to 5.6).
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from audit.actors import Actor
from payments.choices import (
    ReceiptChannel,
    ReceiptStatus,
    ReviewCode,
    VerificationResult,
    VerificationStage,
)
from payments.errors import InvalidTransition, PaymentsError, UnreadableBody
from payments.models import PaymentConfig, ProviderCallback, Receipt, Review, VerificationLog
from payments.providers.base import ArrivedMoney
from payments.receipt_choices import UnallocatedReason
from payments.services import ledger, matching, proofs
from payments.services.arrival_rows import new_row
from payments.services.cases import SOURCE_OF_CHANNEL, NewEvidence, arrival_of, lock_payment
from payments.services.events import NewEvent, record_events
from payments.services.evidence import apply_evidence
from payments.services.matching import Standing
from payments.services.receipt_rows import describe_receipt
from tenants.roles import Role

_MOVED_MEANWHILE = 3
# How long after it was sent a KES 1 prompt is still told about.
_PROOF_TAKES = timedelta(minutes=15)
_UNDECIDED = frozenset({ReceiptStatus.UNALLOCATED, ReceiptStatus.HELD})
_LEARNT = (
    "payer_initials",
    "payer_masked",
    "payer_index",
    "shortcode",
    "transaction_type",
    "paid_at",
    "config_id",
)


class ForeignReceipt(PaymentsError):
    """The number stands in the ledger for money of another shop, or of another account."""


class _Moved(Exception):
    """Somebody else decided about the receipt while we looked."""


@dataclass(frozen=True)
class Taken:
    """is_news is false where nothing was told that was not known."""

    receipt: Receipt
    is_news: bool


@dataclass(frozen=True)
class _Told:
    """Who told of the money, and in which callback."""

    source: str
    actor: Actor
    callback: ProviderCallback | None = None


def take(
    money: ArrivedMoney,
    *,
    config: PaymentConfig,
    channel: str,
    actor: Actor,
    now: datetime,
    callback: ProviderCallback | None = None,
    source: str = "",
) -> Receipt:
    """Enter money into the ledger and return its receipt; see enter."""
    return enter(
        money,
        config=config,
        channel=channel,
        actor=actor,
        now=now,
        callback=callback,
        source=source,
    ).receipt


def enter(
    money: ArrivedMoney,
    *,
    config: PaymentConfig,
    channel: str,
    actor: Actor,
    now: datetime,
    callback: ProviderCallback | None = None,
    source: str = "",
) -> Taken:
    """
    Enter money that came to a config's account, whatever the config's status is by now.

    source is who told of it (EvidenceSource), where the channel alone does not say it.

    The caller has made sure who says so, and that it is this account's. Sends nothing.

    :raises UnreadableBody: when its amount could not be read.
    :raises ForeignReceipt: when the number is other money's.
    """
    if money.amount is None:
        raise UnreadableBody("The amount cannot be read.")
    row = new_row(money, config=config, channel=channel, now=now)
    for _attempt in range(_MOVED_MEANWHILE):
        with suppress(_Moved), transaction.atomic():
            return _enter(row, _Told(source or _source_of(row), actor, callback), now=now)
    raise InvalidTransition("Others keep deciding about this receipt.")


def settle_held(*, now: datetime) -> int:
    """Let receipts go for which no payment is left to wait; return how many."""
    held = Receipt.objects.filter(status=ReceiptStatus.HELD).order_by("pk")
    return sum(_settle_held(row, now=now) for row in held.select_related("config").iterator())


def _enter(row: Receipt, told: _Told, *, now: datetime) -> Taken:
    known = _known(row)
    owner = known.payment_id if known else _put(row, place_of(row, now=now), now=now)
    # Payments before receipts, as everybody locks.
    if owner is not None:
        lock_payment(owner)
        if known is None and _put(row, place_of(row, now=now), now=now) != owner:
            raise _Moved
    receipt = ledger.enter_arrival(row)
    is_new = receipt.pk == row.pk
    if not is_new and (known is None or receipt.payment_id != owner):
        raise _Moved
    is_news = is_new or _learn(receipt, row, now=now)
    if owner is not None:
        is_news = apply_evidence(_as_evidence(row, owner, told, now=now), now=now).is_new or is_news
        receipt.refresh_from_db()
    if is_new:
        _announce(receipt, now=now)
    return Taken(receipt, is_news)


def _known(row: Receipt) -> Receipt | None:
    """Return what the ledger holds under the number, and refuse what is not this account's."""
    key = (row.environment, row.family, row.number)
    known = ledger.find(shop_id=row.shop_id, key=key)
    if known is None:
        return None
    if known.shop_id != row.shop_id:
        raise ForeignReceipt("The receipt's number is another shop's.")
    if known.config_id not in {None, row.config_id, *matching.siblings_of(row)}:
        raise ForeignReceipt("The receipt's number is another account's.")
    return known


def place_of(receipt: Receipt, *, now: datetime) -> Standing:
    """Decide where a receipt without an owner belongs; a verification's KES 1 is no sale."""
    prompts = VerificationLog.objects.filter(
        config__in=matching.siblings_of(receipt), stage=VerificationStage.PROMPT
    )
    if receipt.amount == proofs.AMOUNT:
        if prompts.filter(response_payload__receipt_number=receipt.number).exists():
            return Standing(None, ReceiptStatus.CREDITED, UnallocatedReason.PROOF)
        since = (receipt.paid_at or now) - _PROOF_TAKES
        if prompts.filter(result=VerificationResult.PENDING, created_at__gte=since).exists():
            return Standing(None, ReceiptStatus.HELD, UnallocatedReason.AWAITS_RECEIPT)
    return matching.standing(receipt, now=now)


def _put(receipt: Receipt, place: Standing, *, now: datetime) -> uuid.UUID | None:
    """Write on the row, not yet in the database, where it belongs; return its owner's id."""
    receipt.status, receipt.reason = place.status, place.reason
    # Safaricom may know more about what is held back.
    receipt.next_ask_at = now if place.status == ReceiptStatus.HELD else None
    return place.owner.pk if place.owner else None


def _learn(receipt: Receipt, told: Receipt, *, now: datetime) -> bool:
    """Fill in what was not known of a locked receipt; tell whether anything was new."""
    if receipt.payment_id is None and receipt.amount != told.amount:
        _doubt_amount(receipt, now=now)
    learnt = [name for name in _LEARNT if not getattr(receipt, name) and getattr(told, name)]
    if receipt.channel == ReceiptChannel.MANUAL:
        # So far it was a person's word, also about how much it is and whose number.
        learnt += ["channel", "family", "amount"]
    elif receipt.amount is None and receipt.payment and receipt.payment.amount == told.amount:
        learnt.append("amount")
    for name in learnt:
        setattr(receipt, name, getattr(told, name))
    if learnt:
        receipt.save(update_fields=learnt)
    return bool(learnt)


def _doubt_amount(receipt: Receipt, *, now: datetime) -> None:
    """Two amounts were told of money that is nobody's yet: nobody may use it before a person looked."""
    if receipt.status in _UNDECIDED:
        receipt.status, receipt.next_ask_at = ReceiptStatus.IN_REVIEW, now
        receipt.save(update_fields=["status", "next_ask_at"])
    Review.objects.get_or_create(
        payment=None,
        code=ReviewCode.AMOUNT_MISMATCH,
        subject=str(receipt.pk),
        defaults={
            "shop_id": receipt.shop_id,
            "environment": receipt.environment,
            "receipt": receipt,
            "blocking": True,
            "opened_at": now,
        },
    )


def _settle_held(receipt: Receipt, *, now: datetime) -> bool:
    place = place_of(receipt, now=now)
    if place.status == ReceiptStatus.HELD:
        return False
    with transaction.atomic():
        if place.owner is not None:
            lock_payment(place.owner.pk)
        rows = Receipt.objects.select_for_update(of=("self",)).select_related("config")
        row = rows.get(pk=receipt.pk)
        if row.status != ReceiptStatus.HELD or place_of(row, now=now) != place:
            return False
        if place.owner is None:
            _put(row, place, now=now)
            row.save(update_fields=["status", "reason", "next_ask_at"])
        else:
            told = _Told(_source_of(row), Actor.system("arrivals"))
            apply_evidence(_as_evidence(row, place.owner.pk, told, now=now), now=now)
    return True


def _source_of(row: Receipt) -> str:
    return SOURCE_OF_CHANNEL[ReceiptChannel(row.channel)]


def _as_evidence(row: Receipt, payment_id: uuid.UUID, told: _Told, *, now: datetime) -> NewEvidence:
    return NewEvidence(
        payment_id=payment_id,
        attempt_id=None,
        source=told.source,
        outcome=arrival_of(row),
        actor=told.actor,
        heard_at=now,
        callback_id=told.callback.pk if told.callback else None,
    )


def _announce(receipt: Receipt, *, now: datetime) -> None:
    data = describe_receipt(receipt, role=Role.MANAGER)
    event = NewEvent(receipt.shop_id, receipt.environment, "receipt.received", data)
    record_events([event], now=now)
