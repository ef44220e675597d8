"""
Whose shortcode it is: the first shop to prove control in production has it.

The unique index decides races, so two proofs at the same moment have one winner. The loser learns
that it is taken, never by whom. Platform staff may mark a number as shared (a mall's common till);
then whoever proves control has a claim beside the others. The sandbox's numbers are everybody's.
"""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import Environment
from payments.errors import ShortcodeClaimed
from payments.models import PaymentConfig, ShortcodeClaim
from payments.services.configs import check_reason


def claim_shortcode(*, config: PaymentConfig, now: datetime) -> ShortcodeClaim | None:
    """
    Claim the config's shortcode for its shop, once it proved control; None in the sandbox.

    :raises ShortcodeClaimed: when another shop has it.
    """
    if config.environment != Environment.PRODUCTION:
        return None
    own = own_claim(config)
    if own is not None:
        return own
    claim = ShortcodeClaim(
        shop_id=config.shop_id,
        environment=config.environment,
        family=config.family,
        shortcode=config.shortcode,
        config=config,
        is_shared=_claims(config).filter(is_shared=True).exists(),
        claimed_at=now,
    )
    try:
        with transaction.atomic():
            claim.save(force_insert=True)
    except IntegrityError as error:
        mine = own_claim(config)
        if mine is None:
            raise ShortcodeClaimed from error
        return mine
    return claim


def own_claim(config: PaymentConfig) -> ShortcodeClaim | None:
    """Return the claim the config's shop has on its shortcode."""
    return _claims(config).filter(shop=config.shop_id).first()


def is_taken(config: PaymentConfig) -> bool:
    """Tell whether another shop has the shortcode and does not share it."""
    if config.environment != Environment.PRODUCTION:
        return False
    others = _claims(config).exclude(shop=config.shop_id)
    return others.exists() and not others.filter(is_shared=True).exists()


@transaction.atomic
def share_claim(
    *, claim: ShortcodeClaim, reason: str, actor: Actor, now: datetime
) -> ShortcodeClaim:
    """
    Let other shops claim the same shortcode too, because platform staff says so.

    :raises InvalidInput: without a reason.
    """
    check_reason(reason)
    rows = ShortcodeClaim.objects.select_for_update(of=("self",))
    locked: ShortcodeClaim = rows.get(pk=claim.pk)
    before = recording.state_of(locked, ("shortcode", "is_shared"))
    locked.is_shared = True
    locked.save(update_fields=["is_shared"])
    after = recording.state_of(locked, ("shortcode", "is_shared"))
    recording.record(
        AuditAction.CONFIG_SHARED,
        locked.config,
        shop_id=locked.shop_id,
        actor=actor,
        now=now,
        changes=recording.changes_between(before, after),
        previous_state=before,
        reason=reason,
    )
    return locked


def _claims(config: PaymentConfig) -> QuerySet[ShortcodeClaim]:
    return ShortcodeClaim.objects.filter(
        environment=config.environment, family=config.family, shortcode=config.shortcode
    )
