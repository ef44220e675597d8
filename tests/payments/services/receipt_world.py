"""Money that arrived and belongs to nobody yet, and payments it could belong to."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from audit.actors import Actor, ActorKind
from payments.choices import FAMILY_OF, ReceiptChannel, ReceiptStatus
from payments.models import Payment, PaymentConfig, Receipt
from payments.receipt_choices import UnallocatedReason
from payments.services import initiation
from payments.services.connections import current_version
from payments.services.transitions import Change, record_creation

_numbers = itertools.count(1)
MANAGER = Actor(kind=ActorKind.USER, id="1", label="manager@duka.test", role="manager")


def receipt_row(config: PaymentConfig, *, now: datetime, **fields: Any) -> Receipt:
    """Put an unallocated C2B receipt of KES 150 on the ledger."""
    values: dict[str, Any] = {
        "number": f"TKL0000{next(_numbers):03d}",
        "amount": Decimal("150.00"),
        "status": ReceiptStatus.UNALLOCATED,
        "channel": ReceiptChannel.C2B,
        "reason": UnallocatedReason.NO_SUCH_REFERENCE,
        "account_reference": "KIOSK",
        "payer_initials": "J. W.",
        "payer_masked": "2547*****678",
        "paid_at": now - timedelta(minutes=2),
        **fields,
    }
    return Receipt.objects.create(
        shop=config.shop,
        environment=config.environment,
        family=FAMILY_OF[config.provider],
        config=config,
        shortcode=config.shortcode,
        created_at=now,
        **values,
    )


def asked_payment(config: PaymentConfig, *, now: datetime, **asked: Any) -> Payment:
    """Ask a customer for KES 150, who says nothing yet; no provider is called."""
    given = {"amount": 150, "msisdn": f"2547{next(_numbers):08d}", **asked}
    branch = given.pop("branch", config.branch)
    payment = initiation.new_payment(
        shop=config.shop,
        environment=config.environment,
        branch=branch,
        config=config,
        asked=initiation.NewPayment(**given),
        actor=Actor.system("tests"),
        now=now,
    )
    payment.save(force_insert=True)
    attempt = initiation.add_attempt(
        payment, config=config, version=current_version(config), round_=1, now=now
    )
    record_creation(Change(payment, [attempt], [], Actor.system("tests")), now=now)
    return payment
