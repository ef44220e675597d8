"""
C2B validation: may this customer pay? Answered from one read, and nobody is refused by accident.

Refused is only what a rule of the shop refuses for certain; what cannot be read, or looked up, is
accepted. A question is kept like every other body and is evidence of nothing: no money has moved.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from payments.choices import ConfigStatus, PaymentStatus, Provider
from payments.errors import UnreadableBody
from payments.providers import registry
from payments.providers.base import ArrivedMoney
from payments.receipt_choices import RuleKind
from payments.services import account_rules
from payments.states import LIVE_STATUSES
from tenants import prepared

_OPEN = (*sorted(LIVE_STATUSES), PaymentStatus.EXPIRED.value, PaymentStatus.FAILED.value)


class Answer(StrEnum):
    """What Safaricom is told; the code chooses the message the customer gets (daraja.md 2.5)."""

    ACCEPTED = "0"
    INVALID_ACCOUNT = "C2B00012"
    INVALID_AMOUNT = "C2B00013"
    INVALID_SHORTCODE = "C2B00015"
    OTHER_ERROR = "C2B00016"


@dataclass(frozen=True)
class Judgement:
    """The answer, why, and whose config was asked about; shop_id is None where there is none."""

    answer: Answer
    why: str = ""
    shop_id: uuid.UUID | None = None


# Patterns are stored in the case they are compared in; the unique index on them is the way in.
_ASK = f"""
    SELECT c.shop_id, c.shortcode, c.store_number, c.min_amount, c.max_amount,
        c.status = '{ConfigStatus.SUSPENDED}' OR c.deleted_at IS NOT NULL,
        c.refuses_unknown_accounts AND NOT EXISTS (
            SELECT 1 FROM payments_payment p
            WHERE p.shop_id = c.shop_id AND p.account_reference = ANY (%(written)s::text[])
              AND p.environment = c.environment
              AND (p.status = ANY (%(open)s::text[]) OR p.receipt_pending))
        AND NOT EXISTS (
            SELECT 1 FROM payments_accountrule r
            WHERE r.config_id = c.id AND r.pattern = ANY (%(beginnings)s::text[])
              AND (r.kind <> '{RuleKind.EXACT}' OR r.pattern = %(typed)s::text))
    FROM payments_paymentconfig c WHERE c.id = %(config)s::uuid
"""  # noqa: S608 - only our own words are put in


def judge(*, config_id: uuid.UUID, body: bytes) -> Judgement:
    """
    Answer one question.

    :raises DatabaseError: when nothing could be looked up.
    """
    try:
        money = registry.parse_c2b(Provider.MPESA_PAYBILL, body)
    except UnreadableBody as error:
        return Judgement(Answer.ACCEPTED, f"Unreadable: {error.detail}")
    with prepared.cursor() as cursor:
        cursor.execute(_ASK, _parameters(config_id, money))
        row = cursor.fetchone()
    if row is None:
        return Judgement(Answer.ACCEPTED, "No config has this address.")
    shop_id, shortcode, store_number, lowest, highest, is_closed, is_unknown = row
    answer, why = Answer.ACCEPTED, ""
    if money.shortcode and money.shortcode not in {shortcode, store_number}:
        answer, why = Answer.INVALID_SHORTCODE, "The body names another shortcode."
    elif is_closed:
        answer, why = Answer.OTHER_ERROR, "The payment config is closed."
    elif money.amount is not None and not lowest <= money.amount <= highest:
        answer, why = Answer.INVALID_AMOUNT, "The amount is outside the config's limits."
    elif is_unknown:
        answer, why = Answer.INVALID_ACCOUNT, "Nothing has this account reference."
    return Judgement(answer, why, shop_id)


def _parameters(config_id: uuid.UUID, money: ArrivedMoney) -> dict[str, Any]:
    written = money.account_reference
    typed = account_rules.normalise(written)
    lengths = range(min(len(typed), account_rules.MAX_PATTERN) + 1)
    return {
        "config": config_id,
        "open": list(_OPEN),
        "typed": typed,
        "written": sorted({written, written.upper(), written.lower(), typed} - {""}),
        "beginnings": [typed[:length] for length in lengths],
    }
