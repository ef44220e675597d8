"""
Go-live takes two: one asks, another says yes.

The second is another admin of the shop; where the shop has one admin only, platform staff. Nobody
decides what he asked himself, which the database holds too. A key may ask, and never decides: who
presses its button is not known, so whoever issued it counts as having asked.
"""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from audit import recording
from audit.actions import AuditAction
from audit.actors import Actor
from payments.choices import ConfigStatus, Environment, NoticeCode
from payments.errors import InvalidTransition, NotVerified
from payments.models import GoLiveApproval, PaymentConfig
from payments.services import go_live, notices
from payments.services.config_moves import lock_config, refused
from payments.services.configs import activate_config, check_reason
from tenants.models import Membership, User
from tenants.roles import Role

_TRAIL = ("is_approved", "note", "asked_by_label")


_WAITS = (
    "A second person must approve it in the admin: another admin of the shop, or platform staff"
    " where it has one. The request is open; a key never approves."
)
_REFUSED = "A second person refused it. Correct what was wrong and ask again in the admin."


class NotASecondPerson(InvalidTransition):
    """Another admin of the shop must decide; where there is none, platform staff."""


def activate_or_ask(
    *, config: PaymentConfig, user: User | None, actor: Actor, now: datetime
) -> PaymentConfig:
    """
    Switch a config on; where only the second person's yes is missing, ask for it and say so.

    For keys: user is whoever issued it. It is asked for once, however often the key comes back, and
    not again after a no.

    :raises NotVerified: while it is not verified, or control is not proven.
    :raises InvalidTransition: while the yes is missing; approval tells "open" or "refused".
    """
    try:
        return activate_config(config=config, actor=actor, now=now)
    except InvalidTransition as error:
        if error.data.get("missing") != ["approval"]:
            raise
    asked = _asked_since_verified(config) or _ask_once(config, user, actor=actor, now=now)
    if asked is not None and asked.is_approved:
        return activate_config(config=config, actor=actor, now=now)
    is_open = asked is None or asked.decided_at is None
    waits = refused(config, _WAITS if is_open else _REFUSED)
    waits.data |= {"missing": ["approval"], "approval": "open" if is_open else "refused"}
    raise waits


def ask_approval(
    *, config: PaymentConfig, user: User | None, actor: Actor, now: datetime
) -> GoLiveApproval:
    """
    Ask for the second person's yes to a verified and proven production config.

    :raises NotVerified: while it is not verified, or control is not proven.
    :raises InvalidTransition: where no approval is needed, or one is there or asked for.
    """
    with transaction.atomic():
        locked = lock_config(config)
        _refuse_unneeded(locked)
        approval = GoLiveApproval(
            shop_id=locked.shop_id,
            config=locked,
            asked_by=user,
            asked_by_label=actor.label,
            asked_at=now,
        )
        _end_outdated(locked, now=now)
        _save(approval, locked)
        asked = {"asked_by": actor.label}
        code = NoticeCode.APPROVAL_WAITS
        notices.open_notice(shop_id=locked.shop_id, config=locked, code=code, data=asked, now=now)
        act = AuditAction.CONFIG_APPROVAL_ASKED
        recording.record(act, locked, shop_id=locked.shop_id, actor=actor, now=now)
    return approval


def approve(
    *, approval: GoLiveApproval, user: User, note: str = "", actor: Actor, now: datetime
) -> GoLiveApproval:
    """
    Say yes as the second person; the config may then be switched on.

    :raises NotASecondPerson: when this person asked, or may not decide.
    :raises InvalidTransition: when it is decided, or the config changed since.
    """
    return _decide(approval, user, is_approved=True, note=note, actor=actor, now=now)


def refuse(
    *, approval: GoLiveApproval, user: User, note: str, actor: Actor, now: datetime
) -> GoLiveApproval:
    """Say no as the second person, and why; raises what approve raises."""
    check_reason(note)
    return _decide(approval, user, is_approved=False, note=note, actor=actor, now=now)


