"""
What follows from the answer to a status question about a receipt.

Completed, with an amount and our own number as who was paid: money we may not have seen yet. Any
other status of a receipt we hold: it went back. Everything else, an unknown receipt (2032) and a
refused operator too, concludes nothing: the shop is told no story that nobody told us.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime

from audit.actors import Actor
from payments.choices import EvidenceSource, ReceiptChannel, ReceiptStatus
from payments.models import PaymentConfig, ProviderRequest, Receipt
from payments.providers.base import ArrivedMoney, RequestResult
from payments.services import arrivals, radar

logger = logging.getLogger(__name__)

COMPLETED = "completed"
# Words after which the money is not with the business. Any other ("Pending", "Authorized", one
# nobody knows) takes nothing back: what is still under way is not gone.
TAKEN_BACK = frozenset(
    {"reversed", "cancelled", "canceled", "declined", "rejected", "failed", "expired"}
)
# Safaricom knows no such receipt; it may be too young, or another organisation's.
NOT_FOUND = "2032"
_SETTLED = frozenset({ReceiptStatus.CREDITED, ReceiptStatus.REVERSED})
_NUMBER = re.compile(r"\s*(\d{4,12})\b")
_MSISDN = re.compile(r"254[17]\d{8}")


def apply_status(
    request: ProviderRequest, result: RequestResult, *, actor: Actor, now: datetime
) -> None:
    """Draw the conclusion, if there is one; in the result's transaction."""
    if not result.succeeded or not is_about(request, result):
        return
    receipt = _receipt_of(request)
    word = result.transaction_status.strip().lower()
    if word == COMPLETED:
        _money_there(request, receipt, result, actor=actor, now=now)
    elif word in TAKEN_BACK and receipt is not None:
        source = EvidenceSource.TRANSACTION_STATUS
        radar.note_reversal(receipt, source=source, actor=actor, now=now)
    elif word not in TAKEN_BACK:
        logger.warning("a status settles nothing", extra={"request": str(request.pk)})


def _money_there(
    request: ProviderRequest,
    receipt: Receipt | None,
    result: RequestResult,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    is_settled = receipt is not None and receipt.status in _SETTLED
    if is_settled or result.amount is None or not _number_of(result.credit_party):
        return
    try:
        arrivals.take(
            _arrived(request, result),
            config=request.config,
            channel=ReceiptChannel.PULL,
            source=EvidenceSource.TRANSACTION_STATUS,
            actor=actor,
            now=now,
        )
    except arrivals.ForeignReceipt:
        logger.warning("a status told of another's receipt", extra={"request": str(request.pk)})


def is_about(request: ProviderRequest, result: RequestResult) -> bool:
    """Tell whether the answer speaks of the receipt asked about, and of money paid to us."""
    told = result.receipt_number or request.receipt_number
    paid_to = _number_of(result.credit_party)
    is_ours = not paid_to or paid_to in _numbers_of(request.config)
    return told.upper() == request.receipt_number.upper() and is_ours


def _numbers_of(config: PaymentConfig) -> set[str]:
    return {config.shortcode, config.store_number} - {""}


def _number_of(party: str) -> str:
    """Return the number at the head of "600100 - Duka", "" where there is none."""
    found = _NUMBER.match(party)
    return found.group(1) if found else ""


def _receipt_of(request: ProviderRequest) -> Receipt | None:
    if request.receipt is not None:
        return request.receipt
    rows = Receipt.objects.filter(
        shop=request.shop_id,
        environment=request.environment,
        family=request.config.family,
        number=request.receipt_number,
    )
    found: Receipt | None = rows.exclude(channel=ReceiptChannel.MANUAL).first()
    return found


def _arrived(request: ProviderRequest, result: RequestResult) -> ArrivedMoney:
    number, _dash, name = (part.strip() for part in result.debit_party.partition(" - "))
    is_whole = bool(_MSISDN.fullmatch(number))
    return ArrivedMoney(
        receipt_number=request.receipt_number,
        amount=result.amount,
        shortcode=_number_of(result.credit_party),
        transaction_type=result.details.get("reason_type", ""),
        paid_at=result.paid_at,
        msisdn=number if is_whole else "",
        msisdn_masked=number if "*" in number else "",
        payer_name=name,
    )
