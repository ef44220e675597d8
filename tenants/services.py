"""Shops, branches, roles and keys: each act in one transaction with the word that it was done."""

from __future__ import annotations

import secrets
import string
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from tenants.models import ApiKey, Branch, Membership, Shop, User, hash_secret
from tenants.signals import SYSTEM, By, tell, values_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

_PREFIX_ALPHABET = string.ascii_lowercase + string.digits


@transaction.atomic
def create_shop(*, name: str, slug: str, by: By = SYSTEM) -> Shop:
    """Create a shop."""
    shop = Shop.objects.create(name=name, slug=slug)
    after = values_of(shop, "name", "slug", "is_active")
    tell("shop.created", shop, shop_id=shop.pk, by=by, after=after)
    return shop


@transaction.atomic
def update_shop(*, shop: Shop, name: str, by: By = SYSTEM) -> Shop:
    """Give a shop another name."""
    return _set(Shop, shop.pk, "shop.updated", by=by, name=name)


@transaction.atomic
def describe_shop(
    *,
    shop: Shop,
    owner_name: str,
    business_type: str,
    contact_email: str,
    contact_phone: str,
    by: By = SYSTEM,
) -> Shop:
    """Say who owns a shop, what it sells, and whom the platform turns to."""
    return _set(
        Shop,
        shop.pk,
        "shop.updated",
        by=by,
        owner_name=owner_name,
        business_type=business_type,
        contact_email=contact_email,
        contact_phone=contact_phone,
    )


@transaction.atomic
def let_two_people_decide(*, shop: Shop, above: Decimal | None, by: By = SYSTEM) -> Shop:
    """Ask for two people from an amount (KES) on; None for one person whatever the amount."""
    return _set(Shop, shop.pk, "shop.updated", by=by, two_people_above=above)


@transaction.atomic
def switch_shop(*, shop: Shop, is_active: bool, by: By = SYSTEM) -> Shop:
    """Shut a shop's people and keys out, or let them in again; what is under way is settled."""
    action = "shop.switched_on" if is_active else "shop.switched_off"
    return _set(Shop, shop.pk, action, by=by, is_active=is_active)


@transaction.atomic
def add_branch(
    *, shop: Shop, code: str, name: str, is_active: bool = True, by: By = SYSTEM
) -> Branch:
    """Add a branch to a shop."""
    branch = Branch.objects.create(shop=shop, code=code, name=name, is_active=is_active)
    after = values_of(branch, "code", "name", "is_active")
    tell("branch.added", branch, shop_id=shop.pk, by=by, after=after)
    return branch


@transaction.atomic
def update_branch(*, branch: Branch, name: str, is_active: bool, by: By = SYSTEM) -> Branch:
    """Rename a branch, or switch it on or off."""
    return _set(Branch, branch.pk, "branch.updated", by=by, name=name, is_active=is_active)


@transaction.atomic
def grant_role(
    *,
    user: User,
    shop: Shop,
    role: str,
    branches: Iterable[Branch] = (),
    by: By = SYSTEM,
) -> Membership:
    """
    Give a person a role in a shop, replacing the one they had there.

    :raises ValueError: when a branch belongs to another shop.
    """
    branches = list(branches)
    if any(branch.shop_id != shop.pk for branch in branches):
        raise ValueError("A branch belongs to another shop.")
    old = Membership.objects.select_for_update(of=("self",)).filter(shop=shop, user=user).first()
    before = _member_state(old) if old else {}
    membership, _created = Membership.objects.update_or_create(
        shop=shop, user=user, defaults={"role": role, "is_active": True}
    )
    membership.branches.set(branches)
    after = _member_state(membership)
    tell("member.granted", membership, shop_id=shop.pk, by=by, before=before, after=after)
    return membership


@transaction.atomic
def issue_api_key(
    *,
    shop: Shop,
    name: str,
    role: str,
    environment: str,
    branch: Branch | None = None,
    expires_at: datetime | None = None,
    created_by: User | None = None,
    by: By = SYSTEM,
) -> tuple[ApiKey, str]:
    """
    Make a key; return its row and the key itself, which nothing can show again.

    :raises ValueError: when the branch belongs to another shop.
    """
    if branch is not None and branch.shop_id != shop.pk:
        raise ValueError("The branch belongs to another shop.")
    secret = secrets.token_hex(32)
    key = ApiKey.objects.create(
        shop=shop,
        branch=branch,
        name=name,
        role=role,
        environment=environment,
        expires_at=expires_at,
        created_by=created_by or by.user,
        prefix="".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(12)),
        secret_hash=hash_secret(secret),
    )
    after = values_of(key, "name", "role", "environment", "branch", "expires_at", "prefix")
    tell("api_key.issued", key, shop_id=shop.pk, by=by, after=after)
    return key, f"{key.display_prefix}_{secret}"


@transaction.atomic
def revoke_api_key(*, key: ApiKey, now: datetime, by: By = SYSTEM) -> ApiKey:
    """Revoke a key at once; revoking it again changes nothing."""
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
        before, after = {"revoked_at": None}, {"revoked_at": now}
        tell("api_key.revoked", key, shop_id=key.shop_id, by=by, before=before, after=after)
    key.refresh_from_db(fields=["revoked_at"])
    return key


def _set(model: type[Any], pk: Any, action: str, *, by: By, **values: Any) -> Any:
    """Change some fields of a shop or of a row of it, under its lock."""
    row = model.objects.select_for_update(of=("self",)).get(pk=pk)
    before = values_of(row, *values)
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=[*values])
    shop_id = row.pk if model is Shop else row.shop_id
    tell(action, row, shop_id=shop_id, by=by, before=before, after=values)
    return row


def _member_state(membership: Membership) -> dict[str, Any]:
    names = sorted(membership.branches.values_list("code", flat=True))
    return {**values_of(membership, "role", "is_active"), "branches": names}
