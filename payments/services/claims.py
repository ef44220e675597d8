"""
Whose shortcode it is: the first shop to prove control in production has it.

The unique index decides races, so two proofs at the same moment have one winner. The loser learns
that it is taken, never by whom. Platform staff may mark a number as shared (a mall's common till);
then whoever proves control has a claim beside the others; or release a claim, so that another shop
can prove control. The sandbox's numbers are everybody's.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_noop as _

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import FAMILY_OF, ConfigStatus, Environment
from payments.errors import ConfigInUse, ShortcodeClaimed
from payments.models import Attempt, PaymentConfig, ShortcodeClaim
from payments.services import config_trail
from payments.services.config_moves import move_config
from payments.services.configs import check_reason, has_open_attempts
from payments.services.shortcodes import claims_on

# As long as money of a prompt may still turn up (safety.md, I21).
SETTLED_AFTER = timedelta(hours=72)
_ACTIVE = _(
    "Its config is switched on: switch it off, and release 72 hours after its last payment."
)
_IN_USE = _("Payments were asked for through it less than 72 hours ago, or are still open: wait.")
_RELEASED = "Platform staff released the claim on its number: prove control again."


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
        is_shared=claims_on(config).filter(is_shared=True).exists(),
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
    return claims_on(config).filter(shop=config.shop_id).first()


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


@transaction.atomic
def release_claim(*, claim: ShortcodeClaim, reason: str, actor: Actor, now: datetime) -> None:
    """
    Take a shop's claim on a number away, so that another shop can prove control of it.

    The shop's configs of the number lose their proof, and verified ones are suspended: before one
    is used again it is verified, proven and approved anew, where the number is still to be had.

    :raises InvalidInput: without a reason.
    :raises ConfigInUse: while one is switched on, or its payments are younger than SETTLED_AFTER.
    """
    check_reason(reason)
    held = _lock_held(claim)
    _refuse_in_use(held, now=now)
    locked = ShortcodeClaim.objects.select_for_update(of=("self",)).filter(pk=claim.pk).first()
    if locked is None:
        return
    for config in held:
        _unprove(config, actor=actor, now=now)
    before = recording.state_of(locked, ("shortcode", "is_shared"))
    gone = [{"field": "claim", "old": locked.shortcode, "new": None}]
    recording.record(
        AuditAction.CLAIM_RELEASED,
        locked.config,
        shop_id=locked.shop_id,
        actor=actor,
        now=now,
        changes=gone,
        previous_state=before,
        reason=reason,
    )
    locked.delete()


def _lock_held(claim: ShortcodeClaim) -> list[PaymentConfig]:
    """Lock the shop's configs of the number, deleted ones too: their payments count."""
    rows = PaymentConfig.objects.select_related("shop", "branch").filter(
        shop=claim.shop_id,
        environment=claim.environment,
        shortcode=claim.shortcode,
        provider__in=[name for name, family in FAMILY_OF.items() if family == claim.family],
    )
    return list(rows.select_for_update(of=("self",)).order_by("pk"))


def _refuse_in_use(configs: list[PaymentConfig], *, now: datetime) -> None:
    if any(config.is_active for config in configs):
        raise ConfigInUse(_ACTIVE)
    lately = Attempt.objects.filter(config__in=configs, requested_at__gt=now - SETTLED_AFTER)
    if lately.exists() or any(has_open_attempts(config) for config in configs):
        raise ConfigInUse(_IN_USE)


def _unprove(config: PaymentConfig, *, actor: Actor, now: datetime) -> None:
    if config.deleted_at is not None:
        return
    PaymentConfig.objects.filter(pk=config.pk).update(proven_at=None)
    if config.status != ConfigStatus.VERIFIED:
        return
    before = config_trail.state_of(config)
    changes = {"suspended_reason": _RELEASED, "updated_by": actor.label}
    move_config(config=config, to=ConfigStatus.SUSPENDED, now=now, **changes)
    act = AuditAction.CONFIG_SUSPENDED
    config_trail.record(act, config, before=before, actor=actor, now=now, reason=_RELEASED)
