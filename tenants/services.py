from __future__ import annotations

import secrets
import string
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from tenants.models import ApiKey, Branch, Membership, Shop, User, hash_secret

if TYPE_CHECKING:
    from collections.abc import Iterable

_PREFIX_ALPHABET = string.ascii_lowercase + string.digits


def create_shop(*, name: str, slug: str) -> Shop:
    """Create a shop."""
    return Shop.objects.create(name=name, slug=slug)


def add_branch(*, shop: Shop, code: str, name: str) -> Branch:
    """Add a branch to a shop."""
    return Branch.objects.create(shop=shop, code=code, name=name)


@transaction.atomic
def grant_role(*, user: User, shop: Shop, role: str, branches: Iterable[Branch] = ()) -> Membership:
    """
    Give a person a role in a shop, replacing the one they had there.

    :raises ValueError: when a branch belongs to another shop.
    """
    branches = list(branches)
    if any(branch.shop_id != shop.pk for branch in branches):
        raise ValueError("A branch belongs to another shop.")
    membership, _created = Membership.objects.update_or_create(
        shop=shop, user=user, defaults={"role": role, "is_active": True}
    )
    membership.branches.set(branches)
    return membership


def issue_api_key(
    *,
    shop: Shop,
    name: str,
    role: str,
    environment: str,
    branch: Branch | None = None,
    expires_at: datetime | None = None,
    created_by: User | None = None,
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
        created_by=created_by,
        prefix="".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(12)),
        secret_hash=hash_secret(secret),
    )
    return key, f"{key.display_prefix}_{secret}"


def revoke_api_key(*, key: ApiKey, now: datetime) -> ApiKey:
    """Revoke a key at once; revoking it again changes nothing."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now)
    key.refresh_from_db(fields=["revoked_at"])
    return key