def may_decide(approval: GoLiveApproval, user: User) -> bool:
    """Tell whether this person is the second one."""
    if approval.asked_by_id == user.pk or not user.is_active:
        return False
    role = user.role_in(approval.shop_id)
    if role == Role.SUPER_ADMIN:
        return _admins(approval).count() <= 1
    return role == Role.ADMIN


def open_approval(config: PaymentConfig) -> GoLiveApproval | None:
    """Return the approval that waits, if one does."""
    return GoLiveApproval.objects.filter(config=config, decided_at=None).first()


def _asked_since_verified(config: PaymentConfig) -> GoLiveApproval | None:
    config.refresh_from_db(fields=["status", "verified_at"])
    asked = GoLiveApproval.objects.filter(config=config, asked_at__gte=config.verified_at)
    return asked.order_by("-asked_at").first()


def _ask_once(
    config: PaymentConfig, user: User | None, *, actor: Actor, now: datetime
) -> GoLiveApproval | None:
    """Ask; where somebody else did at the same moment, his request stands."""
    try:
        return ask_approval(config=config, user=user, actor=actor, now=now)
    except InvalidTransition:
        return _asked_since_verified(config)


def _refuse_unneeded(config: PaymentConfig) -> None:
    if config.environment != Environment.PRODUCTION:
        raise refused(config, "A sandbox config needs no approval.")
    try:
        go_live.refuse_unready(config)
    except NotVerified:
        raise
    except InvalidTransition:
        return
    raise refused(config, "It is approved already.")


def _end_outdated(config: PaymentConfig, *, now: datetime) -> None:
    """Close what was asked about the config as it was before it was verified again."""
    waiting = GoLiveApproval.objects.filter(config=config, decided_at=None)
    waiting.filter(asked_at__lt=config.verified_at).update(
        decided_at=now, is_approved=False, note="The config was verified again."
    )


def _save(approval: GoLiveApproval, config: PaymentConfig) -> None:
    try:
        with transaction.atomic():
            approval.save(force_insert=True)
    except IntegrityError as error:
        if "approval_one_open" not in str(error):
            raise
        raise refused(config, "An approval is asked for already.") from error


def _decide(
    approval: GoLiveApproval,
    user: User,
    *,
    is_approved: bool,
    note: str,
    actor: Actor,
    now: datetime,
) -> GoLiveApproval:
    with transaction.atomic():
        config = lock_config(approval.config)
        rows = GoLiveApproval.objects.select_for_update(of=("self",))
        locked: GoLiveApproval = rows.get(pk=approval.pk)
        if not may_decide(locked, user):
            raise NotASecondPerson(current=config.status, allowed=[])
        if locked.decided_at is not None:
            raise refused(config, "It is decided already.")
        if is_approved:
            _refuse_changed(config, locked)
        before = recording.state_of(locked, _TRAIL)
        locked.decided_by, locked.decided_at = user, now
        locked.is_approved, locked.note = is_approved, note[:300]
        locked.save(update_fields=["decided_by", "decided_at", "is_approved", "note"])
        notices.close_notices(config=config, code=NoticeCode.APPROVAL_WAITS, now=now)
        decided = AuditAction.CONFIG_APPROVED, AuditAction.CONFIG_APPROVAL_REFUSED
        recording.record(
            decided[not is_approved],
            config,
            shop_id=config.shop_id,
            actor=actor,
            now=now,
            changes=recording.changes_between(before, recording.state_of(locked, _TRAIL)),
            previous_state=before,
            reason=note,
        )
    return locked


def _refuse_changed(config: PaymentConfig, approval: GoLiveApproval) -> None:
    is_same = config.verified_at is not None and approval.asked_at >= config.verified_at
    is_fit = config.status == ConfigStatus.VERIFIED and not go_live.needs_proof(config)
    if not (is_fit and is_same):
        raise refused(config, "The config changed since the approval was asked for.")


def _admins(approval: GoLiveApproval) -> QuerySet[Membership]:
    return Membership.objects.filter(
        shop=approval.shop_id, role=Role.ADMIN, is_active=True, user__is_active=True
    )
