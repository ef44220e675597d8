"""
Live numbers that shops wrote down and nobody can ask about: configs without an API.

Their money is known by hand or by statement, so no prompt and no callback can go astray, and no
claim is made. But a number somebody proved is his alone: what another shop wrote down before is
suspended then. Where nobody proved it platform staff see who else wrote it down, and ask. A bank's
paybill is every customer's of the bank and stays out.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import ConfigStatus, Environment, Provider
from payments.errors import InvalidTransition, NotFound
from payments.models import PaymentConfig
from payments.services import config_trail
from payments.services.config_moves import lock_config, move_config
from payments.services.shortcodes import is_taken

ACTOR = Actor.system("claims")
_OVERTAKEN = "Another business proved control of its number."


def suspend_overtaken(*, now: datetime) -> int:
    """Suspend verified configs whose number another shop proved to be its own; return how many."""
    return sum(_suspend(config, now=now) for config in _verified() if is_taken(config))


def written_twice() -> QuerySet[PaymentConfig]:
    """Find the verified configs whose number another shop wrote down too, number by number."""
    others = (
        _verified()
        .filter(provider=OuterRef("provider"), shortcode=OuterRef("shortcode"))
        .exclude(shop=OuterRef("shop"))
    )
    rows = _verified().filter(Exists(others)).select_related("shop")
    return rows.order_by("shortcode", "verified_at", "pk")


def _verified() -> QuerySet[PaymentConfig]:
    return PaymentConfig.objects.not_deleted().filter(
        ~Q(provider=Provider.BANK_TRANSFER),
        status=ConfigStatus.VERIFIED,
        environment=Environment.PRODUCTION,
        has_api=False,
    )


@transaction.atomic
def _suspend(config: PaymentConfig, *, now: datetime) -> bool:
    try:
        locked = lock_config(config)
        before = config_trail.state_of(locked)
        changes = {"suspended_reason": _OVERTAKEN, "updated_by": ACTOR.label}
        move_config(config=locked, to=ConfigStatus.SUSPENDED, now=now, **changes)
    except (InvalidTransition, NotFound):
        return False
    act = AuditAction.CONFIG_SUSPENDED
    config_trail.record(act, locked, before=before, actor=ACTOR, now=now, reason=_OVERTAKEN)
    return True
