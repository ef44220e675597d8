from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed

from tenants.choices import Environment
from tenants.models import ApiKey, Branch, Shop
from tenants.prepared import Reader

if TYPE_CHECKING:
    from datetime import datetime

    from rest_framework.request import Request

_KEY = re.compile(r"mlp_(test|live)_([a-z0-9]{12})_([0-9a-f]{64})", re.ASCII)
_ENVIRONMENTS = {"test": Environment.SANDBOX, "live": Environment.PRODUCTION}
# last_used_at is for people; a write a poll would make it dearer than the poll.
_LAST_USED_STEP = timedelta(minutes=5)
# Every request begins with it.
_KEYS = Reader(
    """
    FROM tenants_apikey key
    JOIN tenants_shop shop ON shop.id = key.shop_id
    LEFT JOIN tenants_branch branch ON branch.id = key.branch_id
    WHERE key.prefix = %s
    """,
    key=ApiKey,
    shop=Shop,
    branch=Branch,
)


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer mlp_<test|live>_<prefix>_<secret>`; request.auth is the ApiKey."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        scheme, _space, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = self._find(value.strip())
        _note_use(key, now=timezone.now())
        return None, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="malipo"'

    def _find(self, value: str) -> ApiKey:
        parts = _KEY.fullmatch(value)
        if parts is None:
            raise AuthenticationFailed("The API key is not valid.")
        world, prefix, secret = parts.groups()
        key = _key_of(prefix)
        if (
            key is None
            or not key.matches(secret)
            or key.environment != _ENVIRONMENTS[world]
            or not key.is_usable(timezone.now())
            or not key.shop.is_active
            or (key.branch is not None and not key.branch.is_active)
        ):
            # One answer for all of them: a guesser learns nothing.
            raise AuthenticationFailed("The API key is not valid.")
        return key


def _key_of(prefix: str) -> ApiKey | None:
    for key, shop, branch in _KEYS.rows([prefix]):
        key.shop, key.branch = shop, branch
        return key
    return None


def _note_use(key: ApiKey, *, now: datetime) -> None:
    if key.last_used_at is None or now - key.last_used_at > _LAST_USED_STEP:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
