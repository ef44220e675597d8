"""
Whose money it could be: payments that lack their money, or only its receipt (safety.md 5.5).

A reference given in full names its payment. Without one nothing is guessed: money is held back
while a prompt of the same amount may still turn out to be what it paid for.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Exists, OuterRef, Q, QuerySet

from payments.choices import FAMILY_OF, AttemptStatus, PaymentStatus, ReceiptStatus
from payments.fields import blind_index
from payments.models import Attempt, Payment, PaymentConfig, Receipt
from payments.receipt_choices import UnallocatedReason
from payments.services import near_references
from payments.services.account_rules import normalise
from payments.states import LIVE_STATUSES

ASKED_WITHIN = timedelta(hours=24)
# Safaricom's clock and ours are two.
_CLOCKS_DIFFER = timedelta(minutes=2)
# A payment may be asked for again days after it was made.
_MADE_WITHIN = timedelta(days=7)
# The newest; a shop with more open payments of one amount needs people to tell them apart.
_LOOKED_AT = 200
_UNSETTLED = (*sorted(LIVE_STATUSES), PaymentStatus.EXPIRED, PaymentStatus.FAILED)
_LACKS_MONEY = Q(status__in=_UNSETTLED)
_LACKS_RECEIPT = Q(status=PaymentStatus.COMPLETED, receipt_pending=True)


class Why(StrEnum):
    """What speaks for a candidate, strongest first."""

    REFERENCE = "reference"
    PHONE = "phone"
    AMOUNT = "amount"


_SCORES = {Why.REFERENCE: 100, Why.PHONE: 60, Why.AMOUNT: 20}


@dataclass(frozen=True)
class Candidate:
    """A payment of the exact amount; score orders candidates, 0 to 120."""

    payment: Payment
    why: Why
    score: int
    # Its prompt went out, and may be what the money paid for.
    may_be_its_prompt: bool


@dataclass(frozen=True)
class Standing:
    """Where a receipt belongs: with a payment, or else nowhere yet, and why."""

    owner: Payment | None = None
    status: str = ReceiptStatus.UNALLOCATED
    reason: str = ""


def candidates(receipt: Receipt, *, now: datetime) -> list[Candidate]:
    """
    Find the payments this money could be for, likeliest first.

    Same shop, environment and number paid to, exact amount, asked for within the 24 hours before
    it was paid, and without their money, or without their receipt.
    """
    if receipt.amount is None or receipt.config is None:
        return []
    rows = _open(receipt, now=now).filter(amount=receipt.amount)
    found = [_candidate(receipt, payment) for payment in rows[:_LOOKED_AT]]
    return sorted(found, key=lambda each: -each.score)


def standing(receipt: Receipt, *, now: datetime) -> Standing:
    """Decide where a receipt without an owner belongs."""
    found = candidates(receipt, now=now)
    named = [each.payment for each in found if each.why == Why.REFERENCE]
    if len(named) == 1:
        return Standing(named[0], ReceiptStatus.IN_REVIEW)
    if not named and (meant := _meant(receipt, now=now)):
        return Standing(meant, ReceiptStatus.IN_REVIEW)
    if any(each.may_be_its_prompt for each in found):
        return Standing(None, ReceiptStatus.HELD, UnallocatedReason.AWAITS_RECEIPT)
    return Standing(None, ReceiptStatus.UNALLOCATED, _reason(receipt, named, now=now))


def siblings_of(receipt: Receipt) -> list[uuid.UUID]:
    """Return the shop's configs of the account the money came to."""
    assert receipt.config is not None  # noqa: S101 - what arrived by itself has one
    return siblings(receipt.config)


def siblings(config: PaymentConfig) -> list[uuid.UUID]:
    """Return the shop's configs of the same account, deleted ones too: money may still come."""
    rows = PaymentConfig.objects.filter(
        shop=config.shop_id,
        environment=config.environment,
        provider__in=[p for p, family in FAMILY_OF.items() if family == config.family],
        shortcode=config.shortcode,
        account_number=config.account_number,
    )
    return list(rows.values_list("pk", flat=True))


def prompts_of(receipt: Receipt, *, now: datetime) -> QuerySet[Attempt]:
    """Return what was asked through the receipt's account in the 24 hours before it was paid."""
    paid_at = receipt.paid_at or receipt.created_at or now
    return Attempt.objects.filter(
        config__in=siblings_of(receipt),
        requested_at__range=(paid_at - ASKED_WITHIN, paid_at + _CLOCKS_DIFFER),
    )


def may_be_paid_by(payment: Payment, receipt: Receipt) -> bool:
    """Tell whether the payer may be whom the payment was asked of, as far as both are known."""
    if receipt.payer_index and payment.phone_index:
        return _is_payer(payment, receipt)
    if receipt.payer_masked and payment.phone_masked:
        return _masks_agree(receipt.payer_masked, payment.phone_masked)
    return True


def hash_index(sha256_hex: str) -> str:
    """Return the index of a payer known by the SHA-256 of his number alone."""
    return blind_index("phone_sha256", sha256_hex)


