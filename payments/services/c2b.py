"""
C2B confirmations: money Safaricom says a customer sent to a config's account.

The address names the config; the body must name its number. Money is taken for a config that is
suspended, expired or deleted as well: it was paid (safety.md, I5). What is doubtful is kept, moves
nothing, and a person is told.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal

from audit.actors import Actor
from payments.choices import CallbackKind, CallbackStatus, ReceiptChannel, ReviewCode
from payments.errors import CannotOpen, UnreadableBody
from payments.models import PaymentConfig, ProviderCallback, Review
from payments.providers.base import ArrivedMoney
from payments.receipt_choices import BalanceSource
from payments.services import arrivals, bank_money, reviews
from payments.services.sources import is_listed
from tenants import prepared
from tenants.ids import new_id

# The account C2B tells the balance of (daraja.md 2.5).
ACCOUNT = "Utility Account"
_KEEP_BALANCE = """
    INSERT INTO payments_accountbalance AS b (id, shop_id, config_id, account, current, source, at)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (config_id, account, source)
    DO UPDATE SET current = excluded.current, at = excluded.at WHERE b.at <= excluded.at
"""


_TELLERS: dict[str, str] = {CallbackKind.BANK: "Bank"}


class _Doubtful(Exception):
    """The row may not be applied; code is the review a person gets."""

    def __init__(self, why: str, *, code: str, status: str = CallbackStatus.QUARANTINED) -> None:
        super().__init__(why)
        self.why, self.code, self.status = why, code, status


def settle(row: ProviderCallback, *, now: datetime, vouched: bool) -> str:
    """Apply one locked row, and return the status it gets; vouched: a person knows the sender."""
    config = PaymentConfig.objects.filter(pk=row.subject_id).first()
    if config is None:
        row.problem = "No config has this address."
        return CallbackStatus.DEAD
    row.shop_id = config.shop_id
    try:
        money = _believe(row, config, vouched=vouched)
        if money is None:
            row.problem = "It tells of no money coming in."
            return CallbackStatus.APPLIED
        taken = _take(row, money, config, now=now)
    except _Doubtful as doubt:
        row.problem = doubt.why[:300]
        reviews.open_about_row(row, config, doubt.code, now=now)
        return doubt.status
    row.payment_id = taken.receipt.payment_id
    _close_reviews(row, now=now)
    _keep_balance(money, config, now=now)
    return CallbackStatus.APPLIED if taken.is_news else CallbackStatus.DUPLICATE


def tell_of_dead(row: ProviderCallback, *, now: datetime) -> None:
    """Open the review of a row that could not be applied however often it was tried."""
    config = PaymentConfig.objects.filter(pk=row.subject_id).first()
    if config is not None:
        row.shop_id = config.shop_id
        reviews.open_about_row(row, config, ReviewCode.DEAD_CALLBACK, now=now)


def note_call(config_id: uuid.UUID, *, now: datetime) -> None:
    """Remember on a config that a callback came; at most once a minute, it is only a sign."""
    minute = now.replace(second=0, microsecond=0)
    stale = PaymentConfig.objects.filter(pk=config_id).exclude(last_callback_at__gt=minute)
    stale.update(last_callback_at=now)


def _believe(row: ProviderCallback, config: PaymentConfig, *, vouched: bool) -> ArrivedMoney | None:
    """
    Read the money a row tells of; None where a bank tells of something else.

    :raises _Doubtful: when it cannot be read, or should not be believed.
    """
    dead = ReviewCode.DEAD_CALLBACK
    try:
        money = bank_money.read(config, row.kind, row.body.reveal_bytes() if row.body else b"")
    except (UnreadableBody, CannotOpen) as error:
        why = f"Unreadable: {error.detail}"
        raise _Doubtful(why, code=dead, status=CallbackStatus.DEAD) from error
    row.result_desc = money.receipt_number if money else ""
    if not vouched and not is_listed(row.source_ip, config.environment):
        raise _Doubtful("The source address is not on the list.", code=ReviewCode.UNLISTED_SOURCE)
    if money is None:
        return None
    own = bank_money.own(money, config)
    if own is None:
        raise _Doubtful("The body names another account than the address.", code=dead)
    if own.amount is None:
        raise _Doubtful("The amount cannot be read.", code=dead)
    if "revers" in own.transaction_type.lower():
        # Never seen; whatever it would mean, no money came in.
        raise _Doubtful("It tells of a reversal.", code=dead)
    return own


def _take(
    row: ProviderCallback, money: ArrivedMoney, config: PaymentConfig, *, now: datetime
) -> arrivals.Taken:
    try:
        return arrivals.enter(
            money,
            config=config,
            channel=ReceiptChannel.C2B,
            actor=Actor.provider(_TELLERS.get(row.kind, "Safaricom"), ip=row.source_ip),
            now=now,
            callback=row,
        )
    except arrivals.ForeignReceipt as error:
        raise _Doubtful(error.detail, code=ReviewCode.DUPLICATE_RECEIPT) from error


def _close_reviews(row: ProviderCallback, *, now: datetime) -> None:
    """Close what was doubted of the row before: it is applied now."""
    Review.objects.filter(payment=None, callback=row, resolved_at=None).update(
        resolved_at=now,
        resolved_by="system",
        resolution="accept",
        reason="The callback was applied.",
    )


def _keep_balance(money: ArrivedMoney, config: PaymentConfig, *, now: datetime) -> None:
    """Keep the newest balance apart from the receipt: it is for the shop's admins only."""
    balance: Decimal | None = money.organisation_balance
    if balance is None:
        return
    at = money.paid_at or now
    with prepared.cursor() as cursor:
        cursor.execute(
            _KEEP_BALANCE,
            [new_id(), config.shop_id, config.pk, ACCOUNT, balance, str(BalanceSource.C2B), at],
        )
