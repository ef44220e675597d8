"""Who did it: a person, an API key, a provider or the system itself; and from where."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.http import HttpRequest

    from tenants.models import ApiKey, User


class ActorKind(TextChoices):
    USER = "user", _("Person")
    API_KEY = "api_key", _("API key")
    PROVIDER = "provider", _("Provider")
    SYSTEM = "system", _("System")


@dataclass(frozen=True)
class Actor:
    """
    A snapshot: label is kept beside the id, so that history reads on when a row is gone.

    reason is why he says he acts, where his page asked; it goes with every entry of the act.
    """

    kind: str
    id: str = ""
    label: str = ""
    role: str = ""
    ip: str | None = None
    user_agent: str = ""
    request_id: str = ""
    reason: str = ""

    @classmethod
    def system(cls, label: str) -> Actor:
        return cls(kind=ActorKind.SYSTEM, label=label)

    @classmethod
    def provider(cls, label: str, *, ip: str | None = None) -> Actor:
        return cls(kind=ActorKind.PROVIDER, label=label, ip=ip)

    @classmethod
    def from_user(
        cls, user: User, request: HttpRequest | None, *, role: str = "", reason: str = ""
    ) -> Actor:
        return cls(
            kind=ActorKind.USER,
            id=str(user.pk),
            label=user.email,
            role=role,
            reason=reason,
            **_origin(request),
        )

    @classmethod
    def nobody(cls, request: HttpRequest | None) -> Actor:
        """Return the actor of who did not say who he is, or only claimed it."""
        return cls(kind=ActorKind.USER, **_origin(request))

    @classmethod
    def from_api_key(cls, key: ApiKey, request: HttpRequest) -> Actor:
        return cls(
            kind=ActorKind.API_KEY,
            id=str(key.pk),
            label=key.name,
            role=key.role,
            **_origin(request),
        )


def client_ip(request: HttpRequest, *_args: Any) -> str | None:
    """
    Return the caller's address: the first one from the right that is no trusted proxy.

    The left of X-Forwarded-For is whatever the caller wrote there, so it is never read first.
    """
    remote = request.META.get("REMOTE_ADDR") or ""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if _is_proxy(remote) else ""
    hops = [*(hop.strip() for hop in forwarded.split(",") if hop.strip()), remote]
    for hop in reversed(hops):
        if _parse(hop) is None:
            return None
        if not _is_proxy(hop):
            return hop
    return hops[0] or None


def _origin(request: HttpRequest | None) -> dict[str, Any]:
    if request is None:
        return {}
    return {
        "ip": client_ip(request),
        "user_agent": "".join(
            sign for sign in request.headers.get("User-Agent", "") if sign.isprintable()
        )[:200],
        "request_id": getattr(request, "request_id", ""),
    }


def _is_proxy(address: str) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(
        parsed in network for network in _proxies(tuple(settings.TRUSTED_PROXIES))
    )


@lru_cache(maxsize=8)
def _proxies(networks: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(ipaddress.ip_network(network, strict=False) for network in networks)


def _parse(address: str) -> Any | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    # A server that listens on [::] sees IPv4 callers as ::ffff:10.0.0.1.
    return getattr(parsed, "ipv4_mapped", None) or parsed