def _open(receipt: Receipt, *, now: datetime) -> QuerySet[Payment]:
    """Return payments of the receipt's account that lack money or receipt, newest first."""
    paid_at = receipt.paid_at or receipt.created_at or now
    asked = prompts_of(receipt, now=now).filter(payment=OuterRef("pk"))
    of_the_shop = PaymentConfig.objects.filter(
        shop=receipt.shop_id, environment=receipt.environment
    )
    rows: QuerySet[Payment] = (
        Payment.objects.filter(
            _LACKS_MONEY | _LACKS_RECEIPT,
            shop=receipt.shop_id,
            environment=receipt.environment,
            config__in=list(of_the_shop.values_list("pk", flat=True)),
            created_at__range=(paid_at - _MADE_WITHIN, paid_at + _CLOCKS_DIFFER),
        )
        .filter(Exists(asked))
        .annotate(was_asked=Exists(asked.exclude(status=AttemptStatus.REFUSED)))
        .select_related("config", "branch")
        .order_by("-created_at", "-pk")
    )
    return rows


def _candidate(receipt: Receipt, payment: Payment) -> Candidate:
    may_be_its_prompt = (
        payment.was_asked  # type: ignore[attr-defined]
        and (payment.status in LIVE_STATUSES or payment.receipt_pending)
        and may_be_paid_by(payment, receipt)
    )
    why = Why.AMOUNT
    if _is_named(receipt, payment):
        why = Why.REFERENCE
    elif _is_payer(payment, receipt):
        why = Why.PHONE
    return Candidate(payment, why, _SCORES[why] + 20 * may_be_its_prompt, may_be_its_prompt)


def _is_named(receipt: Receipt, payment: Payment) -> bool:
    typed = normalise(receipt.account_reference)
    return bool(typed) and typed == normalise(payment.account_reference)


def _meant(receipt: Receipt, *, now: datetime) -> Payment | None:
    """Find what a wrong amount, or a slip the shop forgives, was surely meant for."""
    assert receipt.config is not None  # noqa: S101 - the callers looked
    if not receipt.account_reference:
        return None
    return _own_of_another_amount(receipt, now=now) or near_references.sure_match(
        config=receipt.config,
        typed=receipt.account_reference,
        amount=receipt.amount,
        now=receipt.paid_at or now,
    )


def _own_of_another_amount(receipt: Receipt, *, now: datetime) -> Payment | None:
    """
    Find the payment whose reference was given with another amount than its own (safety.md 5.6).

    Only one whose reference is ours: the till's own repeat, and whoever pays a shilling for
    "table 5" must not throw doubt on every sale there.
    """
    rows = _open(receipt, now=now).filter(is_reference_ours=True)
    found = [payment for payment in _with_reference(rows, receipt) if _is_named(receipt, payment)]
    return found[0] if len(found) == 1 else None


def _reason(receipt: Receipt, named: Sequence[Payment], *, now: datetime) -> str:
    """Say to a person why nothing was done with the money."""
    if not normalise(receipt.account_reference):
        return UnallocatedReason.NO_REFERENCE
    if named:
        return UnallocatedReason.SEVERAL_CANDIDATES
    if receipt.config and _with_reference(_open(receipt, now=now), receipt).exists():
        return UnallocatedReason.AMOUNT_DIFFERS
    of_the_shop = Payment.objects.filter(shop=receipt.shop_id, environment=receipt.environment)
    over = of_the_shop.filter(status__in=[PaymentStatus.COMPLETED, PaymentStatus.REVERSED])
    if _with_reference(over, receipt).exists():
        return UnallocatedReason.ALREADY_PAID
    return UnallocatedReason.NO_SUCH_REFERENCE


def _with_reference(rows: QuerySet[Payment], receipt: Receipt) -> QuerySet[Payment]:
    typed = receipt.account_reference.strip()
    return rows.filter(account_reference__in={typed, typed.upper(), typed.lower()})


def _is_payer(payment: Payment, receipt: Receipt) -> bool:
    """Tell whether the receipt's payer is the one who was asked; opens the number for a hash."""
    if not (receipt.payer_index and payment.phone_index and payment.phone):
        return False
    if receipt.payer_index == payment.phone_index:
        return True
    msisdn = payment.phone.reveal()
    return receipt.payer_index == hash_index(hashlib.sha256(msisdn.encode()).hexdigest())


def _masks_agree(one: str, other: str) -> bool:
    """Tell whether two masked numbers may be one: compare what both show, at either end."""
    (head, tail), (other_head, other_tail) = _shown(one), _shown(other)
    ends = min(len(tail), len(other_tail))
    same_end = not ends or tail[-ends:] == other_tail[-ends:]
    return same_end and (head.startswith(other_head) or other_head.startswith(head))


def _shown(masked: str) -> tuple[str, str]:
    text = masked.replace(" ", "").removeprefix("+")
    return text.partition("*")[0], text.rpartition("*")[2]
