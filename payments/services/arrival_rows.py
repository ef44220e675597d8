"""What the ledger keeps of money that arrived by itself: who paid only as far as it must."""

from __future__ import annotations

from datetime import datetime

from payments import msisdn as msisdns
from payments.fields import blind_index
from payments.models import PaymentConfig, Receipt
from payments.providers.base import ArrivedMoney
from payments.services import account_rules, matching

_MOST_INITIALS = 4


def new_row(money: ArrivedMoney, *, config: PaymentConfig, channel: str, now: datetime) -> Receipt:
    """Prepare the ledger's row: of the payer initials, a mask and an index, nothing more."""
    rule = account_rules.match(config, money.account_reference)
    return Receipt(
        shop_id=config.shop_id,
        environment=config.environment,
        family=money.family or config.family,
        number=money.receipt_number,
        amount=money.amount,
        channel=channel,
        config=config,
        shortcode=money.shortcode,
        account_reference=money.account_reference[:40],
        transaction_type=money.transaction_type[:60],
        payer_initials=initials_of(money.payer_name),
        payer_masked=(msisdns.mask(money.msisdn) if money.msisdn else money.msisdn_masked)[:40],
        payer_index=_payer_index(money),
        branch_id=rule.branch_id if rule else None,
        label=rule.label if rule else "",
        paid_at=money.paid_at,
        created_at=now,
    )


def initials_of(name: str) -> str:
    """Return "J. W." for "JABALI WAKESHO"; signs that begin no name are left out."""
    words = [word for word in name.split() if word[0].isalpha()]
    return " ".join(f"{word[0].upper()}." for word in words[:_MOST_INITIALS])[:20]


def _payer_index(money: ArrivedMoney) -> str:
    if money.msisdn:
        return blind_index("phone", money.msisdn)
    return matching.hash_index(money.msisdn_hash) if money.msisdn_hash else ""
