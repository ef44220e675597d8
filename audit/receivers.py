"""What the floor below and Django tell us, put on the trail: they cannot call up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import transaction
from django.db.models.signals import post_save
from django.utils import timezone

from audit.actions import AuditAction
from audit.actors import Actor
from audit.masking import shown
from audit.recording import changes_between, record
from tenants.models import User
from tenants.signals import By, acted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import Model
    from django.http import HttpRequest

_SYSTEM = Actor.system("malipo")


def connect() -> None:
    """Begin to listen; called once, when the apps are ready."""
    acted.connect(record_act, dispatch_uid="audit.record_act")
    user_logged_in.connect(record_login, dispatch_uid="audit.record_login")
    post_save.connect(record_library_page, sender=LogEntry, dispatch_uid="audit.library_page")
    user_login_failed.connect(record_failed_login, dispatch_uid="audit.record_failed_login")


def record_act(
    *,
    action: str,
    instance: Model,
    shop_id: Any,
    by: By,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    **_more: Any,
) -> None:
    """Put an act of people, shops, branches, keys or support on the trail."""
    old, new = _masked(before), _masked(after)
    record(
        AuditAction(action),
        instance,
        shop_id=shop_id,
        actor=_actor(by, shop_id),
        now=timezone.now(),
        changes=changes_between(old, new),
        previous_state=old,
    )


def record_login(*, request: HttpRequest | None, user: User, **_more: Any) -> None:
    """Put a login on the chain of each shop the person enters by it, or on the platform's."""
    with transaction.atomic():
        for shop_id in _shops_of(user):
            role = user.role_in(shop_id)
            actor = Actor.from_user(user, request, role=role)
            record(AuditAction.LOGGED_IN, user, shop_id=shop_id, actor=actor, now=timezone.now())


def record_failed_login(
    *, credentials: Mapping[str, Any], request: HttpRequest | None = None, **_more: Any
) -> None:
    """
    Put a refused login on the chains the person's logins go to.

    Of an address nobody has, not even the text is kept: people type passwords there.
    """
    given = str(credentials.get("username") or credentials.get("email") or "")
    user = User.objects.filter(email=given.strip().lower()).first() if given else None
    actor = Actor.nobody(request)
    with transaction.atomic():
        for shop_id in _shops_of(user) if user else [None]:
            action = AuditAction.LOGIN_FAILED
            record(action, user, shop_id=shop_id, actor=actor, now=timezone.now())


def record_library_page(*, instance: LogEntry, created: bool, **_more: Any) -> None:
    """
    Put on the platform's chain what was changed on a page of a library: schedules, lock-outs.

    Our own pages write no LogEntry; their services write entries that say more.
    """
    if not created or instance.content_type is None:
        return
    kind = f"{instance.content_type.app_label}.{instance.content_type.model}"
    said = {"page": kind, "object": instance.object_repr, "change": instance.get_change_message()}
    record(
        AuditAction.PLATFORM_CHANGED,
        None,
        shop_id=None,
        actor=Actor.from_user(instance.user, None, role=instance.user.platform_role),
        now=timezone.now(),
        changes=changes_between({}, said),
    )


def _shops_of(user: User) -> list[Any]:
    """List the chains a login goes to, always in one order: two logins must not deadlock."""
    ids = {membership.shop_id for membership in user.active_memberships}
    return sorted(ids) if ids and not user.platform_role else [None]


def _actor(by: By, shop_id: Any) -> Actor:
    if by.user is None:
        return _SYSTEM
    return Actor.from_user(by.user, by.request, role=by.user.role_in(shop_id), reason=by.reason)


def _masked(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: shown(name, value) for name, value in values.items()}
