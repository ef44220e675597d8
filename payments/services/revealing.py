"""Showing a payer's whole number: one record, to the shop's admin, with a reason, never unseen."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from audit.actions import AuditAction
from audit.actors import Actor
from audit.recording import record
from payments.errors import NotFound
from payments.models import Payment
from payments.services.configs import check_reason


@sensitive_variables()
def reveal_phone(*, payment: Payment, reason: str, actor: Actor, now: datetime) -> str:
    """
    Return the payer's number, once it is written down who asked and why.

    :raises InvalidInput: without a reason.
    :raises NotFound: when the payment has no number.
    """
    check_reason(reason)
    if not payment.phone:
        raise NotFound
    with transaction.atomic():
        record(
            AuditAction.PHONE_REVEALED,
            payment,
            shop_id=payment.shop_id,
            actor=actor,
            now=now,
            reason=reason,
        )
        return str(payment.phone.reveal())
