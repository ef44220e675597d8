"""
"Did you mean": open payments whose reference is nearly what a payer typed.

Suggestions are for people. By itself money is given to one of them only where the shop asked for
that, and nothing else could be meant: see sure_match.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from payments import references
from payments.choices import PaymentStatus
from payments.models import Payment, PaymentConfig
from payments.services import account_rules

MOST_SLIPS = 2
WINDOW = timedelta(hours=24)
# The newest of each kind are looked at: a shop with more open ones at once asks for help elsewhere.
_LOOKED_AT = 300
_OPEN = Q(status__in=[PaymentStatus.CREATED, PaymentStatus.PENDING, PaymentStatus.EXPIRED])
_AWAITS_RECEIPT = Q(status=PaymentStatus.COMPLETED, receipt_pending=True)


@dataclass(frozen=True)
class Near:
    """A payment that could be meant; distance counts slips, 0 for a reference given in full."""

    payment: Payment
    distance: int
    has_amount: bool

    @property
    def why(self) -> str:
        """One sentence for a person, in the language of whoever reads it."""
        slips = ngettext(
            "%(count)s slip away from the reference", "%(count)s slips away from the reference",
            self.distance,
        ) % {"count": self.distance}  # fmt: skip
        same = _("The same reference") if self.distance == 0 else slips
        amount = _("the same amount") if self.has_amount else _("another amount")
        return f"{same}, {amount}."


def suggest(
    *,
    shop_id: uuid.UUID,
    environment: str,
    config: PaymentConfig,
    typed: str,
    amount: Decimal | None,
    now: datetime,
    limit: int = 5,
) -> list[Near]:
    """
    Find open payments within two slips of what was typed: same amount first, then by slips and age.

    Looks at payments of the config's shortcode asked for in the 24 hours before now; amount None
    where it is not known.
    """
    is_ours = config.shop_id == shop_id and config.environment == environment
    if not is_ours or not typed.strip() or len(typed) > account_rules.MAX_PATTERN:
        return []
    asked = _read(config, amount, now=now)
    near = (
        Near(payment, slips, has_amount=amount is not None and payment.amount == amount)
        for payment in asked
        if (slips := _slips(typed, payment)) <= MOST_SLIPS
    )
    order = sorted(near, key=lambda each: (not each.has_amount, each.distance, _age(each, now)))
    return order[:limit]


def sure_match(
    *, config: PaymentConfig, typed: str, amount: Decimal | None, now: datetime
) -> Payment | None:
    """
    Return the one payment a mistyped reference of ours can mean, where the shop wants that done.

    Only with the switch on, the exact amount, a reference we minted, one candidate alone, and a
    typed text that is neither a whole reference of ours nor an account the shop's rules name.
    """
    if not config.assigns_close_references or amount is None:
        return None
    if references.is_well_formed(typed, config.account_prefix) or _is_account(config, typed):
        return None
    asked = list(_recent(config, now=now).filter(amount=amount)[: _LOOKED_AT + 1])
    meant = [payment for payment in asked if _slips(typed, payment) <= MOST_SLIPS]
    # Where there are more than were read, another could be meant too.
    if len(asked) > _LOOKED_AT or len(meant) != 1 or not meant[0].is_reference_ours:
        return None
    return meant[0]


def _is_account(config: PaymentConfig, typed: str) -> bool:
    match = account_rules.match(config, typed)
    return match is not None and match.is_named


def _recent(config: PaymentConfig, *, now: datetime) -> QuerySet[Payment]:
    """Return the open payments of the config's shop and number, newest first."""
    same_number = PaymentConfig.objects.for_shop(config.shop_id).filter(
        environment=config.environment,
        shortcode=config.shortcode,
        account_number=config.account_number,
    )
    recent = Payment.objects.for_shop(config.shop_id).filter(
        _OPEN | _AWAITS_RECEIPT,
        config__in=list(same_number.values_list("pk", flat=True)),
        created_at__gt=now - WINDOW,
        created_at__lte=now,
    )
    recent = recent.exclude(account_reference="").select_related("config").defer("phone")
    return recent.order_by("-created_at", "-pk")


def _read(config: PaymentConfig, amount: Decimal | None, *, now: datetime) -> Iterable[Payment]:
    """Read the newest that could be meant, those of the amount apart, so that none is missed."""
    recent = _recent(config, now=now)
    found = list(recent[:_LOOKED_AT])
    if amount is not None:
        found += recent.filter(amount=amount)[:_LOOKED_AT]
    return {payment.pk: payment for payment in found}.values()


def _slips(typed: str, payment: Payment) -> int:
    """Count slips; a payer may leave out the shop's prefix, which stands for nothing."""
    whole = payment.account_reference
    slips = references.distance(typed, whole)
    prefix = payment.config.account_prefix if payment.config else ""
    if payment.is_reference_ours and prefix:
        slips = min(slips, references.distance(typed, whole.removeprefix(prefix)))
    return slips


def _age(near: Near, now: datetime) -> timedelta:
    return abs(now - near.payment.created_at)
