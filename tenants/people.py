"""People: invited by email, given a role, taken out again. Nobody types another one's password."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from tenants.models import Branch, Membership, Shop, User
from tenants.services import grant_role
from tenants.signals import SYSTEM, By, tell, values_of

_TOLD = ("email", "name", "platform_role", "is_active")


@dataclass(frozen=True)
class Invitation:
    """The two parts of the address at which a new person sets a password, once."""

    uid: str
    token: str


@transaction.atomic
def invite_member(
    *,
    shop: Shop,
    email: str,
    name: str,
    role: str,
    branches: Iterable[Branch] = (),
    by: By = SYSTEM,
) -> tuple[Membership, Invitation | None]:
    """
    Give the person with this email a role; an unknown one becomes a user without a password.

    The invitation is for the new user alone: with one for somebody known, a shop's admin could
    take over what that person may do in other shops.

    :raises ValueError: when a branch belongs to another shop.
    """
    user, is_new = _find_or_create(email=email, name=name)
    membership = grant_role(user=user, shop=shop, role=role, branches=branches, by=by)
    return membership, invitation_of(user=user) if is_new else None


@transaction.atomic
def invite_user(
    *, email: str, name: str, platform_role: str, by: By = SYSTEM
) -> tuple[User, Invitation]:
    """Create a person of the platform, without a password."""
    user = User.objects.create_user(email, None, name=name, platform_role=platform_role)
    after = values_of(user, *_TOLD)
    tell("user.invited", user, shop_id=None, by=by, after=after)
    return user, invitation_of(user=user)


@transaction.atomic
def invite_again(
    *, user: User, membership: Membership | None = None, by: By = SYSTEM
) -> Invitation:
    """Make another link for a person; on a member's page the shop sees that it was made."""
    shop_id = membership.shop_id if membership else None
    tell("user.invited", user, shop_id=shop_id, by=by)
    return invitation_of(user=user)


@transaction.atomic
def update_user(
    *, user: User, name: str, platform_role: str, is_active: bool, by: By = SYSTEM
) -> User:
    """Change a person's name, platform role, or whether they may come in at all."""
    row = User.objects.select_for_update().get(pk=user.pk)
    before = values_of(row, *_TOLD)
    row.name, row.platform_role, row.is_active = name, platform_role, is_active
    row.save(update_fields=["name", "platform_role", "is_active"])
    after = values_of(row, *_TOLD)
    tell("user.updated", row, shop_id=None, by=by, before=before, after=after)
    return row


def invitation_of(*, user: User) -> Invitation:
    """Make an invitation; it dies with its use and with PASSWORD_RESET_TIMEOUT."""
    return Invitation(
        uid=urlsafe_base64_encode(force_bytes(user.pk)),
        token=default_token_generator.make_token(user),
    )


def may_be_invited_again(*, membership: Membership) -> bool:
    """Tell whether the person has no password yet and nothing outside this shop."""
    user = membership.user
    elsewhere = user.memberships.exclude(pk=membership.pk).exists()
    return not (user.has_usable_password() or user.platform_role or elsewhere)


def end_membership(*, membership: Membership, by: By = SYSTEM) -> Membership:
    """Take a person out of a shop; from the next request on nothing of it is seen."""
    return _switch(membership, "member.revoked", is_active=False, by=by)


def restore_membership(*, membership: Membership, by: By = SYSTEM) -> Membership:
    """Let a person back in with the role of before."""
    return _switch(membership, "member.granted", is_active=True, by=by)


@transaction.atomic
def _switch(membership: Membership, action: str, *, is_active: bool, by: By) -> Membership:
    before = values_of(membership, "role", "is_active")
    membership.is_active = is_active
    membership.save(update_fields=["is_active"])
    after = values_of(membership, "role", "is_active")
    shop_id = membership.shop_id
    tell(action, membership, shop_id=shop_id, by=by, before=before, after=after)
    return membership


def _find_or_create(*, email: str, name: str) -> tuple[User, bool]:
    known = User.objects.filter(email=email.strip().lower()).first()
    if known is not None:
        return known, False
    return User.objects.create_user(email.strip().lower(), None, name=name), True
